//! OpenAI's own API.
//!
//! Captured: the texts of refusals (2024–2026, ten waits to the printed millisecond), the six limit headers of
//! 708 recordings, the words of a spent quota. Limits are buckets that refill, those of a day too. Whether a
//! refusal carries `retry-after` varies in captures; here it does. Other errors are documented or assumed.

use super::chat::{Choice, Shape};
use super::envelope::{self, INVALID, SERVER, reason};
use super::go_duration::GoDuration;
use super::{Answer, Context, Error, Head, Headers, LimitsSnapshot, WireFormat, ids, json};
use crate::axis::Axis;
use crate::decision::{Denial, Service};
use crate::length::{Bound, TooLong};
use crate::time::{Instant, Nanos};
use std::fmt::Display;

/// OpenAI's one endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenAi;

impl WireFormat for OpenAi {
    fn base(&self) -> &'static str {
        "/v1"
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        let mut headers = Headers::of(head.content);
        if let Some(wait) = head.wait {
            headers.number("retry-after", wait.as_secs_ceil());
            headers.number("retry-after-ms", wait.0.div_ceil(MILLISECOND));
        }
        if let Some(told) = head.told {
            limits(&mut headers, told, whole_millis);
        }
        headers.print("x-request-id", format_args!("req_{}", ids::hex::<32>(head.number)));
        headers
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> Answer {
        let kind = if denial.axis.counts_tokens() { "tokens" } else { "requests" };
        let body = envelope::error(&message(denial, context), kind, None, Some("rate_limit_exceeded"));
        Answer::new(429, body).after(denial.wait.filter(|_| !denial.oversize))
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> Answer {
        let (status, message, kind, code): (u16, &str, _, _) = match error {
            Error::InvalidKey | Error::Status(401, _) => (401, WRONG_KEY, INVALID, Some("invalid_api_key")),
            Error::UnknownModel(model) | Error::NotInTier(model) | Error::Status(404, model) => (
                404,
                &format!("The model `{model}` does not exist or you do not have access to it."),
                INVALID,
                Some("model_not_found"),
            ),
            Error::UnknownPath(method, path) => {
                (404, &format!("Invalid URL ({method} {path})"), INVALID, None)
            }
            Error::Invalid(message) => (400, message.as_ref(), INVALID, None),
            Error::BodyTooLarge => (413, reason(413), INVALID, None),
            Error::Overload(_) => (503, OVERLOADED, SERVER, Some("server_is_overloaded")),
            Error::Billing => (429, SPENT, "insufficient_quota", Some("insufficient_quota")),
            Error::TooLong(too_long, _) => {
                let (param, code) = match too_long.bound {
                    Bound::Context => ("messages", Some("context_length_exceeded")),
                    Bound::Output => ("max_tokens", None),
                };
                return Answer::new(400, envelope::error(&length(too_long), INVALID, Some(param), code));
            }
            Error::Status(429, _) => (429, reason(429), "requests", Some("rate_limit_exceeded")),
            Error::Status(status, _) => (*status, reason(*status), envelope::kind(*status), None),
        };
        Answer::new(status, envelope::error(message, kind, None, code))
    }

    fn shape(&self) -> &'static Shape {
        &SHAPE
    }
}

/// The message of a refusal (captured; the names of `TPD` and of the split token axes are assumed, and so is
/// everything about concurrency, which OpenAI does not limit).
fn message(denial: &Denial, context: &Context<'_>) -> String {
    let Denial { axis, limit, used, requested, wait, oversize } = *denial;
    let what = if oversize { "Request too large" } else { "Rate limit reached" };
    let (model, account, axis) = (context.model, context.account, axis_name(axis));
    let mut text = format!("{what} for {model} in organization org-{account} on {axis}: Limit {limit}, ");
    if oversize {
        json::put(
            &mut text,
            format_args!(
                "Requested {requested}. The input or output tokens must be reduced in order to run successfully."
            ),
        );
    } else {
        json::put(&mut text, format_args!("Used {used}, Requested {requested}."));
        if let Some(wait) = wait {
            // The nanosecond makes up for the one that a wait computed in doubles may lack.
            let wait = whole_millis(Nanos(wait.0.saturating_add(1)));
            json::put(&mut text, format_args!(" Please try again in {wait}."));
        }
    }
    text.push_str(" Visit https://platform.openai.com/account/rate-limits to learn more.");
    text
}

