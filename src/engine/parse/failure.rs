//! Classifies a response that is not a success: its cause, the numbers of the limit, and the wait with its kind.

use super::allowance::{self, Allowance};
use super::clock_time::ResetTime;
use super::common::{self, Reason};
use super::detect;
use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::{Headers, retry_after};
use super::length;
use super::limit_header::{LimitHeader, refusing_limit};
use super::named_limit;
use super::own_gateway;
use super::refusal::Refusal;
use super::responder::Responder;
use super::rules::{DialectRules, ErrorResponse};
use super::status::{says_limited, status_of};
use super::wait;
use crate::engine::{LimitNumbers, Reply, Wait, is_permanent_status};
use crate::event::{AttemptFailure, AttemptOutcome, RefusalCause};
use provider::decision::HeaderRemaining;
use provider::{Instant, Nanos};
use std::borrow::Cow;

/// A parsed error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedFailure {
    /// The HTTP status; for an error in a success, the status that the error states or implies, else 500.
    pub status: u16,
    /// The final cause. [`Refusal::cause`] is only what the body states.
    pub cause: RefusalCause,
    /// The names and numbers of the limit that refused.
    pub refusal: Refusal,
    /// The final wait: the most precise one that the response states or, if it states none and the window of the limit is
    /// short, that window; with the kind that follows from the cause. `None` if there is neither. [`Refusal::wait`] is only
    /// the one in the message.
    pub wait: Option<Wait>,
    /// The wait in the headers `retry-after-ms` or `retry-after`.
    pub header_wait: Option<Nanos>,
    /// The moment at which the limit resets, if the response states one.
    pub reset_at: Option<ResetTime>,
    /// The message of the error; `None` if it has none.
    pub message: Option<String>,
    /// What the error says beyond its cause.
    pub reason: Option<Reason>,
    /// `true` if the call is longer than the model allows, which concerns no quota.
    pub exceeds_model: bool,
    /// Who answered; `None` if it is not known.
    pub responder: Option<Responder>,
    /// The allowances of a subscription in the headers.
    pub allowances: Vec<Allowance>,
    /// The window that the name of the limit states, if the numbers contradict it. The numbers take precedence:
    /// [`Refusal::window`] is the one that they imply.
    pub contradicted_window: Option<Nanos>,
    /// The errors that a gateway lists. The cause, the numbers and the wait are those of the one with the shortest wait, among
    /// those that a wait ends if there are any.
    pub listed: Vec<ListedFailure>,
}

/// An error in the list of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFailure {
    /// The dialect of the provider that sent it; `None` if it is not known.
    pub dialect: Option<Dialect>,
    /// What it says.
    pub failure: ParsedFailure,
}

impl ParsedFailure {
    /// Returns `true` if the same call can never be served here: no wait helps.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        is_terminal(self.cause)
            || (matches!(self.cause, RefusalCause::Other) && is_permanent_status(self.status))
    }

    /// Returns the part that the engine uses.
    pub(super) fn reply(&self, now: Instant, remaining: HeaderRemaining) -> Reply {
        let Self { status, cause, wait, header_wait, .. } = *self;
        let Refusal { axis, limit, used, requested, .. } = self.refusal;
        let numbers =
            limit.zip(requested).map(|(limit, requested)| LimitNumbers { axis, limit, used, requested });
        // Groq refuses a model that it has withdrawn with a 400. Another target may have it.
        let is_gone = self.reason == Some(Reason::ModelWithdrawn);
        let failed = Reply::failed(now, AttemptFailure::Status(if is_gone { 404 } else { status }));
        // A 429 or 413 is always a limit, and an account that must pay is always out of use. With any other status it is a
        // limit only if the body shows a cause other than the status's: some providers send limits as 400 or 500.
        let counts_as_limited = matches!(status, 429 | 413)
            || cause == RefusalCause::Billing
            || cause != cause_from_status(status);
        let is_refused_client = matches!(self.responder, Some(Responder::Proxy(_)))
            && matches!(status, 401 | 403)
            && cause == RefusalCause::Other;
        let outcome = if counts_as_limited && !is_refused_client {
            AttemptOutcome::Refused { axis, cause }
        } else {
            failed.outcome
        };
        Reply { outcome, wait, header_wait, limit: numbers, remaining, ..failed }
    }
}

