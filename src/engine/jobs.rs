//! The jobs under way: one place each, reused when the job is done, so that memory follows what is in
//! flight and never how many jobs the run holds.

use super::backoff::BackoffState;
use super::route::Candidate;
use crate::event::{JobEnd, JobOutcome};
use crate::ids::{AttemptId, JobId, Slot};
use crate::job::Job;
use provider::{Instant, Nanos};

/// One job under way.
#[derive(Clone, Debug)]
pub(super) struct ActiveJob {
    pub(super) job: Job,
    pub(super) deadline: Instant,
    pub(super) state: JobState,
    /// When the present state began.
    pub(super) since: Instant,
    /// The step of the last send; zero before any.
    pub(super) step: u8,
    pub(super) attempts: u8,
    /// Positions of the route's targets, as bits: tried ever, tried since the last sleep, never to try again.
    pub(super) tried: u64,
    pub(super) tried_this_round: u64,
    pub(super) barred: u64,
    pub(super) backoffs: BackoffState,
    /// Where the time went so far.
    pub(super) queue: Nanos,
    pub(super) wait: Nanos,
    pub(super) lost: Nanos,
}

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobState {
    /// Nothing: the moment between two moves.
    Deciding,
    /// In line for a place of the concurrency cap, perhaps with a turn booked on a paced target.
    Queued { booked: Option<Candidate> },
    /// Asleep, perhaps with a turn booked on a paced target.
    Asleep { booked: Option<Candidate> },
    /// An identical job is under way, whose answer it stands by for.
    Waiting,
    /// An attempt is out.
    Sent { attempt: AttemptId, turn: Candidate },
}

impl ActiveJob {
    /// A job that has just come.
    pub(super) fn new(job: Job, deadline: Instant, now: Instant) -> Self {
        Self {
            job,
            deadline,
            state: JobState::Deciding,
            since: now,
            step: 0,
            attempts: 0,
            tried: 0,
            tried_this_round: 0,
            barred: 0,
            backoffs: BackoffState::default(),
            queue: now.since(job.scheduled), // late out of the generator
            wait: Nanos::ZERO,
            lost: Nanos::ZERO,
        }
    }

    /// Leaves the present state for `next`, and books the time spent in it where it belongs.
    pub(super) fn transition(&mut self, now: Instant, next: JobState) -> Nanos {
        let spent = now.since(self.since);
        match self.state {
            JobState::Queued { .. } => self.queue += spent,
            JobState::Asleep { .. } | JobState::Waiting => self.wait += spent,
            JobState::Deciding | JobState::Sent { .. } => {}
        }
        self.since = now;
        self.state = next;
        spent
    }

    /// The account of its life, as far as it goes without the attempt that served it.
    pub(super) fn ending(&self, verdict: JobOutcome) -> JobEnd {
        JobEnd {
            verdict,
            class: self.job.class,
            scheduled: self.job.scheduled,
            attempts: self.attempts,
            step: None,
            queue: self.queue,
            wait: self.wait,
            service: Nanos::ZERO,
            lost: self.lost,
            first_token: None,
        }
    }
}

/// The places of all jobs under way.
#[derive(Debug, Default)]
pub(super) struct JobSlab {
    places: Vec<Option<ActiveJob>>,
    free: Vec<Slot>,
}

impl JobSlab {
    /// The place that the next job will get.
    pub(super) fn vacant(&self) -> Slot {
        self.free.last().copied().unwrap_or_else(|| {
            Slot(
                u32::try_from(self.places.len()).expect("four billion jobs in flight do not fit any machine"),
            )
        })
    }

    /// Gives a job a place.
    pub(super) fn insert(&mut self, work: ActiveJob) -> Slot {
        let slot = self.vacant();
        match self.places.get_mut(slot.index()) {
            Some(place) => {
                debug_assert!(place.is_none());
                *place = Some(work);
                self.free.pop();
            }
            None => self.places.push(Some(work)),
        }
        slot
    }

    /// Frees the place of a job that is over.
    pub(super) fn remove(&mut self, slot: Slot) {
        debug_assert!(self.places[slot.index()].is_some(), "a place is left once");
        self.free.push(slot);
        self.places[slot.index()] = None;
    }

    /// The job at a place that is known to be taken.
    pub(super) fn at(&mut self, slot: Slot) -> &mut ActiveJob {
        self.places[slot.index()].as_mut().expect("the place is taken")
    }

    /// The job at a place, if it is still the one that was there.
    pub(super) fn get_if_current(&mut self, slot: Slot, id: JobId) -> Option<&mut ActiveJob> {
        self.places[slot.index()].as_mut().filter(|work| work.job.id == id)
    }

    /// Whether the job has left its place.
    pub(super) fn is_gone(&self, slot: Slot, id: JobId) -> bool {
        self.places[slot.index()].as_ref().is_none_or(|work| work.job.id != id)
    }

    /// Jobs under way.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}
