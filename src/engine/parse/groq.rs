//! Groq: everything in one sentence, headers of two limits that are mostly not the one that refuses.
//!
//! Evidence: 109 published refusals and 16 sets of headers, 2024–2026 (`mock/tests/data`). The headers speak of
//! the day's requests and the minute's tokens only; a used-up day of tokens shows full headers.

use super::duration::go_duration;
use super::headers::Headers;
use super::page::{Page, Sign, sentence};
use super::stated::Stated;
use crate::event::Cause;
use provider::Axis;

pub(super) const PAGE: Page = Page {
    // Documented: flex capacity exceeded. No body of one is published.
    causes: &[(Sign::Status(498), Cause::Overload)],
    refusal: sentence,
    limits,
    ..Page::BARE
};

fn limits(headers: &dyn Headers) -> Vec<Stated> {
    let read = |name, axis| {
        let reset = headers.value(&format!("x-ratelimit-reset-{name}")).and_then(go_duration);
        Some(Stated { reset, ..Stated::read(headers, name, Some(axis))? })
    };
    [read("requests", Axis::Rpd), read("tokens", Axis::Tpm), read("audio-seconds", Axis::Ash)]
        .into_iter()
        .flatten()
        .collect()
}
