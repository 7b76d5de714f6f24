//! Mistral: the plain message of its own gateway, or the flat error of the application behind it; limits without a reset.
//!
//! Evidence: recorded headers of 2025–2026. The limits are sliding counters, which have no single reset time, and no
//! reset is stated. In 2024 there was one limit with a reset in whole seconds.

use super::duration::seconds;
use super::headers::{Headers, number};
use super::limit_header::LimitHeader;
use super::rules::{DialectRules, Marker};
use crate::engine::WaitKind;
use crate::event::RefusalCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::MessageContains("service tier capacity exceeded"), RefusalCause::Overload),
        (Marker::Code("rate_limited"), RefusalCause::ShortLimit),
    ],
    // Requests are limited per second; the headers state the limit per minute or per ten seconds.
    axes: &[("requests rate limit exceeded", Axis::Rpm), ("tokens rate limit exceeded", Axis::Tpm)],
    limits,
    reset_kind: Some(WaitKind::UntilWindowEnds),
    ..DialectRules::NONE
};

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let current = LIMITS.into_iter().filter_map(|(name, axis)| LimitHeader::parse(headers, name, axis));
    current.chain(by_size(headers)).collect()
}

/// Parses the limit of 2024.
fn by_size(headers: &dyn Headers) -> Option<LimitHeader> {
    Some(LimitHeader {
        name: "tokens",
        axis: Some(Axis::Tpm),
        limit: number(headers, "ratelimitbysize-limit")?,
        remaining: number(headers, "ratelimitbysize-remaining")?,
        reset: headers.value("ratelimitbysize-reset").and_then(seconds),
        next: None,
    })
}

const LIMITS: [(&str, Option<Axis>); 6] = [
    ("req-minute", Some(Axis::Rpm)),
    ("req-10-second", Some(Axis::Requests)),
    ("tokens-minute", Some(Axis::Tpm)),
    ("tokens-month", Some(Axis::TpMonth)),
    ("audio-seconds-minute", None),
    ("ocr-pages-minute", None),
];
