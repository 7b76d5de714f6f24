//! Cerebras: flat error bodies, and resets in seconds with a fraction: the time until the calendar window ends.
//!
//! Captured: the three bodies (requests, tokens, a full queue), and a stream that ends with usage and `time_info`. The
//! limit headers and their resets follow the example in the documentation. Reported, 2026-07: a refusal has `retry-after`
//! and no limit headers, and its 57 to 60 s are the time until five requests per minute are full again, while a call is
//! admitted after 11 s. `mock/README.md` says why this is disputed.

use super::chat::{CompletionFormat, Stages};
use super::envelope::{ErrorBody, INVALID_REQUEST, Member, SERVER, reason_phrase};
use super::json::{Object, Seconds};
use super::window_name::window_name;
use super::{
    Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, Model, ModelEntry, Operation, WireFormat,
    models,
};
use crate::axis::Axis;
use crate::calendar::until_window_end;
use crate::decision::{Denial, Service};
use crate::length::{LengthLimit, TooLong};
use crate::meter::LimitLevel;
use crate::time::{Instant, Nanos};

/// The wire format of Cerebras, the same for all its endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cerebras;

impl WireFormat for Cerebras {
    fn base(&self) -> &'static str {
        "/v1"
    }

    /// Documented, 2026.
    fn operations(&self) -> &'static [Operation] {
        &[Operation::TextCompletion]
    }

    /// Its SDK 1.91.0 (2026-11) asks for it when a client is created, to open a connection early.
    fn warming_path(&self) -> Option<&'static str> {
        Some("/v1/tcp_warming")
    }

    fn model(&self, model: &Model<'_>) -> ModelEntry {
        models::openai_entry(model, "Cerebras", |entry| entry)
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        let mut headers = Headers::with_media_type(head.media_type);
        if head.status == 429 {
            match head.wait {
                Some(wait) => headers.add_number("retry-after", wait.as_secs_ceil()),
                None => headers.add_static("x-should-retry", "false"),
            }
            return headers;
        }
        let Some(snapshot) = head.snapshot else { return headers };
        for (axis, names) in LIMITS {
            let Some((level, window)) = snapshot.level(axis).zip(axis.window_length()) else { continue };
            let [limit_name, remaining_name, reset_name] = names;
            headers.add_number(limit_name, level.limit);
            headers.add_number(remaining_name, level.remaining_or_zero());
            headers.add(reset_name, Seconds(until_window_end(window, snapshot.at)));
        }
        headers
    }

    /// The bodies of a minute and of a day differ in the message only (captured for minutes and seconds, documented for days,
    /// assumed for other windows). No limit of Cerebras on concurrency is known: the message for it is assumed. It is also
    /// assumed that an oversize call gets the same message.
    fn refusal(&self, denial: &Denial, snapshot: &LimitsSnapshot, _: &Context<'_>) -> ErrorReply {
        let period = match denial.window {
            None => {
                return ErrorReply::new(
                    429,
                    flat_body(CONCURRENT, MANY_REQUESTS, QUOTA, "request_quota_exceeded"),
                );
            }
            Some(window) => window_name(window),
        };
        let (message, kind, code) = if denial.axis.counts_tokens() {
            let message = format!("Tokens per {period} limit exceeded - too many tokens processed.");
            (message, "too_many_tokens_error", "token_quota_exceeded")
        } else {
            let message = format!("Requests per {period} limit exceeded - too many requests sent.");
            (message, MANY_REQUESTS, "request_quota_exceeded")
        };
        ErrorReply::new(429, flat_body(&message, kind, QUOTA, code)).with_wait(stated_wait(denial, snapshot))
    }

    /// Captured: the full queue, which is a 429, and the message for a context that is too long (2025-07). The rest is
    /// documented or assumed.
    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        let (status, message, kind, param, code): (u16, &str, _, _, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => {
                (401, "Wrong API Key", INVALID_REQUEST, Member::Text("api_key"), "wrong_api_key")
            }
            Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => (
                404,
                &format!("Model {model} does not exist or you do not have access to it."),
                "not_found_error",
                Member::Text("model"),
                "model_not_found",
            ),
            Error::UnknownPath(..) => (404, reason_phrase(404), "not_found_error", Member::Null, "not_found"),
            Error::Invalid { message, .. } => {
                (400, message.as_ref(), INVALID_REQUEST, Member::Text("validation_error"), "wrong_api_format")
            }
            Error::BodyTooLarge => {
                (413, reason_phrase(413), INVALID_REQUEST, Member::Null, "request_too_large")
            }
            Error::Overload(_) => (429, HIGH_TRAFFIC, MANY_REQUESTS, Member::Absent, "queue_exceeded"),
            Error::Billing => (402, "Payment required.", "payment_required_error", QUOTA, "payment_required"),
            Error::TooLong(too_long, _) => {
                let TooLong { violated, limit_tokens: limit, .. } = *too_long;
                let (message, param, code) = match violated {
                    LengthLimit::Context => {
                        let length = too_long.requested();
                        let message = format!("{CONTEXT} Current length is {length} while limit is {limit}");
                        (message, "messages", "context_length_exceeded")
                    }
                    LengthLimit::Output => {
                        let message =
                            format!("max_completion_tokens must be less than or equal to `{limit}`");
                        (message, "max_completion_tokens", "wrong_api_format")
                    }
                };
                return ErrorReply::new(400, flat_body(&message, INVALID_REQUEST, Member::Text(param), code));
            }
            Error::Status(429, _) => {
                (429, reason_phrase(429), MANY_REQUESTS, QUOTA, "request_quota_exceeded")
            }
            Error::Status(status, _) => {
                let (kind, code) =
                    if *status < 500 { (INVALID_REQUEST, "error") } else { (SERVER, "server_error") };
                (*status, reason_phrase(*status), kind, Member::Null, code)
            }
        };
        ErrorReply::new(status, flat_body(message, kind, param, code))
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &FORMAT
    }
}

