//! The queues of jobs that wait for the pace: for each target one of interactive jobs and one of batch jobs, first in,
//! first out or, if the client is fair, with turns for each flow ([`super::fair_queue`]).
//!
//! A job reserves its send when it is sent, not before. Only the first of a queue has a timer, for the instant at which the pace
//! allows its send. The others follow in turn, and a job that arrives goes after those of its priority and higher ones;
//! if the client is fair, possibly before those of a flow that had more turns:
//!
//! * If a reply returns quota, because the attempt used less than it had reserved, the first send comes earlier, and with it all
//!   later ones. A send that was reserved on arrival would stay where it is, and the quota would be unused until then.
//! * If something else takes quota meanwhile, the timer fires too early and is set again.
//! * An interactive job delays a queue of batch jobs by its own cost and sets at most one timer again, however long the queue is.
//!
//! ```text
//!  the pace allows    ┼────┼────┼────┼────┼──▶ time
//!  interactive        I1   I2                       I3 arrives: it goes after I2, and the timer of B1 is set
//!  batch                        B1   B2   B3        again when it fires
//! ```

use super::Engine;
use super::driver::Driver;
use super::estimate::cost_of;
use super::fair_queue::FairQueue;
use super::fifo::Links;
use super::jobs::{ActiveJob, JobState};
use super::route::{Candidate, Router};
use crate::event::EndReason;
use crate::ids::{Slot, TargetId};
use crate::job::{Job, Priority};
use crate::scenario::Fairness;
use provider::Instant;
use provider::meter::Charge;

/// The queues of all targets.
#[derive(Debug)]
pub(super) struct PaceQueues {
    /// By target.
    queues: Box<[TargetQueues]>,
    links: Links,
}

/// The jobs that wait for the pace of one target, by priority.
pub(super) type TargetQueues = [FairQueue; 2];

/// Returns what the jobs cost together that a job goes after; `None` if none waits.
#[inline]
pub(super) fn cost_ahead(queues: &TargetQueues, job: &Job) -> Option<Charge> {
    let [interactive, batch] = queues;
    match job.priority {
        Priority::Interactive => interactive.cost_ahead(job),
        Priority::Batch if interactive.is_empty() => batch.cost_ahead(job),
        Priority::Batch => {
            let mut cost = interactive.cost();
            cost.add(&batch.cost_ahead(job).unwrap_or(Charge::ZERO));
            Some(cost)
        }
    }
}

/// Returns what the jobs cost together that the first job of this priority goes after.
fn cost_before_first(queues: &TargetQueues, priority: Priority) -> Charge {
    match priority {
        Priority::Interactive => Charge::ZERO,
        Priority::Batch => queues[Priority::Interactive as usize].cost(),
    }
}

impl Router {
    /// Returns `true` if a job would wait alone for the pace of a target until its answer would probably come too late: it would only
    /// hold the place of one that arrives later. Behind other jobs it may wait, since replies that return quota make its turn come earlier.
    pub(super) fn comes_too_late(&self, turn_at: Instant, target: TargetId, active: &ActiveJob) -> bool {
        let is_alone = cost_ahead(self.pace_queues.of(target), &active.job).is_none();
        is_alone && self.targets[target.index()].answers_late(turn_at, active)
    }
}

impl PaceQueues {
    /// Creates empty queues for each of `targets` targets.
    pub(super) fn new(targets: usize, fairness: Fairness) -> Self {
        let queues = (0..targets).map(|_| [fairness; 2].map(FairQueue::new));
        Self { queues: queues.collect(), links: Links::default() }
    }

    /// Returns the queues of a target.
    #[inline]
    pub(super) fn of(&self, target: TargetId) -> &TargetQueues {
        &self.queues[target.index()]
    }

    /// Returns the job of a target and a priority whose turn is next.
    #[inline]
    fn first(&self, target: TargetId, priority: Priority) -> Option<Slot> {
        self.of(target)[priority as usize].first()
    }

    /// Appends a job.
    fn push(&mut self, target: TargetId, slot: Slot, job: &Job) {
        self.queues[target.index()][job.priority as usize].push(&mut self.links, slot, job);
    }

    /// Removes a job that leaves without its turn.
    fn remove(&mut self, target: TargetId, slot: Slot, job: &Job) {
        self.queues[target.index()][job.priority as usize].remove(&mut self.links, slot, job);
    }

    /// Removes a job that is sent at its turn.
    fn serve(&mut self, target: TargetId, slot: Slot, job: &Job) {
        self.queues[target.index()][job.priority as usize].serve(&mut self.links, slot, job);
    }
}

impl Engine {
    /// Adds a job in state `Deciding` to the queue of a target, whose pace is expected to allow its send at `until`.
    #[cold]
    pub(super) fn enter_pace_queue(&mut self, slot: Slot, candidate: Candidate, until: Instant) {
        let job = self.jobs.at(slot).job;
        let before = self.router.pace_queues.first(candidate.target, job.priority);
        self.router.pace_queues.push(candidate.target, slot, &job);
        let is_first = self.router.pace_queues.first(candidate.target, job.priority) == Some(slot);
        let turn_at = match before {
            _ if !is_first => Instant::MAX,
            None => until,
            Some(before) => {
                self.postpone_pace_turn(before);
                self.next_pace_turn(slot, candidate.target).unwrap_or(self.now)
            }
        };
        self.jobs.at(slot).transition(self.now, JobState::InPaceQueue { candidate, turn_at });
        if is_first {
            self.timers.set_wake(turn_at, slot, (job.id, job.priority));
        }
    }

