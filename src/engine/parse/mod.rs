//! Parses an HTTP response into a [`Reply`]: status, headers and body, as captures and documentation show them.
//!
//! ```text
//!   body ────▶ error_body   the error, whatever it is wrapped in                  ┐
//!   headers ─▶ headers      retry-after; duration: lengths of time                ├─▶ failure  cause, numbers, wait ─▶ Reply
//!   dialect ─▶ rules        tables per dialect: groq, openai, azure, …, others    ┘
//!                  named_limit, common, wait: names, causes and waits in any dialect, if the rules have not read them
//!   answer, stream          the usage of a success, whether it was cut, and an error after status 200
//!   detect                  the dialect, if the caller does not know it
//! ```
//!
//! Invariant: what a reply neither states nor implies stays `None`. The mock renders the same replies. Its code is written
//! independently, and `tests/wire.rs` checks that parsing what it renders gives back the decision. `tests/dialects`
//! checks every published capture against its expected reading.

mod allowance;
mod answer;
mod anthropic;
mod azure;
mod cerebras;
mod clock_time;
mod cloudflare;
mod common;
mod deepinfra;
mod detect;
mod dialect;
mod duration;
mod envelope;
mod error_body;
mod failure;
mod fireworks;
mod gemini;
mod google_details;
mod groq;
mod headers;
mod length;
mod limit_header;
mod limit_name;
pub mod literal;
mod mistral;
mod named_limit;
mod openai;
mod openrouter;
mod others;
mod own_gateway;
mod quantity;
mod refusal;
mod responder;
mod rules;
mod status;
mod stream;
mod subscriptions;
mod success_body;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod together;
mod wait;
mod wait_member;
mod wait_words;
mod xai;

pub use allowance::Allowance;
pub use clock_time::{ResetTime, ZoneSource};
pub use common::Reason;
pub use dialect::Dialect;
pub use duration::go_duration;
pub use failure::{ListedFailure, ParsedFailure};
pub use headers::{Headers, Response, is_plausible_wait, retry_after_moment};
pub use limit_header::LimitHeader;
pub use limit_name::{Unit, axis_of};
pub use named_limit::implied_window;
pub use own_gateway::{BUDGET_ELSEWHERE, BUDGET_IN_USE, BUDGET_SPENT, ROUTE_ERROR};
pub use refusal::{Refusal, cause_from_window};
pub use responder::Responder;
pub use stream::Stream;
pub use wait::MAX_SHORT_WINDOW;

use super::Reply;
use crate::event::{AttemptFailure, AttemptOutcome};
use answer::AnswerReader;
use error_body::ErrorBody;
use headers::Forwarded;
use provider::decision::{HeaderLimits, HeaderRemaining};
use provider::{Instant, Usage};
use rules::{DialectRules, ErrorResponse};
use serde_json::Value;

/// Everything that was parsed out of one response.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The dialect as given or, if none was given, as detected. `None` if nothing in the response shows one.
    pub dialect: Option<Dialect>,
    /// The failure; `None` for a success status without an error in the body, also if `reply` is garbage.
    pub failure: Option<ParsedFailure>,
    /// Every limit in the headers that the rules of the dialect read.
    pub limits: Vec<LimitHeader>,
    /// The part that the engine uses.
    pub reply: Reply,
}

/// Parses a response that was complete at `now`. Detects the dialect if `dialect` is `None`.
#[must_use]
pub fn parsed(dialect: Option<Dialect>, now: Instant, response: &Response<'_>) -> Parsed {
    let Response { status, body, .. } = *response;
    let forwarded = Forwarded(response.headers);
    let is_forwarded = !(200..300).contains(&status) && forwarded.is_present();
    let headers: &dyn Headers = if is_forwarded { &forwarded } else { response.headers };
    let dialect = dialect.or_else(|| detect::dialect(&Response { headers, ..*response }));
    let limits = limits_of(dialect, headers);
    let remaining = limit_header::remaining(&limits);
    let (failure, answer) = if (200..300).contains(&status) {
        let members = success_body::members(body).unwrap_or_default();
        // A response with a success status may contain an error. Then the whole body is parsed, not only the members of a
        // success.
        let error = ErrorBody::error_in_success(&members);
        let error = error.and_then(|_| ErrorBody::error_in_success(&serde_json::from_slice(body).ok()?));
        (
            error.map(|error| failure::classify_error_in_success(dialect, headers, &limits, &error)),
            AnswerReader::of(&members),
        )
    } else {
        let (raw, body) = (body, &ErrorBody::parse(body).unwrap_or_default());
        let response = ErrorResponse { status, headers, limits: &limits, body, raw };
        (Some(failure::classify(dialect, &response)), AnswerReader::default())
    };
    let reply = match &failure {
        Some(failure) => failure.reply(now, remaining),
        None => success(now, answer, remaining),
    };
    Parsed { dialect, failure, limits, reply }
}

/// Parses a response that was complete at `now` into the part that the engine uses.
#[must_use]
pub fn reply(dialect: Option<Dialect>, now: Instant, response: &Response<'_>) -> Reply {
    parsed(dialect, now, response).reply
}

/// Returns the usage of a completion, or `None` if the body does not state it.
#[must_use]
pub fn usage(body: &[u8]) -> Option<Usage> {
    AnswerReader::of(&serde_json::from_slice(body).ok()?).usage()
}

/// Returns the limits in the headers that state a reset: the most restrictive one on requests and on tokens.
#[must_use]
pub fn limits(dialect: Option<Dialect>, headers: &dyn Headers) -> HeaderLimits {
    limit_header::header_limits(&limits_of(dialect, headers))
}

/// Returns the status that an error body states or implies, for a body that was saved without its status line.
#[must_use]
pub fn status_of(body: &[u8]) -> Option<u16> {
    status::status_of(&ErrorBody::parse(body)?)
}

/// Returns `true` if a body is an error in a form that is known: it has a message, and a member `error`, `errors`, `Error` or
/// `detail`, or it lists errors.
#[must_use]
pub fn is_error(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let first = value.as_array().and_then(|items| items.first()).unwrap_or(&value);
    let has_envelope = ["error", "errors", "Error", "detail"].iter().any(|key| !first[key].is_null());
    ErrorBody::parse(body)
        .is_some_and(|body| (has_envelope && body.message.is_some()) || !body.listed.is_empty())
}

fn limits_of(dialect: Option<Dialect>, headers: &dyn Headers) -> Vec<LimitHeader> {
    (DialectRules::of(dialect).limits)(headers)
}

/// Returns the reply of a success. Without usage it is not a completion, and the attempt failed.
fn success(now: Instant, answer: AnswerReader, remaining: HeaderRemaining) -> Reply {
    let garbage = Reply { remaining, ..Reply::failed(now, AttemptFailure::Garbage) };
    let cut = answer.cut();
    let served = |usage| Reply { outcome: AttemptOutcome::Ok, usage, cut, stored_bytes: Some(0), ..garbage };
    answer.usage().map_or(garbage, served)
}
