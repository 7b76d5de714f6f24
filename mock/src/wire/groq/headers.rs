//! Groq's response headers, lower case, in the order of its HTTP/1.1 captures.
//!
//! `…-requests` speaks of the day and `…-tokens` of the minute; no other axis is ever told. `reset` is the time
//! until the limit is full, not until a call fits. Evidence: 16 header sets of 2024–2026, documentation of
//! 2026-02. The edge's own headers (`server`, `cf-ray`, `set-cookie`, `via`, …) are left out: the mock has no edge.

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
        let mut put = |names: [&'static str; 2], text: fn(&LimitView) -> String| {
            let views = names.into_iter().zip([requests, tokens]);
            headers.extend(views.filter_map(|(name, view)| Some((name, text(view.as_ref()?)))));
        };
        put(["x-ratelimit-limit-requests", "x-ratelimit-limit-tokens"], |view| view.limit.to_string());
        put(["x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"], |view| {
            view.remaining.to_string()
        });
        put(["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"], |view| {
            GoDuration(view.reset).to_string()
        });
    }
    headers.push(("x-request-id", ids::groq_request(head.number)));
    headers
}

/// One of the regions seen in captures (`fra`, `bom`, `dls`, `dal`, `msp`, `yul`, `hel`).
const REGION: &str = "fra";
