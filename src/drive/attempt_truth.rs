//! The ground truth of an attempt and the recorded form of a decision, the same for both drivers.

use crate::event::RecordedDecision;
use provider::decision::Decision;
use provider::{Truth, random};

/// Returns the truth of a job's n-th attempt. Provider-side randomness differs from attempt to attempt and depends on
/// nothing else, so the provider behaves the same under both drivers.
#[must_use]
pub(super) fn attempt_truth(truth: Truth, number: u8) -> Truth {
    Truth { draw: random::mix(truth.draw ^ u64::from(number)), ..truth }
}

/// Returns a decision as events record it.
#[must_use]
pub(super) fn recorded(decision: &Decision) -> RecordedDecision {
    match decision {
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
