//! Fireworks: limits in tokens per second, and an overload that is a 429.
//!
//! The overload is from a capture. The message of a refusal is from a capture of the audio endpoint, which has a different
//! envelope. The headers are documented. No headers of a real 429 are public, and no wait is announced.

use super::chat::CompletionFormat;
use super::envelope::{self, INVALID_REQUEST, reason_phrase};
use super::{
    Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, Model, ModelEntry, Operation, WireFormat, ids,
    models,
};
use crate::axis::Axis;
use crate::decision::Denial;
use crate::length::LengthLimit;
use crate::time::Instant;
use serde::Serialize;

/// The wire format of Fireworks, the same for all its endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fireworks;

impl WireFormat for Fireworks {
    fn base(&self) -> &'static str {
        "/inference/v1"
    }

    /// Documented, 2026.
    fn operations(&self) -> &'static [Operation] {
        &[Operation::Responses, Operation::TextCompletion, Operation::Embeddings]
    }

    /// Reported by users, 2025.
    fn model(&self, model: &Model<'_>) -> ModelEntry {
        models::openai_entry(model, "fireworks", |entry| {
            entry
                .plain_text("kind", "HF_BASE_MODEL")
                .member("supports_chat", &true)
                .member("supports_image_input", &true)
                .member("supports_tools", &true)
                .member("context_length", &model.context())
        })
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        let mut headers = Headers::with_media_type(head.media_type);
        if let Some(usage) = head.usage {
            headers.add_number("fireworks-prompt-tokens", usage.prompt_tokens);
            headers.add_number("fireworks-cached-prompt-tokens", usage.cached_tokens);
        }
        let Some(snapshot) = head.snapshot else { return headers };
        for (axes, name) in LIMITS {
            if let Some(level) = snapshot.first_level(axes) {
                headers.add_number(name, level.limit / 60);
            }
        }
        headers
    }

    /// Renders the same body for every axis.
    fn refusal(&self, _: &Denial, _: &LimitsSnapshot, _: &Context<'_>) -> ErrorReply {
        ErrorReply::new(429, body(TOO_MANY, EXCEEDED))
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        let (status, code, message): (u16, &str, &str) = match error {
            Error::InvalidKey | Error::Status(401, _) => {
                (401, "unauthorized", "The API key you provided is invalid.")
            }
            Error::UnknownModel(_) | Error::NotInTier(_) | Error::Status(404, _) => {
                (404, "NOT_FOUND", "Model not found, inaccessible, and/or not deployed")
            }
            Error::UnknownPath(..) => (404, "NOT_FOUND", "Path not found"),
            Error::Invalid { message, .. } => (400, "bad_request", message.as_ref()),
            Error::BodyTooLarge => (413, "request_too_large", reason_phrase(413)),
            Error::Overload(_) => (429, TOO_MANY, OVERLOADED),
            Error::Billing => (412, "account_suspended", SUSPENDED),
            Error::TooLong(too_long, _) => {
                let (requested, limit) = (too_long.requested(), too_long.limit_tokens);
                let message = match too_long.violated {
                    LengthLimit::Context => {
                        format!("The prompt is too long: {requested}, model maximum context length: {limit}")
                    }
                    LengthLimit::Output => {
                        format!("max_tokens is too large: {requested}, model maximum output: {limit}")
                    }
                };
                return ErrorReply::new(400, body("context_length_exceeded", &message));
            }
            Error::Status(429, _) => (429, TOO_MANY, reason_phrase(429)),
            Error::Status(503, _) => (503, "service_unavailable", "Service Overloaded"),
            Error::Status(status, _) => (*status, "error", reason_phrase(*status)),
        };
        ErrorReply::new(status, body(code, message))
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &FORMAT
    }
}

/// Returns the body `{"error":{"object":"error","type":"invalid_request_error","code":…,"message":…}}`.
fn body(code: &str, message: &str) -> String {
    envelope::wrap(ErrorObject { object: "error", kind: INVALID_REQUEST, code, message })
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    object: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'a str,
    message: &'a str,
}

/// The last chunk has the usage (assumed).
const FORMAT: CompletionFormat = CompletionFormat {
    id: ids::uuid,
    reasoning: Some("reasoning_content"),
    last_chunk: CompletionFormat::usage_on_last_chunk,
    usage_chunk: false,
    ..CompletionFormat::PLAIN
};

/// The token limits in headers, per second, rounded down. If prompts have no limit of their own, the limit on all tokens is
/// reported.
const LIMITS: [(&[Axis], &str); 3] = [
    (&[Axis::Itpm, Axis::Tpm], "x-ratelimit-limit-tokens-prompt"),
    (&[Axis::Uitpm, Axis::Itpm, Axis::Tpm], "x-ratelimit-limit-tokens-cache-adjusted-prompt"),
    (&[Axis::Otpm], "x-ratelimit-limit-tokens-generated"),
];
const TOO_MANY: &str = "too_many_requests";
const EXCEEDED: &str = "You have exceeded your usage limits. Please try again later or contact Fireworks to explore dedicated capacity.";
const OVERLOADED: &str =
    "Request didn't generate first token before the given deadline, the service is overloaded";
const SUSPENDED: &str = "The account is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices.";
