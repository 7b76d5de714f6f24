//! What both drivers do with the truth of a job and the ruling of a provider.

use crate::event::Ruled;
use provider::ruling::Verdict;
use provider::{Truth, rng};

/// The truth of a job's n-th attempt: the world's luck differs from attempt to attempt, and depends on
/// nothing else, so both drivers meet the same world.
#[must_use]
pub(super) fn attempt_truth(truth: Truth, number: u8) -> Truth {
    Truth { draw: rng::mix(truth.draw ^ u64::from(number)), ..truth }
}

/// A ruling as the log records it.
#[must_use]
pub(super) fn ruled(verdict: &Verdict) -> Ruled {
    match verdict {
        Verdict::Admitted(service) => {
            let ticket = service.ticket;
            Ruled::Admitted {
                reserved: u64::from(ticket.prompt_tokens) + u64::from(ticket.completion_tokens),
            }
        }
        Verdict::Refused(denial) => Ruled::Refused { axis: denial.axis, requested: denial.requested },
        Verdict::TooLong(_) => Ruled::TooLong,
        Verdict::Faulted(_) => Ruled::Faulted,
    }
}
