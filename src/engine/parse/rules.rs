//! The rules by which one dialect is parsed: tables, and functions if a table is not enough.

use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::Headers;
use super::limit_header::LimitHeader;
use super::refusal::Refusal;
use super::{
    anthropic, azure, cerebras, deepinfra, fireworks, gemini, groq, mistral, openai, openrouter, others,
};
use super::{subscriptions, together, xai};
use crate::engine::{Wait, WaitKind};
use crate::event::RefusalCause;
use provider::Axis;

/// The rules of one dialect.
#[derive(Clone, Copy)]
pub(super) struct DialectRules {
    /// Markers that decide the cause; the first match counts.
    pub(super) causes: &'static [(Marker, RefusalCause)],
    /// Phrases by which messages name an axis, in lower case; the first match counts.
    pub(super) axes: &'static [(&'static str, Axis)],
    /// Parses the names and numbers of the limit in the body. Headers may show which window the limit has.
    pub(super) refusal: fn(&ErrorResponse<'_>) -> Refusal,
    /// Parses a wait that is specific to the dialect; it takes precedence over all others.
    pub(super) wait: fn(&ErrorResponse<'_>) -> Option<Wait>,
    /// Parses the limits in the headers.
    pub(super) limits: fn(&dyn Headers) -> Vec<LimitHeader>,
    /// The kind of the wait until the reset of the refusing limit. It is used if nothing else states a wait. `None` if
    /// the limits in the headers are not the ones that refuse.
    pub(super) reset_kind: Option<WaitKind>,
}

/// A condition on an error response.
#[derive(Clone, Copy, Debug)]
pub(super) enum Marker {
    /// One of its codes (`type`, `code`, `status`, a reason in its details) equals this.
    Code(&'static str),
    /// Its message contains this, which is in lower case.
    MessageContains(&'static str),
    /// Its status equals this.
    Status(u16),
}

/// A response that is not a success, or an error inside another response, with its parsed body and limit headers.
#[derive(Clone, Copy)]
pub(super) struct ErrorResponse<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a dyn Headers,
    pub(super) limits: &'a [LimitHeader],
    pub(super) body: &'a ErrorBody,
    /// The body as it was sent; empty for an error that was found inside a success or in the list of a gateway.
    pub(super) raw: &'a [u8],
}

impl DialectRules {
    /// No rules beyond what is read in every dialect.
    pub(super) const NONE: Self = Self {
        causes: &[],
        axes: &[],
        refusal: |_| Refusal::default(),
        wait: |_| None,
        limits: |_| Vec::new(),
        reset_kind: None,
    };

    /// Returns the rules of a dialect; for an unknown one, Groq's and OpenAI's sentence, and OpenAI's headers and its code for
    /// insufficient credit.
    pub(super) const fn of(dialect: Option<Dialect>) -> &'static Self {
        let Some(dialect) = dialect else { return &openai::FOR_UNKNOWN };
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
            Dialect::Gemini | Dialect::GeminiCloudCode => &gemini::RULES,
            Dialect::Vertex => &gemini::VERTEX,
            Dialect::OpenRouter => &openrouter::RULES,
            Dialect::XAi => &xai::RULES,
            Dialect::Bedrock => &others::BEDROCK,
            Dialect::DeepSeek => &others::DEEPSEEK,
            Dialect::MiniMax => &others::MINIMAX,
            Dialect::GitHubModels => &others::GITHUB,
            Dialect::Zai => &subscriptions::ZAI,
            Dialect::Codex => &subscriptions::CODEX,
            // Their names, numbers and waits are read as those of any dialect. Meta's errors state neither number nor period.
            Dialect::MetaLlama
            | Dialect::Moonshot
            | Dialect::DashScope
            | Dialect::SiliconFlow
            | Dialect::Watsonx
            | Dialect::WorkersAi => &Self::NONE,
        }
    }

    /// Returns the cause of the first marker that matches.
    pub(super) fn cause(&self, response: &ErrorResponse<'_>) -> Option<RefusalCause> {
        let matches = |marker: &Marker| match marker {
            Marker::Code(code) => response.body.has_code(code),
            Marker::MessageContains(phrase) => response.body.lowercase.contains(phrase),
            Marker::Status(status) => response.status == *status,
        };
        self.causes.iter().find(|(marker, _)| matches(marker)).map(|(_, cause)| *cause)
    }

    /// Returns the axis that the message names.
    pub(super) fn axis(&self, body: &ErrorBody) -> Option<Axis> {
        self.axes.iter().find(|(phrase, _)| body.lowercase.contains(phrase)).map(|(_, axis)| *axis)
    }
}
