//! The engine's side of a driver: the trait that a driver implements, and the arguments of its methods.

use crate::event::{Event, JobEnd};
use crate::ids::{AttemptId, JobId, Slot, Tag, TargetId};
use crate::job::Job;
use provider::Instant;

/// The actions of the engine.
///
/// The engine calls these from inside its inputs ([`super::Engine::submit`], [`super::Engine::handle_reply`],
/// [`super::Engine::handle_first_byte`], [`super::Engine::cancel`], [`super::Engine::withdraw`],
/// [`super::Engine::handle_timeout`], [`super::Engine::end_run`]). The driver executes each action synchronously in the
/// order emitted; that order is the event log. It cannot re-enter the engine.
pub trait Driver {
    /// Records an event.
    fn log(&mut self, event: &Event);

    /// Sends an attempt, once. The reply is passed to [`super::Engine::handle_reply`] with the attempt's slot.
    fn send(&mut self, now: Instant, attempt: &Attempt);

    /// Cancels an attempt of the job `tag`. Its reply must not be passed to the engine any more.
    fn cancel(&mut self, now: Instant, tag: Tag, attempt: AttemptId);

    /// Gives an attempt in flight to another job: its reply is that job's from now on. Called only inside
    /// [`super::Engine::cancel`], before [`Driver::done`] for the job that had it.
    fn reassign(&mut self, now: Instant, handover: &Handover);

    /// Reports that the job `tag` has ended. The engine uses the tag again only in [`Answer::Leader`], for followers that end
    /// directly afterwards. `answer` is the source of the job's answer; `None` if it has none.
    fn done(&mut self, now: Instant, tag: Tag, end: &JobEnd, answer: Option<Answer>);

    /// Keeps the answer that serves the job `tag`, which [`Driver::done`] reports next: the response cache has it under the job's
    /// fingerprint from `now` on. Drivers of jobs without bodies have nothing to keep.
    fn store_answer(&mut self, _now: Instant, _tag: Tag) {}

    /// Drops the answer under a fingerprint: the response cache has evicted it.
    fn evict_answer(&mut self, _fingerprint: u64) {}
}

/// One attempt to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt {
    /// Unique within the run.
    pub id: AttemptId,
    /// The engine's index of the job.
    pub slot: Slot,
    /// The driver's number for the job.
    pub tag: Tag,
    /// The n-th attempt of the job, from one.
    pub number: u8,
    /// The target to send to.
    pub target: TargetId,
    /// The job to send.
    pub job: Job,
}

/// An attempt that a cancelled leader leaves to its first follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The attempt, which is in flight.
    pub attempt: AttemptId,
    /// The job that had it.
    pub from: Tag,
    /// The job that has it from now on.
    pub to: Tag,
    /// The slot of that job, for [`super::Engine::handle_reply`].
    pub slot: Slot,
    /// The id of that job.
    pub job: JobId,
}

/// The source of a job's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The reply to this attempt of its own.
    Attempt(AttemptId),
    /// The response cache, under the job's fingerprint.
    Cache,
    /// The reply to the attempt of the job that it followed, which ended just before.
    Leader {
        /// The leader.
        tag: Tag,
        /// The leader's attempt.
        attempt: AttemptId,
    },
}
