//! The ground truth of an attempt and the recorded form of a decision, the same for both drivers; the tag of an attempt over
//! HTTP.

use crate::event::ProviderDecision;
use crate::ids::AttemptId;
use provider::decision::Decision;
use provider::{Truth, random};

/// Returns the truth of a job's n-th attempt. Provider-side randomness depends only on the job and on this number, so the
/// provider behaves the same under both drivers.
#[must_use]
pub(super) fn attempt_truth(truth: Truth, number: u8) -> Truth {
    Truth { draw: random::mix(truth.draw ^ u64::from(number)), ..truth }
}

/// Returns the tag of an attempt's truth header. `run_tag` is a random number of the run, which no other client can guess.
#[must_use]
pub(super) fn header_tag(run_tag: u64, attempt: AttemptId) -> u128 {
    u128::from(run_tag) << u64::BITS | u128::from(attempt.0)
}

/// Returns the attempt of a tag; `None` if another run or another client has sent it.
#[must_use]
pub(super) fn attempt_of(run_tag: u64, tag: u128) -> Option<AttemptId> {
    let attempt = tag ^ header_tag(run_tag, AttemptId(0));
    u64::try_from(attempt).ok().map(AttemptId)
}

/// Returns a decision as events record it.
#[must_use]
pub(super) fn recorded(decision: &Decision) -> ProviderDecision {
    match decision {
        Decision::Admitted(service) => {
            let ticket = service.ticket;
            ProviderDecision::Admitted {
                reserved: u64::from(ticket.prompt_tokens) + u64::from(ticket.completion_tokens),
            }
        }
        Decision::Refused(denial) => {
            ProviderDecision::Refused { axis: denial.axis, requested: denial.requested }
        }
        Decision::TooLong(_) => ProviderDecision::TooLong,
        Decision::Faulted(_) => ProviderDecision::Faulted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: a run recognises its own tags, and no tag of another run or of a client that guesses small numbers.
        #[test]
        fn a_run_recognises_only_its_own_tags(run_tag in 1u64.., other: u64, attempt: u64) {
            let attempt = AttemptId(attempt);
            prop_assert_eq!(attempt_of(run_tag, header_tag(run_tag, attempt)), Some(attempt));
            if other != run_tag {
                prop_assert_eq!(attempt_of(run_tag, header_tag(other, attempt)), None);
            }
            prop_assert_eq!(attempt_of(run_tag, u128::from(attempt.0)), None);
        }
    }
}
