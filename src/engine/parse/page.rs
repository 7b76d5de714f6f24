//! What there is to know to read one dialect: a page of data, with functions where data does not do.

use super::dialect::Dialect;
use super::headers::Headers;
use super::refusal::Refusal;
use super::said::Said;
use super::stated::Stated;
use super::{
    anthropic, azure, cerebras, deepinfra, fireworks, further, gemini, groq, mistral, openai, openrouter,
};
use super::{together, xai};
use crate::engine::{Meaning, Wait};
use crate::event::Cause;
use provider::Axis;

/// How one dialect is read.
#[derive(Clone, Copy)]
pub(super) struct Page {
    /// What decides the cause by itself; the first that is there.
    pub(super) causes: &'static [(Sign, Cause)],
    /// The words by which messages name an axis, in lower case; the first that is there.
    pub(super) axes: &'static [(&'static str, Axis)],
    /// The names and numbers that the body states.
    pub(super) refusal: fn(&Said) -> Refusal,
    /// A wait that is stated in a way of the dialect's own; it goes before all others.
    pub(super) wait: fn(&Seen<'_>) -> Option<Wait>,
    /// The limits that the headers state.
    pub(super) limits: fn(&dyn Headers) -> Vec<Stated>,
    /// What the reset of the limit that refused means as a wait, where nothing else names one. `None` where the
    /// limits in the headers are not those that refuse.
    pub(super) resets: Option<Meaning>,
}

/// What a cause is told by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sign {
    /// Its `type`, `code`, `status` or reason is this.
    Word(&'static str),
    /// Its message has this in it; lower case.
    Says(&'static str),
    /// The reply has this status.
    Status(u16),
}

/// A reply that is no success, as pages look at it.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a dyn Headers,
    pub(super) said: &'a Said,
}

impl Page {
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
            Dialect::Groq => &groq::PAGE,
            Dialect::OpenAi => &openai::PAGE,
            Dialect::Azure => &azure::PAGE,
            Dialect::Anthropic => &anthropic::PAGE,
            Dialect::Cerebras => &cerebras::PAGE,
            Dialect::Mistral => &mistral::PAGE,
            Dialect::DeepInfra => &deepinfra::PAGE,
            Dialect::Together => &together::PAGE,
            Dialect::Fireworks => &fireworks::PAGE,
            Dialect::Gemini => &gemini::PAGE,
            Dialect::GeminiCloudCode => &gemini::CLOUD_CODE,
            Dialect::Vertex => &gemini::VERTEX,
            Dialect::OpenRouter => &openrouter::PAGE,
            Dialect::XAi => &xai::PAGE,
            Dialect::Bedrock => &further::BEDROCK,
            Dialect::DeepSeek => &further::DEEPSEEK,
            Dialect::MiniMax => &further::MINIMAX,
            Dialect::MetaLlama => &further::META_LLAMA,
        }
    }

    /// The cause that its signs decide.
    pub(super) fn cause(&self, seen: &Seen<'_>) -> Option<Cause> {
        let shows = |sign: &Sign| match sign {
            Sign::Word(word) => seen.said.is_called(word),
            Sign::Says(words) => seen.said.lower.contains(words),
            Sign::Status(status) => seen.status == *status,
        };
        self.causes.iter().find(|(sign, _)| shows(sign)).map(|(_, cause)| *cause)
    }

    /// The axis that the message names.
    pub(super) fn axis(&self, said: &Said) -> Option<Axis> {
        self.axes.iter().find(|(words, _)| said.lower.contains(words)).map(|(_, axis)| *axis)
    }
}

/// Reads Groq's and OpenAI's sentence out of a message.
pub(super) fn sentence(said: &Said) -> Refusal {
    said.message.as_deref().map(Refusal::read).unwrap_or_default()
}
