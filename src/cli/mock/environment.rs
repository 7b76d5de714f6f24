//! The environment variables from which SDKs take the address of an API and its key.
//!
//! Each SDK appends a different part of the path, so the variables of a provider differ from each other. Sources: the code of
//! the SDKs of 2026-11 (openai, groq, anthropic, cerebras, together, google-genai, mistralai, litellm).

use provider::config::{Config, Dialect};
use provider::wire;
use std::net::SocketAddr;

/// Returns the variables for one provider, in reading order.
pub(super) fn of_provider(config: &Config, address: SocketAddr, key: &str) -> Vec<(String, String)> {
    let root = format!("http://{address}");
    let base = format!("{root}{}", wire::format(config.dialect).base());
    let own: &[(&str, &str)] = match config.dialect {
        Dialect::Groq => &[("GROQ_BASE_URL", &root), ("GROQ_API_KEY", key)],
        Dialect::OpenAi => &[],
        Dialect::Azure => &[
            ("AZURE_OPENAI_ENDPOINT", &root),
            ("AZURE_OPENAI_API_KEY", key),
            ("OPENAI_API_VERSION", "2024-10-21"),
        ],
        Dialect::Anthropic => &[("ANTHROPIC_BASE_URL", &root), ("ANTHROPIC_API_KEY", key)],
        Dialect::Cerebras => &[("CEREBRAS_BASE_URL", &root), ("CEREBRAS_API_KEY", key)],
        Dialect::Mistral => &[("MISTRAL_API_BASE", &base), ("MISTRAL_API_KEY", key)],
        Dialect::DeepInfra => &[("DEEPINFRA_API_BASE", &base), ("DEEPINFRA_API_KEY", key)],
        Dialect::Together => &[("TOGETHER_BASE_URL", &root), ("TOGETHER_API_KEY", key)],
        Dialect::Fireworks => &[("FIREWORKS_BASE_URL", &base), ("FIREWORKS_API_KEY", key)],
        Dialect::Gemini => {
            &[("GOOGLE_GEMINI_BASE_URL", &root), ("GEMINI_API_KEY", key), ("GOOGLE_API_KEY", key)]
        }
    };
    // The API of every provider is compatible with OpenAI's; older clients read OPENAI_API_BASE.
    let compatible =
        [("OPENAI_BASE_URL", base.as_str()), ("OPENAI_API_BASE", &base), ("OPENAI_API_KEY", key)];
    own.iter().chain(&compatible).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Returns the variables for all providers. Of several values of one variable, that of the first provider counts.
pub(super) fn of_all(providers: &[Config], addresses: &[SocketAddr]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let first =
        addresses.first().map(|address| ("QUOTALAB_MOCK_URL".to_owned(), format!("http://{address}")));
    let of_each = providers.iter().zip(addresses).flat_map(|(config, address)| {
        let key = config.accounts.first().and_then(|account| account.keys.first());
        of_provider(config, *address, key.map_or("", String::as_str))
    });
    for (name, value) in first.into_iter().chain(of_each) {
        if all.iter().all(|(known, _)| *known != name) {
            all.push((name, value));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::config::ModelConfig;

    #[test]
    fn the_first_provider_has_the_variables_that_several_use() {
        let provider = |name: &str, dialect, key: &str| Config {
            dialect,
            accounts: vec![provider::config::AccountConfig { name: "a".into(), keys: vec![key.into()] }],
            ..Config::new(name).with_model(ModelConfig::new("m"))
        };
        let providers = [provider("g", Dialect::Groq, "k1"), provider("a", Dialect::Anthropic, "k2")];
        let addresses =
            ["127.0.0.1:1".parse().expect("an address"), "127.0.0.1:2".parse().expect("an address")];
        let all = of_all(&providers, &addresses);
        let value = |name: &str| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(value("GROQ_BASE_URL"), Some("http://127.0.0.1:1"), "the SDK appends /openai/v1");
        assert_eq!(value("OPENAI_BASE_URL"), Some("http://127.0.0.1:1/openai/v1"));
        assert_eq!((value("OPENAI_API_KEY"), value("ANTHROPIC_API_KEY")), (Some("k1"), Some("k2")));
        assert_eq!(value("ANTHROPIC_BASE_URL"), Some("http://127.0.0.1:2"), "the SDK appends /v1/messages");
        assert_eq!(value("QUOTALAB_MOCK_URL"), Some("http://127.0.0.1:1"));
    }
}
