//! OpenAI's models on Azure: the limit headers of OpenAI with resets as bare numbers, and other errors.
//!
//! The two kinds of endpoint differ: [`Classic`] (`*.openai.azure.com`: resets in milliseconds, the wait in the message) and
//! [`Foundry`] (`*.services.ai.azure.com`: resets in whole seconds, rounded down, and no wait in the message). The path selects
//! one: a path with a deployment is classic, `/openai/v1` is Foundry's.

use super::chat::CompletionFormat;
use super::envelope::{self, reason_phrase};
use super::json::Object;
use super::{
    Context, Endpoint, Error, ErrorReply, Head, Headers, KeyLocation, LimitsSnapshot, Model, ModelEntry,
    Operation, Task, WireFormat, ids, openai,
};
use crate::decision::Denial;
use crate::length::LengthLimit;
use crate::time::{Instant, Nanos};
use serde::Serialize;

/// The endpoints with a deployment in their path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classic;

/// The OpenAI-compatible endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foundry;

impl WireFormat for Classic {
    fn base(&self) -> &'static str {
        "/openai/deployments"
    }

    fn path(&self, model: &str) -> String {
        format!("{}/{model}/chat/completions", self.base())
    }

    fn key_locations(&self) -> &'static [KeyLocation] {
        KEY_LOCATIONS
    }

    /// A deployment must have a name, and the `/chat` before `/completions` is not one.
    fn endpoint<'p>(&self, path: &'p str) -> Option<Endpoint<'p>> {
        if path == "/openai/models" {
            return Some(Endpoint::Models);
        }
        let rest = path.strip_prefix(self.base())?.strip_prefix('/')?;
        let operation = |operation: &Operation| {
            let deployment = rest.strip_suffix(operation.compatible_path()?)?;
            let is_name = !deployment.is_empty() && !deployment.ends_with("/chat");
            is_name.then_some(Endpoint::Operation(*operation, Some(deployment)))
        };
        DEPLOYMENT_OPERATIONS.iter().find_map(operation)
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        // In captures the reset is `500` for 1 of 120 requests used, and `7` for 14 of 120,000 tokens.
        headers(head, millis_rounded_up, millis_rounded_down)
    }

    /// The message for tokens is from a capture with a wait of a day. "call rate limit" is assumed. It is also assumed that an
    /// oversize call gets the same message.
    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, _: &Context<'_>) -> ErrorReply {
        let what = if denial.axis.counts_tokens() { "token" } else { "call" };
        let wait = denial
            .wait
            .map(|wait| format!(" Please retry after {} seconds.", wait.as_secs_ceil()))
            .unwrap_or_default();
        let message = format!(
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version {API_VERSION} have exceeded {what} rate limit of your current AIServices S0 pricing tier.{wait} Please contact Azure support service if you would like to further increase the default rate limit."
        );
        ErrorReply::new(429, body("429", &message)).with_wait(denial.wait)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        render_error(error)
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &openai::FORMAT
    }

    fn model(&self, model: &Model<'_>) -> ModelEntry {
        model_entry(model)
    }
}

impl WireFormat for Foundry {
    fn base(&self) -> &'static str {
        "/openai/v1"
    }

    fn key_locations(&self) -> &'static [KeyLocation] {
        KEY_LOCATIONS
    }

    fn operations(&self) -> &'static [Operation] {
        openai::OPERATIONS
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        // In captures the reset is `1` for 1 of 50 requests used, and `0` for 1 of 250. `retry-after: 1` next to
        // `retry-after-ms: 0` is captured too, and suggests that milliseconds are rounded down to whole seconds.
        headers(head, millis_of_whole_seconds, whole_seconds)
    }

    /// The message is from a capture of 2026-08. It is assumed to be the same for every axis.
    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply {
        let model = context.model;
        // Verbatim: the captures have the name twice.
        let message = format!("Your requests to {model} for {model} in {REGION} have exceeded rate limit.");
        let error = ErrorObject { code: "RateLimitReached", message: &message, details: Some(&message) };
        ErrorReply::new(429, envelope::wrap(error)).with_wait(denial.wait)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        render_error(error)
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &openai::FORMAT
    }

    fn model(&self, model: &Model<'_>) -> ModelEntry {
        model_entry(model)
    }
}

/// The operations of a deployment (documented, 2026).
const DEPLOYMENT_OPERATIONS: &[Operation] = &[
    Operation::Chat,
    Operation::TextCompletion,
    Operation::Embeddings,
    Operation::Audio(Task::Transcribe),
    Operation::Audio(Task::Translate),
];

