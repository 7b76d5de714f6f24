//! Google's three dialects: the Gemini API, Cloud Code behind its assistants, and Vertex.
//!
//! Evidence: published bodies. `quotaId` in the details names the quota that refused; the order of the details varies.
//! The compatible endpoint and Vertex wrap the error in an array. `RetryInfo` also comes with daily quotas (5 s, 36 s)
//! and with quotas of zero, where it is meaningless. A violation without `quotaValue`, or with 0, means that the plan
//! does not include the model. There are no limit headers.

use super::duration::{go_duration, go_duration_prefix};
use super::error_body::ErrorBody;
use super::quantity::leading_number;
use super::refusal::{Refusal, after, between, cause_from_window};
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::RefusalCause;
use provider::{Axis, Nanos};
use serde_json::Value;

/// The rules of the Gemini API and of Cloud Code, where `quota_limit` in the details names daily quotas.
pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("UNAVAILABLE"), RefusalCause::Overload),
        (Marker::Code("MODEL_CAPACITY_EXHAUSTED"), RefusalCause::Overload),
        (Marker::MessageContains("credits are depleted"), RefusalCause::Billing),
        // Cloud Code: the allowance of a plan, which states when it resets.
        (Marker::MessageContains("exhausted your capacity on this model"), RefusalCause::Allowance),
    ],
    refusal,
    wait,
    ..DialectRules::NONE
};

/// The rules of Vertex. Pay-as-you-go customers share one quota; if it is exhausted, the message is the one below.
pub(super) const VERTEX: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("UNAVAILABLE"), RefusalCause::Overload),
        (Marker::MessageContains("resource exhausted. please try again later"), RefusalCause::Overload),
    ],
    ..RULES
};

/// A violated quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quota {
    axis: Option<Axis>,
    daily: bool,
    value: Option<u64>,
}

impl Quota {
    /// Parses names such as `GenerateContentInputTokensPerModelPerMinute-FreeTier` and
    /// `GenerateRequestsPerDayPerProjectPerModel`.
    fn parse(id: &str, value: Option<u64>) -> Self {
        let (daily, minute) = (id.contains("PerDay"), id.contains("PerMinute"));
        let axis = match (id.contains("InputToken"), id.contains("Token"), id.contains("Requests")) {
            (true, ..) if minute => Some(Axis::Itpm),
            _ if minute && id.contains("OutputToken") => Some(Axis::Otpm),
            (_, true, _) if minute => Some(Axis::Tpm),
            (_, true, _) if daily => Some(Axis::Tpd),
            (_, _, true) if minute => Some(Axis::Rpm),
            (_, _, true) if daily => Some(Axis::Rpd),
            _ => None,
        };
        Self { axis, daily, value }
    }

    /// Parses a name of Vertex, such as `generate_content_requests_per_minute_per_project_per_base_model`. One that states no window,
    /// such as `online_prediction_requests_per_base_model`, is per minute (documented).
    fn of_vertex(name: &str) -> Self {
        let words = name.split('_').map(|word| {
            let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
            first.to_ascii_uppercase() + rest
        });
        let id: String = words.collect();
        let window = if id.contains("PerDay") || id.contains("PerMinute") { "" } else { "PerMinute" };
        Self::parse(&(id + window), None)
    }
}

fn details(body: &ErrorBody) -> impl Iterator<Item = &Value> {
    body.error["details"].as_array().into_iter().flatten()
}

fn violations(body: &ErrorBody) -> impl Iterator<Item = &Value> {
    details(body).filter_map(|detail| detail["violations"].as_array()).flatten()
}

/// Returns the quota with the longest recovery: one of zero, then one per day, then one per minute.
fn decisive_quota(body: &ErrorBody) -> Option<Quota> {
    let violated = violations(body).filter_map(|violation| {
        let value = match &violation["quotaValue"] {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64().or(number.is_null().then_some(0)),
        };
        Some(Quota::parse(violation["quotaId"].as_str()?, value))
    });
    let by_name = details(body)
        .filter_map(|detail| Some(Quota::parse(detail["metadata"]["quota_limit"].as_str()?, None)));
    violated.chain(by_name).max_by_key(|quota| (quota.value == Some(0), quota.daily))
}

fn refusal(response: &ErrorResponse<'_>) -> Refusal {
    let body = response.body;
    let message = body.message.as_deref().unwrap_or_default();
    let quota = decisive_quota(body).or_else(|| vertex_quota(message));
    // Without details, the message states it: `* Quota exceeded for metric: …, limit: 20, model: …`.
    let limit = || after(message, ", limit: ").and_then(leading_number);
    let value = quota.map_or_else(limit, |quota| quota.value);
    let with_window = quota.filter(|quota| quota.axis.is_some() || quota.daily);
    let cause_from_quota = with_window
        .map(|quota| cause_from_window(Some(if quota.daily { Nanos::DAY } else { Nanos::MINUTE })));
    let dimension = violations(body).find_map(|violation| violation["quotaDimensions"]["model"].as_str());
    let model_in_details = details(body).find_map(|detail| detail["metadata"]["model"].as_str());
    let model = dimension.or(model_in_details).or_else(|| between(message, ", model: ", "\n"));
    let model = model.or_else(|| base_model(message));
    Refusal {
        cause: if value == Some(0) { Some(RefusalCause::NotInTier) } else { cause_from_quota },
        axis: quota.and_then(|quota| quota.axis),
        limit: value.filter(|value| *value > 0),
        model: model.map(str::to_owned),
        ..Refusal::default()
    }
}

/// Returns the quota that Vertex names in its message: `Quota exceeded for aiplatform.googleapis.com/… with base model: …`.
fn vertex_quota(message: &str) -> Option<Quota> {
    let name = after(message, "xceeded for aiplatform.googleapis.com/")?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    (end > 0).then(|| Quota::of_vertex(&name[..end]))
}

/// Returns the model in the same message. Names have dots, but none at their end.
fn base_model(message: &str) -> Option<&str> {
    let name = after(message, "with base model: ")?;
    let name = name.split_whitespace().next()?.trim_end_matches(['.', ',']);
    (!name.is_empty()).then_some(name)
}

/// Parses the wait in the message or else in `RetryInfo`, where it is rounded down to whole seconds.
fn wait(response: &ErrorResponse<'_>) -> Option<Wait> {
    let message = response.body.message.as_deref().unwrap_or_default();
    let sentence = after(message, "Please retry in ").and_then(go_duration_prefix);
    let delay = || details(response.body).find_map(|detail| detail["retryDelay"].as_str());
    let length = sentence.or_else(|| delay().and_then(go_duration))?;
    let kind = match decisive_quota(response.body) {
        Some(quota) if quota.daily => WaitKind::Meaningless,
        Some(_) => WaitKind::UntilAdmitted,
        // The quota may be a daily one, so the wait may be too short.
        None => WaitKind::Suggested,
    };
    Some(Wait { length, kind })
}
