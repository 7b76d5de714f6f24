//! Gemini: the OpenAI-compatible endpoint and Google's own. Both have Google's errors, the compatible one in a JSON array.
//!
//! The refusals (the id names the quota; the wait is in `RetryInfo` and in the message), the refusal without details and the
//! overload are from captures. There are no limit headers.
//!
//! The wait of a quota per day is not the time until the quota has room: in the one capture that states the time of day
//! (06:14:23, 36.4 s) it is the time to the end of the minute. The mock does the same; its minutes count from its start.

mod compatible;
mod native;

pub(super) use compatible::Compatible;
pub(super) use native::Native;

use super::envelope::{self, reason_phrase};
use super::json::Seconds;
use super::{Context, Error, ErrorReply, LimitsSnapshot};
use crate::axis::Axis;
use crate::calendar::until_window_end;
use crate::config::Tier;
use crate::decision::Denial;
use crate::length::LengthLimit;
use crate::time::{Instant, Nanos};
use serde::Serialize;

/// Renders a refusal. It is assumed that an oversize call gets the same reply, and that a limit on concurrency or audio, or over a
/// second, an hour, a week, a month or another window, gets the refusal without details.
fn refusal(denial: &Denial, snapshot: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply {
    let Some(quota) = Quota::of(denial.axis, context.tier) else {
        return ErrorReply::new(429, body(429, EXHAUSTED, None));
    };
    let states_minute = denial.axis.is_daily() && !denial.wait_replaced;
    let rest_of_minute = || until_window_end(Nanos::MINUTE, snapshot.at);
    let wait = denial.wait.map(|wait| if states_minute { rest_of_minute() } else { wait });
    ErrorReply::new(429, quota.exceeded_body(Some(denial.limit), context.model, wait))
}

/// Renders any other error. The 503, the 429 without details, and the limit of zero for a model that is not in the tier are
/// from captures. Users reported the error about insufficient credit (2026-06). All others are documented or assumed.
/// `version` is that of the API, as messages state it: the endpoint in OpenAI's format states `v1main`, whatever its path.
fn error(error: &Error<'_>, version: &str, at: Instant) -> ErrorReply {
    let (status, message): (u16, &str) = match error {
        Error::InvalidKey => (400, "API key not valid. Please pass a valid API key."),
        Error::UnknownModel(model) => (
            404,
            &format!(
                "models/{model} is not found for API version {version}, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods."
            ),
        ),
        Error::UnknownPath(..) => (404, reason_phrase(404)),
        Error::Invalid { message, .. } => (400, message.as_ref()),
        Error::BodyTooLarge => (413, reason_phrase(413)),
        Error::Overload(_) | Error::Status(503, _) => {
            (503, "The model is overloaded. Please try again later.")
        }
        Error::Billing => (429, DEPLETED),
        Error::NotInTier(model) => {
            let wait = Some(until_window_end(Nanos::MINUTE, at));
            return ErrorReply::new(429, Quota::FREE_REQUESTS_PER_DAY.exceeded_body(None, model, wait));
        }
        Error::TooLong(too_long, _) => {
            let (requested, limit) = (too_long.requested(), too_long.limit_tokens);
            let what = match too_long.violated {
                LengthLimit::Context => "input",
                LengthLimit::Output => "output",
            };
            let message = format!(
                "The {what} token count ({requested}) exceeds the maximum number of tokens allowed ({limit})."
            );
            return ErrorReply::new(400, body(400, &message, None));
        }
        Error::Status(429, _) => (429, EXHAUSTED),
        Error::Status(status, _) => (*status, reason_phrase(*status)),
    };
    ErrorReply::new(status, body(status, message, None))
}

/// The names of a quota at Google.
struct Quota {
    metric: &'static str,
    id: &'static str,
}

impl Quota {
    const FREE_REQUESTS_PER_DAY: Self = Self {
        metric: "generate_content_free_tier_requests",
        id: "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
    };

    /// Returns the quota of an axis; `None` if Google has none. The names for input tokens per minute and for requests per
    /// day, of both tiers, are from captures. All others are derived from them (assumed). Google's limits of tokens
    /// count input tokens, so [`Axis::Tpm`] and [`Axis::Tpd`] have the names of input quotas.
    const fn of(axis: Axis, tier: Tier) -> Option<Self> {
        let (metric, id) = match (axis, tier) {
            (Axis::Rpd, Tier::Free) => return Some(Self::FREE_REQUESTS_PER_DAY),
            (Axis::Rpd, Tier::Developer) => {
                ("generate_requests_per_model_per_day", "GenerateRequestsPerDayPerProjectPerModel")
            }
            (Axis::Rpm, Tier::Free) => (
                "generate_content_free_tier_requests",
                "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            ),
            (Axis::Rpm, Tier::Developer) => {
                ("generate_requests_per_model", "GenerateRequestsPerMinutePerProjectPerModel")
            }
            (Axis::Tpm | Axis::Itpm | Axis::Uitpm, Tier::Free) => (
                "generate_content_free_tier_input_token_count",
                "GenerateContentInputTokensPerModelPerMinute-FreeTier",
            ),
            (Axis::Tpm | Axis::Itpm | Axis::Uitpm, Tier::Developer) => (
                "generate_content_paid_tier_input_token_count",
                "GenerateContentPaidTierInputTokensPerModelPerMinute",
            ),
            (Axis::Tpd, Tier::Free) => (
                "generate_content_free_tier_input_token_count",
                "GenerateContentInputTokensPerModelPerDay-FreeTier",
            ),
            (Axis::Tpd, Tier::Developer) => (
                "generate_content_paid_tier_input_token_count",
                "GenerateContentPaidTierInputTokensPerModelPerDay",
            ),
            (Axis::Otpm, Tier::Free) => (
                "generate_content_free_tier_output_token_count",
                "GenerateContentOutputTokensPerModelPerMinute-FreeTier",
            ),
            (Axis::Otpm, Tier::Developer) => (
                "generate_content_paid_tier_output_token_count",
                "GenerateContentPaidTierOutputTokensPerModelPerMinute",
            ),
            _ => return None,
        };
        Some(Self { metric, id })
    }

    /// Returns the body of a refusal. A `limit` of `None` is printed as 0, and `quotaValue` is absent. `RetryInfo` has the wait
    /// in whole seconds, rounded down.
    fn exceeded_body(&self, limit: Option<u64>, model: &str, wait: Option<Nanos>) -> String {
        let metric = format!("generativelanguage.googleapis.com/{}", self.metric);
        let retry = wait.map(|wait| format!("\nPlease retry in {}s.", Seconds(wait))).unwrap_or_default();
        let message = format!(
            "{EXCEEDED} \n* Quota exceeded for metric: {metric}, limit: {}, model: {model}{retry}",
            limit.unwrap_or(0)
        );
        let violation = Violation {
            quota_metric: &metric,
            quota_id: self.id,
            quota_dimensions: Dimensions { location: "global", model },
            quota_value: limit.map(|limit| limit.to_string()),
        };
        let failure = Detail::QuotaFailure { violations: [violation] };
        let retry =
            wait.map(|wait| Detail::RetryInfo { retry_delay: format!("{}s", wait.0 / Nanos::SECOND.0) });
        body(429, &message, Some([failure].into_iter().chain(retry).collect()))
    }
}

/// An element of `details` (google.rpc).
#[derive(Serialize)]
#[serde(tag = "@type")]
enum Detail<'a> {
    #[serde(rename = "type.googleapis.com/google.rpc.QuotaFailure")]
    QuotaFailure { violations: [Violation<'a>; 1] },
    #[serde(rename = "type.googleapis.com/google.rpc.RetryInfo", rename_all = "camelCase")]
    RetryInfo { retry_delay: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Violation<'a> {
    quota_metric: &'a str,
    quota_id: &'static str,
    quota_dimensions: Dimensions<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_value: Option<String>,
}

#[derive(Serialize)]
struct Dimensions<'a> {
    location: &'static str,
    model: &'a str,
}

/// Returns the body `{"error":{"code":…,"message":…,"status":…,"details":…}}`, without details if they are `None`.
fn body(code: u16, message: &str, details: Option<Vec<Detail<'_>>>) -> String {
    envelope::wrap(Status { code, message, status: status_name(code), details })
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<Detail<'a>>>,
}

/// Returns the name of a status (google.rpc.Code).
const fn status_name(status: u16) -> &'static str {
    match status {
        400 | 413 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    }
}

const EXHAUSTED: &str = "Resource has been exhausted (e.g. check quota).";
/// The beginning of a refusal since 2026. In 2025 it ended with the first URL.
const EXCEEDED: &str = "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: https://ai.dev/rate-limit.";
const DEPLETED: &str = "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your project and billing.";
