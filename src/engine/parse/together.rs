//! Together: adaptive limits, a wait that is only a suggestion, and 503 below the limit.
//!
//! Evidence: documentation of 2026 (429 above the dynamic rate; 503 at or below it, for lack of capacity) and published
//! bodies of the fixed limits before. Headers state limits per second, which are not modelled.

use super::duration::seconds;
use super::headers::{Headers, number};
use super::limit_header::LimitHeader;
use super::quantity::leading_number;
use super::refusal::{Refusal, after, between};
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::RefusalCause;
use provider::{Axis, Nanos};

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        // These two come with the code `credit_limit` as well, but mean that credit is missing.
        (Marker::Status(402), RefusalCause::Billing),
        (Marker::MessageContains("credit limit exceeded"), RefusalCause::Billing),
        (Marker::Code("dynamic_request_limited"), RefusalCause::ShortLimit),
        (Marker::Code("dynamic_token_limited"), RefusalCause::ShortLimit),
        // Despite its name, the rate limit of accounts that have not paid yet.
        (Marker::Code("credit_limit"), RefusalCause::ShortLimit),
        (Marker::Code("model_rate_limit"), RefusalCause::ShortLimit),
        (Marker::MessageContains("server is overloaded"), RefusalCause::Overload),
    ],
    refusal,
    wait: |response| {
        let length =
            seconds(response.headers.value("x-ratelimit-reset")?).filter(|wait| *wait > Nanos::ZERO)?;
        Some(Wait { length, kind: WaitKind::Suggested })
    },
    limits,
    ..DialectRules::NONE
};

/// Parses the limit, unless the message states two limits: it does not say which of them refused.
fn refusal(response: &ErrorResponse<'_>) -> Refusal {
    let body = response.body;
    let message = body.message.as_deref().unwrap_or_default();
    let stated = after(message, "rate limit is ").or_else(|| after(message, "rate limit for this model is "));
    let sentence = stated.filter(|rest| rest.contains(" queries per minute"));
    Refusal {
        model: between(message, "specific to this model ", ". ").map(str::to_owned),
        axis: sentence.map(|_| Axis::Rpm),
        limit: sentence.and_then(leading_number),
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
            next: None,
        })
    };
    [("requests per second", "x-ratelimit"), ("tokens per second", "x-tokenlimit")]
        .into_iter()
        .filter_map(read)
        .collect()
}
