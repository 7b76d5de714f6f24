//! OpenAI's models on Azure: the limit headers of OpenAI with bare numbers for resets, and errors of its own.
//!
//! Two kinds of endpoint speak differently: [`Classic`] (`*.openai.azure.com`: resets in milliseconds, the wait
//! in words) and [`Foundry`] (`*.services.ai.azure.com`: resets in whole seconds, cut, and no word of a wait).
//! Here the path tells them apart: a deployment in the path is classic, `/openai/v1` is Foundry's.

use super::chat::Shape;
use super::envelope::reason;
use super::{
    Answer, Context, Endpoint, Error, Head, Headers, Key, LimitsSnapshot, WireFormat, ids, json, openai,
};
use crate::decision::Denial;
use crate::length::Bound;
use crate::time::{Instant, Nanos};

/// The endpoint whose path names a deployment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classic;

/// The endpoint that is compatible with OpenAI's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foundry;

impl WireFormat for Classic {
    fn base(&self) -> &'static str {
        "/openai/deployments"
    }

    fn path(&self, model: &str) -> String {
        format!("{}/{model}/chat/completions", self.base())
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn endpoint<'p>(&self, method: &str, path: &'p str) -> Option<Endpoint<'p>> {
        let deployment =
            path.strip_prefix(self.base())?.strip_prefix('/')?.strip_suffix("/chat/completions")?;
        (method == "POST").then_some(Endpoint::Deployment(deployment))
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        // Captured: 1 of 120 requests used is `500`, 14 of 120,000 tokens are `7`.
        headers(head, |wait| wait.0.div_ceil(MILLISECOND), |reset| reset.0 / MILLISECOND)
    }

    /// Captured for tokens, with a wait of a day; "call rate limit" and the lack of other words for too large a call
    /// are assumed.
    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, _: &Context<'_>) -> Answer {
        let what = if denial.axis.counts_tokens() { "token" } else { "call" };
        let mut text = format!(
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version {VERSION} have exceeded {what} rate limit of your current AIServices S0 pricing tier."
        );
        if let Some(wait) = denial.wait {
            json::put(&mut text, format_args!(" Please retry after {} seconds.", wait.as_secs_ceil()));
        }
        text.push_str(" Please contact Azure support service if you would like to further increase the default rate limit.");
        Answer::new(429, body("429", &text)).after(denial.wait)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> Answer {
        answer(error)
    }

    fn shape(&self) -> &'static Shape {
        &openai::SHAPE
    }
}

impl WireFormat for Foundry {
    fn base(&self) -> &'static str {
        "/openai/v1"
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        // Captured: 1 of 50 requests used is `1`, 1 of 250 is `0`; `retry-after: 1` beside `retry-after-ms: 0`, which
        // whole seconds, cut, explain (assumed).
        headers(head, |wait| seconds(wait) * 1_000, seconds)
    }

    /// Captured, 2026-08; that it says the same of every axis is assumed.
    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> Answer {
        let model = context.model;
        let text = format!("Your requests to {model} for {model} in {REGION} have exceeded rate limit.");
        let mut out = String::from(r#"{"error":{"code":"RateLimitReached","message":"#);
        json::string(&mut out, &text);
        out.push_str(r#","details":"#);
        json::string(&mut out, &text);
        out.push_str("}}");
        Answer::new(429, out).after(denial.wait)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> Answer {
        answer(error)
    }

    fn shape(&self) -> &'static Shape {
        &openai::SHAPE
    }
}

/// The key's own header, and the token of Entra.
const KEYS: &[Key] = &[Key::Named("api-key"), Key::Bearer];

/// The headers of a reply; what the two kinds differ in are the numbers of `retry-after-ms` and of the resets.
fn headers(head: &Head<'_>, retry_after_ms: fn(Nanos) -> u64, reset: fn(Nanos) -> u64) -> Headers {
    let mut headers = Headers::of(head.content);
    headers.print("apim-request-id", ids::uuid(head.number));
    if let Some(wait) = head.wait {
        headers.number("retry-after", wait.as_secs_ceil());
        headers.number("retry-after-ms", retry_after_ms(wait));
    }
    if let Some(told) = head.told {
        openai::limits(&mut headers, told, reset);
    }
    headers
}

/// What is said to anything but a limit. Captured: the high demand, which is a 429. Documented: the wrong key and
/// the missing deployment. The rest is assumed; of too long a call, that the words are OpenAI's.
fn answer(error: &Error<'_>) -> Answer {
    let (status, code, message): (u16, &str, &str) = match error {
        Error::InvalidKey => (401, "401", WRONG_KEY),
        Error::UnknownModel(_) | Error::NotInTier(_) => (404, "DeploymentNotFound", NO_DEPLOYMENT),
        Error::UnknownPath(..) => (404, "404", "Resource not found"),
        Error::Invalid(message) => (400, "BadRequest", message.as_ref()),
        Error::BodyTooLarge => (413, "413", reason(413)),
        Error::Overload(_) => {
            return Answer::new(429, body("429", HIGH_DEMAND)).after(Some(HIGH_DEMAND_WAIT));
        }
        Error::Billing => (429, "insufficient_quota", SPENT),
        Error::TooLong(too_long, _) => {
            let code = match too_long.bound {
                Bound::Context => "context_length_exceeded",
                Bound::Output => "BadRequest",
            };
            return Answer::new(400, body(code, &openai::length(too_long)));
        }
        Error::Status(status, _) => (*status, &status.to_string(), reason(*status)),
    };
    Answer::new(status, body(code, message))
}

/// `{"error":{"code":…,"message":…}}`: the code is a text, even where it is a number.
fn body(code: &str, message: &str) -> String {
    let mut out = String::with_capacity(message.len() + 48);
    json::put(&mut out, format_args!(r#"{{"error":{{"code":"{code}","message":"#));
    json::string(&mut out, message);
    out.push_str("}}");
    out
}

const fn seconds(length: Nanos) -> u64 {
    length.0 / Nanos::SECOND.0
}

const MILLISECOND: u64 = 1_000_000;
/// The version and the region of the captures.
const VERSION: &str = "2023-05-15";
const REGION: &str = "westeurope";
const HIGH_DEMAND: &str = "The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load. Please retry after 20 seconds. For improved latency reliability, consider switching to Provisioned Throughput.";
const HIGH_DEMAND_WAIT: Nanos = Nanos::from_secs(20);
const WRONG_KEY: &str = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.";
const NO_DEPLOYMENT: &str = "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.";
const SPENT: &str = "You exceeded your current quota, please check your plan and billing details.";
