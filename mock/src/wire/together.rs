//! Together: limits per second; the wait of a refusal is in `x-ratelimit-reset` if requests per minute are limited, and there
//! is no `retry-after`.
//!
//! A refusal by rpm has the text captured before 2026: on the free tier that of an account without credit, on the other tier
//! that of a model. A refusal by any other axis has the documented names of 2026, `dynamic_request_limited` and
//! `dynamic_token_limited`. Which member has those names is not documented: here it is the type. The message of an overloaded
//! server is from a capture. The headers, and the 503 for a call within the account's rate, are documented. No headers of a
//! real 429 are public.

use super::chat::CompletionFormat;
use super::envelope::{self, ErrorBody, INVALID_REQUEST, Member, reason_phrase};
use super::json::Object;
use super::{
    Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, Model, ModelEntry, Operation, Task,
    WireFormat, ids, models,
};
use crate::axis::Axis;
use crate::config::Tier;
use crate::decision::Denial;
use crate::length::{LengthLimit, TooLong};
use crate::meter::LimitLevel;
use crate::time::{Instant, Nanos};

/// The wire format of Together, the same for all its endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Together;

impl WireFormat for Together {
    fn base(&self) -> &'static str {
        "/v1"
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

    /// Documented, 2026.
    fn model(&self, model: &Model<'_>) -> ModelEntry {
        let pricing = |pricing: Object| {
            ["hourly", "input", "output", "base", "finetune"]
                .into_iter()
                .fold(pricing, |pricing, name| pricing.member(name, &0))
        };
        models::openai_entry(model, "together", |entry| {
            entry
                .plain_text("type", "chat")
                .text("display_name", model.id)
                .plain_text("organization", "quotalab")
                .plain_text("link", "")
                .member("context_length", &model.context())
                .object("pricing", pricing)
        })
    }

