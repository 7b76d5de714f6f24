//! Groq's response headers, lower case, in the order of its HTTP/1.1 captures.
//!
//! `…-requests` speaks of the day and `…-tokens` of the minute; no other axis is ever told. `reset` is the time
//! until the limit is full, not until a call fits. Evidence: 16 header sets of 2024–2026, documentation of
//! 2026-02. The edge's own headers (`server`, `cf-ray`, `set-cookie`, `via`, …) are left out: the mock has no edge.

use crate::axis::Axis;
use crate::decision::{LimitView, LimitsView};
use crate::wire::go_duration::GoDuration;
use crate::wire::{Head, Headers, ids};

/// The headers of a reply.
pub(super) fn render(head: &Head<'_>) -> Headers {
    let mut headers = Headers::of(head.content);
    headers.text("cache-control", "private, max-age=0, no-store, no-cache, must-revalidate");
    if let Some(wait) = head.wait {
        // Rounded up: 34.1475 s is `35`. Evidence: 4 captured pairs, which exclude floor and rounding.
        headers.number("retry-after", wait.as_secs_ceil());
    }
    headers.text("vary", "Origin");
    headers.text("x-groq-region", REGION);
    if let Some(LimitsView { requests, tokens }) = head.told.map(|told| told.limits) {
        let hears = tokens.is_some_and(|view| view.axis == Axis::Ash);
        let names = if hears { AUDIO } else { CHAT };
        let figures: [fn(&mut Headers, &'static str, &LimitView); 3] = [
            |headers, name, view| headers.number(name, view.limit),
            |headers, name, view| headers.number(name, view.remaining),
            |headers, name, view| headers.piece(name, &GoDuration(view.reset)),
        ];
        for (names, push) in names.into_iter().zip(figures) {
            for (name, view) in names.into_iter().zip([&requests, &tokens]) {
                view.iter().for_each(|view| push(&mut headers, name, view));
            }
        }
    }
    headers.piece("x-request-id", &ids::groq_request(head.number));
    headers
}

/// One of the regions seen in captures (`fra`, `bom`, `dls`, `dal`, `msp`, `yul`, `hel`).
const REGION: &str = "fra";

/// Limit, remaining and reset, each of requests and of tokens.
const CHAT: [[&str; 2]; 3] = [
    ["x-ratelimit-limit-requests", "x-ratelimit-limit-tokens"],
    ["x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"],
    ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"],
];

/// The same at the audio endpoints. Evidence: captures of 2024-07 and 2026-03; their order is assumed to be alphabetical.
const AUDIO: [[&str; 2]; 3] = [
    ["x-ratelimit-limit-requests", "x-ratelimit-limit-audio-seconds"],
    ["x-ratelimit-remaining-requests", "x-ratelimit-remaining-audio-seconds"],
    ["x-ratelimit-reset-requests", "x-ratelimit-reset-audio-seconds"],
];