/// Returns the entry of a model as Azure lists it (documented, 2026).
fn model_entry(model: &Model<'_>) -> ModelEntry {
    let created = model.created.secs();
    let capabilities = |object: Object| {
        let object =
            object.member("fine_tune", &false).member("inference", &true).member("completion", &true);
        object.member("chat_completion", &true).member("embeddings", &true)
    };
    let entry = Object::with_capacity(512)
        .text("id", model.id)
        .plain_text("object", "model")
        .plain_text("status", "succeeded")
        .member("created_at", &created)
        .member("updated_at", &created)
        .object("capabilities", capabilities)
        .plain_text("lifecycle_status", "generally-available");
    ModelEntry::new(model, entry.into_text())
}

/// The header of API keys, and that of Entra tokens.
const KEY_LOCATIONS: &[KeyLocation] = &[KeyLocation::Header("api-key"), KeyLocation::Bearer];

/// Renders the headers of a reply. The two kinds of endpoint differ in the numbers of `retry-after-ms` and of the resets.
fn headers(head: &Head<'_>, retry_after_ms: fn(Nanos) -> u64, reset: fn(Nanos) -> u64) -> Headers {
    let mut headers = Headers::with_media_type(head.media_type);
    headers.add_text("apim-request-id", &ids::uuid(head.number));
    if let Some(wait) = head.wait {
        headers.add_number("retry-after", wait.as_secs_ceil());
        headers.add_number("retry-after-ms", retry_after_ms(wait));
    }
    if let Some(snapshot) = head.snapshot {
        openai::add_limits(&mut headers, snapshot, reset);
    }
    headers
}

/// Renders any error except a refusal by a limit. The error about high demand, a 429, is from a capture. The invalid key and
/// the missing deployment are documented. All others are assumed; a call that is too long is assumed to get OpenAI's message.
fn render_error(error: &Error<'_>) -> ErrorReply {
    let (status, code, message): (u16, &str, &str) = match error {
        Error::InvalidKey => (401, "401", INVALID_KEY),
        Error::UnknownModel(_) | Error::NotInTier(_) => (404, "DeploymentNotFound", NO_DEPLOYMENT),
        Error::UnknownPath(..) => (404, "404", "Resource not found"),
        Error::Invalid { message, .. } => (400, "BadRequest", message.as_ref()),
        Error::BodyTooLarge => (413, "413", reason_phrase(413)),
        Error::Overload(_) => {
            return ErrorReply::new(429, body("429", HIGH_DEMAND)).with_wait(Some(HIGH_DEMAND_WAIT));
        }
        Error::Billing => (429, "insufficient_quota", INSUFFICIENT_QUOTA),
        Error::TooLong(too_long, _) => {
            let code = match too_long.violated {
                LengthLimit::Context => "context_length_exceeded",
                LengthLimit::Output => "BadRequest",
            };
            return ErrorReply::new(400, body(code, &openai::too_long_message(too_long)));
        }
        Error::Status(status, _) => (*status, &status.to_string(), reason_phrase(*status)),
    };
    ErrorReply::new(status, body(code, message))
}

/// Returns the body `{"error":{"code":…,"message":…}}`. The code is a string, even if it is a number.
fn body(code: &str, message: &str) -> String {
    envelope::wrap(ErrorObject { code, message, details: None })
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
}

const fn millis_rounded_up(duration: Nanos) -> u64 {
    duration.0.div_ceil(MILLISECOND)
}

const fn millis_rounded_down(duration: Nanos) -> u64 {
    duration.0 / MILLISECOND
}

/// Returns whole seconds, rounded down, in milliseconds.
const fn millis_of_whole_seconds(duration: Nanos) -> u64 {
    whole_seconds(duration) * 1_000
}

/// Returns whole seconds, rounded down.
const fn whole_seconds(duration: Nanos) -> u64 {
    duration.0 / Nanos::SECOND.0
}

const MILLISECOND: u64 = 1_000_000;
/// The version of the API in the captures.
const API_VERSION: &str = "2023-05-15";
/// The region in the captures.
const REGION: &str = "westeurope";
const HIGH_DEMAND: &str = "The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load. Please retry after 20 seconds. For improved latency reliability, consider switching to Provisioned Throughput.";
const HIGH_DEMAND_WAIT: Nanos = Nanos::from_secs(20);
const INVALID_KEY: &str = "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.";
const NO_DEPLOYMENT: &str = "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.";
const INSUFFICIENT_QUOTA: &str =
    "You exceeded your current quota, please check your plan and billing details.";
