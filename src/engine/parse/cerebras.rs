//! Cerebras: errors without an envelope, and resets that are the ends of aligned windows, in seconds with a fraction.
//!
//! Evidence: published bodies; the documentation's headers, whose day's reset is the minute's plus 33,000.000 s.
//! One code stands for the minute and the day: only the message tells them apart. `queue_exceeded` is a 429 that
//! is no limit of the account's.

use super::duration::seconds;
use super::headers::Headers;
use super::limit_header::LimitHeader;
use super::rules::{DialectRules, Marker};
use crate::engine::WaitKind;
use crate::event::LimitCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Word("queue_exceeded"), LimitCause::Overload),
        (Marker::Says("high traffic"), LimitCause::Overload),
        (Marker::Word("context_length_exceeded"), LimitCause::TooLarge),
        (Marker::Word("wrong_api_key"), LimitCause::Auth),
        // No axis of ours has an hour's window for requests or tokens.
        (Marker::Says("requests per hour limit exceeded"), LimitCause::MinuteLimit),
        (Marker::Says("tokens per hour limit exceeded"), LimitCause::MinuteLimit),
    ],
    axes: &[
        ("requests per minute limit exceeded", Axis::Rpm),
        ("requests per day limit exceeded", Axis::Rpd),
        ("tokens per minute limit exceeded", Axis::Tpm),
        ("tokens per day limit exceeded", Axis::Tpd),
    ],
    limits,
    resets: Some(WaitKind::UntilWindowEnds),
    ..DialectRules::BARE
};

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |(name, axis)| {
        let reset = headers.value(&format!("x-ratelimit-reset-{name}")).and_then(seconds);
        Some(LimitHeader { reset, ..LimitHeader::read(headers, name, axis)? })
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
