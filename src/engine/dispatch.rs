//! The next action of a job: send it, let it wait, queue it, or give it up.

use super::Engine;
use super::driver::{Attempt, Driver};
use super::estimate::cost_of;
use super::jobs::JobState;
use super::reply::ReplyClass;
use super::route::{Candidate, NextAction};
use crate::event::{EndReason, EventKind, WaitReason};
use crate::ids::{AttemptId, Slot, TargetId};
use crate::job::Priority;

impl Engine {
    /// Chooses and executes the next action of a job in state `Deciding`.
    pub(super) fn decide(&mut self, driver: &mut impl Driver, slot: Slot) {
        let active = self.jobs.at(slot);
        debug_assert_eq!(active.state, JobState::Deciding, "invariant: state == Deciding");
        if self.now >= active.deadline {
            // This happens if a wait or the time allowed for an attempt ends at the deadline, or if a live driver lags.
            return self.give_up(driver, slot, EndReason::Deadline);
        }
        let priority = active.job.priority;
        self.serve_before(driver, priority);
        if self.concurrency.is_at_limit() {
            return self.enqueue(driver, slot, None, false);
        }
        let active = self.jobs.at(slot);
        let cost = cost_of(&active.job);
        match self.router.choose(self.now, slot, active, &cost) {
            NextAction::Send(candidate) => {
                self.router.target(candidate.target).reserve(self.now, &cost);
                self.send(driver, slot, candidate);
            }
            NextAction::Wait { until, obstacle } => {
                assert!(
                    self.now <= until && until < active.deadline,
                    "law 14: a wait ends before the deadline at {}, not at {until}",
                    active.deadline
                );
                // In a cool-down of the job alone the target is open to others: it does not yield to the job.
                let target = self.router.target(obstacle.target);
                let awaits = obstacle.why == WaitReason::CoolDown && target.cool_down_end(self.now).is_some();
                let awaits = awaits.then_some(obstacle.target);
                if awaits.is_some() {
                    target.begin_await(priority);
                }
                active.transition(self.now, JobState::Waiting { until, awaits });
                let id = active.job.id;
                self.timers.set_wake(until, slot, (id, priority));
                self.log(driver, id, EventKind::Waiting { until, obstacle, may_extend: false });
            }
            NextAction::AwaitPace { until, obstacle, candidate } => {
                self.enter_pace_queue(slot, candidate, until);
                let id = self.jobs.at(slot).job.id;
                self.log(driver, id, EventKind::Waiting { until, obstacle, may_extend: true });
            }
            NextAction::AwaitTargets { until, obstacle, targets, delay } => {
                self.enter_cool_down_queue(slot, targets, delay);
                let id = self.jobs.at(slot).job.id;
                self.log(driver, id, EventKind::Waiting { until, obstacle, may_extend: true });
            }
            NextAction::AwaitSpend { until, obstacle, candidate } => {
                self.enter_spend_queue(slot, candidate);
                let id = self.jobs.at(slot).job.id;
                self.log(driver, id, EventKind::Waiting { until, obstacle, may_extend: true });
            }
            NextAction::GiveUp(reason) => self.give_up(driver, slot, reason),
        }
    }

    /// Continues a job at its turn in the queue of a paced target, or after its time in the queue of the concurrency limit. If it
    /// has reserved a send, makes that send, or queues the job with it while the concurrency limit is reached. Without a
    /// reservation, or if the send is no longer possible, decides again.
    pub(super) fn resume(&mut self, driver: &mut impl Driver, slot: Slot, reserved: Option<Candidate>) {
        let Some(candidate) = reserved else { return self.decide(driver, slot) };
        let priority = self.jobs.at(slot).job.priority;
        self.serve_before(driver, priority);
        let active = self.jobs.at(slot);
        let is_expired = self.now >= active.deadline;
        let exceeds_budget = active.tried & candidate.bit() != 0 && !self.router.budget.allows();
        let exceeds_budget = exceeds_budget || self.exceeds_spend(slot, candidate.target);
        let target = self.router.target(candidate.target);
        let is_closed = target.cool_down_end(self.now).is_some() || target.is_probing();
        if is_expired || exceeds_budget || is_closed || target.yields(priority) {
            self.release_reserved(slot, reserved);
            self.decide(driver, slot);
        } else if self.concurrency.is_at_limit() {
            self.enqueue(driver, slot, reserved, false);
        } else {
            self.send(driver, slot, candidate);
        }
    }

    /// Continues a job that has just left the queue.
    #[cold]
    pub(super) fn dequeue(&mut self, driver: &mut impl Driver, slot: Slot) {
        let active = self.jobs.at(slot);
        let JobState::Queued { reserved, woken } = active.state else {
            unreachable!("invariant: state == Queued, found {:?} in the queue", active.state)
        };
        active.transition(self.now, JobState::Deciding);
        if woken {
            let priority = active.job.priority;
            self.concurrency.forget_woken(priority);
        }
        self.resume(driver, slot, reserved);
    }

    /// Lets a job that has just arrived follow the leader of identical jobs.
    #[cold]
    pub(super) fn follow(&mut self, driver: &mut impl Driver, slot: Slot, leader: Slot) {
        let leader_job = self.jobs.at(leader).job;
        let active = self.jobs.at(slot);
        let job = active.job;
        assert_eq!(
            (job.route, job.prompt_tokens, job.max_tokens),
            (leader_job.route, leader_job.prompt_tokens, leader_job.max_tokens),
            "law 15: {} and {} have the same fingerprint and differ",
            job.id,
            leader_job.id
        );
        active.transition(self.now, JobState::Following);
        self.log(driver, job.id, EventKind::Coalesced { leader: leader_job.id });
    }

