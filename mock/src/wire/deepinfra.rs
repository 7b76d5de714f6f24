//! `DeepInfra`: a limit on concurrency only, and no limit headers.
//!
//! The errors for a busy model, which is a 429, and for an invalid key are from captures. The documentation describes the
//! concurrency limit without its exact message. A context that is too long is a 500 with both lengths, as in a capture; the
//! stated length is assumed to be the prompt plus `max_tokens`. All other errors are assumed.

use super::chat::CompletionFormat;
use super::envelope::{self, ErrorBody, INVALID_REQUEST, Member, reason_phrase};
use super::json::Object;
use super::{
    Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, Model, ModelEntry, Operation, Task,
    WireFormat, models,
};
use crate::decision::Denial;
use crate::length::LengthLimit;
use crate::time::Instant;

/// The OpenAI-compatible endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeepInfra;

impl WireFormat for DeepInfra {
    fn base(&self) -> &'static str {
        "/v1/openai"
    }

    /// Documented, 2026.
    fn operations(&self) -> &'static [Operation] {
        &[
            Operation::TextCompletion,
            Operation::Embeddings,
            Operation::Audio(Task::Transcribe),
            Operation::Audio(Task::Translate),
        ]
    }

    /// Reported by users, 2025.
    fn model(&self, model: &Model<'_>) -> ModelEntry {
        let metadata = |metadata: Object| {
            metadata
                .plain_text("description", "")
                .member("context_length", &model.context())
                .member("max_tokens", &model.max_output())
                .member("tags", &[(); 0])
        };
        models::openai_entry(model, "deepinfra", |entry| {
            entry.text("root", model.id).member("parent", &()).object("metadata", metadata)
        })
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &FORMAT
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        Headers::with_media_type(head.media_type)
    }

    /// The same for every axis, without a wait.
    fn refusal(&self, _: &Denial, _: &LimitsSnapshot, _: &Context<'_>) -> ErrorReply {
        ErrorReply::new(429, envelope::error("Rate limited", INVALID_REQUEST, None, Some("rate_limited")))
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        let (status, message, code): (u16, &str, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => (401, "Not authenticated", None),
            Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => {
                (404, &format!("The model `{model}` does not exist"), Some("model_not_found"))
            }
            Error::UnknownPath(..) => (404, reason_phrase(404), None),
            Error::Invalid { message, .. } => (422, message.as_ref(), None),
            Error::BodyTooLarge => (413, reason_phrase(413), None),
            Error::Overload(_) => (429, "Model busy, retry later", Some("engine_overloaded")),
            Error::Billing => (402, "Inference prohibited, please top up your balance", None),
            Error::TooLong(too_long, _) => {
                let (requested, limit) = (too_long.requested(), too_long.limit_tokens);
                let (status, what) = match too_long.violated {
                    LengthLimit::Context => (500, "input"),
                    LengthLimit::Output => (422, "output"),
                };
                let message =
                    format!("Requested {what} length {requested} exceeds maximum {what} length {limit}");
                return ErrorReply::new(status, message_only(&message));
            }
            Error::Status(status, _) => (*status, reason_phrase(*status), None),
        };
        ErrorReply::new(status, envelope::error(message, INVALID_REQUEST, None, code))
    }
}

const FORMAT: CompletionFormat =
    CompletionFormat { reasoning: Some("reasoning_content"), ..CompletionFormat::PLAIN };

/// Returns the body `{"error":{"message":…}}`.
fn message_only(message: &str) -> String {
    let (kind, param, code) = (Member::Absent, Member::Absent, Member::Absent);
    ErrorBody { message, kind, param, code }.in_envelope()
}
