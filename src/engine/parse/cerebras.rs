//! Cerebras: errors without an envelope, and resets that are the ends of aligned windows, in seconds with a fraction.
//!
//! Evidence: published bodies; the documentation's headers, whose day's reset is the minute's plus 33,000.000 s.
//! One code stands for the minute and the day: only the message tells them apart. `queue_exceeded` is a 429 that
//! is no limit of the account's.

use super::duration::seconds;
use super::headers::Headers;
use super::page::{Page, Sign};
use super::stated::Stated;
use crate::engine::Meaning;
use crate::event::Cause;
use provider::Axis;

pub(super) const PAGE: Page = Page {
    causes: &[
        (Sign::Word("queue_exceeded"), Cause::Overload),
        (Sign::Says("high traffic"), Cause::Overload),
        (Sign::Word("context_length_exceeded"), Cause::TooLarge),
        (Sign::Word("wrong_api_key"), Cause::Auth),
        // No axis of ours has an hour's window for requests or tokens.
        (Sign::Says("requests per hour limit exceeded"), Cause::MinuteLimit),
        (Sign::Says("tokens per hour limit exceeded"), Cause::MinuteLimit),
    ],
    axes: &[
        ("requests per minute limit exceeded", Axis::Rpm),
        ("requests per day limit exceeded", Axis::Rpd),
        ("tokens per minute limit exceeded", Axis::Tpm),
        ("tokens per day limit exceeded", Axis::Tpd),
    ],
    limits,
    resets: Some(Meaning::UntilWindowEnds),
    ..Page::BARE
};

fn limits(headers: &dyn Headers) -> Vec<Stated> {
    let read = |(name, axis)| {
        let reset = headers.value(&format!("x-ratelimit-reset-{name}")).and_then(seconds);
        Some(Stated { reset, ..Stated::read(headers, name, axis)? })
    };
    LIMITS.into_iter().filter_map(read).collect()
}

const LIMITS: [(&str, Option<Axis>); 6] = [
    ("requests-minute", Some(Axis::Rpm)),
    ("requests-hour", None),
    ("requests-day", Some(Axis::Rpd)),
    ("tokens-minute", Some(Axis::Tpm)),
    ("tokens-hour", None),
    ("tokens-day", Some(Axis::Tpd)),
];
