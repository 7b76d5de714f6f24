//! Providers that are known from a refusal or two each.
//!
//! Evidence: published bodies. Bedrock's minute and day differ in two words; `DeepSeek` bounds what is in flight
//! and scales the bound with the balance; `MiniMax` speaks Anthropic's shape and counts over five hours; Meta's
//! Llama API writes RFC 7807 and names neither number nor period.

use super::date::UnixTime;
use super::error_body::ErrorBody;
use super::refusal::{Refusal, after, between, whole};
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::{Axis, Nanos};

pub(super) const BEDROCK: DialectRules = DialectRules {
    causes: &[
        (Marker::Says("input is too long"), LimitCause::TooLarge),
        (Marker::Word("ServiceUnavailableException"), LimitCause::Overload),
    ],
    axes: &[
        ("too many tokens per day", Axis::Tpd),
        ("too many requests per day", Axis::Rpd),
        ("too many tokens", Axis::Tpm),
        ("too many requests", Axis::Rpm),
    ],
    ..DialectRules::BARE
};

pub(super) const DEEPSEEK: DialectRules = DialectRules {
    causes: &[(Marker::Says("insufficient balance"), LimitCause::Billing)],
    axes: &[
        ("rate limit reached for tpm", Axis::Tpm),
        ("rate limit reached for rpm", Axis::Rpm),
        ("exceeds your concurrency limit", Axis::Concurrency),
    ],
    refusal: |said| {
        let number = |label| whole(after(&said.lower, label)?);
        Refusal {
            used: number("current concurrency is ").and_then(|used| used.try_into().ok()),
            limit: number("concurrency limit of "),
            ..Refusal::default()
        }
    },
    ..DialectRules::BARE
};

pub(super) const MINIMAX: DialectRules = DialectRules {
    causes: &[
        (Marker::Says("5-hour usage limit reached"), LimitCause::MinuteLimit),
        (Marker::Says("insufficient balance"), LimitCause::Billing),
        (Marker::Word("overloaded_error"), LimitCause::Overload),
    ],
    refusal: |said| {
        let numbers = between(&said.lower, " (", " used)").and_then(|pair| pair.split_once('/'));
        Refusal {
            used: numbers.and_then(|(used, _)| used.parse().ok()),
            limit: numbers.and_then(|(_, limit)| limit.parse().ok()),
            ..Refusal::default()
        }
    },
    wait: minimax_wait,
    ..DialectRules::BARE
};

/// `resets at 2026-05-15T15:00:00Z`
fn minimax_wait(seen: &ErrorResponse<'_>) -> Option<Wait> {
    let ErrorBody { message: Some(message), .. } = seen.said else { return None };
    let ends = UnixTime::rfc3339(between(message, "resets at ", " ")?)?;
    let length = ends.since(UnixTime::of_reply(seen.headers)?);
    (length > Nanos::ZERO).then_some(Wait { length, meaning: WaitKind::UntilWindowEnds })
}

pub(super) const META_LLAMA: DialectRules = DialectRules::BARE;
