//! From a ruling in Groq's dialect to a reply without the detour over bytes: what the mock would render and the
//! engine would parse. A law test holds it to `parse(render(ruling)) == reply(ruling)`, so that a simulation may take
//! this short cut and still be the wire.

use crate::engine::{LimitNumbers, Reply, Wait, WaitKind};
use crate::event::{AttemptFailure, AttemptOutcome, LimitCause};
use provider::config::Fault;
use provider::decision::{Decision, Denial, Remaining, Service};
use provider::{Axis, Instant, Nanos, Usage};

/// The reply that the client of a ruling gets at `now`; `None` where it never gets one.
#[must_use]
#[inline]
pub fn reply(
    now: Instant,
    verdict: &Decision,
    remaining: Remaining,
    first_token_at: Instant,
) -> Option<Reply> {
    match verdict {
        Decision::Admitted(service) => Some(served(now, service, remaining, first_token_at)),
        _ => unserved(now, verdict, remaining),
    }
}

#[cold]
fn unserved(now: Instant, verdict: &Decision, remaining: Remaining) -> Option<Reply> {
    let broken = |failure| Reply { remaining, ..Reply::broken(now, failure) };
    match verdict {
        Decision::Admitted(_) | Decision::Faulted(Fault::Timeout) => None,
        Decision::Refused(denial) => Some(Reply { remaining, ..refused(now, denial) }),
        Decision::TooLong(_) => {
            let outcome = AttemptOutcome::Limited { axis: None, cause: LimitCause::TooLarge };
            Some(Reply { outcome, ..broken(AttemptFailure::Status(400)) })
        }
        Decision::Faulted(Fault::Status(429)) => Some(throttled(now, remaining, None)),
        Decision::Faulted(Fault::Throttle(wait)) => {
            let length = Nanos::from_secs(wait.as_secs_ceil());
            let wait = Some(Wait { length, meaning: WaitKind::UntilEnough }).filter(|_| length > Nanos::ZERO);
            Some(throttled(now, remaining, wait))
        }
        // In the words of an overload, which stand for this status.
        Decision::Faulted(Fault::ErrorInside) => Some(broken(AttemptFailure::Status(503))),
        Decision::Faulted(Fault::Status(status)) => Some(broken(AttemptFailure::Status(*status))),
        Decision::Faulted(_) => Some(Reply::broken(now, AttemptFailure::Connection)),
    }
}

/// A 429 that names no limit.
fn throttled(now: Instant, remaining: Remaining, wait: Option<Wait>) -> Reply {
    let outcome = AttemptOutcome::Limited { axis: None, cause: LimitCause::Other };
    Reply { outcome, wait, remaining, ..Reply::broken(now, AttemptFailure::Status(429)) }
}

#[inline]
fn served(now: Instant, service: &Service, remaining: Remaining, first_token_at: Instant) -> Reply {
    if service.cut {
        return Reply::broken(now, AttemptFailure::Connection);
    }
    if service.garbage {
        return Reply { remaining, ..Reply::broken(now, AttemptFailure::Garbage) };
    }
    Reply {
        outcome: AttemptOutcome::Ok,
        wait: None,
        told: None,
        remaining,
        usage: service.usage,
        first_token_at,
    }
}

fn refused(now: Instant, denial: &Denial) -> Reply {
    let cause = match denial.axis.window() {
        _ if denial.oversize => LimitCause::TooLarge,
        Some(window) if window >= Nanos::DAY => LimitCause::DayLimit,
        Some(_) => LimitCause::MinuteLimit,
        None => LimitCause::Concurrency,
    };
    let (length, meaning) = if denial.oversize {
        (useless_wait(denial), WaitKind::Meaningless)
    } else {
        (denial.wait, WaitKind::UntilEnough)
    };
    let told = LimitNumbers {
        axis: Some(denial.axis),
        limit: denial.limit,
        used: (!denial.oversize).then_some(denial.used),
        requested: denial.requested,
    };
    Reply {
        outcome: AttemptOutcome::Limited { axis: Some(denial.axis), cause },
        wait: length.map(|length| Wait { length, meaning }),
        told: Some(told),
        remaining: Remaining::default(),
        usage: Usage::default(),
        first_token_at: now,
    }
}

/// The wait that a refusal of too large a call names: only the `retry-after` header has it, in whole seconds
/// rounded up, and too much output comes without (evidence: captures of 413s; OTPM reported 2026-09).
fn useless_wait(denial: &Denial) -> Option<Nanos> {
    let wait = denial.wait.filter(|_| denial.axis != Axis::Otpm)?;
    wait.0.div_ceil(Nanos::SECOND.0).checked_mul(Nanos::SECOND.0).map(Nanos)
}
