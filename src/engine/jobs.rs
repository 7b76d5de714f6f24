//! The jobs in flight and what each of them is doing. Slots are used again, so memory is proportional to the jobs in
//! flight, not to the jobs of the run.

use super::backoff::BackoffState;
use super::cool_down_queue::Place;
use super::route::Candidate;
use crate::event::{HedgeUse, JobEnd, JobOutcome, Obstacle};
use crate::ids::{AttemptId, JobId, Slot, Tag, TargetId};
use crate::job::Job;
use provider::{Instant, Nanos};
use slab::Slab;

/// A job in flight.
#[derive(Clone, Debug)]
pub(super) struct ActiveJob {
    pub(super) job: Job,
    pub(super) tag: Tag,
    pub(super) deadline: Instant,
    pub(super) state: JobState,
    /// The instant at which the current state began.
    pub(super) since: Instant,
    /// The instant at which the attempt in flight was sent, before it was handed over to this job if it was. Unused in other states.
    pub(super) sent_at: Instant,
    /// The step of the last attempt; zero before any.
    pub(super) step: u8,
    pub(super) attempts: u8,
    /// Of those, attempts that were refused.
    pub(super) refused: u8,
    /// The first byte of an answer has reached the caller: no further attempt may be made.
    pub(super) first_byte_sent: bool,
    /// Targets tried, as a bit set of their positions in the route.
    pub(super) tried: u64,
    /// Targets tried since the last wait.
    pub(super) tried_this_round: u64,
    /// Waits that ended since the last attempt.
    pub(super) waits_in_vain: u8,
    /// Targets that can never serve this job.
    pub(super) excluded: u64,
    pub(super) backoff: BackoffState,
    /// What it waits for, waited for until it is given up, or would wait for beyond its deadline; `None` in other states.
    pub(super) obstacle: Option<Obstacle>,
    /// The parts of its latency so far: the time in the queue, in waits, and in attempts that did not serve it.
    pub(super) queue: Nanos,
    pub(super) wait: Nanos,
    pub(super) failed_attempts: Nanos,
}

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobState {
    /// Its next action is being chosen. Never between two inputs of the engine.
    Deciding,
    /// It is in the queue of the concurrency limit, with the send that it reserved on a paced target, if any. `woken`: it
    /// came there from a queue of jobs that wait for targets.
    Queued { reserved: Option<Candidate>, woken: bool },
    /// It waits for a wake-up at `until`. `awaits`: the target whose cool-down it waits for, if any.
    Waiting { until: Instant, awaits: Option<TargetId> },
    /// It waits for its turn after the cool-down or the probe of its targets.
    InCoolDownQueue(Place),
    /// It waits for the pace of a target. `turn_at`: the instant of its timer if it is the first of its queue; [`Instant::MAX`]
    /// otherwise.
    InPaceQueue { candidate: Candidate, turn_at: Instant },
    /// It waits for the client's budget in USD, at the target at which it costs least.
    InSpendQueue(Candidate),
    /// It waits for the answer to an identical job.
    Following,
    /// Its leader was given up; it leads now and has not run yet. Never between two inputs of the engine.
    Promoted,
    /// An attempt is in flight.
    Sent { attempt: AttemptId, candidate: Candidate },
}

impl ActiveJob {
    /// Creates the record of a job that arrives at `now`. The lag behind its schedule counts as time in the queue.
    pub(super) fn new(job: Job, tag: Tag, deadline: Instant, now: Instant) -> Self {
        Self {
            job,
            tag,
            deadline,
            state: JobState::Deciding,
            since: now,
            sent_at: now,
            step: 0,
            attempts: 0,
            refused: 0,
            first_byte_sent: false,
            tried: 0,
            tried_this_round: 0,
            waits_in_vain: 0,
            excluded: 0,
            backoff: BackoffState::default(),
            obstacle: None,
            queue: now.since(job.scheduled),
            wait: Nanos::ZERO,
            failed_attempts: Nanos::ZERO,
        }
    }

    /// Enters the state `next`, and adds the time in the current one to its part of the latency. Returns that time.
    pub(super) fn transition(&mut self, now: Instant, next: JobState) -> Nanos {
        let elapsed = now.since(self.since);
        match self.state {
            JobState::Queued { .. } => self.queue += elapsed,
            JobState::Waiting { .. }
            | JobState::InCoolDownQueue(_)
            | JobState::InPaceQueue { .. }
            | JobState::InSpendQueue(_)
            | JobState::Following => {
                self.wait += elapsed;
            }
            JobState::Deciding | JobState::Promoted => {
                debug_assert_eq!(elapsed, Nanos::ZERO, "invariant: no time passes in {:?}", self.state);
            }
            JobState::Sent { .. } => {}
        }
        self.since = now;
        self.state = next;
        elapsed
    }

