//! Providers that need not be written down: the limits, speeds and prices of known plans, each number with its source.
//!
//! The texts are the `providers:` grammar of a scenario, one provider each, without accounts. They are read where
//! scenarios are read; here they only travel with the model they parametrise.

/// Every preset: its name and its YAML.
pub const PRESETS: &[(&str, &str)] = &[
    ("groq-free", include_str!("../presets/groq-free.yaml")),
    ("groq-developer", include_str!("../presets/groq-developer.yaml")),
];
