//! Classifies a response that is not a success: its cause, the numbers of the limit, and the wait with its kind.

use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::{Headers, retry_after};
use super::length;
use super::limit_header::{LimitHeader, refusing_limit};
use super::refusal::{Refusal, cause_from_window};
use super::rules::{DialectRules, ErrorResponse};
use crate::engine::{LimitNumbers, Reply, Wait, WaitKind};
use crate::event::{AttemptFailure, AttemptOutcome, LimitCause};
use provider::decision::HeaderRemaining;
use provider::{Instant, Nanos};

/// A parsed error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedFailure {
    /// The HTTP status; for an error in a success, the status that the error states or implies, else 500.
    pub status: u16,
    /// The final cause. [`Refusal::cause`] is only what the body states.
    pub cause: LimitCause,
    /// The names and numbers of the limit that refused.
    pub refusal: Refusal,
    /// The final wait: the most precise one that the response states, with the kind that follows from the cause. `None`
    /// if it states none. [`Refusal::wait`] is only the one in the message.
    pub wait: Option<Wait>,
    /// The wait in the headers `retry-after-ms` or `retry-after`.
    pub header_wait: Option<Nanos>,
    /// The message of the provider.
    pub message: Option<String>,
}

impl ParsedFailure {
    /// Returns the part that the engine uses.
    pub(super) fn reply(&self, now: Instant, remaining: HeaderRemaining) -> Reply {
        let Self { status, cause, wait, header_wait, .. } = *self;
        let Refusal { axis, limit, used, requested, .. } = self.refusal;
        let numbers =
            limit.zip(requested).map(|(limit, requested)| LimitNumbers { axis, limit, used, requested });
        let failed = Reply::failed(now, AttemptFailure::Status(status));
        // A 429 or 413 is always a limit. With any other status it is a limit only if the body shows a cause other than
        // the status's: some providers send limits as 400 or 500.
        let counts_as_limited = matches!(status, 429 | 413) || cause != cause_from_status(status);
        let outcome =
            if counts_as_limited { AttemptOutcome::Limited { axis, cause } } else { failed.outcome };
        Reply { outcome, wait, header_wait, limit: numbers, remaining, ..failed }
    }
}

/// Classifies an error that came inside a success. An error that neither states nor implies a status counts as 500.
pub(super) fn classify_error_in_success(
    dialect: Option<Dialect>,
    headers: &dyn Headers,
    limits: &[LimitHeader],
    body: &ErrorBody,
) -> ParsedFailure {
    let status = status_of(body).unwrap_or(500);
    classify(dialect, &ErrorResponse { status, headers, limits, body })
}

/// Classifies a response that is not a success.
pub(super) fn classify(dialect: Option<Dialect>, response: &ErrorResponse<'_>) -> ParsedFailure {
    let ErrorResponse { status, limits, body, .. } = *response;
    let rules = DialectRules::of(dialect);
    let mut refusal = (rules.refusal)(body);
    refusal.axis = refusal.axis.or_else(|| rules.axis(body));
    let too_long = length::parse(body).filter(|_| refusal.axis.is_none());
    let stated_cause = rules.cause(response).or(refusal.cause).or(too_long.map(|_| LimitCause::TooLarge));
    if let Some(too_long) = too_long {
        refusal.limit = refusal.limit.or(too_long.limit);
        refusal.requested = refusal.requested.or(too_long.requested);
    }
    let may_be_window_limit = status == 429 && stated_cause.is_none_or(is_window_limit);
    let refusing_header =
        refusing_limit(limits, refusal.axis).filter(|_| may_be_window_limit && rules.reset_kind.is_some());
    if let Some(limit) = refusing_header {
        refusal.axis = limit.axis;
        refusal.limit = refusal.limit.or(Some(limit.limit));
    }
    let cause = stated_cause.unwrap_or_else(|| fallback_cause(status, &refusal));
    let wait = stated_wait(rules, response, &refusal, refusing_header)
        .map(|wait| Wait { kind: wait_kind(cause, wait.kind), ..wait });
    let header_wait = retry_after(response.headers);
    ParsedFailure { status, cause, refusal, wait, header_wait, message: body.message.clone() }
}

/// Returns the cause of a response that does not state it. For a 429: from the axis, else from the numbers, else
/// `Other`. For any other status: from the status.
fn fallback_cause(status: u16, refusal: &Refusal) -> LimitCause {
    match status {
        429 => refusal
            .axis
            .map(|axis| cause_from_window(axis.window_length()))
            .or_else(|| refusal.cause_from_numbers())
            .unwrap_or(LimitCause::Other),
        _ => cause_from_status(status),
    }
}

/// Returns the cause that a status implies. 498 is Groq's own: the flex tier has no capacity left.
const fn cause_from_status(status: u16) -> LimitCause {
    match status {
        401 | 403 => LimitCause::Auth,
        402 => LimitCause::Billing,
        413 => LimitCause::TooLarge,
        498 | 500..=599 => LimitCause::Overload,
        _ => LimitCause::Other,
    }
}

