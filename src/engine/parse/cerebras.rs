//! Cerebras: errors without an envelope, and resets at the ends of aligned windows, in decimal seconds.
//!
//! Evidence: published bodies; the headers in the documentation, in which the reset of the day is that of the minute
//! plus 33,000.000 s. Limits per minute and per day share one code and differ in the message. `queue_exceeded` is a 429
//! that concerns no limit of the account.

use super::duration::seconds;
use super::headers::Headers;
use super::limit_header::LimitHeader;
use super::rules::{DialectRules, Marker};
use crate::engine::WaitKind;
use crate::event::RefusalCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("queue_exceeded"), RefusalCause::Overload),
        (Marker::MessageContains("high traffic"), RefusalCause::Overload),
        (Marker::Code("context_length_exceeded"), RefusalCause::TooLarge),
        (Marker::Code("wrong_api_key"), RefusalCause::Auth),
    ],
    axes: &[
        ("requests per second limit exceeded", Axis::Rps),
        ("requests per minute limit exceeded", Axis::Rpm),
        ("requests per hour limit exceeded", Axis::Rph),
        ("requests per day limit exceeded", Axis::Rpd),
        ("tokens per minute limit exceeded", Axis::Tpm),
        ("tokens per hour limit exceeded", Axis::Tph),
        ("tokens per day limit exceeded", Axis::Tpd),
        ("concurrent requests limit exceeded", Axis::Concurrency),
    ],
    limits,
    reset_kind: Some(WaitKind::UntilWindowEnds),
    ..DialectRules::NONE
};

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |(name, axis)| {
        let reset = headers.value(&format!("x-ratelimit-reset-{name}")).and_then(seconds);
        Some(LimitHeader { reset, ..LimitHeader::parse(headers, name, axis)? })
    };
    LIMITS.into_iter().filter_map(read).collect()
}

const LIMITS: [(&str, Option<Axis>); 6] = [
    ("requests-minute", Some(Axis::Rpm)),
    ("requests-hour", Some(Axis::Rph)),
    ("requests-day", Some(Axis::Rpd)),
    ("tokens-minute", Some(Axis::Tpm)),
    ("tokens-hour", Some(Axis::Tph)),
    ("tokens-day", Some(Axis::Tpd)),
];
