//! Groq: everything in one sentence, headers of two limits that are mostly not the one that refuses.
//!
//! Evidence: 109 published refusals and 16 sets of headers, 2024–2026 (`mock/tests/data`). The headers speak of
//! the day's requests and the minute's tokens only; a used-up day of tokens shows full headers.

use super::duration::go_duration;
use super::headers::Headers;
use super::limit_header::LimitHeader;
use super::rules::{DialectRules, Marker, sentence};
use crate::event::LimitCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    // Documented: flex capacity exceeded. No body of one is published.
    causes: &[(Marker::Status(498), LimitCause::Overload)],
    refusal: sentence,
    limits,
    ..DialectRules::BARE
};

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |name, axis| {
        let reset = headers.value(&format!("x-ratelimit-reset-{name}")).and_then(go_duration);
        Some(LimitHeader { reset, ..LimitHeader::read(headers, name, Some(axis))? })
    };
    [read("requests", Axis::Rpd), read("tokens", Axis::Tpm), read("audio-seconds", Axis::Ash)]
        .into_iter()
        .flatten()
        .collect()
}
