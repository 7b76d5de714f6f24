//! Groq's response headers, lower case, in the order of its HTTP/1.1 captures.
//!
//! `…-requests` reports the day and `…-tokens` the minute; at the audio endpoints `…-audio-seconds`, the hour, replaces
//! `…-tokens`. No other axis is reported. `reset` is the time until the limit is full, not until a call fits. Evidence: 16
//! header sets of 2024–2026, documentation of 2026-02. The headers of the content delivery network (`server`, `cf-ray`,
//! `set-cookie`, `via`, …) are omitted.

use crate::axis::Axis;
use crate::decision::HeaderLimits;
use crate::wire::go_duration::GoDuration;
use crate::wire::{Head, Headers, ids};

/// Renders the headers of a reply.
pub(super) fn render(head: &Head<'_>) -> Headers {
    let mut headers = Headers::with_media_type(head.media_type);
    headers.add_static("cache-control", "private, max-age=0, no-store, no-cache, must-revalidate");
    if let Some(wait) = head.wait {
        // Rounded up: 34.1475 s is `35`. Evidence: 4 captured pairs, which exclude floor and rounding.
        headers.add_number("retry-after", wait.as_secs_ceil());
    }
    headers.add_static("vary", "Origin");
    headers.add_static("x-groq-region", REGION);
    if let Some(HeaderLimits { requests, tokens }) = head.snapshot.map(|snapshot| snapshot.limits) {
        let is_audio = tokens.is_some_and(|limit| limit.axis == Axis::Ash);
        let [limit_names, remaining_names, reset_names] = if is_audio { AUDIO_NAMES } else { CHAT_NAMES };
        let limits = |names: [&'static str; 2]| {
            names.into_iter().zip([requests, tokens]).filter_map(|(name, limit)| Some((name, limit?)))
        };
        limits(limit_names).for_each(|(name, limit)| headers.add_number(name, limit.limit));
        limits(remaining_names).for_each(|(name, limit)| headers.add_number(name, limit.remaining));
        limits(reset_names).for_each(|(name, limit)| headers.add_go_duration(name, GoDuration(limit.reset)));
    }
    headers.add_text("x-request-id", ids::groq_request(head.number).as_str());
    headers
}

/// One of the regions in captures (`fra`, `bom`, `dls`, `dal`, `msp`, `yul`, `hel`).
const REGION: &str = "fra";

/// The names of limit, remaining and reset, each for requests and for tokens.
const CHAT_NAMES: [[&str; 2]; 3] = [
    ["x-ratelimit-limit-requests", "x-ratelimit-limit-tokens"],
    ["x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"],
    ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"],
];

/// The names at the audio endpoints. Evidence: captures of 2024-07 and 2026-03; their order is assumed to be
/// that of the chat endpoint.
const AUDIO_NAMES: [[&str; 2]; 3] = [
    ["x-ratelimit-limit-requests", "x-ratelimit-limit-audio-seconds"],
    ["x-ratelimit-remaining-requests", "x-ratelimit-remaining-audio-seconds"],
    ["x-ratelimit-reset-requests", "x-ratelimit-reset-audio-seconds"],
];
