//! How the OpenAI-compatible API of each provider is addressed. The table belongs to the client's side: nothing in it comes from the
//! mock.
//!
//! The addresses are those that the providers document (2026-11). Azure has one address per resource, so it has none here.

use crate::engine::parse::Dialect as ReplyDialect;
use provider::config::Dialect;

/// The address of an API, and the header with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addressing {
    /// The address that paths are appended to; `None` if there is none for all customers.
    pub(super) base_url: Option<&'static str>,
    /// The name of the header, in lower case.
    pub(super) key_header: &'static str,
    /// What precedes the key in it.
    pub(super) key_prefix: &'static str,
}

/// Returns the addressing of a dialect.
pub(super) const fn of(dialect: Dialect) -> Addressing {
    let base_url = match dialect {
        Dialect::Groq => Some("https://api.groq.com/openai/v1"),
        Dialect::OpenAi => Some("https://api.openai.com/v1"),
        Dialect::Azure => None,
        Dialect::Anthropic => Some("https://api.anthropic.com/v1"),
        Dialect::Cerebras => Some("https://api.cerebras.ai/v1"),
        Dialect::Mistral => Some("https://api.mistral.ai/v1"),
        Dialect::DeepInfra => Some("https://api.deepinfra.com/v1/openai"),
        Dialect::Together => Some("https://api.together.xyz/v1"),
        Dialect::Fireworks => Some("https://api.fireworks.ai/inference/v1"),
        Dialect::Gemini => Some("https://generativelanguage.googleapis.com/v1beta/openai"),
    };
    match dialect {
        Dialect::Azure => Addressing { base_url, key_header: "api-key", key_prefix: "" },
        _ => Addressing { base_url, key_header: "authorization", key_prefix: "Bearer " },
    }
}

/// Returns the dialect in which replies of a provider are read. A scenario has no dialect for some providers that speak OpenAI's;
/// they are recognised by their host, because their refusals differ.
pub(super) fn reply_dialect(dialect: Dialect, host: &str) -> ReplyDialect {
    let known = [
        ("openrouter.ai", ReplyDialect::OpenRouter),
        ("api.x.ai", ReplyDialect::XAi),
        ("api.deepseek.com", ReplyDialect::DeepSeek),
        ("api.moonshot.ai", ReplyDialect::Moonshot),
        ("api.siliconflow.com", ReplyDialect::SiliconFlow),
        ("models.github.ai", ReplyDialect::GitHubModels),
    ];
    let of_host = known.into_iter().find(|(known, _)| host.eq_ignore_ascii_case(known));
    match (dialect, of_host) {
        (Dialect::OpenAi, Some((_, dialect))) => dialect,
        _ => dialect.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::BaseUrl;

    #[test]
    fn every_address_is_https_and_only_azure_has_none() {
        for dialect in Dialect::ALL {
            match of(dialect).base_url {
                None => assert_eq!(dialect, Dialect::Azure),
                Some(text) => {
                    let url = BaseUrl::parse(text).expect("a base URL");
                    assert!(url.is_https() && url.to_string() == text, "{text}");
                }
            }
        }
    }

    #[test]
    fn only_openais_dialect_is_refined_by_the_host() {
        assert_eq!(reply_dialect(Dialect::OpenAi, "OpenRouter.ai"), ReplyDialect::OpenRouter);
        assert_eq!(reply_dialect(Dialect::OpenAi, "localhost"), ReplyDialect::OpenAi);
        assert_eq!(reply_dialect(Dialect::Groq, "openrouter.ai"), ReplyDialect::Groq);
    }
}
