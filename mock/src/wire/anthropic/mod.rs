//! Anthropic: its own endpoint, and the OpenAI-compatible one.
//!
//! Both send the same headers and different bodies ([`Native`], [`OpenAiCompatible`]). Limits are buckets that refill
//! continuously. A reset is the date at which the bucket is full, rounded down to whole seconds: it may be in the past when
//! the reply arrives. A client compares it with `date`, so that header is part of the dialect.

mod compatible;
mod native;

pub(super) use compatible::OpenAiCompatible;
pub(super) use native::Native;

use super::window_name::window_name;
use super::{Error, Head, Headers, ids};
use crate::axis::{Axis, Quantity};
use crate::calendar::Epoch;
use crate::decision::Denial;
use crate::length::{LengthLimit, TooLong};
use crate::meter::LimitLevel;
use crate::time::{Instant, Nanos};
use std::borrow::Cow;

/// Renders the headers of a reply.
fn headers(head: &Head<'_>) -> Headers {
    let mut headers = Headers::with_media_type(head.media_type);
    headers.add("date", head.epoch.time_at(head.at).http_date());
    headers.add_text("request-id", &request_id(head.number));
    if matches!(head.status, 429 | 500..) {
        headers.add_static("x-should-retry", "true");
    }
    if let Some(snapshot) = head.snapshot {
        let [requests, tokens, input, output] =
            [&[Axis::Rpm][..], &[Axis::Tpm], &[Axis::Itpm, Axis::Uitpm], &[Axis::Otpm]]
                .map(|axes| snapshot.first_level(axes));
        // The reset of requests counts from the arrival, that of tokens from the reply (evidence: captures of 2026).
        let epoch = head.epoch;
        add_limit(&mut headers, epoch, REQUESTS, requests.map(|level| Row::of(&[level], 1, snapshot.at)));
        let levels: Vec<&LimitLevel> =
            tokens.map_or_else(|| input.into_iter().chain(output).collect(), |total| vec![total]);
        let tokens = (!levels.is_empty()).then(|| Row::of(&levels, THOUSAND, head.at));
        add_limit(&mut headers, epoch, TOKENS, tokens);
        add_limit(&mut headers, epoch, INPUT, input.map(|level| Row::of(&[level], THOUSAND, head.at)));
        add_limit(&mut headers, epoch, OUTPUT, output.map(|level| Row::of(&[level], THOUSAND, head.at)));
    }
    if let Some(wait) = head.wait {
        headers.add_number("retry-after", wait.as_secs_ceil());
    }
    headers
}

/// One limit, or the sum of several, as three headers report it.
struct Row {
    limit: u64,
    remaining: u64,
    reset: Instant,
}

impl Row {
    /// Returns the sum of the limits, the sum of what remains, rounded to the nearest multiple of `rounding_step`, and the
    /// first instant at which one of them is full (evidence: captures of 2025 and 2026; the rounding of tokens to thousands is
    /// documented).
    fn of(levels: &[&LimitLevel], rounding_step: u64, at: Instant) -> Self {
        let sum = |amount: fn(&LimitLevel) -> u64| {
            levels.iter().map(|level| amount(level)).fold(0, u64::saturating_add)
        };
        let until_full = levels.iter().map(|level| level.time_until_full()).min().unwrap_or_default();
        Self {
            limit: sum(|level| level.limit),
            remaining: sum(LimitLevel::remaining_or_zero).saturating_add(rounding_step / 2) / rounding_step
                * rounding_step,
            reset: at + until_full,
        }
    }
}

fn add_limit(headers: &mut Headers, epoch: Epoch, names: [&'static str; 3], row: Option<Row>) {
    let Some(Row { limit, remaining, reset }) = row else { return };
    let [limit_name, remaining_name, reset_name] = names;
    headers.add_number(limit_name, limit);
    headers.add_number(remaining_name, remaining);
    headers.add(reset_name, epoch.time_at(reset).rfc3339());
}

/// Returns the message of a refusal. The messages for tokens per minute (the wording of 2026, with organisation and model)
/// and per day (2024) are from captures. Those for requests and for other windows are assumed to be alike. Users reported the message for
/// concurrency.
fn message(denial: &Denial, account: &str, model: &str) -> Cow<'static, str> {
    let what = match denial.axis {
        Axis::Concurrency => return CONCURRENCY.into(),
        Axis::Tpd => return DAILY_TOKENS.into(),
        Axis::Rpd | Axis::Ash | Axis::Asd => return DAILY_REQUESTS.into(),
        axis => match axis.quantity() {
            Quantity::Requests | Quantity::AudioSeconds | Quantity::InFlight => "requests",
            Quantity::Tokens => "tokens",
            Quantity::InputTokens | Quantity::UncachedTokens => "input tokens",
            Quantity::OutputTokens => "output tokens",
        },
    };
    let window = window_name(denial.window.unwrap_or(Nanos::MINUTE));
    let limit = Grouped(denial.limit);
    format!(
        "This request would exceed your organization's rate limit of {limit} {what} per {window} (org: {account}, model: {model}). For details, refer to: https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage. Please reduce the prompt length or the maximum tokens requested, or try again later. You may also contact sales at https://claude.com/contact-sales to discuss your options for a rate limit increase."
    )
    .into()
}

