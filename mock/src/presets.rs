//! Built-in providers: the limits, speeds and prices of known plans, each number with its source.
//!
//! Each text is one entry of a scenario's `providers:` section, without accounts. The scenario reader parses it.

/// Name and YAML of every preset.
pub const PRESETS: &[(&str, &str)] = &[
    ("groq-free", include_str!("../presets/groq-free.yaml")),
    ("groq-developer", include_str!("../presets/groq-developer.yaml")),
];
