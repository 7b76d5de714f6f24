//! The errors of `quotalab gateway` of its own: for a request that the budget of its caller does not cover, and for one that no target
//! of its route could serve. The codes are those that OpenAI's clients know.

use super::clock_time;
use super::common::Reason;
use super::error_body::ErrorBody;
use super::failure::ParsedFailure;
use super::headers::retry_after;
use super::refusal::Refusal;
use super::responder::Responder;
use super::rules::ErrorResponse;
use crate::engine::{Wait, WaitKind};
use crate::event::RefusalCause;

/// The end of the message about a spent budget. The instant at which the budget is renewed follows.
pub const BUDGET_SPENT: &str = "The rest of the budget does not cover this request; the budget is renewed at";

/// The end of the message about a budget that is reserved for requests in flight.
pub const BUDGET_IN_USE: &str = "Requests in flight may release part of it: try again";

/// The end of the message about a budget of which other replicas of the gateway have shares, while Redis is gone.
pub const BUDGET_ELSEWHERE: &str = "Other gateways hold shares of it until Redis answers again: try again";

/// The beginning of the message about a request that no target of its route could serve. The route's name follows, then a backtick.
pub const ROUTE_ERROR: &str = "route `";

/// Returns the failure that an error of the gateway's own states; `None` for any other response.
pub(super) fn own_error(response: &ErrorResponse<'_>) -> Option<ParsedFailure> {
    let (cause, reason, kind) = budget_error(response.body).or_else(|| route_error(response.body))?;
    let header_wait = retry_after(response.headers);
    let message = response.body.message.clone();
    Some(ParsedFailure {
        status: response.status,
        cause,
        wait: header_wait.map(|length| Wait { length, kind }),
        header_wait,
        reset_at: message.as_deref().and_then(|message| clock_time::find(message, None, None)),
        message,
        reason: Some(reason),
        exceeds_model: false,
        responder: Some(Responder::Gateway(NAME)),
        allowances: Vec::new(),
        contradicted_window: None,
        listed: Vec::new(),
        refusal: Refusal::default(),
    })
}

/// Returns `true` for an error of the gateway's own.
pub(super) fn is_own(body: &ErrorBody) -> bool {
    budget_error(body).or_else(|| route_error(body)).is_some()
}

/// Returns the cause, the reason and the kind of the wait of an error about the budget of a caller; `None` for any other error.
fn budget_error(body: &ErrorBody) -> Option<(RefusalCause, Reason, WaitKind)> {
    let message = body.message.as_deref()?;
    Some(if message.contains(BUDGET_SPENT) {
        (RefusalCause::Allowance, Reason::CallerBudgetSpent, WaitKind::UntilWindowEnds)
    } else if message.contains(BUDGET_IN_USE) {
        (RefusalCause::Other, Reason::CallerBudgetInUse, WaitKind::Suggested)
    } else if message.contains(BUDGET_ELSEWHERE) {
        (RefusalCause::Other, Reason::CallerBudgetElsewhere, WaitKind::Suggested)
    } else {
        return None;
    })
}

/// Returns the cause, the reason and the kind of the wait of an error about a request that no target of its route could serve; `None` for
/// any other error, also for one whose status tells enough: the failure of an upstream.
fn route_error(body: &ErrorBody) -> Option<(RefusalCause, Reason, WaitKind)> {
    if !body.message.as_deref()?.starts_with(ROUTE_ERROR) {
        return None;
    }
    if body.has_code("rate_limit_exceeded") {
        Some((RefusalCause::Other, Reason::RouteIsLimited, WaitKind::Suggested))
    } else if body.has_code("queue_full") || body.has_code("deadline") {
        Some((RefusalCause::Overload, Reason::RouteIsBusy, WaitKind::Suggested))
    } else if body.has_code("exceeds_limits") {
        Some((RefusalCause::TooLarge, Reason::RouteIsTooSmall, WaitKind::Meaningless))
    } else {
        None
    }
}

/// The name of the gateway in explanations.
pub(super) const NAME: &str = "quotalab gateway";
