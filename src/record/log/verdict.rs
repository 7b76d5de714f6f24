//! The member of a line that states how a job ended.

use crate::event::{EndReason, JobOutcome};
use serde::{Deserialize, Serialize};

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Succeeded,
    Failed,
    Shed,
    InFlight,
}

impl Verdict {
    /// Returns how a job ended, and why if it was given up.
    pub(crate) const fn of(outcome: JobOutcome) -> (Self, Option<EndReason>) {
        match outcome {
            JobOutcome::Succeeded => (Self::Succeeded, None),
            JobOutcome::Failed(reason) => (Self::Failed, Some(reason)),
            JobOutcome::Shed(reason) => (Self::Shed, Some(reason)),
            JobOutcome::InFlight => (Self::InFlight, None),
        }
    }
}
