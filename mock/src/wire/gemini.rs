//! Gemini's endpoint that is compatible with OpenAI's: errors are Google's, wrapped in a JSON array.
//!
//! Captured: the refusals (which quota it was is told by its id; the wait stands in `RetryInfo` and in the words), the
//! bare one without details, the overload. No limit headers exist.
//!
//! The wait of a quota per day is not the wait for more: in the one capture with a clock (06:14:23, 36.4 s) it is the
//! time to the end of the minute, and so it is here.

use super::envelope::reason;
use super::{Answer, Context, Error, Head, Headers, LimitsSnapshot, WireFormat, json};
use crate::axis::Axis;
use crate::calendar::until_window_end;
use crate::config::Tier;
use crate::decision::Denial;
use crate::length::Bound;
use crate::time::{Instant, Nanos};

/// The endpoint that is compatible with OpenAI's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gemini;

impl WireFormat for Gemini {
    fn base(&self) -> &'static str {
        "/v1beta/openai"
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        Headers::of(head.content)
    }

    /// There is no other answer to too large a call, and none about concurrency but the bare one (assumed).
    fn refusal(&self, denial: &Denial, told: &LimitsSnapshot, context: &Context<'_>) -> Answer {
        let Some(quota) = Quota::of(denial.axis, context.tier) else {
            return Answer::new(429, body(429, EXHAUSTED, |_| {}));
        };
        let wait = denial
            .wait
            .map(|wait| if denial.axis.is_daily() { until_window_end(Nanos::MINUTE, told.at) } else { wait });
        Answer::new(429, quota.exceeded(Some(denial.limit), context.model, wait))
    }

    /// Captured: 503, the bare 429, and the limit of zero of a model that is not in the plan. Spent credits are reported
    /// (2026-06). The rest is documented or assumed.
    fn error(&self, error: &Error<'_>, _: u64, at: Instant) -> Answer {
        let (status, message): (u16, &str) = match error {
            Error::InvalidKey => (400, "API key not valid. Please pass a valid API key."),
            Error::UnknownModel(model) => (
                404,
                &format!(
                    "models/{model} is not found for API version v1main, or is not supported for generateContent."
                ),
            ),
            Error::UnknownPath(..) => (404, reason(404)),
            Error::Invalid(message) => (400, message.as_ref()),
            Error::BodyTooLarge => (413, reason(413)),
            Error::Overload(_) | Error::Status(503, _) => {
                (503, "The model is overloaded. Please try again later.")
            }
            Error::Billing => (429, DEPLETED),
            Error::NotInTier(model) => {
                let wait = Some(until_window_end(Nanos::MINUTE, at));
                return Answer::new(429, Quota::FREE_REQUESTS_PER_DAY.exceeded(None, model, wait));
            }
            Error::TooLong(too_long, _) => {
                let (asked, limit) = (too_long.requested(), too_long.limit);
                let what = match too_long.bound {
                    Bound::Context => "input",
                    Bound::Output => "output",
                };
                let message = format!(
                    "The {what} token count ({asked}) exceeds the maximum number of tokens allowed ({limit})."
                );
                return Answer::new(400, body(400, &message, |_| {}));
            }
            Error::Status(429, _) => (429, EXHAUSTED),
            Error::Status(status, _) => (*status, reason(*status)),
        };
        Answer::new(status, body(status, message, |_| {}))
    }
}

/// How Google names a quota.
struct Quota {
    metric: &'static str,
    id: &'static str,
}

impl Quota {
    const FREE_REQUESTS_PER_DAY: Self = Self {
        metric: "generate_content_free_tier_requests",
        id: "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
    };

    /// The quota of an axis. Captured: the input tokens of both plans, and the requests per day of both. Google counts the
    /// tokens of prompts only. The others are assumed from those names.
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
            (Axis::Tpm | Axis::Itpm, Tier::Free) => (
                "generate_content_free_tier_input_token_count",
                "GenerateContentInputTokensPerModelPerMinute-FreeTier",
            ),
            (Axis::Tpm | Axis::Itpm, Tier::Developer) => (
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
            (Axis::Ash | Axis::Asd | Axis::Concurrency, _) => return None,
        };
        Some(Self { metric, id })
    }

    /// The body of a refusal; a quota without a limit is one of nothing at all, and its value is left out.
    fn exceeded(&self, limit: Option<u64>, model: &str, wait: Option<Nanos>) -> String {
        let Self { metric, id } = self;
        let metric = format!("generativelanguage.googleapis.com/{metric}");
        let mut text = format!(
            "{EXCEEDED} \n* Quota exceeded for metric: {metric}, limit: {}, model: {model}",
            limit.unwrap_or(0)
        );
        if let Some(wait) = wait {
            text.push_str("\nPlease retry in ");
            json::seconds(&mut text, wait);
            text.push_str("s.");
        }
        body(429, &text, |out| {
            json::put(
                out,
                format_args!(
                    r#","details":[{{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaMetric":"{metric}","quotaId":"{id}","quotaDimensions":{{"location":"global","model":"#
                ),
            );
            json::string(out, model);
            out.push('}');
            if let Some(limit) = limit {
                json::put(out, format_args!(r#","quotaValue":"{limit}""#));
            }
            out.push_str("}]}");
            if let Some(wait) = wait {
                let seconds = wait.0 / Nanos::SECOND.0;
                json::put(
                    out,
                    format_args!(
                        r#",{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{seconds}s"}}"#
                    ),
                );
            }
            out.push(']');
        })
    }
}

/// `[{"error":{"code":…,"message":…,"status":…}}]` with more members behind.
fn body(code: u16, message: &str, more: impl FnOnce(&mut String)) -> String {
    let mut out = String::with_capacity(message.len() + 420);
    json::put(&mut out, format_args!(r#"[{{"error":{{"code":{code},"message":"#));
    json::string(&mut out, message);
    json::put(&mut out, format_args!(r#","status":"{}""#, name(code)));
    more(&mut out);
    out.push_str("}}]");
    out
}

/// What Google calls a status (google.rpc.Code).
const fn name(status: u16) -> &'static str {
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
/// How a refusal opens since 2026, a blank at its end; in 2025 it ended with the first address.
const EXCEEDED: &str = "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: https://ai.dev/rate-limit.";
const DEPLETED: &str = "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your project and billing.";
