//! Mistral: a gateway that counts requests, and an application behind it that counts tokens.
//!
//! Captured: the gateway's body, the application's, and the one about capacity; the limit headers of 2025 and 2026,
//! which tell what a call cost and no reset. A call is charged when it ends, and a whole reply tells the limits after
//! that. The documentation promises `retry-after` on a 429; none is captured. A stream's headers leave before the cost
//! is known: that they do without it is assumed.

use super::chat::Shape;
use super::envelope::{self, INVALID, reason};
use super::{Answer, Context, Error, Head, Headers, LimitsSnapshot, WireFormat, ids, json};
use crate::axis::Axis;
use crate::decision::Denial;
use crate::length::Bound;
use crate::time::Instant;

/// Mistral's one endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mistral;

impl WireFormat for Mistral {
    fn base(&self) -> &'static str {
        "/v1"
    }

    fn tells_settled(&self) -> bool {
        true
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        let mut headers = Headers::of(head.content);
        if let Some(wait) = head.wait {
            headers.number("retry-after", wait.as_secs_ceil());
        }
        let level = |axis| head.told?.level(axis);
        if let Some(tokens) = level(Axis::Tpm) {
            headers.number("x-ratelimit-limit-tokens-minute", tokens.limit);
            headers.number("x-ratelimit-remaining-tokens-minute", tokens.left());
        }
        if let Some(usage) = head.usage {
            headers.number("x-ratelimit-tokens-query-cost", usage.total());
        }
        if let Some(requests) = level(Axis::Rpm) {
            headers.number("x-ratelimit-limit-req-minute", requests.limit);
            headers.number("x-ratelimit-remaining-req-minute", requests.left());
        }
        headers
    }

    /// Requests are refused by the gateway, all else by the application: neither says which limit it was.
    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, _: &Context<'_>) -> Answer {
        let body = match denial.axis {
            Axis::Rpm | Axis::Rpd => gateway("Requests rate limit exceeded"),
            _ => application("Rate limit exceeded", "rate_limited", Some("1300"), Some(429)),
        };
        Answer::new(429, body).after(denial.wait)
    }

    /// Captured: the capacity, which is a 429 here (a 503 elsewhere). The rest is reported or assumed; of too long a call,
    /// that the number is the sum where the prompt alone would fit, and all that is said of `max_tokens`.
    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> Answer {
        let (status, message, kind, code): (u16, &str, _, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => return Answer::new(401, gateway("Unauthorized")),
            Error::UnknownPath(..) => return Answer::new(404, gateway("no Route matched with those values")),
            Error::Overload(_) => return Answer::new(429, application(CAPACITY, INVALID, None, None)),
            Error::UnknownModel(model) => {
                (400, &format!("Invalid model: {model}"), "invalid_model", Some("1500"))
            }
            Error::NotInTier(model) => {
                (403, &format!("The model {model} is not part of your plan."), "forbidden", None)
            }
            Error::Invalid(message) => (422, message.as_ref(), INVALID, None),
            Error::BodyTooLarge => (413, reason(413), INVALID, None),
            Error::Billing => (402, "Payment required.", "payment_required", None),
            Error::TooLong(too_long, _) => {
                let (asked, limit) = (too_long.requested(), too_long.limit);
                let message = match too_long.bound {
                    Bound::Context => format!(
                        "Prompt contains {asked} tokens, too large for model with {limit} maximum context length"
                    ),
                    Bound::Output => {
                        format!(
                            "max_tokens is {asked}, too large for model with {limit} maximum output length"
                        )
                    }
                };
                let body = application(&message, "invalid_request_prompt", Some("3051"), Some(400));
                return Answer::new(400, body);
            }
            Error::Status(429, _) => (429, "Rate limit exceeded", "rate_limited", Some("1300")),
            Error::Status(status, _) => (*status, reason(*status), envelope::kind(*status), None),
        };
        Answer::new(status, application(message, kind, code, Some(status)))
    }

    fn shape(&self) -> &'static Shape {
        &SHAPE
    }
}

/// The gateway's `{"message":…}`.
fn gateway(message: &str) -> String {
    format!(r#"{{"message":"{message}"}}"#)
}

/// The application's `{"object":"error","message":…,"type":…,"param":null,"code":…,"raw_status_code":…}`.
fn application(message: &str, kind: &str, code: Option<&str>, status: Option<u16>) -> String {
    let mut out = String::with_capacity(message.len() + 112);
    out.push_str(r#"{"object":"error","message":"#);
    json::string(&mut out, message);
    json::put(&mut out, format_args!(r#","type":"{kind}","param":null,"code":"#));
    match code {
        Some(code) => json::string(&mut out, code),
        None => out.push_str("null"),
    }
    if let Some(status) = status {
        json::put(&mut out, format_args!(r#","raw_status_code":{status}"#));
    }
    out.push('}');
    out
}

/// The last chunk tells the usage (assumed: `stream_options` is not taken).
const SHAPE: Shape = Shape {
    id: |out, number| json::put(out, format_args!("{}", ids::hex::<32>(number))),
    message: r#","tool_calls":null"#,
    last: Shape::usage_on_last,
    usage_chunk: false,
    ..Shape::PLAIN
};

const CAPACITY: &str = "Service tier capacity exceeded for this model.";
