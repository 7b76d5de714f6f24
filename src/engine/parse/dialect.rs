//! The dialects that can be parsed: the ten that the provider model renders, and sixteen more.
//!
//! One header name holds milliseconds in one dialect, seconds in the next and a Unix time in a third, and the same
//! sentence means a per-minute limit at one provider and a per-day limit at another. A reply is therefore always parsed
//! under one dialect or, if that is unknown, by what Groq and OpenAI have in common.

/// The wire format of a provider's replies, for the parser. [`provider::config::Dialect`] has only the ten of them that
/// the provider model renders, and converts into this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Groq.
    Groq,
    /// OpenAI's own API.
    OpenAi,
    /// OpenAI's and other models on Azure, classic and Foundry.
    Azure,
    /// Anthropic, native and OpenAI-compatible.
    Anthropic,
    /// Cerebras.
    Cerebras,
    /// Mistral.
    Mistral,
    /// `DeepInfra`.
    DeepInfra,
    /// Together.
    Together,
    /// Fireworks.
    Fireworks,
    /// The Gemini API, native and OpenAI-compatible.
    Gemini,
    /// Gemini through Google's Cloud Code API, which Gemini CLI and Code Assist call.
    GeminiCloudCode,
    /// Google's Vertex AI.
    Vertex,
    /// `OpenRouter`, and the replies that it forwards.
    OpenRouter,
    /// xAI.
    XAi,
    /// Amazon Bedrock.
    Bedrock,
    /// `DeepSeek`.
    DeepSeek,
    /// `MiniMax`.
    MiniMax,
    /// Meta's Llama API.
    MetaLlama,
    /// Moonshot, the provider of Kimi.
    Moonshot,
    /// Z.ai, also `BigModel`.
    Zai,
    /// Alibaba Cloud's `DashScope`.
    DashScope,
    /// GitHub Models.
    GitHubModels,
    /// OpenAI's Codex, with the allowance of a `ChatGPT` subscription.
    Codex,
    /// `SiliconFlow`.
    SiliconFlow,
    /// IBM's watsonx.
    Watsonx,
    /// Cloudflare's Workers AI.
    WorkersAi,
}

impl Dialect {
    /// Every dialect, in the order in which help texts list them.
    pub const ALL: [Self; 26] = [
        Self::Groq,
        Self::OpenAi,
        Self::Azure,
        Self::Anthropic,
        Self::Cerebras,
        Self::Mistral,
        Self::DeepInfra,
        Self::Together,
        Self::Fireworks,
        Self::Gemini,
        Self::GeminiCloudCode,
        Self::Vertex,
        Self::OpenRouter,
        Self::XAi,
        Self::Bedrock,
        Self::DeepSeek,
        Self::MiniMax,
        Self::MetaLlama,
        Self::Moonshot,
        Self::Zai,
        Self::DashScope,
        Self::GitHubModels,
        Self::Codex,
        Self::SiliconFlow,
        Self::Watsonx,
        Self::WorkersAi,
    ];

    /// Returns the name that `--dialect` and `explain --json` use: for a modelled dialect, the name in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groq => provider::config::Dialect::Groq.name(),
            Self::OpenAi => provider::config::Dialect::OpenAi.name(),
            Self::Azure => provider::config::Dialect::Azure.name(),
            Self::Anthropic => provider::config::Dialect::Anthropic.name(),
            Self::Cerebras => provider::config::Dialect::Cerebras.name(),
            Self::Mistral => provider::config::Dialect::Mistral.name(),
            Self::DeepInfra => provider::config::Dialect::DeepInfra.name(),
            Self::Together => provider::config::Dialect::Together.name(),
            Self::Fireworks => provider::config::Dialect::Fireworks.name(),
            Self::Gemini => provider::config::Dialect::Gemini.name(),
            Self::GeminiCloudCode => "gemini_cloudcode",
            Self::Vertex => "vertex",
            Self::OpenRouter => "openrouter",
            Self::XAi => "xai",
            Self::Bedrock => "bedrock",
            Self::DeepSeek => "deepseek",
            Self::MiniMax => "minimax",
            Self::MetaLlama => "meta_llama_api",
            Self::Moonshot => "moonshot",
            Self::Zai => "zai",
            Self::DashScope => "dashscope",
            Self::GitHubModels => "github_models",
            Self::Codex => "codex",
            Self::SiliconFlow => "siliconflow",
            Self::Watsonx => "watsonx",
            Self::WorkersAi => "workers_ai",
        }
    }

    /// Returns the dialect with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

impl From<provider::config::Dialect> for Dialect {
    fn from(modelled: provider::config::Dialect) -> Self {
        match modelled {
            provider::config::Dialect::Groq => Self::Groq,
            provider::config::Dialect::OpenAi => Self::OpenAi,
            provider::config::Dialect::Azure => Self::Azure,
            provider::config::Dialect::Anthropic => Self::Anthropic,
            provider::config::Dialect::Cerebras => Self::Cerebras,
            provider::config::Dialect::Mistral => Self::Mistral,
            provider::config::Dialect::DeepInfra => Self::DeepInfra,
            provider::config::Dialect::Together => Self::Together,
            provider::config::Dialect::Fireworks => Self::Fireworks,
            provider::config::Dialect::Gemini => Self::Gemini,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_equal_those_of_the_provider_model() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::from_name(dialect.name()), Some(dialect));
        }
        for modelled in provider::config::Dialect::ALL {
            assert_eq!(Dialect::from(modelled).name(), modelled.name());
        }
        assert_eq!(Dialect::from_name("unknown"), None);
    }
}