/// What is said to too long a call. Captured: 2023–2024 for the context, 2024–2026 for the answer.
pub(super) fn length(too_long: &TooLong) -> String {
    let TooLong { bound, limit, prompt_tokens, max_tokens } = *too_long;
    let requested = too_long.requested();
    match (bound, max_tokens) {
        (Bound::Context, Some(max_tokens)) => format!(
            "This model's maximum context length is {limit} tokens. However, you requested {requested} tokens ({prompt_tokens} in the messages, {max_tokens} in the completion). Please reduce the length of the messages or completion."
        ),
        (Bound::Context, None) => format!(
            "This model's maximum context length is {limit} tokens. However, your messages resulted in {prompt_tokens} tokens. Please reduce the length of the messages."
        ),
        (Bound::Output, _) => format!(
            "max_tokens is too large: {requested}. This model supports at most {limit} completion tokens, whereas you provided {requested}."
        ),
    }
}

const fn axis_name(axis: Axis) -> &'static str {
    match axis {
        Axis::Rpm => "requests per min (RPM)",
        Axis::Rpd => "requests per day (RPD)",
        Axis::Tpm => "tokens per min (TPM)",
        Axis::Tpd => "tokens per day (TPD)",
        Axis::Itpm => "input tokens per min (ITPM)",
        Axis::Otpm => "output tokens per min (OTPM)",
        Axis::Ash => "seconds of audio per hour (ASPH)",
        Axis::Asd => "seconds of audio per day (ASPD)",
        Axis::Concurrency => "concurrent requests",
    }
}

/// The six limit headers. `…-requests` is the day's where the account has a limit per day, otherwise the
/// minute's: the same names (evidence: 29 of 708 recordings). `reset` is the time until the limit is full.
pub(super) fn limits<T: Display>(headers: &mut Headers, told: &LimitsSnapshot, reset: impl Fn(Nanos) -> T) {
    let levels = [told.first(&[Axis::Rpd, Axis::Rpm]), told.first(&[Axis::Tpm])];
    let names = [
        ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
        ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ];
    let both = || levels.iter().zip(&names).filter_map(|(level, names)| Some(((*level)?, names)));
    both().for_each(|(level, names)| headers.number(names.0, level.limit));
    both().for_each(|(level, names)| headers.number(names.1, level.left()));
    both().for_each(|(level, names)| headers.print(names.2, reset(level.full_in())));
}

/// A length cut to whole milliseconds, as Go prints it (evidence: 708 recordings, 10 messages).
const fn whole_millis(length: Nanos) -> GoDuration {
    GoDuration(Nanos(length.0 - length.0 % MILLISECOND))
}

/// Members of a completion as documented in 2026; details of the usage are left out but for cached tokens.
pub(super) const SHAPE: Shape = Shape {
    id: |out, number| json::put(out, format_args!("chatcmpl-{}", ids::letters::<20>(number))),
    message: r#","refusal":null,"annotations":[]"#,
    choice: Choice::LOGPROBS,
    whole: |out, _: &Service, context| tier_and_fingerprint(out, context),
    chunk: tier_and_fingerprint,
    ..Shape::PLAIN
};

fn tier_and_fingerprint(out: &mut String, context: &Context<'_>) {
    let fingerprint = ids::fingerprint(context.model);
    json::put(out, format_args!(r#","service_tier":"default","system_fingerprint":"{fingerprint}""#));
}

const MILLISECOND: u64 = 1_000_000;
const WRONG_KEY: &str =
    "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.";
/// Captured, 2024–2026; in 2023 it ended after "details." and the code was null.
const SPENT: &str = "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.";
const OVERLOADED: &str = "Our servers are currently overloaded. Please try again later.";
