//! Mistral: an API gateway that counts requests, and an application behind it that counts tokens.
//!
//! Captured: the body of the gateway, of the application, and for lack of capacity; the limit headers of 2025 and 2026, which
//! have the cost of a call and no reset. A call is charged when it ends, and a whole reply reports the limits after that.
//! `retry-after` on a 429 is documented; none is captured. The headers of a stream are sent before the cost is known: it is
//! assumed that they omit it.

use super::chat::{CompletionFormat, Content};
use super::envelope::{self, INVALID_REQUEST, reason_phrase};
use super::json::Object;
use super::{
    Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, MediaType, Model, ModelEntry, Operation, Task,
    WireFormat, ids, json, models,
};
use crate::axis::Axis;
use crate::decision::Denial;
use crate::length::LengthLimit;
use crate::time::{Instant, Nanos};
use serde::Serialize;

/// The wire format of Mistral, the same for all its endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mistral;

impl WireFormat for Mistral {
    fn base(&self) -> &'static str {
        "/v1"
    }

    fn reports_limits_after_settling(&self) -> bool {
        true
    }

    /// Documented, 2026. Completions of a text exist for code only, at another path.
    fn operations(&self) -> &'static [Operation] {
        &[Operation::Embeddings, Operation::Audio(Task::Transcribe)]
    }

    /// Documented, 2026.
    fn model(&self, model: &Model<'_>) -> ModelEntry {
        let capabilities =
            |object: Object| CAPABILITIES.iter().fold(object, |object, (name, has)| object.member(name, has));
        models::openai_entry(model, "mistralai", |entry| {
            entry
                .object("capabilities", capabilities)
                .text("name", model.id)
                .plain_text("description", "")
                .member("max_context_length", &model.context())
                .member("aliases", &[(); 0])
                .member("deprecation", &())
                .member("deprecation_replacement_model", &())
                .member("default_model_temperature", &0.3)
                .plain_text("type", "base")
        })
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        let mut headers = Headers::with_media_type(head.media_type);
        if let Some(wait) = head.wait {
            headers.add_number("retry-after", wait.as_secs_ceil());
        }
        // Reported, 2026-07: whole successes have limit headers, streams and refusals have none.
        let has_limits = head.status == 200 && head.media_type == MediaType::Json;
        let level = |axis| head.snapshot.filter(|_| has_limits)?.level(axis);
        if let Some(tokens) = level(Axis::Tpm) {
            headers.add_number("x-ratelimit-limit-tokens-minute", tokens.limit);
            headers.add_number("x-ratelimit-remaining-tokens-minute", tokens.remaining_or_zero());
        }
        if let Some(tokens) = level(Axis::TpMonth) {
            headers.add_number("x-ratelimit-limit-tokens-month", tokens.limit);
            headers.add_number("x-ratelimit-remaining-tokens-month", tokens.remaining_or_zero());
        }
        if let Some(usage) = head.usage {
            headers.add_number("x-ratelimit-tokens-query-cost", usage.total());
        }
        if let Some(requests) = level(Axis::Rpm) {
            headers.add_number("x-ratelimit-limit-req-minute", requests.limit);
            headers.add_number("x-ratelimit-remaining-req-minute", requests.remaining_or_zero());
        }
        let ten_seconds = level(Axis::Requests).filter(|level| level.window == Some(Nanos::SECOND * 10));
        if let Some(requests) = ten_seconds {
            headers.add_number("x-ratelimit-limit-req-10-second", requests.limit);
            headers.add_number("x-ratelimit-remaining-req-10-second", requests.remaining_or_zero());
        }
        headers
    }

    /// The gateway refuses calls beyond a limit on requests, the application those beyond any other limit. Neither names the limit.
    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, _: &Context<'_>) -> ErrorReply {
        let body = match denial.axis {
            axis if axis.counts_requests() => gateway_body("Requests rate limit exceeded"),
            _ => application_body("Rate limit exceeded", "rate_limited", Some("1300"), Some(429)),
        };
        // Reported, 2026-07: a refusal has no wait, although one is documented. Only a wait that a fault sets is stated.
        ErrorReply::new(429, body).with_wait(denial.wait.filter(|_| denial.wait_replaced))
    }

    /// Captured: the lack of capacity, which is a 429. The rest is reported or assumed. Assumed for a call that is too long:
    /// the number is the prompt plus `max_tokens`; everything about `max_tokens` alone.
    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        let (status, message, kind, code): (u16, &str, _, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => {
                return ErrorReply::new(401, gateway_body("Unauthorized"));
            }
            Error::UnknownPath(..) => {
                return ErrorReply::new(404, gateway_body("no Route matched with those values"));
            }
            Error::Overload(_) => {
                return ErrorReply::new(429, application_body(CAPACITY, INVALID_REQUEST, None, None));
            }
            Error::UnknownModel(model) => {
                (400, &format!("Invalid model: {model}"), "invalid_model", Some("1500"))
            }
            Error::NotInTier(model) => {
                (403, &format!("The model {model} is not part of your plan."), "forbidden", None)
            }
            Error::Invalid { message, .. } => (422, message.as_ref(), INVALID_REQUEST, None),
            Error::BodyTooLarge => (413, reason_phrase(413), INVALID_REQUEST, None),
            Error::Billing => (402, "Payment required.", "payment_required", None),
            Error::TooLong(too_long, _) => {
                let (requested, limit) = (too_long.requested(), too_long.limit_tokens);
                let message = match too_long.violated {
                    LengthLimit::Context => format!(
                        "Prompt contains {requested} tokens, too large for model with {limit} maximum context length"
                    ),
                    LengthLimit::Output => {
                        format!(
                            "max_tokens is {requested}, too large for model with {limit} maximum output length"
                        )
                    }
                };
                let body = application_body(&message, "invalid_request_prompt", Some("3051"), Some(400));
                return ErrorReply::new(400, body);
            }
            Error::Status(429, _) => (429, "Rate limit exceeded", "rate_limited", Some("1300")),
            Error::Status(status, _) => {
                (*status, reason_phrase(*status), envelope::error_type(*status), None)
            }
        };
        ErrorReply::new(status, application_body(message, kind, code, Some(status)))
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &FORMAT
    }
}

