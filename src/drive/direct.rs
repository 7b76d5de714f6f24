//! Builds the reply to a decision directly: the same that rendering it in Groq's dialect and parsing it would give.
//!
//! A law test asserts `parse(render(decision)) == reply(decision)`, so a simulation may skip rendering and parsing
//! without a difference to HTTP.

use crate::engine::parse::{
    MAX_SHORT_WINDOW, Unit, axis_of, cause_from_window, implied_window, is_plausible_wait,
};
use crate::engine::{LimitNumbers, Reply, Wait, WaitKind};
use crate::event::{AttemptFailure, AttemptOutcome, RefusalCause};
use provider::config::Fault;
use provider::decision::{Decision, Denial, HeaderRemaining, Service};
use provider::{Axis, Instant, Nanos, Usage};

/// Returns the reply to a decision that reaches the client at `now`; `None` if no reply ever comes.
#[must_use]
#[inline]
pub fn reply(
    now: Instant,
    decision: &Decision,
    remaining: HeaderRemaining,
    first_token_at: Instant,
) -> Option<Reply> {
    match decision {
        Decision::Admitted(service) => Some(served(now, service, remaining, first_token_at)),
        _ => unserved(now, decision, remaining),
    }
}

/// Returns the reply to a decision that does not admit the call; `None` if no reply ever comes.
#[cold]
pub(super) fn unserved(now: Instant, decision: &Decision, remaining: HeaderRemaining) -> Option<Reply> {
    let failed = |failure| Reply { remaining, ..Reply::failed(now, failure) };
    match decision {
        Decision::Admitted(_) | Decision::Faulted(Fault::Timeout) => None,
        Decision::Refused(denial) => Some(Reply { remaining, ..refused(now, denial) }),
        Decision::TooLong(_) => {
            let outcome = AttemptOutcome::Refused { axis: None, cause: RefusalCause::TooLarge };
            Some(Reply { outcome, ..failed(AttemptFailure::Status(400)) })
        }
        Decision::Faulted(Fault::Status(429)) => Some(throttled(now, remaining, None)),
        Decision::Faulted(Fault::Status(402)) => {
            let outcome = AttemptOutcome::Refused { axis: None, cause: RefusalCause::Billing };
            Some(Reply { outcome, ..failed(AttemptFailure::Status(402)) })
        }
        Decision::Faulted(Fault::Throttle(wait)) => Some(throttled(now, remaining, whole_seconds(*wait))),
        // An error inside a success is rendered as an overload, which parses as this status.
        Decision::Faulted(Fault::ErrorInside) => Some(failed(AttemptFailure::Status(503))),
        Decision::Faulted(Fault::Status(status)) => Some(failed(AttemptFailure::Status(*status))),
        Decision::Faulted(_) => Some(Reply::failed(now, AttemptFailure::Connection)),
    }
}

/// Builds a 429 that names no limit. Its only wait is that of `retry-after`.
fn throttled(now: Instant, remaining: HeaderRemaining, header_wait: Option<Nanos>) -> Reply {
    let outcome = AttemptOutcome::Refused { axis: None, cause: RefusalCause::Other };
    let wait = header_wait.map(|length| Wait { length, kind: WaitKind::UntilAdmitted });
    Reply { outcome, wait, header_wait, remaining, ..Reply::failed(now, AttemptFailure::Status(429)) }
}

/// Returns the reply to an admitted call.
#[inline(always)] // See `World::take_reply`.
pub(super) fn served(
    now: Instant,
    service: &Service,
    remaining: HeaderRemaining,
    first_token_at: Instant,
) -> Reply {
    if service.aborted {
        return Reply::failed(now, AttemptFailure::Connection);
    }
    if service.corrupt_body {
        return Reply { remaining, ..Reply::failed(now, AttemptFailure::Garbage) };
    }
    Reply {
        outcome: AttemptOutcome::Ok,
        wait: None,
        header_wait: None,
        limit: None,
        remaining,
        usage: service.usage,
        cut: service.at_max_tokens,
        stored_bytes: Some(0),
        first_token_at,
    }
}

fn refused(now: Instant, denial: &Denial) -> Reply {
    // A fault may announce a wait that is too long for the window. The parser then derives the window from the wait.
    let named = denial.window;
    let implied = named
        .zip(denial.wait)
        .filter(|_| !denial.oversize)
        .and_then(|(named, wait)| implied_window(denial.limit, denial.used, denial.requested, wait, named));
    let window = implied.or(named);
    // A message about a call that is too large names no limit over a window of its own in a form that is parsed.
    let is_named = !(denial.oversize && denial.axis.has_own_window());
    let axis = axis_of(Unit::of(denial.axis), window).filter(|_| is_named);
    let cause = if denial.oversize { RefusalCause::TooLarge } else { cause_from_window(window) };
    // A call that exceeds the whole limit of output tokens is refused without `retry-after` (reported 2026-09).
    let has_header = !(denial.oversize && denial.axis == Axis::Otpm);
    let header_wait = denial.wait.filter(|_| has_header).and_then(whole_seconds);
    let (length, kind) = match denial.wait {
        // Only the header states the wait (captures of 413s).
        _ if denial.oversize => (header_wait, WaitKind::Meaningless),
        Some(wait) => (Some(wait), WaitKind::UntilAdmitted),
        // Without a stated wait, a client can await the end of a short window.
        None => {
            let is_short = |window: &Nanos| cause == RefusalCause::ShortLimit && *window <= MAX_SHORT_WINDOW;
            (window.filter(is_short), WaitKind::UntilWindowEnds)
        }
    };
    let limit = LimitNumbers {
        axis,
        limit: denial.limit,
        used: (!denial.oversize).then_some(denial.used),
        requested: denial.requested,
    };
    Reply {
        outcome: AttemptOutcome::Refused { axis, cause },
        wait: length.map(|length| Wait { length, kind }),
        header_wait,
        limit: Some(limit),
        remaining: HeaderRemaining::default(),
        usage: Usage::default(),
        cut: false,
        stored_bytes: None,
        first_token_at: now,
    }
}

/// Returns a wait as Groq's `retry-after` states it: in whole seconds, rounded up; `None` if it is zero, or too long to be plausible.
fn whole_seconds(wait: Nanos) -> Option<Nanos> {
    let length = wait.0.div_ceil(Nanos::SECOND.0).checked_mul(Nanos::SECOND.0).map(Nanos);
    length.filter(|length| *length > Nanos::ZERO && is_plausible_wait(*length))
}
