//! Cerebras: flat error bodies, and resets in fractions of a second that point to the end of a calendar window.
//!
//! Captured: the three bodies (requests, tokens, a full queue) and that a stream ends with usage and `time_info`. The limit
//! headers and their resets follow the sample in the documentation. No headers of a real 429 are public: that it has
//! these and no `retry-after` is assumed.

use super::chat::Shape;
use super::envelope::{INVALID, Member, Members, SERVER, reason};
use super::{Answer, Context, Error, Head, Headers, LimitsSnapshot, WireFormat, json};
use crate::axis::Axis;
use crate::calendar::until_window_end;
use crate::decision::{Denial, Service};
use crate::length::{Bound, TooLong};
use crate::time::{Instant, Nanos};

/// Cerebras's one endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cerebras;

impl WireFormat for Cerebras {
    fn base(&self) -> &'static str {
        "/v1"
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        let mut headers = Headers::of(head.content);
        let Some(told) = head.told else { return headers };
        for (axis, names) in LIMITS {
            let Some((level, window)) = told.level(axis).zip(axis.window()) else { continue };
            let reset = until_window_end(window, told.at).as_secs_f64();
            let [limit_name, left_name, reset_name] = names;
            headers.number(limit_name, level.limit);
            headers.number(left_name, level.left());
            headers.print(reset_name, reset);
        }
        headers
    }

    /// Of a minute and of a day alike but for the message (captured for minutes, documented for days). Cerebras limits
    /// nothing else: the words about concurrency are assumed, and that it has no others for too large a call.
    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, _: &Context<'_>) -> Answer {
        let period = match denial.axis.window() {
            None => {
                return Answer::new(429, flat(CONCURRENT, MANY_REQUESTS, QUOTA, "request_quota_exceeded"));
            }
            Some(_) if denial.axis.is_daily() => "day",
            Some(_) => "minute",
        };
        let (message, kind, code) = if denial.axis.counts_tokens() {
            let message = format!("Tokens per {period} limit exceeded - too many tokens processed.");
            (message, "too_many_tokens_error", "token_quota_exceeded")
        } else {
            let message = format!("Requests per {period} limit exceeded - too many requests sent.");
            (message, MANY_REQUESTS, "request_quota_exceeded")
        };
        Answer::new(429, flat(&message, kind, QUOTA, code))
    }

    /// Captured: the full queue, which is a 429, and the message of too long a context (2025-07). The rest is documented
    /// or assumed.
    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> Answer {
        let (status, message, kind, param, code): (u16, &str, _, _, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => {
                (401, "Wrong API Key", INVALID, Member::Text("api_key"), "wrong_api_key")
            }
            Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => (
                404,
                &format!("Model {model} does not exist or you do not have access to it."),
                "not_found_error",
                Member::Text("model"),
                "model_not_found",
            ),
            Error::UnknownPath(..) => (404, reason(404), "not_found_error", Member::Null, "not_found"),
            Error::Invalid(message) => {
                (400, message.as_ref(), INVALID, Member::Text("validation_error"), "wrong_api_format")
            }
            Error::BodyTooLarge => (413, reason(413), INVALID, Member::Null, "request_too_large"),
            Error::Overload(_) => (429, HIGH_TRAFFIC, MANY_REQUESTS, Member::Absent, "queue_exceeded"),
            Error::Billing => (402, "Payment required.", "payment_required_error", QUOTA, "payment_required"),
            Error::TooLong(too_long, _) => {
                let TooLong { bound, limit, .. } = *too_long;
                let (message, param, code) = match bound {
                    Bound::Context => {
                        let length = too_long.requested();
                        let message = format!("{CONTEXT} Current length is {length} while limit is {limit}");
                        (message, "messages", "context_length_exceeded")
                    }
                    Bound::Output => {
                        let message =
                            format!("max_completion_tokens must be less than or equal to `{limit}`");
                        (message, "max_completion_tokens", "wrong_api_format")
                    }
                };
                return Answer::new(400, flat(&message, INVALID, Member::Text(param), code));
            }
            Error::Status(429, _) => (429, reason(429), MANY_REQUESTS, QUOTA, "request_quota_exceeded"),
            Error::Status(status, _) => {
                let (kind, code) = if *status < 500 { (INVALID, "error") } else { (SERVER, "server_error") };
                (*status, reason(*status), kind, Member::Null, code)
            }
        };
        Answer::new(status, flat(message, kind, param, code))
    }

    fn shape(&self) -> &'static Shape {
        &SHAPE
    }
}

/// `{"message":…,"type":…,"param":…,"code":…}`, wrapped in nothing.
fn flat(message: &str, kind: &str, param: Member<'_>, code: &str) -> String {
    let mut out = String::with_capacity(message.len() + 96);
    Members { message, kind: Member::Text(kind), param, code: Member::Text(code) }.write(&mut out);
    out
}

/// The last chunk tells the usage and the times, asked or not (captured, 2026). In reality a chunk has several tokens: here
/// it has one.
const SHAPE: Shape = Shape {
    whole: |out, service, _| time_info(out, service),
    last: |out, usage, service, _| {
        json::put(out, format_args!(r#","usage":{usage}"#));
        time_info(out, service);
    },
    usage_chunk: false,
    ..Shape::PLAIN
};

/// Seconds by stage; the total is their sum (assumed).
fn time_info(out: &mut String, service: &Service) {
    let queue = service.started_at.since(service.ticket.at);
    let prompt = service.first_token_at.since(service.started_at);
    let completion = service.done_at.since(service.first_token_at);
    let mut time = |before: &str, length: Nanos| {
        out.push_str(before);
        json::seconds(out, length);
    };
    time(r#","time_info":{"queue_time":"#, queue);
    time(r#","prompt_time":"#, prompt);
    time(r#","completion_time":"#, completion);
    time(r#","total_time":"#, queue + prompt + completion);
    out.push('}');
}

/// The limits that headers tell, and how. Limits per hour are told likewise in reality: the mock has none.
const LIMITS: [(Axis, [&str; 3]); 4] = [
    (
        Axis::Rpm,
        [
            "x-ratelimit-limit-requests-minute",
            "x-ratelimit-remaining-requests-minute",
            "x-ratelimit-reset-requests-minute",
        ],
    ),
    (
        Axis::Rpd,
        [
            "x-ratelimit-limit-requests-day",
            "x-ratelimit-remaining-requests-day",
            "x-ratelimit-reset-requests-day",
        ],
    ),
    (
        Axis::Tpm,
        [
            "x-ratelimit-limit-tokens-minute",
            "x-ratelimit-remaining-tokens-minute",
            "x-ratelimit-reset-tokens-minute",
        ],
    ),
    (
        Axis::Tpd,
        ["x-ratelimit-limit-tokens-day", "x-ratelimit-remaining-tokens-day", "x-ratelimit-reset-tokens-day"],
    ),
];
const QUOTA: Member<'_> = Member::Text("quota");
const MANY_REQUESTS: &str = "too_many_requests_error";
const CONCURRENT: &str = "Concurrent requests limit exceeded - too many requests sent.";
const HIGH_TRAFFIC: &str = "We're experiencing high traffic right now! Please try again soon.";
const CONTEXT: &str = "Please reduce the length of the messages or completion.";