/// Returns the stated wait. The most precise source takes precedence: the dialect's own, the message, `retry-after`,
/// the reset of the limit that refused.
fn stated_wait(
    rules: &DialectRules,
    response: &ErrorResponse<'_>,
    refusal: &Refusal,
    refusing_header: Option<&LimitHeader>,
) -> Option<Wait> {
    let until_admitted = |length| Wait { length, kind: WaitKind::UntilAdmitted };
    (rules.wait)(response)
        .or_else(|| refusal.wait.map(until_admitted))
        .or_else(|| retry_after(response.headers).map(until_admitted))
        .or_else(|| Some(Wait { length: refusing_header?.reset?, kind: rules.reset_kind? }))
}

/// Returns the kind of a wait under this cause: meaningless if no wait helps, a suggestion if the provider and not a
/// limit of the account has to recover.
const fn wait_kind(cause: LimitCause, stated: WaitKind) -> WaitKind {
    match cause {
        LimitCause::TooLarge | LimitCause::Billing | LimitCause::NotInTier | LimitCause::Auth => {
            WaitKind::Meaningless
        }
        LimitCause::Overload => WaitKind::Suggested,
        LimitCause::MinuteLimit | LimitCause::DayLimit | LimitCause::Concurrency | LimitCause::Other => {
            stated
        }
    }
}

/// Returns `true` for the causes that only a limit with a window has.
const fn is_window_limit(cause: LimitCause) -> bool {
    matches!(cause, LimitCause::MinuteLimit | LimitCause::DayLimit)
}

/// Returns the status that an error states, or that its code or message implies.
pub(super) fn status_of(body: &ErrorBody) -> Option<u16> {
    let by_oversize = || body.lowercase.contains(OVERSIZE_PHRASE).then_some(413);
    let by_code = || status_in(&STATUS_OF_CODE, |code| body.has_code(code));
    let by_phrase = || status_in(&STATUS_OF_PHRASE, |phrase| body.lowercase.contains(phrase));
    let by_length = || length::parse(body).map(|_| 400);
    body.http_status.or_else(by_oversize).or_else(by_code).or_else(by_phrase).or_else(by_length)
}

/// Returns the status of the first row whose text matches.
fn status_in(table: &[(&str, u16)], matches: impl Fn(&str) -> bool) -> Option<u16> {
    table.iter().find(|(text, _)| matches(text)).map(|(_, status)| *status)
}

/// The phrase of Groq's 413, in lower case. Groq uses one code for 413 and 429, so this phrase is checked before the
/// codes.
const OVERSIZE_PHRASE: &str = "please reduce your message size and try again";

/// Codes and the status that each usually implies. [`OVERSIZE_PHRASE`] is checked first.
const STATUS_OF_CODE: [(&str, u16); 32] = [
    ("overloaded_error", 529),
    ("api_error", 500),
    ("timeout_error", 504),
    ("rate_limit_error", 429),
    ("rate_limit_exceeded", 429),
    ("rate_limited", 429),
    ("too_many_requests", 429),
    ("Too Many Requests", 429),
    ("RateLimitReached", 429),
    ("ThrottlingException", 429),
    ("insufficient_quota", 429), // OpenAI: insufficient credit.
    ("request_quota_exceeded", 429),
    ("token_quota_exceeded", 429),
    ("queue_exceeded", 429),
    ("engine_overloaded", 429),
    ("model_rate_limit", 429),
    ("credit_limit", 429), // Together: the rate limit of accounts that have not paid yet.
    ("dynamic_request_limited", 429),
    ("dynamic_token_limited", 429),
    ("RESOURCE_EXHAUSTED", 429),
    ("UNAVAILABLE", 503),
    ("INTERNAL", 500),
    ("capacity_exceeded", 498), // Groq: the flex tier has no capacity left.
    ("request_too_large", 413),
    ("invalid_api_key", 401),
    ("authentication_error", 401),
    ("UNAUTHENTICATED", 401),
    ("PERMISSION_DENIED", 403),
    ("permission_error", 403),
    ("billing_error", 402),
    ("model_not_found", 404),
    ("not_found_error", 404),
];

/// Phrases and the status that each implies, in lower case; the first match counts.
const STATUS_OF_PHRASE: [(&str, u16); 25] = [
    ("request too large for ", 429), // OpenAI: larger than the whole limit. Groq's 413 has OVERSIZE_PHRASE.
    ("rate limit reached", 429),
    ("rate limit exceeded", 429),
    ("would exceed the rate limit for your organization", 429),
    ("have exceeded rate limit", 429),
    ("exceeded token rate limit", 429),
    ("exceeded your current quota", 429),
    ("service tier capacity exceeded", 429),
    ("currently experiencing high demand", 429),
    ("experiencing high traffic", 429),
    ("before the given deadline", 429),
    ("have exceeded your usage limits", 429),
    ("too many requests", 429),
    ("too many tokens", 429),
    ("exceeds your concurrency limit", 429),
    ("used all available credits", 429), // xAI.
    ("model busy", 429),
    ("input length ", 500), // DeepInfra: the prompt is too long.
    ("server is overloaded", 503),
    ("over capacity", 503),
    ("invalid api key", 401),
    ("not authenticated", 401),
    ("does not exist or you do not have access", 404),
    ("reduce the length of the messages", 400), // Groq: too long for the model.
    ("credit balance is too low", 400),         // Anthropic.
];