    /// Takes the timer from a job that is no longer the first of its queue, because the turn of another flow comes first.
    fn postpone_pace_turn(&mut self, slot: Slot) {
        let JobState::InPaceQueue { turn_at, .. } = &mut self.jobs.at(slot).state else {
            unreachable!("invariant: a job in the queue is in state InPaceQueue")
        };
        *turn_at = Instant::MAX;
    }

    /// Removes a job from the queue of a target without its turn, and sets the timers of those that are first then.
    pub(super) fn leave_pace_queue(&mut self, slot: Slot, target: TargetId) {
        self.router.pace_queues.remove(target, slot, self.jobs.job(slot));
        self.advance_pace_turns(target);
    }

    /// Sets the timers of the first jobs in the queues of a target to the instants at which the pace allows their sends now, if
    /// these are earlier: after a change that may have returned quota, or that made another job the first one.
    #[inline]
    pub(super) fn advance_pace_turns(&mut self, target: TargetId) {
        for priority in [Priority::Interactive, Priority::Batch] {
            if let Some(first) = self.router.pace_queues.first(target, priority) {
                self.advance_pace_turn(target, first);
            }
        }
    }

    #[cold]
    fn advance_pace_turn(&mut self, target: TargetId, first: Slot) {
        let active = self.jobs.at(first);
        let JobState::InPaceQueue { candidate, turn_at } = active.state else {
            unreachable!("invariant: state == InPaceQueue, found {:?} in the queue", active.state)
        };
        // A job that the known limits can no longer hold decides again at once.
        let at = self.next_pace_turn(first, target).unwrap_or(self.now);
        if at < turn_at {
            self.set_pace_turn(first, candidate, at);
        }
    }

    /// Returns the instant at which the pace allows the send of the first job of a queue; `None` if the known limits can never hold
    /// it.
    fn next_pace_turn(&mut self, first: Slot, target: TargetId) -> Option<Instant> {
        let job = self.jobs.at(first).job;
        let ahead = cost_before_first(self.router.pace_queues.of(target), job.priority);
        let next = self.router.target(target).next_send_after(self.now, &cost_of(&job), &ahead);
        next.map(|(at, _)| at)
    }

    /// Sets the timer of the first job of a queue. An earlier timer of the job is no longer valid.
    fn set_pace_turn(&mut self, first: Slot, candidate: Candidate, at: Instant) {
        let active = self.jobs.at(first);
        active.state = JobState::InPaceQueue { candidate, turn_at: at };
        self.timers.set_wake(at, first, (active.job.id, active.job.priority));
    }

    /// Returns `true` if more than one job waits for the pace of the target.
    fn is_shared(&self, target: TargetId) -> bool {
        self.router.pace_queues.of(target).iter().map(FairQueue::len).sum::<u32>() > 1
    }

    /// Sends the first job of a queue if the pace allows it now, or sets its timer again. The job decides again if it can no
    /// longer be sent to the target, or not before its deadline.
    ///
    /// It is given up if its answer would probably come too late while another job waits for the same target, which the quota then
    /// serves: see [`super::answer_time`].
    #[cold]
    pub(super) fn take_pace_turn(&mut self, driver: &mut impl Driver, slot: Slot, candidate: Candidate) {
        let next = self.next_pace_turn(slot, candidate.target);
        let active = self.jobs.at(slot);
        let (job, deadline) = (active.job, active.deadline);
        let target = self.router.target(candidate.target);
        let is_closed =
            target.cool_down_end(self.now).is_some() || target.is_probing() || target.yields(job.priority);
        let next = next.filter(|_| !is_closed);
        if let Some(at) = next.filter(|at| self.now < *at && *at < deadline) {
            return self.set_pace_turn(slot, candidate, at);
        }
        if next.is_some()
            && target.answers_late(self.now, self.jobs.at(slot))
            && self.is_shared(candidate.target)
        {
            self.leave_pace_queue(slot, candidate.target);
            // The obstacle stays: the job is given up because of the pace.
            self.jobs.at(slot).transition(self.now, JobState::Deciding);
            return self.give_up(driver, slot, EndReason::Deadline);
        }
        let target = self.router.target(candidate.target);
        let reserved = next.filter(|at| *at <= self.now).map(|_| candidate);
        if reserved.is_some() {
            target.reserve(self.now, &cost_of(&job));
            self.router.pace_queues.serve(candidate.target, slot, &job);
            self.advance_pace_turns(candidate.target);
        } else {
            self.leave_pace_queue(slot, candidate.target);
        }
        self.jobs.at(slot).begin_round(self.now);
        self.resume(driver, slot, reserved);
    }
}
