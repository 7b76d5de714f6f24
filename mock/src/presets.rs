//! Built-in providers: the limits of known plans, and for Groq their lengths, speeds and prices, each number with its source.
//!
//! Each text is one entry of a scenario's `providers:` section, without accounts. The scenario reader parses it.

/// Name and YAML of every preset.
pub const PRESETS: &[(&str, &str)] = &[
    ("groq-free", include_str!("../presets/groq-free.yaml")),
    ("groq-developer", include_str!("../presets/groq-developer.yaml")),
    ("openai-tier1", include_str!("../presets/openai-tier1.yaml")),
    ("openai-tier5", include_str!("../presets/openai-tier5.yaml")),
    ("anthropic-tier1", include_str!("../presets/anthropic-tier1.yaml")),
    ("gemini-free", include_str!("../presets/gemini-free.yaml")),
    ("cerebras-free", include_str!("../presets/cerebras-free.yaml")),
    ("cerebras-developer", include_str!("../presets/cerebras-developer.yaml")),
    ("mistral-free", include_str!("../presets/mistral-free.yaml")),
    ("deepinfra", include_str!("../presets/deepinfra.yaml")),
    ("together-free", include_str!("../presets/together-free.yaml")),
    ("fireworks", include_str!("../presets/fireworks.yaml")),
    ("azure-deployment", include_str!("../presets/azure-deployment.yaml")),
];

/// What the presets leave out, for lists of them.
pub const LEFT_OUT: &str = "The presets of Groq have lengths, speeds and prices. The others have only the limits, and some prices, \
    for which there is evidence: their speeds are the defaults of the language, and the comments of each file name what is not known. \
    There is none for Bedrock, whose limits depend on region and account (`reserve: {default: 65536, output_weight: 5}` is its rule), \
    and none for a coding plan, because no plan publishes its numbers.";