/// Returns the wait that a refusal states: the time until the limit is full, not until the call fits (reported, 2026-07).
fn stated_wait(denial: &Denial, snapshot: &LimitsSnapshot) -> Option<Nanos> {
    let wait = denial.wait?;
    let until_full = snapshot.level(denial.axis).map(LimitLevel::time_until_full);
    until_full.filter(|until_full| !denial.wait_replaced && *until_full > wait).or(Some(wait))
}

/// Returns the body `{"message":…,"type":…,"param":…,"code":…}`, without an envelope.
fn flat_body(message: &str, kind: &str, param: Member<'_>, code: &str) -> String {
    ErrorBody { message, kind: Member::Text(kind), param, code: Member::Text(code) }.without_envelope()
}

/// The last chunk always has the usage and the times (captured, 2026). A real chunk has several tokens; here it has one. The SDK
/// requires the fingerprint (1.91.0, 2026-11); its place is assumed.
const FORMAT: CompletionFormat = CompletionFormat {
    reasoning: Some("reasoning"),
    completion: |completion, service, context| time_info(add_fingerprint(completion, context), service),
    chunk: add_fingerprint,
    last_chunk: |chunk, service, context| {
        time_info(CompletionFormat::usage_on_last_chunk(chunk, service, context), service)
    },
    usage_chunk: false,
    ..CompletionFormat::PLAIN
};

fn add_fingerprint(object: Object, context: &Context<'_>) -> Object {
    object.plain_text("system_fingerprint", context.system_fingerprint)
}

/// Adds the seconds by stage. The total is their sum (assumed).
fn time_info(object: Object, service: &Service) -> Object {
    let Stages { queue, prompt, completion } = Stages::of(service);
    object.object("time_info", |times| {
        times
            .member("queue_time", &queue)
            .member("prompt_time", &prompt)
            .member("completion_time", &completion)
            .member("total_time", &(queue + prompt + completion))
    })
}

/// The limits in headers, with the names of limit, remaining and reset.
const LIMITS: [(Axis, [&str; 3]); 6] = [
    (
        Axis::Rpm,
        [
            "x-ratelimit-limit-requests-minute",
            "x-ratelimit-remaining-requests-minute",
            "x-ratelimit-reset-requests-minute",
        ],
    ),
    (
        Axis::Rph,
        [
            "x-ratelimit-limit-requests-hour",
            "x-ratelimit-remaining-requests-hour",
            "x-ratelimit-reset-requests-hour",
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
        Axis::Tph,
        [
            "x-ratelimit-limit-tokens-hour",
            "x-ratelimit-remaining-tokens-hour",
            "x-ratelimit-reset-tokens-hour",
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
