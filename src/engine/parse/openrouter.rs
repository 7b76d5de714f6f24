//! `OpenRouter`: limits of its own for free models, credits, and whatever the provider behind it said.
//!
//! Evidence: published bodies. The rate headers stand inside the body, the reset as milliseconds since 1970; the
//! reason of an upstream's refusal is in `metadata`, which may also come inside a 200.

use super::date::Moment;
use super::page::{Page, Seen, Sign};
use super::refusal::Refusal;
use super::said::Said;
use crate::engine::{Meaning, Wait};
use crate::event::Cause;
use provider::{Axis, Nanos};
use serde_json::Value;

pub(super) const PAGE: Page = Page {
    causes: &[
        (Sign::Word("upstream_provider_shared_pool"), Cause::Overload),
        (Sign::Word("openrouter_free_tier_daily"), Cause::DayLimit),
        (Sign::Says("insufficient credits"), Cause::Billing),
    ],
    axes: &[("free-models-per-day", Axis::Rpd), ("free-models-per-min", Axis::Rpm)],
    refusal: |said| Refusal {
        limit: header(said, "X-RateLimit-Limit").and_then(|text| text.parse().ok()),
        ..Refusal::default()
    },
    wait,
    ..Page::BARE
};

fn wait(seen: &Seen<'_>) -> Option<Wait> {
    let ends = Moment::epoch_millis(&header(seen.said, "X-RateLimit-Reset")?)?;
    let length = ends.since(Moment::of_reply(seen.headers)?);
    (length > Nanos::ZERO).then_some(Wait { length, meaning: Meaning::UntilWindowEnds })
}

/// A header inside the body.
fn header(said: &Said, name: &str) -> Option<String> {
    match &said.error["metadata"]["headers"][name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
