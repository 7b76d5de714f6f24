//! Groq's response headers, lower case, in the order of its HTTP/1.1 captures.
//!
//! `…-requests` speaks of the day and `…-tokens` of the minute; no other axis is ever told. `reset` is the time
//! until the limit is full, not until a call fits. Evidence: 16 header sets of 2024–2026, documentation of
//! 2026-02. The edge's own headers (`server`, `cf-ray`, `set-cookie`, `via`, …) are left out: the mock has no edge.

use crate::axis::Axis;
use crate::ruling::{LimitView, LimitsView};
use crate::wire::go_duration::GoDuration;
use crate::wire::{Head, Headers, ids};

/// The headers of a reply.
pub(super) fn render(head: &Head<'_>) -> Headers {
    let mut headers = Vec::with_capacity(12);
    headers.push(("content-type", head.content.media_type().to_owned()));
    headers.push(("cache-control", "private, max-age=0, no-store, no-cache, must-revalidate".to_owned()));
    if let Some(wait) = head.wait {
        // Rounded up: 34.1475 s is `35`. Evidence: 4 captured pairs, which exclude floor and rounding.
        headers.push(("retry-after", wait.secs_up().to_string()));
    }
    headers.push(("vary", "Origin".to_owned()));
    headers.push(("x-groq-region", REGION.to_owned()));
    if let Some(LimitsView { requests, tokens }) = head.told.map(|told| told.limits) {
        let hears = tokens.is_some_and(|view| view.axis == Axis::Ash);
        let names = if hears { AUDIO } else { CHAT };
        let texts: [fn(&LimitView) -> String; 3] = [
            |view| view.limit.to_string(),
            |view| view.remaining.to_string(),
            |view| GoDuration(view.reset).to_string(),
        ];
        for (names, text) in names.into_iter().zip(texts) {
            let views = names.into_iter().zip([requests, tokens]);
            headers.extend(views.filter_map(|(name, view)| Some((name, text(view.as_ref()?)))));
        }
    }
    headers.push(("x-request-id", ids::groq_request(head.number)));
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
