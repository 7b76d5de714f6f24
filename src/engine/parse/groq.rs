//! Groq: one sentence with all numbers, and headers of two limits, often not the one that refused.
//!
//! Evidence: 109 published refusals and 16 sets of headers, 2024–2026 (`mock/tests/data`). The headers state requests
//! per day and tokens per minute only; at the audio endpoints, audio seconds per hour in place of tokens. If the tokens
//! per day are exhausted, the headers show full limits.

use super::duration::go_duration;
use super::headers::Headers;
use super::limit_header::LimitHeader;
use super::refusal::Refusal;
use super::rules::{DialectRules, Marker};
use crate::event::RefusalCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    // Documented: the flex tier is at capacity. No such body is published.
    causes: &[(Marker::Status(498), RefusalCause::Overload)],
    refusal: |response| Refusal::from_body(response.body),
    limits,
    ..DialectRules::NONE
};

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |name, axis| {
        let reset = headers.value(&format!("x-ratelimit-reset-{name}")).and_then(go_duration);
        Some(LimitHeader { reset, ..LimitHeader::parse(headers, name, Some(axis))? })
    };
    [read("requests", Axis::Rpd), read("tokens", Axis::Tpm), read("audio-seconds", Axis::Ash)]
        .into_iter()
        .flatten()
        .collect()
}
