//! What `quotalab gateway` says when the budget of a caller does not pay for a request: not a quota of a provider, though its codes are
//! those that OpenAI's clients know.

use super::clock_time;
use super::common::Reason;
use super::error_body::ErrorBody;
use super::failure::ParsedFailure;
use super::headers::retry_after;
use super::refusal::Refusal;
use super::responder::Responder;
use super::rules::ErrorResponse;
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;

/// The end of the sentence over a budget that is spent. The moment at which it begins again follows.
pub const BUDGET_SPENT: &str = "What is left does not pay for this request; it begins again at";

/// The end of the sentence over a budget that is reserved for requests under way.
pub const BUDGET_IN_USE: &str = "Requests under way may give some of it back: try again";

/// The end of the sentence over a budget of which other gateways have their shares, while they do not reach Redis.
pub const BUDGET_ELSEWHERE: &str = "Other gateways have shares of it until redis answers again: try again";

/// Returns the refusal for the budget of a caller; `None` if a response is none.
pub(super) fn budget_refusal(response: &ErrorResponse<'_>) -> Option<ParsedFailure> {
    let (cause, reason, kind) = reading(response.body)?;
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

/// Returns `true` if an error is over the budget of a caller.
pub(super) fn is_over_budget(body: &ErrorBody) -> bool {
    reading(body).is_some()
}

/// Returns what an error over the budget of a caller says, and of what kind its wait is.
fn reading(body: &ErrorBody) -> Option<(LimitCause, Reason, WaitKind)> {
    let message = body.message.as_deref()?;
    Some(if message.contains(BUDGET_SPENT) {
        (LimitCause::Allowance, Reason::CallerBudgetSpent, WaitKind::UntilWindowEnds)
    } else if message.contains(BUDGET_IN_USE) {
        (LimitCause::Other, Reason::CallerBudgetInUse, WaitKind::Suggested)
    } else if message.contains(BUDGET_ELSEWHERE) {
        (LimitCause::Other, Reason::CallerBudgetElsewhere, WaitKind::Suggested)
    } else {
        return None;
    })
}

/// The name of the gateway in explanations.
pub(super) const NAME: &str = "quotalab gateway";
