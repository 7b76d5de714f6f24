//! What a reply that is no success means: its cause, what it states of the limit, and how long to wait until what.

use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::{Headers, retry_after};
use super::length;
use super::limit_header::{LimitHeader, exhausted};
use super::refusal::{Refusal, cause_of};
use super::rules::{DialectRules, ErrorResponse};
use crate::engine::{LimitNumbers, Reply, Wait, WaitKind};
use crate::event::{AttemptFailure, AttemptOutcome, LimitCause};
use provider::decision::Remaining;
use provider::{Axis, Instant};

/// What a reply that is no success means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedFailure {
    /// Its status; where an error came inside a success, the one that it states or stands for.
    pub status: u16,
    /// What kind of refusal it is.
    pub cause: LimitCause,
    /// What it states of the limit that refused.
    pub refusal: Refusal,
    /// How long to wait, and until what.
    pub wait: Option<Wait>,
    /// What it says in words.
    pub message: Option<String>,
}

impl ParsedFailure {
    /// As the engine keeps it.
    pub(super) fn reply(&self, now: Instant, remaining: Remaining) -> Reply {
        let Self { status, cause, wait, .. } = *self;
        let Refusal { axis, limit, used, requested, .. } = self.refusal;
        let told =
            limit.zip(requested).map(|(limit, requested)| LimitNumbers { axis, limit, used, requested });
        let broken = Reply::broken(now, AttemptFailure::Status(status));
        // A status that says the same as the body stays a status; 400 and 500 were seen to hide a limit.
        let limited = matches!(status, 429 | 413) || cause != by_status(status);
        let outcome = if limited { AttemptOutcome::Limited { axis, cause } } else { broken.outcome };
        Reply { outcome, wait, limit: told, remaining, ..broken }
    }
}

/// Reads a reply whose status is no success.
pub(super) fn read(
    dialect: Option<Dialect>,
    status: u16,
    headers: &dyn Headers,
    body: &[u8],
) -> ParsedFailure {
    let said = ErrorBody::read(body).unwrap_or_default();
    of(dialect, &ErrorResponse { status, headers, said: &said })
}

/// Reads an error inside a reply that began as a success.
pub(super) fn inside(dialect: Option<Dialect>, headers: &dyn Headers, said: &ErrorBody) -> ParsedFailure {
    // A server that breaks off without a reason has failed, whatever it calls it.
    let status = status_of(said).unwrap_or(500);
    of(dialect, &ErrorResponse { status, headers, said })
}

fn of(dialect: Option<Dialect>, seen: &ErrorResponse<'_>) -> ParsedFailure {
    let page = DialectRules::of(dialect);
    let mut refusal = (page.refusal)(seen.said);
    refusal.axis = refusal.axis.or_else(|| page.axis(seen.said));
    let too_long = length::read(seen.said).filter(|_| refusal.axis.is_none());
    let decided = page.cause(seen).or(refusal.cause).or(too_long.map(|_| LimitCause::TooLarge));
    if let Some(too_long) = too_long {
        refusal.limit = refusal.limit.or(too_long.limit);
        refusal.requested = refusal.requested.or(too_long.requested);
    }
    let limits = (page.limits)(seen.headers);
    let is_limit = seen.status == 429 && decided.is_none_or(is_window);
    let refused_by = exhausted(&limits, refusal.axis).filter(|_| is_limit && page.resets.is_some());
    if let Some(limit) = refused_by {
        refusal.axis = limit.axis;
        refusal.limit = refusal.limit.or(Some(limit.limit));
    }
    let cause = decided.unwrap_or_else(|| cause(seen.status, &refusal));
    let wait =
        wait(page, seen, &refusal, refused_by).map(|wait| Wait { meaning: meaning(cause, wait), ..wait });
    ParsedFailure { status: seen.status, cause, refusal, wait, message: seen.said.message.clone() }
}