    /// Ends a wait: the targets that the job tried before it may be tried again. At the deadline the job still waits for its
    /// obstacle: it is given up next.
    pub(super) fn begin_round(&mut self, now: Instant) {
        self.transition(now, JobState::Deciding);
        self.tried_this_round = 0;
        self.waits_in_vain = self.waits_in_vain.saturating_add(1);
        if now < self.deadline {
            self.obstacle = None;
        }
    }

    /// Counts an attempt at a target.
    pub(super) fn count_attempt(&mut self, candidate: Candidate) {
        self.attempts += 1;
        self.waits_in_vain = 0;
        self.step = candidate.step;
        self.tried |= candidate.bit();
        self.tried_this_round |= candidate.bit();
    }

    /// Returns the end of the job with this outcome. For a job that was served, the caller sets the step, the time of service,
    /// the first token and `cut`; `hedge` is set last.
    pub(super) fn end(&self, outcome: JobOutcome) -> JobEnd {
        JobEnd {
            outcome,
            workload: self.job.workload,
            scheduled: self.job.scheduled,
            attempts: self.attempts,
            refused: self.refused,
            hedge: HedgeUse::None,
            step: None,
            queue: self.queue,
            wait: self.wait,
            service: Nanos::ZERO,
            failed_attempts: self.failed_attempts,
            first_token: None,
            cut: false,
            obstacle: self.obstacle,
        }
    }
}

/// All jobs in flight, by slot.
#[derive(Debug, Default)]
pub(super) struct JobSlab(Slab<ActiveJob>);

impl JobSlab {
    /// Adds a job.
    ///
    /// # Panics
    /// If 2^32 jobs are in flight.
    #[inline]
    pub(super) fn insert(&mut self, active: ActiveJob) -> Slot {
        Slot(u32::try_from(self.0.insert(active)).expect("invariant: fewer than 2^32 jobs are in flight"))
    }

    /// Removes a job that ended.
    ///
    /// # Panics
    /// If the slot is vacant, because a job ends once (law 1).
    #[inline]
    pub(super) fn remove(&mut self, slot: Slot) {
        self.0.remove(slot.index());
    }

    /// Returns the job at a slot.
    ///
    /// # Panics
    /// If the slot is vacant.
    #[inline]
    pub(super) fn at(&mut self, slot: Slot) -> &mut ActiveJob {
        self.0.get_mut(slot.index()).expect("invariant: the slot holds a job in flight")
    }

    /// Returns the job at a slot.
    ///
    /// # Panics
    /// If the slot is vacant.
    pub(super) fn job(&self, slot: Slot) -> &Job {
        let active = self.0.get(slot.index());
        &active.expect("invariant: the slot holds a job in flight").job
    }

    /// Returns the id of the job at a slot and the number of its attempts; `None` if the slot is vacant.
    pub(super) fn id_and_attempts(&self, slot: Slot) -> Option<(JobId, u8)> {
        self.0.get(slot.index()).map(|active| (active.job.id, active.attempts))
    }

    /// Returns `true` if the job `id` is still at the slot; `false` if it ended, and the slot is vacant or used again.
    #[inline]
    pub(super) fn is_current(&self, slot: Slot, id: JobId) -> bool {
        self.0.get(slot.index()).is_some_and(|active| active.job.id == id)
    }

    /// Returns `true` if the job `id` is at the slot and its wait ends at `at`; `false` for a timer that was set for an earlier
    /// wait, or for a turn that has moved.
    pub(super) fn wakes_at(&self, slot: Slot, id: JobId, at: Instant) -> bool {
        self.0.get(slot.index()).is_some_and(|active| {
            let wakes_at = match active.state {
                JobState::Waiting { until, .. } => until,
                JobState::InPaceQueue { turn_at, .. } => turn_at,
                _ => return false,
            };
            active.job.id == id && wakes_at == at
        })
    }

    /// Returns `true` if the job at the slot has this attempt in flight.
    pub(super) fn has_in_flight(&self, slot: Slot, attempt: AttemptId) -> bool {
        let state = self.0.get(slot.index()).map(|active| active.state);
        matches!(state, Some(JobState::Sent { attempt: sent, .. }) if sent == attempt)
    }

    /// Returns `true` if the job at the slot holds the place with this ticket in a queue of jobs that wait for targets.
    pub(super) fn holds_place(&self, slot: Slot, ticket: u64) -> bool {
        let state = self.0.get(slot.index()).map(|active| active.state);
        matches!(state, Some(JobState::InCoolDownQueue(place)) if place.ticket == ticket)
    }

    /// Returns the slots of all jobs in flight, in the order of their ids.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let mut slots: Vec<_> =
            self.0.iter().map(|(key, active)| (active.job.id, Slot(key as u32))).collect();
        slots.sort_unstable();
        slots.into_iter().map(|(_, slot)| slot).collect()
    }

    /// Returns the number of jobs in flight.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
