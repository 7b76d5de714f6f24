//! Mistral: a gateway's bare message or the application's flat error; limits without a reset.
//!
//! Evidence: recorded headers of 2025–2026. What is left is a sliding counter's, so that no one moment frees it
//! and no reset is stated: such a limit is told to readers and left out of what the engine keeps. In 2024 there
//! was one limit with a reset in whole seconds.

use super::duration::seconds;
use super::headers::{Headers, whole};
use super::limit_header::LimitHeader;
use super::rules::{DialectRules, Marker};
use crate::engine::WaitKind;
use crate::event::LimitCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Says("service tier capacity exceeded"), LimitCause::Overload),
        (Marker::Word("rate_limited"), LimitCause::MinuteLimit),
    ],
    // Requests are counted per second and stated per minute or per ten seconds.
    axes: &[("requests rate limit exceeded", Axis::Rpm), ("tokens rate limit exceeded", Axis::Tpm)],
    limits,
    resets: Some(WaitKind::UntilWindowEnds),
    ..DialectRules::BARE
};

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let today = LIMITS.into_iter().filter_map(|(name, axis)| LimitHeader::read(headers, name, axis));
    today.chain(by_size(headers)).collect()
}

/// The one limit of 2024.
fn by_size(headers: &dyn Headers) -> Option<LimitHeader> {
    let number = |name: &str| whole(headers, name);
    Some(LimitHeader {
        name: "tokens",
        axis: Some(Axis::Tpm),
        limit: number("ratelimitbysize-limit")?,
        remaining: number("ratelimitbysize-remaining")?,
        reset: headers.value("ratelimitbysize-reset").and_then(seconds),
    })
}

const LIMITS: [(&str, Option<Axis>); 6] = [
    ("req-minute", Some(Axis::Rpm)),
    ("req-10-second", None),
    ("tokens-minute", Some(Axis::Tpm)),
    ("tokens-month", None),
    ("audio-seconds-minute", None),
    ("ocr-pages-minute", None),
];