/// The cause where no words decide it.
fn cause(status: u16, refusal: &Refusal) -> LimitCause {
    match status {
        429 => refusal
            .axis
            .map(|axis| cause_of(Axis::window(axis)))
            .or_else(|| refusal.implied_cause())
            .unwrap_or(LimitCause::Other),
        _ => by_status(status),
    }
}

/// What a status says by itself. 498 is Groq's own: the flexible tier has no capacity left.
const fn by_status(status: u16) -> LimitCause {
    match status {
        401 | 403 => LimitCause::Auth,
        402 => LimitCause::Billing,
        413 => LimitCause::TooLarge,
        498 | 500..=599 => LimitCause::Overload,
        _ => LimitCause::Other,
    }
}

/// The wait that is stated, the most telling first.
fn wait(
    page: &DialectRules,
    seen: &ErrorResponse<'_>,
    refusal: &Refusal,
    refused_by: Option<&LimitHeader>,
) -> Option<Wait> {
    let enough = |length| Wait { length, meaning: WaitKind::UntilEnough };
    (page.wait)(seen)
        .or_else(|| refusal.wait.map(enough))
        .or_else(|| retry_after(seen.headers).map(enough))
        .or_else(|| Some(Wait { length: refused_by?.reset?, meaning: page.resets? }))
}

/// What a wait means with this cause: nothing where no wait helps, and a guess where it is not the account's
/// own limit that has to free.
const fn meaning(cause: LimitCause, wait: Wait) -> WaitKind {
    match cause {
        LimitCause::TooLarge | LimitCause::Billing | LimitCause::NotInTier | LimitCause::Auth => {
            WaitKind::Meaningless
        }
        LimitCause::Overload => WaitKind::Suggested,
        _ => wait.meaning,
    }
}

const fn is_window(cause: LimitCause) -> bool {
    matches!(cause, LimitCause::MinuteLimit | LimitCause::DayLimit)
}

/// The status that an error states, or that its words stand for.
pub(super) fn status_of(said: &ErrorBody) -> Option<u16> {
    let stands_for = |words: &[(&str, u16)], shows: &dyn Fn(&str) -> bool| {
        words.iter().find(|(word, _)| shows(word)).map(|(_, status)| *status)
    };
    let by_sentence = || stands_for(&SENTENCES, &|words| said.lower.contains(words));
    // Groq's and OpenAI's one code has two statuses: only the sentence tells them apart.
    said.status
        .or_else(|| stands_for(&SENTENCES[..1], &|words| said.lower.contains(words)))
        .or_else(|| stands_for(&WORDS, &|word| said.is_called(word)))
        .or_else(by_sentence)
        .or_else(|| length::read(said).map(|_| 400))
}

/// Words that name one status wherever they are used.
const WORDS: [(&str, u16); 32] = [
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
    ("insufficient_quota", 429),
    ("request_quota_exceeded", 429),
    ("token_quota_exceeded", 429),
    ("queue_exceeded", 429),
    ("engine_overloaded", 429),
    ("model_rate_limit", 429),
    ("credit_limit", 429),
    ("dynamic_request_limited", 429),
    ("dynamic_token_limited", 429),
    ("RESOURCE_EXHAUSTED", 429),
    ("UNAVAILABLE", 503),
    ("INTERNAL", 500),
    ("capacity_exceeded", 498),
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

/// Sentences that come with one status, in lower case. The first tells an oversize that Groq answers with 413.
const SENTENCES: [(&str, u16); 26] = [
    ("please reduce your message size and try again", 413),
    ("request too large for ", 429),
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
    ("used all available credits", 429),
    ("model busy", 429),
    ("input length ", 500),
    ("server is overloaded", 503),
    ("over capacity", 503),
    ("invalid api key", 401),
    ("not authenticated", 401),
    ("does not exist or you do not have access", 404),
    ("reduce the length of the messages", 400),
    ("credit balance is too low", 400),
];