    /// Documented, 2026: the list is an array, without an object around it.
    fn model_list(&self, entries: &[ModelEntry]) -> String {
        models::array(entries)
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        let mut headers = Headers::with_media_type(head.media_type);
        let first = |axes: &[Axis]| head.snapshot?.first_level(axes);
        if let Some(requests) = first(&[Axis::Rps, Axis::Rpm]) {
            let (limit, remaining) = per_second(requests);
            let reset = head.wait.unwrap_or_else(|| requests.time_until_full()).as_secs_ceil().max(1);
            add_twice(&mut headers, ["x-ratelimit-limit", "x-ratelimit-limit-dynamic"], limit);
            add_twice(&mut headers, ["x-ratelimit-remaining", "x-ratelimit-remaining-dynamic"], remaining);
            add_twice(&mut headers, ["x-ratelimit-reset", "x-ratelimit-reset-dynamic"], reset);
        }
        if let Some(tokens) = first(&[Axis::Tps, Axis::Tpm]) {
            let (limit, remaining) = per_second(tokens);
            add_twice(&mut headers, ["x-tokenlimit-limit", "x-tokenlimit-limit-dynamic"], limit);
            add_twice(&mut headers, ["x-tokenlimit-remaining", "x-tokenlimit-remaining-dynamic"], remaining);
        }
        headers
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply {
        let Denial { axis, limit, wait, .. } = *denial;
        let (message, kind) = match (axis, context.tier) {
            (Axis::Rpm, Tier::Free) => (
                format!(
                    "You have been rate limited. Your rate limit is {limit} queries per minute. Please navigate to https://api.together.xyz/settings/billing to upgrade to a paid plan."
                ),
                "credit_limit",
            ),
            (Axis::Rpm, Tier::Developer) => (
                format!(
                    "You have reached the rate limit specific to this model {}. The maximum rate limit for this model is {limit} queries per minute. This limit differs from the general rate limits published at Together AI rate limits documentation (https://docs.together.ai/docs/rate-limits). For inquiries about increasing your model-specific rate limit, please contact our sales team (https://www.together.ai/forms/contact-sales)",
                    context.model
                ),
                "model_rate_limit",
            ),
            _ if axis.counts_tokens() => (DYNAMIC.to_owned(), "dynamic_token_limited"),
            _ => (DYNAMIC.to_owned(), "dynamic_request_limited"),
        };
        ErrorReply::new(429, envelope::error(&message, kind, None, None)).with_wait(wait)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        let (status, message, kind, code): (u16, &str, _, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => {
                (401, WRONG_KEY, Some(INVALID_REQUEST), Some("invalid_api_key"))
            }
            Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => (
                404,
                &format!(
                    "Unable to access model {model}. Please visit https://api.together.ai/models to view the list of supported models."
                ),
                Some(INVALID_REQUEST),
                Some("model_not_available"),
            ),
            Error::UnknownPath(..) => (404, reason_phrase(404), Some(INVALID_REQUEST), None),
            Error::Invalid { message, .. } => (400, message.as_ref(), Some(INVALID_REQUEST), None),
            Error::BodyTooLarge => (413, reason_phrase(413), Some(INVALID_REQUEST), None),
            Error::Overload(_) | Error::Status(503, _) => (503, OVERLOADED, None, None),
            Error::Billing => (402, "Credit limit exceeded.", Some("credit_limit"), None),
            Error::TooLong(too_long, _) => {
                let body = envelope::error(&too_long_message(too_long), INVALID_REQUEST, None, None);
                return ErrorReply::new(422, body);
            }
            Error::Status(status, _) => {
                (*status, reason_phrase(*status), Some(envelope::error_type(*status)), None)
            }
        };
        let (kind, code) = (Member::or_null(kind), Member::or_null(code));
        ErrorReply::new(status, ErrorBody { message, kind, param: Member::Null, code }.in_envelope())
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &FORMAT
    }
}

/// Returns the message for a call that is too long. The one for the context is from a capture of 2023-12. The other messages
/// and the status are those of the same server software at other providers.
fn too_long_message(too_long: &TooLong) -> String {
    let TooLong { violated, limit_tokens: limit, prompt_tokens, max_tokens } = *too_long;
    match (violated, max_tokens) {
        (LengthLimit::Context, Some(max_tokens)) => format!(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= {limit}. Given: {prompt_tokens} `inputs` tokens and {max_tokens} `max_new_tokens`"
        ),
        (LengthLimit::Context, None) => format!(
            "Input validation error: `inputs` must have less than {limit} tokens. Given: {prompt_tokens} tokens"
        ),
        (LengthLimit::Output, _) => {
            let requested = too_long.requested();
            format!("Input validation error: `max_new_tokens` must be <= {limit}. Given: {requested} tokens")
        }
    }
}

/// Returns the reported limit per second, rounded up, and what remains of the limit, at most that.
fn per_second(level: &LimitLevel) -> (u64, u64) {
    let seconds = level.window.unwrap_or(Nanos::SECOND).0 / Nanos::SECOND.0;
    let limit = level.limit.div_ceil(seconds.max(1));
    (limit, level.remaining_or_zero().min(limit))
}

/// Adds the value under both names. The dynamic limit is the same as the other.
fn add_twice(headers: &mut Headers, names: [&'static str; 2], value: u64) {
    names.into_iter().for_each(|name| headers.add_number(name, value));
}

/// The chunk with the finish reason always has the usage (reported).
const FORMAT: CompletionFormat = CompletionFormat {
    id: |number| format!("o{}-{}", ids::base_62(number, 6), ids::hex(number, 16)),
    reasoning: Some("reasoning"),
    last_chunk: CompletionFormat::usage_on_last_chunk,
    usage_chunk: false,
    ..CompletionFormat::PLAIN
};

const DYNAMIC: &str = "You are sending faster than your present rate limit. Please slow down.";
const OVERLOADED: &str = "The server is overloaded or not ready yet.";
const WRONG_KEY: &str =
    "Invalid API key provided. You can find your API key at https://api.together.xyz/settings/api-keys.";
