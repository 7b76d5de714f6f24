//! Whose replies are read: every way of refusing that the evidence shows, the mock's ten and eight more.
//!
//! The same header name means milliseconds here, seconds there and an epoch elsewhere, and the same words are a
//! minute's limit of one provider and a day's of another: a reply is always read with one dialect in mind.

use provider::config::Dialect as Spoken;

/// A provider's way of answering.
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
    /// Gemini behind Google's code assistants.
    GeminiCloudCode,
    /// Google's Vertex AI.
    Vertex,
    /// `OpenRouter`, and what it passes on from others.
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
}

impl Dialect {
    /// Every dialect, in the order in which lists name them.
    pub const ALL: [Self; 18] = [
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
    ];

    /// The word of `--dialect` and of `explain --json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groq => "groq",
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Cerebras => "cerebras",
            Self::Mistral => "mistral",
            Self::DeepInfra => "deepinfra",
            Self::Together => "together",
            Self::Fireworks => "fireworks",
            Self::Gemini => "gemini",
            Self::GeminiCloudCode => "gemini_cloudcode",
            Self::Vertex => "vertex",
            Self::OpenRouter => "openrouter",
            Self::XAi => "xai",
            Self::Bedrock => "bedrock",
            Self::DeepSeek => "deepseek",
            Self::MiniMax => "minimax",
            Self::MetaLlama => "meta_llama_api",
        }
    }

    /// The dialect of a word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

impl From<Spoken> for Dialect {
    fn from(spoken: Spoken) -> Self {
        match spoken {
            Spoken::Groq => Self::Groq,
            Spoken::OpenAi => Self::OpenAi,
            Spoken::Azure => Self::Azure,
            Spoken::Anthropic => Self::Anthropic,
            Spoken::Cerebras => Self::Cerebras,
            Spoken::Mistral => Self::Mistral,
            Spoken::DeepInfra => Self::DeepInfra,
            Spoken::Together => Self::Together,
            Spoken::Fireworks => Self::Fireworks,
            Spoken::Gemini => Self::Gemini,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_has_one_word_and_the_mocks_have_the_same() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::from_name(dialect.name()), Some(dialect));
        }
        for spoken in Spoken::ALL {
            assert_eq!(Dialect::from(spoken).name(), spoken.name());
        }
        assert_eq!(Dialect::from_name("klingon"), None);
    }
}
