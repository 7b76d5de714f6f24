//! What the engine asks of whoever drives it: the vocabulary between it and the world.

use crate::event::Event;
use crate::ids::{AttemptId, ClassId, Slot, TargetId};
use crate::job::Job;
use provider::Instant;

/// The driver's side of a move of the engine.
///
/// Every request comes while [`super::Engine::submit`], [`super::Engine::handle`] or
/// [`super::Engine::advance`] runs, in the order in which things happen: that order is the log's. Nothing can
/// be answered from inside, for the engine is at work.
pub trait Driver {
    /// Something happened.
    fn log(&mut self, event: &Event);

    /// Send this job to this target, once; answer with [`super::Engine::handle`].
    fn send(&mut self, now: Instant, attempt: &Attempt);

    /// Stop waiting for this attempt: its reply is not wanted any more.
    fn cancel(&mut self, now: Instant, slot: Slot, attempt: AttemptId);

    /// The job at this place is over; the place may be given to another.
    fn done(&mut self, now: Instant, slot: Slot, class: ClassId);
}

/// One attempt, as it leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt {
    /// Its number.
    pub id: AttemptId,
    /// Where its job lives.
    pub slot: Slot,
    /// The how-many-eth attempt of the job, from one.
    pub number: u8,
    /// Where to.
    pub target: TargetId,
    /// What is sent.
    pub job: Job,
}
