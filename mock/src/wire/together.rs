//! Together: limits told per second, and a suggestion of when to come back.
//!
//! Captured: the refusals of requests before 2026 (of an account without credit, and of a model), and the words of an
//! overloaded server. Documented: the headers, the names `dynamic_request_limited` and `dynamic_token_limited` of 2026,
//! and that a call at or below one's rate is answered 503. Where those names stand in a body is not confirmed: here they
//! are the type. No headers of a real 429 are public.

use super::chat::Shape;
use super::envelope::{self, INVALID, Member, Members, reason};
use super::{Answer, Context, Error, Head, Headers, LimitsSnapshot, WireFormat, ids, json};
use crate::axis::Axis;
use crate::config::Tier;
use crate::decision::Denial;
use crate::length::{Bound, TooLong};
use crate::meter::Level;
use crate::time::Instant;

/// Together's one endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Together;

impl WireFormat for Together {
    fn base(&self) -> &'static str {
        "/v1"
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        let mut headers = Headers::of(head.content);
        let level = |axis| head.told?.level(axis);
        if let Some(requests) = level(Axis::Rpm) {
            let (limit, left) = per_second(requests);
            let reset = head.wait.unwrap_or_else(|| requests.full_in()).as_secs_ceil().max(1);
            put(&mut headers, ["x-ratelimit-limit", "x-ratelimit-limit-dynamic"], limit);
            put(&mut headers, ["x-ratelimit-remaining", "x-ratelimit-remaining-dynamic"], left);
            put(&mut headers, ["x-ratelimit-reset", "x-ratelimit-reset-dynamic"], reset);
        }
        if let Some(tokens) = level(Axis::Tpm) {
            let (limit, left) = per_second(tokens);
            put(&mut headers, ["x-tokenlimit-limit", "x-tokenlimit-limit-dynamic"], limit);
            put(&mut headers, ["x-tokenlimit-remaining", "x-tokenlimit-remaining-dynamic"], left);
        }
        headers
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> Answer {
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
        Answer::new(429, envelope::error(&message, kind, None, None)).after(wait)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> Answer {
        let (status, message, kind, code): (u16, &str, _, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => {
                (401, WRONG_KEY, Some(INVALID), Some("invalid_api_key"))
            }
            Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => (
                404,
                &format!(
                    "Unable to access model {model}. Please visit https://api.together.ai/models to view the list of supported models."
                ),
                Some(INVALID),
                Some("model_not_available"),
            ),
            Error::UnknownPath(..) => (404, reason(404), Some(INVALID), None),
            Error::Invalid(message) => (400, message.as_ref(), Some(INVALID), None),
            Error::BodyTooLarge => (413, reason(413), Some(INVALID), None),
            Error::Overload(_) | Error::Status(503, _) => (503, OVERLOADED, None, None),
            Error::Billing => (402, "Credit limit exceeded.", Some("credit_limit"), None),
            Error::TooLong(too_long, _) => {
                let body = envelope::error(&length(too_long), INVALID, None, None);
                return Answer::new(422, body);
            }
            Error::Status(status, _) => (*status, reason(*status), Some(envelope::kind(*status)), None),
        };
        let (kind, code) = (Member::or_null(kind), Member::or_null(code));
        Answer::new(status, Members { message, kind, param: Member::Null, code }.wrapped())
    }

    fn shape(&self) -> &'static Shape {
        &SHAPE
    }
}

/// What is said to too long a call. Captured, 2023-12, for the context; the others are the words of the same server as seen
/// elsewhere, and so is the status.
fn length(too_long: &TooLong) -> String {
    let TooLong { bound, limit, prompt_tokens, max_tokens } = *too_long;
    match (bound, max_tokens) {
        (Bound::Context, Some(max_tokens)) => format!(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= {limit}. Given: {prompt_tokens} `inputs` tokens and {max_tokens} `max_new_tokens`"
        ),
        (Bound::Context, None) => format!(
            "Input validation error: `inputs` must have less than {limit} tokens. Given: {prompt_tokens} tokens"
        ),
        (Bound::Output, _) => {
            let asked = too_long.requested();
            format!("Input validation error: `max_new_tokens` must be <= {limit}. Given: {asked} tokens")
        }
    }
}

/// A limit per minute as it is told: per second, rounded up, and what is left of that.
fn per_second(level: &Level) -> (u64, u64) {
    let limit = level.limit.div_ceil(60);
    (limit, level.left().min(limit))
}

/// The value under both names: the mock's limits do not adapt.
fn put(headers: &mut Headers, names: [&'static str; 2], value: u64) {
    names.into_iter().for_each(|name| headers.number(name, value));
}

/// The usage rides on the chunk that says why it ends, asked or not (reported).
const SHAPE: Shape = Shape {
    id: |out, number| {
        json::put(out, format_args!("o{}-{}", ids::letters::<6>(number), ids::hex::<16>(number)));
    },
    last: Shape::usage_on_last,
    usage_chunk: false,
    ..Shape::PLAIN
};

const DYNAMIC: &str = "You are sending faster than your present rate limit. Please slow down.";
const OVERLOADED: &str = "The server is overloaded or not ready yet.";
const WRONG_KEY: &str =
    "Invalid API key provided. You can find your API key at https://api.together.xyz/settings/api-keys.";
