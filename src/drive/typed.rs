//! From a ruling in Groq's dialect to a reply without the detour over bytes: what the mock would render and the
//! engine would parse. A law test holds it to `parse(render(ruling)) == reply(ruling)`, so that a simulation may take
//! this short cut and still be the wire.

use crate::engine::{Meaning, Reply, Told, Wait};
use crate::event::{Cause, Failure, Outcome};
use provider::config::Fault;
use provider::ruling::{Denial, Remaining, Service, Verdict};
use provider::{Axis, Instant, Nanos, Usage};

/// The reply that the client of a ruling gets at `now`; `None` where it never gets one.
#[must_use]
#[inline]
pub fn reply(
    now: Instant,
    verdict: &Verdict,
    remaining: Remaining,
    first_token_at: Instant,
) -> Option<Reply> {
    match verdict {
        Verdict::Admitted(service) => Some(served(now, service, remaining, first_token_at)),
        _ => unserved(now, verdict, remaining),
    }
}

#[cold]
fn unserved(now: Instant, verdict: &Verdict, remaining: Remaining) -> Option<Reply> {
    let broken = |failure| Reply { remaining, ..Reply::broken(now, failure) };
    match verdict {
        Verdict::Admitted(_) | Verdict::Faulted(Fault::Timeout) => None,
        Verdict::Refused(denial) => Some(Reply { remaining, ..refused(now, denial) }),
        Verdict::TooLong(_) => {
            let outcome = Outcome::Limited { axis: None, cause: Cause::TooLarge };
            Some(Reply { outcome, ..broken(Failure::Status(400)) })
        }
        Verdict::Faulted(Fault::Status(429)) => Some(throttled(now, remaining, None)),
        Verdict::Faulted(Fault::Throttle(wait)) => {
            let length = Nanos::from_secs(wait.secs_up());
            let wait = Some(Wait { length, meaning: Meaning::UntilEnough }).filter(|_| length > Nanos::ZERO);
            Some(throttled(now, remaining, wait))
        }
        // In the words of an overload, which stand for this status.
        Verdict::Faulted(Fault::ErrorInside) => Some(broken(Failure::Status(503))),
        Verdict::Faulted(Fault::Status(status)) => Some(broken(Failure::Status(*status))),
        Verdict::Faulted(_) => Some(Reply::broken(now, Failure::Connection)),
    }
}

/// A 429 that names no limit.
fn throttled(now: Instant, remaining: Remaining, wait: Option<Wait>) -> Reply {
    let outcome = Outcome::Limited { axis: None, cause: Cause::Other };
    Reply { outcome, wait, remaining, ..Reply::broken(now, Failure::Status(429)) }
}

#[inline]
fn served(now: Instant, service: &Service, remaining: Remaining, first_token_at: Instant) -> Reply {
    if service.cut {
        return Reply::broken(now, Failure::Connection);
    }
    if service.garbage {
        return Reply { remaining, ..Reply::broken(now, Failure::Garbage) };
    }
    Reply { outcome: Outcome::Ok, wait: None, told: None, remaining, usage: service.usage, first_token_at }
}

fn refused(now: Instant, denial: &Denial) -> Reply {
    let cause = match denial.axis.window() {
        _ if denial.oversize => Cause::TooLarge,
        Some(window) if window >= Nanos::DAY => Cause::DayLimit,
        Some(_) => Cause::MinuteLimit,
        None => Cause::Concurrency,
    };
    let (length, meaning) = if denial.oversize {
        (useless_wait(denial), Meaning::Meaningless)
    } else {
        (denial.wait, Meaning::UntilEnough)
    };
    let told = Told {
        axis: Some(denial.axis),
        limit: denial.limit,
        used: (!denial.oversize).then_some(denial.used),
        requested: denial.requested,
    };
    Reply {
        outcome: Outcome::Limited { axis: Some(denial.axis), cause },
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
