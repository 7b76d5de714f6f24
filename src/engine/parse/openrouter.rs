//! `OpenRouter`: its own limits on free models, credits, and forwarded errors of the provider behind it.
//!
//! Evidence: published bodies. The limit headers are inside the body, with the reset as Unix time in milliseconds. The
//! error of the provider is in `metadata`, and may also come with status 200.

use super::duration::millis;
use super::error_body::ErrorBody;
use super::headers::wait_until;
use super::refusal::Refusal;
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::RefusalCause;
use provider::calendar::UnixTime;
use provider::{Axis, Nanos};
use serde_json::Value;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("upstream_provider_shared_pool"), RefusalCause::Overload),
        (Marker::Code("openrouter_free_tier_daily"), RefusalCause::DayLimit),
        (Marker::MessageContains("insufficient credits"), RefusalCause::Billing),
        (Marker::MessageContains("temporarily rate-limited upstream"), RefusalCause::Overload),
    ],
    axes: &[
        ("free-models-per-day", Axis::Rpd),
        ("free-models-per-min", Axis::Rpm),
        ("limit_rpd/", Axis::Rpd),
        ("limit_rpm/", Axis::Rpm),
    ],
    refusal: |response| Refusal {
        limit: header(response.body, "X-RateLimit-Limit").and_then(|text| text.parse().ok()),
        ..Refusal::default()
    },
    wait,
    ..DialectRules::NONE
};

fn wait(response: &ErrorResponse<'_>) -> Option<Wait> {
    let reset = UnixTime::EPOCH + millis(&header(response.body, "X-RateLimit-Reset")?)?;
    let length = wait_until(reset, response.headers)?;
    (length > Nanos::ZERO).then_some(Wait { length, kind: WaitKind::UntilWindowEnds })
}

/// Returns the value of a header inside the body.
fn header(body: &ErrorBody, name: &str) -> Option<String> {
    match &body.error["metadata"]["headers"][name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