/// Returns `true` for the causes that no wait ends.
const fn is_terminal(cause: RefusalCause) -> bool {
    matches!(
        cause,
        RefusalCause::TooLarge | RefusalCause::Billing | RefusalCause::NotInTier | RefusalCause::Auth
    )
}

/// Classifies an error that came inside a success. An error that neither states nor implies a status counts as 500.
pub(super) fn classify_error_in_success(
    dialect: Option<Dialect>,
    headers: &dyn Headers,
    limits: &[LimitHeader],
    body: &ErrorBody,
) -> ParsedFailure {
    let status = status_of(body).unwrap_or(500);
    classify(dialect, &ErrorResponse { status, headers, limits, body, raw: &[] })
}

/// Classifies a response that is not a success.
pub(super) fn classify(dialect: Option<Dialect>, response: &ErrorResponse<'_>) -> ParsedFailure {
    let ErrorResponse { headers, body, raw, .. } = *response;
    let responder = super::responder::responder(dialect, headers, body, raw);
    if !body.listed.is_empty() {
        return classify_listed(response, responder);
    }
    own_gateway::own_error(response).unwrap_or_else(|| classify_one(dialect, response, responder))
}

/// Classifies one error of a provider, a proxy or a gateway.
fn classify_one(
    dialect: Option<Dialect>,
    response: &ErrorResponse<'_>,
    responder: Option<Responder>,
) -> ParsedFailure {
    let ErrorResponse { status, headers, limits, body, .. } = *response;
    let rules = DialectRules::of(dialect);
    let mut refusal = (rules.refusal)(response);
    refusal.axis = refusal.axis.or_else(|| rules.axis(body));
    named_limit::prefer_exhausted_day(&mut refusal, limits);
    // With an axis, the dialect's own rules have read the message.
    let has_axis = refusal.axis.is_some();
    let sentence = if has_axis { Cow::Borrowed(&*body.lowercase) } else { Cow::Owned(body.sentence()) };
    let too_long = if has_axis { None } else { length::parse(body) };
    let common = || if has_axis { None } else { common::cause(body, &sentence) };
    let stated_cause = named_limit::dashscope_cause(body, &mut refusal)
        .or_else(|| rules.cause(response))
        .or(refusal.cause)
        .or_else(common)
        .or(too_long.map(|_| RefusalCause::TooLarge));
    if let Some(too_long) = too_long {
        refusal.limit = refusal.limit.or(too_long.limit);
        refusal.requested = refusal.requested.or(too_long.requested);
    }
    named_limit::complete(&mut refusal, stated_cause, &sentence, body, headers);
    let status_of_cause = status_behind(status, body);
    let may_be_window_limit =
        status_of_cause == 429 && stated_cause.is_none_or(RefusalCause::is_window_limit);
    let refusing_header =
        refusing_limit(limits, refusal.axis).filter(|_| may_be_window_limit && rules.reset_kind.is_some());
    if let Some(limit) = refusing_header {
        refusal.axis = limit.axis;
        refusal.limit = refusal.limit.or(Some(limit.limit));
    }
    let allowances = allowance::allowances(headers);
    let refusing_allowance = allowance::refusing(&allowances).filter(|_| may_be_window_limit);
    if let Some(allowance) = refusing_allowance {
        refusal.window = Some(allowance.window);
    }
    let contradicted_window = named_limit::correct_window(&mut refusal);
    let cause = stated_cause
        .filter(|cause| contradicted_window.is_none() || !cause.is_window_limit())
        .unwrap_or_else(|| fallback_cause(status_of_cause, &refusal, &sentence, responder));
    let sources = wait::Sources {
        rules,
        dialect,
        responder,
        response,
        refusal: &refusal,
        sentence: &sentence,
        has_axis,
    };
    let (wait, reset_at) = sources.find(cause, refusing_header, refusing_allowance);
    // `usage limit reached|1749924000`: the moment shows that it is an allowance, whose window is not stated.
    let is_allowance = cause == RefusalCause::Other && reset_at.is_some() && sentence.contains("limit");
    let cause = if is_allowance { RefusalCause::Allowance } else { cause };
    let reason = if has_axis { None } else { common::reason(body, &sentence) };
    ParsedFailure {
        status,
        cause,
        wait,
        header_wait: retry_after(response.headers),
        reset_at,
        message: body.message.clone(),
        reason,
        exceeds_model: too_long.is_some() && cause == RefusalCause::TooLarge,
        responder,
        allowances,
        contradicted_window,
        listed: Vec::new(),
        refusal,
    }
}