/// Returns the body of the gateway: `{"message":…}`.
fn gateway_body(message: &str) -> String {
    json::text(&GatewayError { message })
}

#[derive(Serialize)]
struct GatewayError<'a> {
    message: &'a str,
}

/// Returns the body of the application:
/// `{"object":"error","message":…,"type":…,"param":null,"code":…,"raw_status_code":…}`, without a status if it is `None`.
fn application_body(message: &str, kind: &str, code: Option<&str>, raw_status_code: Option<u16>) -> String {
    json::text(&ApplicationError { object: "error", message, kind, param: (), code, raw_status_code })
}

#[derive(Serialize)]
struct ApplicationError<'a> {
    object: &'static str,
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: (),
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_status_code: Option<u16>,
}

/// The last chunk has the usage (assumed: `stream_options` is not accepted).
const FORMAT: CompletionFormat = CompletionFormat {
    id: |number| ids::hex(number, 32),
    // A message without tool calls has the member as `null`.
    message: |message, context| match context.content {
        Content::ToolCall { .. } => message,
        Content::Recorded(reply) if !reply.calls.is_empty() => message,
        _ => message.member("tool_calls", &()),
    },
    last_chunk: CompletionFormat::usage_on_last_chunk,
    usage_chunk: false,
    embeddings_have_id: true,
    ..CompletionFormat::PLAIN
};

/// The capabilities that the entry of every model lists, each with whether the model has it.
const CAPABILITIES: [(&str, bool); 8] = [
    ("completion_chat", true),
    ("completion_fim", false),
    ("function_calling", true),
    ("fine_tuning", false),
    ("vision", true),
    ("ocr", false),
    ("classification", false),
    ("audio", false),
];

const CAPACITY: &str = "Service tier capacity exceeded for this model.";
