//! What there is to know to read one dialect: a page of data, with functions where data does not do.

use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::Headers;
use super::limit_header::LimitHeader;
use super::refusal::Refusal;
use super::{
    anthropic, azure, cerebras, deepinfra, fireworks, gemini, groq, mistral, openai, openrouter, others,
};
use super::{together, xai};
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::Axis;

/// How one dialect is read.
#[derive(Clone, Copy)]
pub(super) struct DialectRules {
    /// What decides the cause by itself; the first that is there.
    pub(super) causes: &'static [(Marker, LimitCause)],
    /// The words by which messages name an axis, in lower case; the first that is there.
    pub(super) axes: &'static [(&'static str, Axis)],
    /// The names and numbers that the body states.
    pub(super) refusal: fn(&ErrorBody) -> Refusal,
    /// A wait that is stated in a way of the dialect's own; it goes before all others.
    pub(super) wait: fn(&ErrorResponse<'_>) -> Option<Wait>,
    /// The limits that the headers state.
    pub(super) limits: fn(&dyn Headers) -> Vec<LimitHeader>,
    /// What the reset of the limit that refused means as a wait, where nothing else names one. `None` where the
    /// limits in the headers are not those that refuse.
    pub(super) resets: Option<WaitKind>,
}

/// What a cause is told by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Marker {
    /// Its `type`, `code`, `status` or reason is this.
    Word(&'static str),
    /// Its message has this in it; lower case.
    Says(&'static str),
    /// The reply has this status.
    Status(u16),
}

/// A reply that is no success, as pages look at it.
#[derive(Clone, Copy)]
pub(super) struct ErrorResponse<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a dyn Headers,
    pub(super) said: &'a ErrorBody,
}

impl DialectRules {
    /// Knows nothing but the status and `retry-after`.
    pub(super) const BARE: Self = Self {
        causes: &[],
        axes: &[],
        refusal: |_| Refusal::default(),
        wait: |_| None,
        limits: |_| Vec::new(),
        resets: None,
    };

    /// How a dialect is read; where it is not known, by what Groq and OpenAI have in common.
    pub(super) const fn of(dialect: Option<Dialect>) -> &'static Self {
        let Some(dialect) = dialect else { return &openai::COMMON };
        match dialect {
            Dialect::Groq => &groq::RULES,
            Dialect::OpenAi => &openai::RULES,
            Dialect::Azure => &azure::RULES,
            Dialect::Anthropic => &anthropic::RULES,
            Dialect::Cerebras => &cerebras::RULES,
            Dialect::Mistral => &mistral::RULES,
            Dialect::DeepInfra => &deepinfra::RULES,
            Dialect::Together => &together::RULES,
            Dialect::Fireworks => &fireworks::RULES,
            Dialect::Gemini => &gemini::RULES,
            Dialect::GeminiCloudCode => &gemini::CLOUD_CODE,
            Dialect::Vertex => &gemini::VERTEX,
            Dialect::OpenRouter => &openrouter::RULES,
            Dialect::XAi => &xai::RULES,
            Dialect::Bedrock => &others::BEDROCK,
            Dialect::DeepSeek => &others::DEEPSEEK,
            Dialect::MiniMax => &others::MINIMAX,
            Dialect::MetaLlama => &others::META_LLAMA,
        }
    }

    /// The cause that its signs decide.
    pub(super) fn cause(&self, seen: &ErrorResponse<'_>) -> Option<LimitCause> {
        let shows = |sign: &Marker| match sign {
            Marker::Word(word) => seen.said.is_called(word),
            Marker::Says(words) => seen.said.lower.contains(words),
            Marker::Status(status) => seen.status == *status,
        };
        self.causes.iter().find(|(sign, _)| shows(sign)).map(|(_, cause)| *cause)
    }

    /// The axis that the message names.
    pub(super) fn axis(&self, said: &ErrorBody) -> Option<Axis> {
        self.axes.iter().find(|(words, _)| said.lower.contains(words)).map(|(_, axis)| *axis)
    }
}

/// Reads Groq's and OpenAI's sentence out of a message.
pub(super) fn sentence(said: &ErrorBody) -> Refusal {
    said.message.as_deref().map(Refusal::read).unwrap_or_default()
}
