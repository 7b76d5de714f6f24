//! NetworkEvent both drivers do with the truth of a job and the ruling of a provider.

use crate::event::RecordedDecision;
use provider::decision::Decision;
use provider::{Truth, random};

/// The truth of a job's n-th attempt: the world's luck differs from attempt to attempt, and depends on
/// nothing else, so both drivers meet the same world.
#[must_use]
pub(super) fn attempt_truth(truth: Truth, number: u8) -> Truth {
    Truth { draw: random::mix(truth.draw ^ u64::from(number)), ..truth }
}

/// A ruling as the log records it.
#[must_use]
pub(super) fn ruled(verdict: &Decision) -> RecordedDecision {
    match verdict {
        Decision::Admitted(service) => {
            let ticket = service.ticket;
            RecordedDecision::Admitted {
                reserved: u64::from(ticket.prompt_tokens) + u64::from(ticket.completion_tokens),
            }
        }
        Decision::Refused(denial) => {
            RecordedDecision::Refused { axis: denial.axis, requested: denial.requested }
        }
        Decision::TooLong(_) => RecordedDecision::TooLong,
        Decision::Faulted(_) => RecordedDecision::Faulted,
    }
}
