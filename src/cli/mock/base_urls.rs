//! The base URLs of a mock, as each SDK wants them: some add the version of the API themselves. The names and versions are
//! those of the SDKs whose paths were read (2026-11).

use provider::config::Dialect;
use std::fmt::{Display, Write as _};

/// A base URL, without the address, and the SDKs that want it.
type Base = (&'static str, &'static str);

/// Returns the lines that name the base URL of each SDK.
pub(super) fn base_urls(dialect: Dialect, address: impl Display) -> String {
    let mut out = String::new();
    for (base, sdks) in bases(dialect) {
        let _ = writeln!(out, "  base URL http://{address}{base}  for {sdks}");
    }
    out
}

const fn bases(dialect: Dialect) -> &'static [Base] {
    match dialect {
        Dialect::Groq => &[
            ("/openai/v1", "openai, @ai-sdk/groq, litellm, langchain-openai"),
            ("", "groq (Python), groq-sdk (Node), langchain-groq: they add /openai/v1"),
        ],
        Dialect::OpenAi => &[("/v1", "openai, @ai-sdk/openai, litellm, langchain-openai")],
        Dialect::Azure => &[
            ("/openai/v1", "openai"),
            ("", "AzureOpenAI, as azure_endpoint: it adds /openai/deployments/MODEL"),
        ],
        Dialect::Anthropic => &[
            ("", "anthropic, langchain-anthropic: they add /v1/messages"),
            ("/v1", "@ai-sdk/anthropic; openai (the compatible endpoint)"),
        ],
        Dialect::Cerebras => {
            &[("/v1", "openai, @ai-sdk/cerebras, litellm"), ("", "cerebras_cloud_sdk: it adds /v1")]
        }
        Dialect::Mistral => {
            &[("/v1", "openai, @ai-sdk/mistral, litellm"), ("", "mistralai, as server_url: it adds /v1")]
        }
        Dialect::DeepInfra => &[("/v1/openai", "openai, @ai-sdk/openai-compatible, litellm")],
        Dialect::Together => &[
            ("/v1", "openai, @ai-sdk/togetherai, litellm, together 1 and 2"),
            ("", "together 3: it adds /v1"),
        ],
        Dialect::Fireworks => &[
            ("/inference/v1", "openai, @ai-sdk/fireworks, litellm"),
            ("/inference", "fireworks-ai 1: it adds /v1"),
        ],
        Dialect::Gemini => &[
            ("/v1beta/openai", "openai, langchain-openai"),
            ("", "google-genai, as http_options.base_url: it adds /v1beta"),
            ("/v1beta", "@ai-sdk/google"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::wire;

    #[test]
    fn every_dialect_has_the_base_of_its_compatible_format_for_openai() {
        for dialect in Dialect::ALL {
            let base = wire::format(dialect).base();
            let found = bases(dialect).iter().find(|(known, _)| *known == base);
            assert!(found.is_some_and(|(_, sdks)| sdks.contains("openai")), "{dialect:?}");
        }
        let groq = base_urls(Dialect::Groq, "127.0.0.1:4141");
        assert!(groq.contains("http://127.0.0.1:4141  for groq (Python)"), "{groq}");
    }
}
