//! Dialects with few published refusals each: Bedrock, `DeepSeek`, `MiniMax`, GitHub.
//!
//! Evidence: published bodies. Bedrock's message for a limit per day is that for a limit per minute with `per day`
//! added. `DeepSeek` limits concurrency in proportion to the balance. `MiniMax` uses Anthropic's format and a window of
//! five hours. GitHub's API itself limits requests per hour, with status 403 or 429 (documented); its models have limits of
//! their own, whose names state unit and window.

use super::headers::wait_until;
use super::limit_name::Unit;
use super::quantity::leading_number;
use super::refusal::{Refusal, after, between};
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::RefusalCause;
use provider::calendar::UnixTime;
use provider::{Axis, Nanos};

pub(super) const BEDROCK: DialectRules = DialectRules {
    causes: &[
        (Marker::MessageContains("input is too long"), RefusalCause::TooLarge),
        (Marker::Code("ServiceUnavailableException"), RefusalCause::Overload),
        // Documented: a quota of the account, after which the request may be sent again later.
        (Marker::Code("ServiceQuotaExceededException"), RefusalCause::ShortLimit),
    ],
    axes: &[
        ("too many tokens per day", Axis::Tpd),
        ("too many requests per day", Axis::Rpd),
        ("too many tokens", Axis::Tpm),
        ("too many requests", Axis::Rpm),
    ],
    ..DialectRules::NONE
};

pub(super) const DEEPSEEK: DialectRules = DialectRules {
    causes: &[(Marker::MessageContains("insufficient balance"), RefusalCause::Billing)],
    axes: &[
        ("rate limit reached for tpm", Axis::Tpm),
        ("rate limit reached for rpm", Axis::Rpm),
        ("exceeds your concurrency limit", Axis::Concurrency),
    ],
    refusal: |response| {
        let number = |label| leading_number(after(&response.body.lowercase, label)?);
        Refusal {
            used: number("current concurrency is ").and_then(|used| used.try_into().ok()),
            limit: number("concurrency limit of "),
            ..Refusal::default()
        }
    },
    ..DialectRules::NONE
};

pub(super) const MINIMAX: DialectRules = DialectRules {
    causes: &[
        (Marker::MessageContains("5-hour usage limit reached"), RefusalCause::Allowance),
        (Marker::MessageContains("insufficient balance"), RefusalCause::Billing),
        (Marker::Code("overloaded_error"), RefusalCause::Overload),
    ],
    refusal: |response| {
        let numbers = between(&response.body.lowercase, " (", " used)").and_then(|pair| pair.split_once('/'));
        Refusal {
            used: numbers.and_then(|(used, _)| used.parse().ok()),
            limit: numbers.and_then(|(_, limit)| limit.parse().ok()),
            ..Refusal::default()
        }
    },
    wait: minimax_wait,
    ..DialectRules::NONE
};

pub(super) const GITHUB: DialectRules = DialectRules {
    causes: &[
        (Marker::MessageContains("api rate limit exceeded for "), RefusalCause::ShortLimit),
        (Marker::MessageContains("exceeded a secondary rate limit"), RefusalCause::ShortLimit),
    ],
    refusal: |response| {
        let is_of_api = response.body.lowercase.contains("api rate limit exceeded for ");
        Refusal {
            unit: is_of_api.then_some(Unit::Requests),
            window: is_of_api.then_some(Nanos::HOUR),
            ..Refusal::default()
        }
    },
    ..DialectRules::NONE
};

/// Parses `resets at 2026-05-15T15:00:00Z`.
fn minimax_wait(response: &ErrorResponse<'_>) -> Option<Wait> {
    let message = response.body.message.as_deref()?;
    let reset = UnixTime::parse_rfc3339(between(message, "resets at ", " ")?)?;
    let length = wait_until(reset, response.headers)?;
    (length > Nanos::ZERO).then_some(Wait { length, kind: WaitKind::UntilWindowEnds })
}
