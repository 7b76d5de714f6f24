//! Providers that are known from a refusal or two each.
//!
//! Evidence: published bodies. Bedrock's minute and day differ in two words; `DeepSeek` bounds what is in flight
//! and scales the bound with the balance; `MiniMax` speaks Anthropic's shape and counts over five hours; Meta's
//! Llama API writes RFC 7807 and names neither number nor period.

use super::date::Moment;
use super::page::{Page, Seen, Sign};
use super::refusal::{Refusal, after, between, whole};
use super::said::Said;
use crate::engine::{Meaning, Wait};
use crate::event::Cause;
use provider::{Axis, Nanos};

pub(super) const BEDROCK: Page = Page {
    causes: &[
        (Sign::Says("input is too long"), Cause::TooLarge),
        (Sign::Word("ServiceUnavailableException"), Cause::Overload),
    ],
    axes: &[
        ("too many tokens per day", Axis::Tpd),
        ("too many requests per day", Axis::Rpd),
        ("too many tokens", Axis::Tpm),
        ("too many requests", Axis::Rpm),
    ],
    ..Page::BARE
};

pub(super) const DEEPSEEK: Page = Page {
    causes: &[(Sign::Says("insufficient balance"), Cause::Billing)],
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
    ..Page::BARE
};

pub(super) const MINIMAX: Page = Page {
    causes: &[
        (Sign::Says("5-hour usage limit reached"), Cause::MinuteLimit),
        (Sign::Says("insufficient balance"), Cause::Billing),
        (Sign::Word("overloaded_error"), Cause::Overload),
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
    ..Page::BARE
};

/// `resets at 2026-05-15T15:00:00Z`
fn minimax_wait(seen: &Seen<'_>) -> Option<Wait> {
    let Said { message: Some(message), .. } = seen.said else { return None };
    let ends = Moment::rfc3339(between(message, "resets at ", " ")?)?;
    let length = ends.since(Moment::of_reply(seen.headers)?);
    (length > Nanos::ZERO).then_some(Wait { length, meaning: Meaning::UntilWindowEnds })
}

pub(super) const META_LLAMA: Page = Page::BARE;
