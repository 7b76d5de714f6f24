//! temporary
/// temp
pub const PRESETS: &[(&str, &str)] = &[(
    "groq-developer",
    "dialect: groq\ntier: developer\nmodels:\n  openai/gpt-oss-120b:\n    limits: {rpm: 1k, rpd: 500k, tpm: 250k}\n    latency: {first_token: {p50: 200ms, p99: 900ms}, output: 500 tok/s}\n    price: {input: 0.15, output: 0.60}\n",
)];
