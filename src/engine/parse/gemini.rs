//! Google's three doors: the Gemini API, Cloud Code behind its assistants, and Vertex.
//!
//! Evidence: published bodies. What refused is named by `quotaId` in the details, whose order varies; on
//! the compatible endpoint and on Vertex the error stands in an array. `RetryInfo` also comes with limits of the
//! day (5 s, 36 s) and with limits of nothing: there it means nothing. A violation without `quotaValue`, or with
//! 0, is a model outside of the plan. No headers are sent.

use super::duration::{go_duration, go_duration_prefix};
use super::error_body::ErrorBody;
use super::refusal::{Refusal, after, between, cause_of, whole};
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::{Axis, Nanos};
use serde_json::Value;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Word("UNAVAILABLE"), LimitCause::Overload),
        (Marker::Word("MODEL_CAPACITY_EXHAUSTED"), LimitCause::Overload),
    ],
    refusal,
    wait,
    ..DialectRules::BARE
};

/// The daily quotas are named in `quota_limit`; no capacity is a reason of its own.
pub(super) const CLOUD_CODE: DialectRules = RULES;

/// Where the quota is shared by all who pay as they go, this sentence is what contention for it sounds like.
pub(super) const VERTEX: DialectRules = DialectRules {
    causes: &[
        (Marker::Word("UNAVAILABLE"), LimitCause::Overload),
        (Marker::Says("resource exhausted. please try again later"), LimitCause::Overload),
    ],
    ..RULES
};

/// A quota that was violated: what it counts, over which window, and how much it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quota {
    axis: Option<Axis>,
    daily: bool,
    value: Option<u64>,
}

impl Quota {
    /// `GenerateContentInputTokensPerModelPerMinute-FreeTier`, `GenerateRequestsPerDayPerProjectPerModel`, …
    fn read(id: &str, value: Option<u64>) -> Self {
        let (daily, minute) = (id.contains("PerDay"), id.contains("PerMinute"));
        let axis = match (id.contains("InputToken"), id.contains("Token"), id.contains("Requests")) {
            (true, ..) if minute => Some(Axis::Itpm),
            (_, true, _) if minute => Some(Axis::Tpm),
            (_, true, _) if daily => Some(Axis::Tpd),
            (_, _, true) if minute => Some(Axis::Rpm),
            (_, _, true) if daily => Some(Axis::Rpd),
            _ => None,
        };
        Self { axis, daily, value }
    }
}

fn details(said: &ErrorBody) -> impl Iterator<Item = &Value> {
    said.error["details"].as_array().into_iter().flatten()
}

fn violations(said: &ErrorBody) -> impl Iterator<Item = &Value> {
    details(said).filter_map(|detail| detail["violations"].as_array()).flatten()
}

/// The quota that matters: one of nothing before one of the day, one of the day before one of the minute.
fn worst(said: &ErrorBody) -> Option<Quota> {
    let violated = violations(said).filter_map(|violation| {
        let value = match &violation["quotaValue"] {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64().or(number.is_null().then_some(0)),
        };
        Some(Quota::read(violation["quotaId"].as_str()?, value))
    });
    let named = details(said)
        .filter_map(|detail| Some(Quota::read(detail["metadata"]["quota_limit"].as_str()?, None)));
    violated.chain(named).max_by_key(|quota| (quota.value == Some(0), quota.daily))
}

fn refusal(said: &ErrorBody) -> Refusal {
    let message = said.message.as_deref().unwrap_or_default();
    let quota = worst(said);
    // Where only the words came through: `* Quota exceeded for metric: …, limit: 20, model: …`.
    let limit = || after(message, ", limit: ").and_then(whole);
    let value = quota.map_or_else(limit, |quota| quota.value);
    let quantity = quota.filter(|quota| quota.axis.is_some() || quota.daily);
    let windowed = quantity.map(|quota| cause_of(Some(if quota.daily { Nanos::DAY } else { Nanos::MINUTE })));
    let dimension = violations(said).find_map(|violation| violation["quotaDimensions"]["model"].as_str());
    let served = details(said).find_map(|detail| detail["metadata"]["model"].as_str());
    let model = dimension.or(served).or_else(|| between(message, ", model: ", "\n"));
    Refusal {
        cause: if value == Some(0) { Some(LimitCause::NotInTier) } else { windowed },
        axis: quota.and_then(|quota| quota.axis),
        limit: value.filter(|value| *value > 0),
        model: model.map(str::to_owned),
        ..Refusal::default()
    }
}

/// The sentence is finer than `RetryInfo`, which is cut to whole seconds.
fn wait(seen: &ErrorResponse<'_>) -> Option<Wait> {
    let message = seen.said.message.as_deref().unwrap_or_default();
    let sentence = after(message, "Please retry in ").and_then(go_duration_prefix);
    let delay = || details(seen.said).find_map(|detail| detail["retryDelay"].as_str());
    let length = sentence.or_else(|| delay().and_then(go_duration))?;
    let meaning = match worst(seen.said) {
        Some(quota) if quota.daily => WaitKind::Meaningless,
        Some(_) => WaitKind::UntilEnough,
        // It may be the day's: without the period it is not known what the number is worth.
        None => WaitKind::Suggested,
    };
    Some(Wait { length, meaning })
}