    /// Continues after an attempt that did not serve the job.
    pub(super) fn retry_or_give_up(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        class: ReplyClass,
        candidate: Candidate,
    ) {
        let is_rejected = class == ReplyClass::Permanent
            || self.hedges.as_ref().is_some_and(|hedges| hedges.is_rejected(slot));
        let active = self.jobs.at(slot);
        if class == ReplyClass::TargetPermanent {
            active.excluded |= candidate.bit();
        }
        if active.first_byte_sent {
            self.give_up(driver, slot, EndReason::Interrupted);
        } else if is_rejected {
            self.give_up(driver, slot, EndReason::Rejected);
        } else if active.attempts >= self.client.retry.attempts {
            self.give_up(driver, slot, EndReason::Attempts);
        } else {
            self.decide(driver, slot);
        }
    }

    /// Credits the quota that a paced send has reserved back to the quota estimate, because that send is not made.
    pub(super) fn release_reserved(&mut self, slot: Slot, reserved: Option<Candidate>) {
        if let Some(candidate) = reserved {
            let cost = cost_of(&self.jobs.at(slot).job);
            self.router.target(candidate.target).settle(self.now, &cost, None);
            self.advance_pace_turns(candidate.target);
        }
    }

    /// Sends an attempt of a job in state `Deciding`, whose cost the quota estimate holds already.
    fn send(&mut self, driver: &mut impl Driver, slot: Slot, candidate: Candidate) {
        let attempt = self.begin_attempt(slot, candidate.target);
        if let Some(hedges) = &mut self.hedges {
            hedges.set_due(self.now, slot, attempt);
        }
        let active = self.jobs.at(slot);
        let (previous_step, is_retry) = (active.step, active.tried & candidate.bit() != 0);
        active.transition(self.now, JobState::Sent { attempt, candidate });
        active.sent_at = self.now;
        active.count_attempt(candidate);
        let id = active.job.id;
        if is_retry {
            self.router.budget.withdraw();
        }
        if candidate.step > previous_step {
            self.log(driver, id, EventKind::FellBack { from: previous_step, to: candidate.step });
        }
        self.hand_to_driver(driver, slot, (attempt, candidate));
    }

    /// Begins an attempt of the job at `slot`: takes a permit, and checks the bounds on what is sent. Returns its id.
    #[inline]
    pub(super) fn begin_attempt(&mut self, slot: Slot, target: TargetId) -> AttemptId {
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt += self.attempt_step;
        self.concurrency.acquire();
        let active = self.jobs.at(slot);
        assert!(
            active.attempts < self.client.retry.attempts,
            "law 14: a job has at most {} attempts",
            self.client.retry.attempts
        );
        assert!(
            self.now < active.deadline,
            "law 14: nothing is sent at or after the deadline {}",
            active.deadline
        );
        assert!(!active.first_byte_sent, "law 16: nothing is sent after the first byte");
        let job = active.job;
        if let Some(spend) = &mut self.router.spend {
            spend.reserve(&job, target);
        }
        let cooling = self.router.target(target).cool_down_end(self.now);
        assert!(
            cooling.is_none(),
            "law 8: {target:?} is in cool-down until {cooling:?}, not sent to at {}",
            self.now
        );
        self.router.target(target).begin_attempt(attempt);
        self.attempt_timeouts.set(self.now, slot, attempt);
        if let Some(coalescer) = &self.coalescer {
            assert!(
                coalescer.leads(job.fingerprint, slot),
                "law 15: only leaders are sent, {} does not lead",
                job.id
            );
        }
        attempt
    }

    /// Passes an attempt that has been counted to the driver.
    #[inline]
    pub(super) fn hand_to_driver(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        (attempt, Candidate { target, step, .. }): (AttemptId, Candidate),
    ) {
        let active = self.jobs.at(slot);
        let (number, job, tag) = (active.attempts, active.job, active.tag);
        self.log(driver, job.id, EventKind::Sent { attempt, target, step, number });
        driver.send(self.now, &Attempt { id: attempt, slot, tag, number, target, job });
    }

    /// Gives free permits to the queued jobs that go before a job of this priority. There are such jobs only within an input that
    /// has freed a permit.
    #[inline]
    fn serve_before(&mut self, driver: &mut impl Driver, priority: Priority) {
        while let Some(first) = self.concurrency.pop_before(&self.jobs, priority) {
            self.dequeue(driver, first);
        }
    }

    /// Queues a job for the concurrency limit. If the queue is full, the job that it displaces is given up or, if there is none, the job
    /// itself. `woken`: it comes from a queue of jobs that wait for targets.
    #[cold]
    pub(super) fn enqueue(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        reserved: Option<Candidate>,
        woken: bool,
    ) {
        let job = self.jobs.at(slot).job;
        let mut pushed = self.concurrency.push(slot, &job, woken);
        if pushed.is_err()
            && let Some(displaced) = self.concurrency.displaced_by(&job)
        {
            self.terminate(driver, displaced, EndReason::QueueFull);
            pushed = self.concurrency.push(slot, &job, woken);
        }
        let Ok(waiting) = pushed else {
            self.release_reserved(slot, reserved);
            return self.give_up(driver, slot, EndReason::QueueFull);
        };
        let active = self.jobs.at(slot);
        active.transition(self.now, JobState::Queued { reserved, woken });
        let id = active.job.id;
        self.log(driver, id, EventKind::Queued { waiting });
    }
}
