//! From a real response to a [`Reply`]: status, headers and body, as captures and documentation show them.
//!
//! ```text
//!   body ──▶ said       the error in whatever it is wrapped         ┐
//!   headers ▶ headers   retry-after; date, duration: lengths        ├─▶ failure   cause, numbers, wait and its meaning ─▶ Reply
//!   dialect ▶ page      a page per dialect: groq, openai, azure, …  ┘
//!   usage, stream       what a success used, and an error that comes after a 200
//!   recognise           whose reply it is, where nobody says
//! ```
//!
//! Nothing is invented: what a reply does not say stays `None`. The mock renders the same things from the other
//! side; the two are written apart and held together by a law test (`tests/wire.rs`), and `tests/dialects.rs` holds
//! every published capture against what a reader finds in it.

mod anthropic;
mod azure;
mod cerebras;
mod deepinfra;
mod detect;
mod dialect;
mod duration;
mod error_body;
mod failure;
mod fireworks;
mod gemini;
mod groq;
mod headers;
mod length;
mod limit_header;
mod mistral;
mod openai;
mod openrouter;
mod others;
mod refusal;
mod rules;
mod stream;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod together;
mod usage;
mod xai;

pub use dialect::Dialect;
pub use duration::{go_duration, seconds};
pub use failure::ParsedFailure;
pub use headers::{Headers, Response};
pub use limit_header::LimitHeader;
pub use refusal::Refusal;
pub use stream::Stream;

use super::Reply;
use crate::event::{self, AttemptOutcome};
use error_body::ErrorBody;
use provider::decision::{LimitsView, Remaining};
use provider::{Instant, Usage};
use rules::DialectRules;
use serde_json::Value;
use usage::UsageAccumulator;

/// Everything that can be read out of one response.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// Whose it is: as told or, where nobody said, as recognised; `None` where it bears no mark.
    pub dialect: Option<Dialect>,
    /// What it means; `None` for a success.
    pub failure: Option<ParsedFailure>,
    /// Every limit that its headers state.
    pub stated: Vec<LimitHeader>,
    /// As the engine keeps it.
    pub reply: Reply,
}

/// Reads a response. `dialect` is whose it is, where that is known; `now` is when its last byte came.
#[must_use]
pub fn read(dialect: Option<Dialect>, now: Instant, response: &Response<'_>) -> Parsed {
    let dialect = dialect.or_else(|| detect::recognise(response));
    let stated = (DialectRules::of(dialect).limits)(response.headers);
    let remaining = limit_header::remaining(&stated);
    let Response { status, headers, body } = *response;
    let (failure, usage) = if (200..300).contains(&status) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        // Also a 200 may have an error inside.
        (ErrorBody::inside(&body).map(|said| failure::inside(dialect, headers, &said)), usage_of(&body))
    } else {
        (Some(failure::read(dialect, status, headers, body)), None)
    };
    let reply = match &failure {
        Some(failure) => failure.reply(now, remaining),
        None => success(now, usage, remaining),
    };
    Parsed { dialect, failure, stated, reply }
}

/// Reads a response as the engine keeps it.
#[must_use]
pub fn reply(dialect: Option<Dialect>, now: Instant, response: &Response<'_>) -> Reply {
    read(dialect, now, response).reply
}

/// The usage that a completion states; `None` where it states none.
#[must_use]
pub fn usage(body: &[u8]) -> Option<Usage> {
    usage_of(&serde_json::from_slice(body).ok()?)
}

/// The limits that headers state with all their numbers: of the requests and of the tokens the tightest.
#[must_use]
pub fn limits(dialect: Option<Dialect>, headers: &dyn Headers) -> LimitsView {
    limit_header::view(&(DialectRules::of(dialect).limits)(headers))
}

/// What headers state to be left, as the engine keeps it.
fn remaining(dialect: Option<Dialect>, headers: &dyn Headers) -> Remaining {
    limit_header::remaining(&(DialectRules::of(dialect).limits)(headers))
}

/// The status that an error stands for by its own words, where nobody kept the status itself.
#[must_use]
pub fn status_of(body: &[u8]) -> Option<u16> {
    failure::status_of(&ErrorBody::read(body)?)
}

fn usage_of(body: &Value) -> Option<Usage> {
    let mut tally = UsageAccumulator::default();
    tally.take(body);
    tally.usage()
}

fn success(now: Instant, usage: Option<Usage>, remaining: Remaining) -> Reply {
    let garbage = Reply { remaining, ..Reply::broken(now, event::AttemptFailure::Garbage) };
    usage.map_or(garbage, |usage| Reply { outcome: AttemptOutcome::Ok, usage, ..garbage })
}
