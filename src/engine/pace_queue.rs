//! The queues of batch jobs that wait for the pace: one for each target, first in, first out.
//!
//! An interactive job that has to wait for the pace reserves its send: what comes later goes after it. If batch jobs did so too, an
//! interactive job would wait behind all that they have reserved. So they reserve nothing before their turn. Only the first of a
//! queue has a timer, for the instant at which the pace allows its send; if interactive jobs have reserved sends until then, its
//! timer is set again. So an interactive job delays a queue by its own cost and sets one timer again, however long the queue is.
//!
//! ```text
//!  reserved sends     I1   I2                       I3 arrives: it reserves the next free instant,
//!  time            ───┼────┼────┼────┼────┼──▶      and the timer of B1 is set again when it fires
//!  queue                        B1   B2   B3
//! ```

use super::Engine;
use super::driver::Driver;
use super::estimate::cost_of;
use super::fifo::{Fifo, Links};
use super::jobs::JobState;
use super::route::Candidate;
use crate::ids::{Slot, TargetId};
use provider::Instant;
use provider::meter::Charge;

/// The queues of all targets.
#[derive(Debug)]
pub(super) struct PaceQueues {
    /// By target.
    queues: Box<[PaceQueue]>,
    links: Links,
}

/// The batch jobs that wait for the pace of one target.
#[derive(Clone, Debug)]
pub(super) struct PaceQueue {
    order: Fifo,
    /// What they cost together.
    cost: Charge,
}

impl PaceQueue {
    /// Returns `true` if no job waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns what the jobs that wait cost together.
    pub(super) const fn cost(&self) -> &Charge {
        &self.cost
    }
}

impl PaceQueues {
    /// Creates an empty queue for each of `targets` targets.
    pub(super) fn new(targets: usize) -> Self {
        let empty = PaceQueue { order: Fifo::default(), cost: Charge::ZERO };
        Self { queues: vec![empty; targets].into(), links: Links::default() }
    }

    /// Returns the queue of a target.
    #[inline]
    pub(super) fn of(&self, target: TargetId) -> &PaceQueue {
        &self.queues[target.index()]
    }

    /// Appends a job. Returns `true` if it is the first.
    fn push(&mut self, target: TargetId, slot: Slot, cost: &Charge) -> bool {
        let PaceQueue { order, cost: sum } = &mut self.queues[target.index()];
        self.links.push(order, slot);
        sum.add(cost);
        order.first() == Some(slot)
    }

    /// Removes a job. Returns the one that is first now, if this one was.
    fn remove(&mut self, target: TargetId, slot: Slot, cost: &Charge) -> Option<Slot> {
        let PaceQueue { order, cost: sum } = &mut self.queues[target.index()];
        let was_first = order.first() == Some(slot);
        self.links.remove(order, slot);
        sum.subtract(cost);
        order.first().filter(|_| was_first)
    }
}

impl Engine {
    /// Adds a job in state `Deciding` to the queue of a target, whose pace allows its send at `until` unless another job
    /// reserves a send before.
    #[cold]
    pub(super) fn enter_pace_queue(&mut self, slot: Slot, candidate: Candidate, until: Instant) {
        let active = self.jobs.at(slot);
        active.transition(self.now, JobState::InPaceQueue { candidate });
        let (job, cost) = (active.job, cost_of(&active.job));
        if self.router.pace_queues.push(candidate.target, slot, &cost) {
            self.timers.set_wake(until, slot, (job.id, job.priority));
        }
    }

    /// Removes a job from the queue of a target. If it was the first, the next one gets a timer.
    pub(super) fn leave_pace_queue(&mut self, slot: Slot, target: TargetId) {
        let cost = cost_of(&self.jobs.at(slot).job);
        let Some(first) = self.router.pace_queues.remove(target, slot, &cost) else { return };
        let job = self.jobs.at(first).job;
        // A job that the known limits can no longer hold decides again at once.
        let next = self.router.target(target).next_send_at(self.now, &cost_of(&job));
        let at = next.map_or(self.now, |(at, _)| at);
        self.timers.set_wake(at, first, (job.id, job.priority));
    }

    /// Sends the first job of a queue if the pace allows it now, or sets its timer again. The job decides again if it can no
    /// longer be sent to the target, or not before its deadline.
    #[cold]
    pub(super) fn take_pace_turn(&mut self, driver: &mut impl Driver, slot: Slot, candidate: Candidate) {
        let active = self.jobs.at(slot);
        let (job, deadline, cost) = (active.job, active.deadline, cost_of(&active.job));
        let target = self.router.target(candidate.target);
        let is_closed =
            target.cool_down_end(self.now).is_some() || target.is_probing() || target.yields(job.priority);
        let next = target.next_send_at(self.now, &cost).filter(|_| !is_closed);
        match next {
            Some((at, _)) if self.now < at && at < deadline => {
                return self.timers.set_wake(at, slot, (job.id, job.priority));
            }
            Some((at, _)) if at <= self.now => target.reserve(self.now, &cost),
            _ => {}
        }
        let reserved = next.filter(|(at, _)| *at <= self.now).map(|_| candidate);
        self.leave_pace_queue(slot, candidate.target);
        self.jobs.at(slot).begin_round(self.now);
        self.resume(driver, slot, reserved);
    }
}