/// Classifies the errors that a gateway lists. The gateway serves the call again as soon as one of the providers does.
fn classify_listed(response: &ErrorResponse<'_>, responder: Option<Responder>) -> ParsedFailure {
    let ErrorResponse { status, body, .. } = *response;
    let listed: Vec<ListedFailure> = body
        .listed
        .iter()
        .map(|error| {
            let dialect = detect::by_error(error);
            let status = error.http_status.or_else(|| status_of(error)).unwrap_or(status);
            let response = ErrorResponse { status, limits: &[], body: error, raw: &[], ..*response };
            ListedFailure { dialect, failure: classify(dialect, &response) }
        })
        .collect();
    let wait = |listed: &&ListedFailure| {
        let ParsedFailure { wait, .. } = &listed.failure;
        (listed.failure.is_terminal(), wait.map_or(u64::MAX, |wait| wait.length.0))
    };
    let first = listed.iter().min_by_key(wait).map(|listed| listed.failure.clone());
    let message = body.message.clone();
    match first {
        Some(first) => ParsedFailure { status, message, responder, listed, reason: None, ..first },
        None => classify(None, &ErrorResponse { body: &ErrorBody::default(), ..*response }),
    }
}

/// Returns the status that shows the cause: for a gateway that failed because a provider refused, the provider's.
fn status_behind(status: u16, body: &ErrorBody) -> u16 {
    let is_gateway_failure = matches!(status, 500 | 502 | 503);
    let behind = || {
        let message = body.message.as_deref().filter(|message| message.len() > 3)?;
        body.inner_status.or_else(|| super::envelope::status_in(message))
    };
    if is_gateway_failure { behind().unwrap_or(status) } else { status }
}

/// Returns the cause of a response that does not state it. For a 429: [`RefusalCause::TooLarge`] if the request alone exceeds
/// the limit, else from the unit and the window of the limit, else from the numbers, else [`RefusalCause::Allowance`] if the text
/// says that a plan is used up, else `Other`. For statuses other than 401, 402, 404 and 413 whose text has a word on limits: from
/// the unit and the window, else from the status. Otherwise from the status, but `Other` for a 401 or 403 of a proxy.
fn fallback_cause(
    status: u16,
    refusal: &Refusal,
    sentence: &str,
    responder: Option<Responder>,
) -> RefusalCause {
    let is_too_large = refusal.used.is_none()
        && refusal.requested.zip(refusal.limit).is_some_and(|(requested, limit)| requested > limit);
    let from_refusal = || {
        let is_too_large = is_too_large.then_some(RefusalCause::TooLarge);
        is_too_large.or_else(|| refusal.cause_from_name()).or_else(|| refusal.cause_from_numbers())
    };
    let is_proxy = matches!(responder, Some(Responder::Proxy(_)));
    match status {
        429 => from_refusal().unwrap_or(if says_allowance(sentence) {
            RefusalCause::Allowance
        } else {
            RefusalCause::Other
        }),
        // A proxy does not know the keys of the provider.
        401 | 403 if is_proxy => RefusalCause::Other,
        401 | 402 | 413 | 404 => cause_from_status(status),
        _ if says_limited(sentence) => refusal.cause_from_name().unwrap_or(cause_from_status(status)),
        _ => cause_from_status(status),
    }
}

/// Returns `true` if a sentence in lower case says that the allowance of a subscription is used up.
fn says_allowance(sentence: &str) -> bool {
    ["usage limit reached", "hit your usage limit", "reached your usage limit"]
        .iter()
        .any(|phrase| sentence.contains(phrase))
}

/// Returns the cause that a status implies. 498 is Groq's own: the flex tier has no capacity left.
const fn cause_from_status(status: u16) -> RefusalCause {
    match status {
        401 | 403 => RefusalCause::Auth,
        402 => RefusalCause::Billing,
        413 => RefusalCause::TooLarge,
        498 | 500..=599 => RefusalCause::Overload,
        _ => RefusalCause::Other,
    }
}
