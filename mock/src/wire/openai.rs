//! OpenAI's own API.
//!
//! Captured: the messages of refusals (2024–2026, ten waits to the printed millisecond), the six limit headers of 708
//! recordings, the message for insufficient quota. Limits are buckets that refill continuously, also those of a day. Only
//! some captured refusals have `retry-after`; the mock sends it with every refusal that states a wait. Other errors are
//! documented or assumed.

use super::chat::{CompletionFormat, token_counts};
use super::envelope::{self, INVALID_REQUEST, SERVER, reason_phrase};
use super::go_duration::GoDuration;
use super::json::Object;
use super::window_name::window_name;
use super::{
    Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, Model, ModelEntry, Operation, Task,
    WireFormat, ids, models,
};
use crate::axis::Axis;
use crate::config::Limit;
use crate::decision::{Denial, Service};
use crate::length::{LengthLimit, TooLong};
use crate::time::{Instant, Nanos};
use std::borrow::Cow;
use std::fmt::Display;

/// The wire format of OpenAI, the same for all its endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenAi;

impl WireFormat for OpenAi {
    fn base(&self) -> &'static str {
        "/v1"
    }

    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        let mut headers = Headers::with_media_type(head.media_type);
        if let Some(wait) = head.wait {
            headers.add_number("retry-after", wait.as_secs_ceil());
            headers.add_number("retry-after-ms", wait.0.div_ceil(MILLISECOND));
        }
        if let Some(snapshot) = head.snapshot {
            add_limits(&mut headers, snapshot, whole_millis);
        }
        headers.add("x-request-id", format_args!("req_{}", ids::hex(head.number, 32)));
        headers
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply {
        let kind = if denial.axis.counts_tokens() { "tokens" } else { "requests" };
        let body = envelope::error(&message(denial, context), kind, None, Some("rate_limit_exceeded"));
        ErrorReply::new(429, body).with_wait(denial.wait.filter(|_| !denial.oversize))
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        let (status, message, kind, code): (u16, &str, _, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => {
                (401, INVALID_KEY, INVALID_REQUEST, Some("invalid_api_key"))
            }
            Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => (
                404,
                &format!("The model `{model}` does not exist or you do not have access to it."),
                INVALID_REQUEST,
                Some("model_not_found"),
            ),
            Error::UnknownPath(method, path) => {
                (404, &format!("Invalid URL ({method} {path})"), INVALID_REQUEST, None)
            }
            Error::Invalid { message, param, code } => {
                let body = envelope::error(message, INVALID_REQUEST, param.as_deref(), *code);
                return ErrorReply::new(400, body);
            }
            Error::BodyTooLarge => (413, reason_phrase(413), INVALID_REQUEST, None),
            Error::Overload(_) => (503, OVERLOADED, SERVER, Some("server_is_overloaded")),
            Error::Billing => (429, INSUFFICIENT_QUOTA, "insufficient_quota", Some("insufficient_quota")),
            Error::TooLong(too_long, _) => {
                let (param, code) = match too_long.violated {
                    LengthLimit::Context => ("messages", Some("context_length_exceeded")),
                    LengthLimit::Output => ("max_tokens", None),
                };
                return ErrorReply::new(
                    400,
                    envelope::error(&too_long_message(too_long), INVALID_REQUEST, Some(param), code),
                );
            }
            Error::Status(405, _) => (405, reason_phrase(405), INVALID_REQUEST, Some("method_not_supported")),
            Error::Status(429, _) => (429, reason_phrase(429), "requests", Some("rate_limit_exceeded")),
            Error::Status(status, _) => {
                (*status, reason_phrase(*status), envelope::error_type(*status), None)
            }
        };
        ErrorReply::new(status, envelope::error(message, kind, None, code))
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &FORMAT
    }

    fn model(&self, model: &Model<'_>) -> ModelEntry {
        models::openai_entry(model, "openai", |entry| entry)
    }
}

/// Documented, 2026.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::Responses,
    Operation::CountResponses,
    Operation::TextCompletion,
    Operation::Embeddings,
    Operation::Audio(Task::Transcribe),
    Operation::Audio(Task::Translate),
];

/// Returns the message of a refusal (captured). The names of `TPD` and of the split token axes are assumed, and so is
/// everything about concurrency, which OpenAI does not limit.
fn message(denial: &Denial, context: &Context<'_>) -> String {
    let Denial { axis, window, limit, used, requested, wait, oversize, .. } = *denial;
    let what = if oversize { "Request too large" } else { "Rate limit reached" };
    let numbers = match wait {
        _ if oversize => format!(
            "Requested {requested}. The input or output tokens must be reduced in order to run successfully."
        ),
        Some(wait) => {
            // Rounding down must not shorten a wait that ends one nanosecond before a whole millisecond.
            let wait = whole_millis(Nanos(wait.0.saturating_add(1)));
            format!("Used {used}, Requested {requested}. Please try again in {wait}.")
        }
        None => format!("Used {used}, Requested {requested}."),
    };
    let (model, account, axis) = (context.model, context.account, axis_name(axis, window));
    format!(
        "{what} for {model} in organization org-{account} on {axis}: Limit {limit}, {numbers} Visit https://platform.openai.com/account/rate-limits to learn more."
    )
}

