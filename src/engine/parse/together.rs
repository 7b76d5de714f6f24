//! Together: rates that grow and shrink with use, a wait that is only a suggestion, and 503 below one's own rate.
//!
//! Evidence: documentation of 2026 (429 above the dynamic rate, 503 at or below it: their capacity, not your quota)
//! and published bodies of the fixed limits before. Headers count per second, which is no axis of ours.

use super::duration::seconds;
use super::headers::{Headers, whole as number};
use super::page::{Page, Sign};
use super::refusal::{Refusal, after, between, whole};
use super::said::Said;
use super::stated::Stated;
use crate::engine::{Meaning, Wait};
use crate::event::Cause;
use provider::{Axis, Nanos};

pub(super) const PAGE: Page = Page {
    causes: &[
        (Sign::Word("dynamic_request_limited"), Cause::MinuteLimit),
        (Sign::Word("dynamic_token_limited"), Cause::MinuteLimit),
        // Named for credit, but it is the rate of those who never paid.
        (Sign::Word("credit_limit"), Cause::MinuteLimit),
        (Sign::Word("model_rate_limit"), Cause::MinuteLimit),
        (Sign::Says("server is overloaded"), Cause::Overload),
    ],
    refusal,
    wait: |seen| {
        let length = seconds(seen.headers.value("x-ratelimit-reset")?).filter(|wait| *wait > Nanos::ZERO)?;
        Some(Wait { length, meaning: Meaning::Suggested })
    },
    limits,
    ..Page::BARE
};

/// Two limits in one sentence do not say which of them refused.
fn refusal(said: &Said) -> Refusal {
    let message = said.message.as_deref().unwrap_or_default();
    let stated = after(message, "rate limit is ").or_else(|| after(message, "rate limit for this model is "));
    let sentence = stated.filter(|rest| rest.contains(" queries per minute"));
    Refusal {
        model: between(message, "specific to this model ", ". ").map(str::to_owned),
        axis: sentence.map(|_| Axis::Rpm),
        limit: sentence.and_then(whole),
        ..Refusal::default()
    }
}

fn limits(headers: &dyn Headers) -> Vec<Stated> {
    let read = |(name, prefix): (&'static str, &str)| {
        let part = |part: &str| number(headers, &format!("{prefix}-{part}"));
        Some(Stated { name, axis: None, limit: part("limit")?, remaining: part("remaining")?, reset: None })
    };
    [("requests a second", "x-ratelimit"), ("tokens a second", "x-tokenlimit")]
        .into_iter()
        .filter_map(read)
        .collect()
}
