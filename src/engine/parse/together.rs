//! Together: rates that grow and shrink with use, a wait that is only a suggestion, and 503 below one's own rate.
//!
//! Evidence: documentation of 2026 (429 above the dynamic rate, 503 at or below it: their capacity, not your quota)
//! and published bodies of the fixed limits before. Headers count per second, which is no axis of ours.

use super::duration::seconds;
use super::error_body::ErrorBody;
use super::headers::{Headers, whole as number};
use super::limit_header::LimitHeader;
use super::refusal::{Refusal, after, between, whole};
use super::rules::{DialectRules, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::{Axis, Nanos};

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Word("dynamic_request_limited"), LimitCause::MinuteLimit),
        (Marker::Word("dynamic_token_limited"), LimitCause::MinuteLimit),
        // Named for credit, but it is the rate of those who never paid.
        (Marker::Word("credit_limit"), LimitCause::MinuteLimit),
        (Marker::Word("model_rate_limit"), LimitCause::MinuteLimit),
        (Marker::Says("server is overloaded"), LimitCause::Overload),
    ],
    refusal,
    wait: |seen| {
        let length = seconds(seen.headers.value("x-ratelimit-reset")?).filter(|wait| *wait > Nanos::ZERO)?;
        Some(Wait { length, meaning: WaitKind::Suggested })
    },
    limits,
    ..DialectRules::BARE
};

/// Two limits in one sentence do not say which of them refused.
fn refusal(said: &ErrorBody) -> Refusal {
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

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |(name, prefix): (&'static str, &str)| {
        let part = |part: &str| number(headers, &format!("{prefix}-{part}"));
        Some(LimitHeader {
            name,
            axis: None,
            limit: part("limit")?,
            remaining: part("remaining")?,
            reset: None,
        })
    };
    [("requests a second", "x-ratelimit"), ("tokens a second", "x-tokenlimit")]
        .into_iter()
        .filter_map(read)
        .collect()
}