/// Returns the message for a call that is too long. Captured: 2023–2024 for the context, 2024–2026 for the output.
pub(super) fn too_long_message(too_long: &TooLong) -> String {
    let TooLong { violated, limit_tokens: limit, prompt_tokens, max_tokens } = *too_long;
    let requested = too_long.requested();
    match (violated, max_tokens) {
        (LengthLimit::Context, Some(max_tokens)) => format!(
            "This model's maximum context length is {limit} tokens. However, you requested {requested} tokens ({prompt_tokens} in the messages, {max_tokens} in the completion). Please reduce the length of the messages or completion."
        ),
        (LengthLimit::Context, None) => format!(
            "This model's maximum context length is {limit} tokens. However, your messages resulted in {prompt_tokens} tokens. Please reduce the length of the messages."
        ),
        (LengthLimit::Output, _) => format!(
            "max_tokens is too large: {requested}. This model supports at most {limit} completion tokens, whereas you provided {requested}."
        ),
    }
}

/// Returns the name of an axis in messages. Names other than those per minute and day are assumed.
fn axis_name(axis: Axis, window: Option<Nanos>) -> Cow<'static, str> {
    Cow::Borrowed(match axis {
        Axis::Rps => "requests per sec (RPS)",
        Axis::Rpm => "requests per min (RPM)",
        Axis::Rph => "requests per hour (RPH)",
        Axis::Rpd => "requests per day (RPD)",
        Axis::Rpw => "requests per week (RPW)",
        Axis::RpMonth => "requests per month (RPMONTH)",
        Axis::Tps => "tokens per sec (TPS)",
        Axis::Tpm => "tokens per min (TPM)",
        Axis::Tph => "tokens per hour (TPH)",
        Axis::Tpd => "tokens per day (TPD)",
        Axis::Tpw => "tokens per week (TPW)",
        Axis::TpMonth => "tokens per month (TPMONTH)",
        Axis::Itpm => "input tokens per min (ITPM)",
        Axis::Uitpm => "uncached input tokens per min (UITPM)",
        Axis::Otpm => "output tokens per min (OTPM)",
        Axis::Ash => "seconds of audio per hour (ASPH)",
        Axis::Asd => "seconds of audio per day (ASPD)",
        Axis::Concurrency => "concurrent requests",
        Axis::Requests | Axis::Tokens => {
            let window = window_name(window.unwrap_or(Limit::DEFAULT_WINDOW));
            return format!("{axis} per {window}").into();
        }
    })
}

/// Adds the six limit headers: three for requests and three for tokens, each only if they are limited. `…-requests` is the
/// limit of the day if the account has one, otherwise that of the minute, under the same names (evidence: 29 of 708
/// recordings). `reset` renders the time until the limit is full.
pub(super) fn add_limits<T: Display>(
    headers: &mut Headers,
    snapshot: &LimitsSnapshot,
    reset: impl Fn(Nanos) -> T,
) {
    let levels = [snapshot.first_level(&[Axis::Rpd, Axis::Rpm]), snapshot.first_level(&[Axis::Tpm])];
    let names = [
        ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
        ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ];
    let rows = || levels.iter().zip(&names).filter_map(|(level, names)| Some(((*level)?, names)));
    rows().for_each(|(level, names)| headers.add_number(names.0, level.limit));
    rows().for_each(|(level, names)| headers.add_number(names.1, level.remaining_or_zero()));
    rows().for_each(|(level, names)| headers.add(names.2, reset(level.time_until_full())));
}

/// Rounds down to whole milliseconds, in the notation of Go (evidence: 708 recordings, 10 messages).
const fn whole_millis(duration: Nanos) -> GoDuration {
    GoDuration(Nanos(duration.0 - duration.0 % MILLISECOND))
}

/// Members of a completion as documented in 2026.
pub(super) const FORMAT: CompletionFormat = CompletionFormat {
    id: |number| format!("chatcmpl-{}", ids::base_62(number, 20)),
    message: |message, _| message.member("refusal", &()).member("annotations", &[(); 0]),
    logprobs: Some(()),
    splits_arguments: true,
    calls_have_index: false,
    usage,
    completion: |completion, _, context| service_members(completion, context),
    chunk: service_members,
    ..CompletionFormat::PLAIN
};

/// Adds the tokens and their details, which are always there, also those of zero tokens.
fn usage(object: Object, service: &Service, context: &Context<'_>) -> Object {
    let usage = service.usage;
    let reasoning = context.shape.reasoning_tokens(usage.completion_tokens) * context.shape.choices;
    token_counts(object, usage)
        .object("prompt_tokens_details", |details| {
            details.member("cached_tokens", &usage.cached_tokens).member("audio_tokens", &0)
        })
        .object("completion_tokens_details", |details| {
            let details = details.member("reasoning_tokens", &reasoning).member("audio_tokens", &0);
            details.member("accepted_prediction_tokens", &0).member("rejected_prediction_tokens", &0)
        })
}

fn service_members(object: Object, context: &Context<'_>) -> Object {
    object.plain_text("service_tier", "default").plain_text("system_fingerprint", context.system_fingerprint)
}

const MILLISECOND: u64 = 1_000_000;
const INVALID_KEY: &str =
    "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.";
/// Captured, 2024–2026. In 2023 it ended after "details." and the code was null.
const INSUFFICIENT_QUOTA: &str = "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.";
const OVERLOADED: &str = "Our servers are currently overloaded. Please try again later.";
