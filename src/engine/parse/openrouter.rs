//! `OpenRouter`: limits of its own for free models, credits, and whatever the provider behind it said.
//!
//! Evidence: published bodies. The rate headers stand inside the body, the reset as milliseconds since 1970; the
//! reason of an upstream's refusal is in `metadata`, which may also come inside a 200.

use super::date::UnixTime;
use super::error_body::ErrorBody;
use super::refusal::Refusal;
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::{Axis, Nanos};
use serde_json::Value;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Word("upstream_provider_shared_pool"), LimitCause::Overload),
        (Marker::Word("openrouter_free_tier_daily"), LimitCause::DayLimit),
        (Marker::Says("insufficient credits"), LimitCause::Billing),
    ],
    axes: &[("free-models-per-day", Axis::Rpd), ("free-models-per-min", Axis::Rpm)],
    refusal: |said| Refusal {
        limit: header(said, "X-RateLimit-Limit").and_then(|text| text.parse().ok()),
        ..Refusal::default()
    },
    wait,
    ..DialectRules::BARE
};

fn wait(seen: &ErrorResponse<'_>) -> Option<Wait> {
    let ends = UnixTime::epoch_millis(&header(seen.said, "X-RateLimit-Reset")?)?;
    let length = ends.since(UnixTime::of_reply(seen.headers)?);
    (length > Nanos::ZERO).then_some(Wait { length, meaning: WaitKind::UntilWindowEnds })
}

/// A header inside the body.
fn header(said: &ErrorBody, name: &str) -> Option<String> {
    match &said.error["metadata"]["headers"][name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