/// Returns status, type and message of any error except a refusal by a limit: the same at both endpoints. The 529, the 500
/// that means overload, the 429 without details, and the 429 for long contexts outside the tier are from captures. Users
/// reported a 400 for insufficient credit. The types are documented. Other messages are assumed.
fn describe<'e>(error: &'e Error<'_>) -> (u16, &'static str, Cow<'e, str>) {
    let (status, message): (u16, Cow<'e, str>) = match error {
        Error::InvalidKey => (401, "invalid x-api-key".into()),
        Error::UnknownModel(model) => (404, format!("model: {model}").into()),
        Error::UnknownPath(..) => (404, "Not found".into()),
        Error::Invalid { message, .. } => (400, message.as_ref().into()),
        Error::BodyTooLarge => (413, "Request exceeds the maximum size".into()),
        Error::Overload(_) => (529, "Overloaded".into()),
        Error::Billing => (400, NO_CREDIT.into()),
        Error::NotInTier(_) => (429, "Extra usage is required for long context requests.".into()),
        Error::TooLong(too_long, model) => (400, too_long_message(too_long, model).into()),
        Error::Status(429, _) => (429, "Rate limited".into()),
        Error::Status(500, _) => (500, "Overloaded".into()),
        Error::Status(status, _) => (*status, super::envelope::reason_phrase(*status).into()),
    };
    (status, kind(status), message)
}

/// Returns the message for a call that is too long, as in captures of 2024–2026. Newer models stop at the context instead of
/// refusing the sum, which is not modelled.
fn too_long_message(too_long: &TooLong, model: &str) -> String {
    let TooLong { violated, limit_tokens: limit, prompt_tokens, max_tokens } = *too_long;
    let requested = too_long.requested();
    match (violated, max_tokens) {
        (LengthLimit::Output, _) => format!(
            "max_tokens: {requested} > {limit}, which is the maximum allowed number of output tokens for {model}"
        ),
        (LengthLimit::Context, Some(max_tokens)) if prompt_tokens <= limit => format!(
            "input length and `max_tokens` exceed context limit: {prompt_tokens} + {max_tokens} > {limit}, decrease input length or `max_tokens` and try again"
        ),
        (LengthLimit::Context, _) => format!("prompt is too long: {prompt_tokens} tokens > {limit} maximum"),
    }
}

/// Returns the type of an error (documented).
const fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// Returns `req_011` and 21 letters and digits: 28 in all, as in captures.
fn request_id(number: u64) -> String {
    format!("req_011{}", ids::base_62(number, 21))
}

/// A number that prints with commas between the thousands.
struct Grouped(u64);

impl std::fmt::Display for Grouped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            small @ 0..THOUSAND => write!(f, "{small}"),
            large => write!(f, "{},{:03}", Self(large / THOUSAND), large % THOUSAND),
        }
    }
}

const THOUSAND: u64 = 1_000;
const REQUESTS: [&str; 3] = [
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
];
const TOKENS: [&str; 3] = [
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
];
const INPUT: [&str; 3] = [
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
];
const OUTPUT: [&str; 3] = [
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
];
const CONCURRENCY: &str = "Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales at https://www.anthropic.com/contact-sales to discuss your options for a rate limit increase.";
const DAILY_TOKENS: &str = "Number of request tokens has exceeded your daily rate limit (https://docs.anthropic.com/en/api/rate-limits); see the response headers for current usage. Please reduce the prompt length or the maximum tokens requested, or try again later. You may also contact sales at https://www.anthropic.com/contact-sales to discuss your options for a rate limit increase.";
const DAILY_REQUESTS: &str = "Number of requests has exceeded your daily rate limit (https://docs.anthropic.com/en/api/rate-limits); see the response headers for current usage. Please try again later. You may also contact sales at https://www.anthropic.com/contact-sales to discuss your options for a rate limit increase.";
const NO_CREDIT: &str = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.";
