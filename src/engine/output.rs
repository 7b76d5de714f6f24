//! What leaves the engine: the vocabulary between it and its drivers.

use crate::event::Event;
use crate::ids::{AttemptId, ClassId, Slot, TargetId};
use crate::job::Job;

/// What the engine wants of its driver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Output {
    /// Send this job to this target, once; answer with [`super::Engine::handle`].
    Send {
        /// Where the job lives.
        slot: Slot,
        /// The number of the attempt.
        attempt: AttemptId,
        /// The how-many-eth attempt of the job, from one.
        number: u8,
        /// Where to.
        target: TargetId,
        /// What is sent.
        job: Job,
    },
    /// Stop waiting for this attempt: its reply is not wanted any more.
    Abandon {
        /// Where the job lived.
        slot: Slot,
        /// The attempt.
        attempt: AttemptId,
    },
    /// The job at this place is over; the place may be given to another.
    Done {
        /// The place.
        slot: Slot,
        /// Its workload.
        class: ClassId,
    },
    /// Something happened.
    Log(Event),
}
