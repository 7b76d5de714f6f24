//! Hedging: a second attempt for a job whose attempt has not answered for long, at another target, from quota that is not needed
//! otherwise. The first of the two that answers serves the job; the other is cancelled. See Dean and Barroso, "The Tail at Scale", 2013.
//!
//! ```text
//!  send ──▶ first attempt ─────────── `after` passes ─────────────────────┬─▶ it answers: the hedge is cancelled
//!                                        └─▶ hedge, if there is a target ─┼─▶ it answers: the first attempt is cancelled
//!                                            with quota to spare          ├─▶ one fails: the job waits for the other
//!                                                                         └─▶ both fail: the job goes on as after any failure
//! ```
//!
//! A hedge is charged like any attempt, also if it is cancelled. So it must not take what a job needs. It is sent only if
//!
//! * the limits of its target are known, and [`Hedge::spare_permille`] of each is left after it by the quota estimate: what is not known is
//!   not spare, and the same share of each window of the client's budget is left. The jobs that follow are delayed by it only if they use up that share faster than it refills;
//! * the target is in use: neither in cool-down, nor ejected, nor being probed, and no job waits for it;
//! * no job queues for a permit, and the same share of the permits is free after it;
//! * the client's budget in USD allows it, and no job waits for that;
//! * the job has not tried the target. So a hedge is never a retry, and takes nothing from the retry budget;
//! * the job has had no hedge before, and may make another attempt.
//!
//! This is checked once, when `after` has passed and everything else that is due at that instant has been done.
//!
//! The state of a job ([`JobState::Sent`]) has one attempt. The other is kept here, in a row per slot, because most clients do not
//! hedge. If it is the one that remains, it takes the place of the first.
//!
//! There is no percentile for `after`. The slow attempts are those that a hedge cancels, so their times are not observed: a percentile of
//! the others falls with every hedge, and with it the time until the next.

use super::Engine;
use super::attempt_timeout::AttemptTimeouts;
use super::blockers::{TargetForJob, blocked_by};
use super::driver::Driver;
use super::estimate::cost_of;
use super::fair_queue::FairQueue;
use super::job_cool_down::JobCoolDown;
use super::jobs::{ActiveJob, JobState};
use super::pick::{Choice, FreeTargets};
use super::reply::{Reply, ReplyClass};
use super::route::{Candidate, Router};
use crate::event::{EventKind, HedgeUse};
use crate::ids::{AttemptId, Slot, TargetId};
use crate::scenario::Hedge;
use provider::Instant;
use provider::meter::Charge;

/// An attempt in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SentAttempt {
    pub(super) attempt: AttemptId,
    pub(super) candidate: Candidate,
    pub(super) sent_at: Instant,
}

/// The hedges of all jobs in flight.
#[derive(Debug)]
pub(super) struct Hedges {
    spare_permille: u32,
    /// When the attempts in flight have been without an answer for long. Every attempt is allowed the same time, as in
    /// [`super::attempt_timeout`].
    due: AttemptTimeouts,
    /// By slot.
    rows: Vec<Row>,
}

/// What a job has of a hedge.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// The hedge, once it was sent.
    hedge: Option<AttemptId>,
    /// The attempt in flight that is not in the state of the job.
    second: Option<SentAttempt>,
    /// The attempt whose answer has begun to arrive.
    answering: Option<AttemptId>,
    /// One of the two found that no target will ever serve the job.
    is_rejected: bool,
}

impl Hedges {
    /// Creates the table of a client that hedges; no job is in flight.
    pub(super) fn new(hedge: Hedge) -> Self {
        Self {
            spare_permille: hedge.spare_permille,
            due: AttemptTimeouts::new(Some(hedge.after)),
            rows: Vec::new(),
        }
    }

    /// Begins the row of a job that arrives.
    pub(super) fn begin(&mut self, slot: Slot) {
        self.rows.resize(self.rows.len().max(slot.index() + 1), Row::default());
        self.rows[slot.index()] = Row::default();
    }

    /// Returns the instant at which the next attempt has been without an answer for long; [`Instant::MAX`] if none is in flight.
    #[inline]
    pub(super) fn next(&self) -> Instant {
        self.due.next()
    }

    /// Records that an attempt of the job is sent that is not a hedge.
    pub(super) fn set_due(&mut self, now: Instant, slot: Slot, attempt: AttemptId) {
        if self.rows[slot.index()].hedge.is_none() {
            self.due.set(now, slot, attempt);
        }
    }

    /// Forgets the attempts that have ended, from the front.
    pub(super) fn forget(&mut self, has_ended: impl Fn(Slot, AttemptId) -> bool) {
        self.due.forget(has_ended);
    }

    /// Moves an attempt in flight to the job at `slot`.
    pub(super) fn reassign(&mut self, attempt: AttemptId, slot: Slot) {
        self.due.reassign(attempt, slot);
    }

    /// Returns `true` if the attempt is in flight for the job at the slot, and not in the job's state.
    pub(super) fn has_in_flight(&self, slot: Slot, attempt: AttemptId) -> bool {
        self.rows
            .get(slot.index())
            .is_some_and(|row| row.second.is_some_and(|second| second.attempt == attempt))
    }

    /// Returns whether the job at the slot, which ends, had a hedge. `answer`: the attempt that served it.
    pub(super) fn end(&mut self, slot: Slot, answer: Option<AttemptId>) -> HedgeUse {
        let Row { hedge, second, .. } = std::mem::take(&mut self.rows[slot.index()]);
        assert!(second.is_none(), "invariant: a job that ends has no attempt in flight, found {second:?}");
        match hedge {
            None => HedgeUse::None,
            Some(_) if hedge == answer => HedgeUse::Won,
            Some(_) => HedgeUse::Sent,
        }
    }

    /// Forgets the second attempt of a job that is in flight when the run ends: its driver drops it.
    pub(super) fn drop_second(&mut self, slot: Slot) {
        self.rows[slot.index()].second = None;
    }

    /// Returns `true` if one of the two attempts of the job found that no target will ever serve it.
    pub(super) fn is_rejected(&self, slot: Slot) -> bool {
        self.rows[slot.index()].is_rejected
    }
}

impl ActiveJob {
    /// Counts a hedge. The step stays that of the first attempt, until the hedge is the one that remains.
    fn count_hedge(&mut self, candidate: Candidate) {
        let step = self.step;
        self.count_attempt(candidate);
        self.step = step;
    }
}

impl Router {
    /// Returns the target that a hedge of the job at `slot` goes to: among those with quota to spare in the first step that has any, its
    /// pick chooses. `None` if there is none.
    fn spare_target(
        &self,
        now: Instant,
        (slot, active): (Slot, &ActiveJob),
        sent_to: TargetId,
        spare_permille: u32,
    ) -> Option<Candidate> {
        let (job, cost) = (&active.job, &cost_of(&active.job));
        let mut first_position = 0; // Of the step's targets, within the route.
        for (step_index, cursor) in (0..).zip(&self.routes[job.route.index()]) {
            let step = &cursor.step;
            let candidate = |index: usize| Candidate {
                target: step.targets[index],
                step: step_index,
                position: (first_position + index) as u8,
            };
            let mut free = FreeTargets::default();
            for index in 0..step.targets.len() {
                let candidate = candidate(index);
                let own = self.job_cool_downs.of(slot).get(usize::from(candidate.position)).copied();
                if candidate.target != sent_to
                    && self.can_spare(now, active, (candidate, own), cost, spare_permille)
                {
                    free.add(index);
                }
            }
            if !free.is_empty() {
                let (targets, completion) = (&self.targets[..], self.completions[job.route.index()]);
                let attempts = active.attempts;
                let choice =
                    Choice { now, job, attempts, cost, step, targets, completion, key: self.pick_key };
                return Some(candidate(choice.among(free)));
            }
            first_position += step.targets.len();
        }
        None
    }

    /// Returns `true` if a hedge of the job may go to a target; `own` is the job's own cool-down of it.
    fn can_spare(
        &self,
        now: Instant,
        active: &ActiveJob,
        (candidate, own): (Candidate, Option<JobCoolDown>),
        cost: &Charge,
        spare_permille: u32,
    ) -> bool {
        let (target, queues) =
            (&self.targets[candidate.target.index()], self.pace_queues.of(candidate.target));
        let spend = self.spend.as_ref().and_then(|spend| spend.blocks(now, &active.job, candidate.target));
        let view = TargetForJob { state: target, own, queues, spend };
        (active.tried | active.excluded) & candidate.bit() == 0
            && target.is_in_use(now)
            && self.spend.as_ref().is_none_or(|spend| {
                !spend.is_awaited() && spend.has_spare(now, &active.job, candidate.target, spare_permille)
            })
            && !target.is_awaited()
            && queues.iter().all(FairQueue::is_empty)
            && blocked_by(now, active, candidate.bit(), cost, &view, &self.budget).is_none()
            && target.has_spare(now, cost, spare_permille)
    }
}

impl Engine {
    /// Records that the first token of a streamed answer has arrived at a client that collects whole answers: the attempt has answered, so
    /// no hedge is sent beside it, and another attempt of the job is cancelled. If the rest of the answer fails, the job goes on as after
    /// any failure. Does nothing if the client does not hedge.
    ///
    /// # Panics
    /// If `attempt` is not in flight for the job at `slot`.
    pub fn handle_first_token(
        &mut self,
        driver: &mut impl Driver,
        now: Instant,
        slot: Slot,
        attempt: AttemptId,
    ) {
        self.advance_clock(now);
        if self.hedges.is_none() {
            return;
        }
        let is_in_flight = self.is_in_flight(slot, attempt);
        assert!(is_in_flight, "invariant: {attempt:?} is in flight when its first token arrives");
        self.cancel_other(driver, slot, attempt);
        if let Some(row) = self.row(slot) {
            row.answering = Some(attempt);
        }
        self.run_ready(driver);
    }

    /// Returns `true` if the job at the slot has this attempt in flight.
    pub(super) fn is_in_flight(&self, slot: Slot, attempt: AttemptId) -> bool {
        self.jobs.has_in_flight(slot, attempt)
            || self.hedges.as_ref().is_some_and(|hedges| hedges.has_in_flight(slot, attempt))
    }

    /// Returns `true` if the job at the slot has two attempts in flight.
    pub(super) fn has_second(&self, slot: Slot) -> bool {
        self.hedges.as_ref().is_some_and(|hedges| hedges.rows[slot.index()].second.is_some())
    }

    /// Sends the hedges that are due.
    #[cold]
    pub(super) fn send_hedges(&mut self, driver: &mut impl Driver) {
        loop {
            let Some(hedges) = &mut self.hedges else { return };
            let Some((slot, attempt)) = hedges.due.first_due(self.now) else { return };
            if let Some(candidate) = self.spare_target(slot, attempt) {
                self.send_hedge(driver, slot, (attempt, candidate));
            }
            let Some(hedges) = &mut self.hedges else { return };
            hedges.due.forget(|slot, other| other == attempt || !self.jobs.has_in_flight(slot, other));
        }
    }

    /// Returns the target of a hedge beside `attempt`, which has been without an answer for long; `None` if none is to be sent.
    fn spare_target(&mut self, slot: Slot, attempt: AttemptId) -> Option<Candidate> {
        let hedges = self.hedges.as_ref()?;
        let row = hedges.rows[slot.index()];
        if row.hedge.is_some()
            || row.answering == Some(attempt)
            || !self.concurrency.has_spare(hedges.spare_permille)
        {
            return None;
        }
        let active = self.jobs.at(slot);
        let JobState::Sent { candidate, .. } = active.state else {
            unreachable!("invariant: state == Sent, found {:?} when a hedge is due", active.state)
        };
        let may_send = !active.first_byte_sent
            && active.attempts < self.client.retry.attempts
            && self.now < active.deadline;
        may_send
            .then(|| {
                self.router.spare_target(self.now, (slot, active), candidate.target, hedges.spare_permille)
            })
            .flatten()
    }

    fn send_hedge(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        (beside, candidate): (AttemptId, Candidate),
    ) {
        let (id, cost, sent_at) = (self.jobs.job(slot).id, cost_of(self.jobs.job(slot)), self.now);
        self.router.target(candidate.target).reserve(self.now, &cost);
        let attempt = self.begin_attempt(slot, candidate.target);
        self.jobs.at(slot).count_hedge(candidate);
        if let Some(row) = self.row(slot) {
            row.hedge = Some(attempt);
            row.second = Some(SentAttempt { attempt, candidate, sent_at });
        }
        self.log(driver, id, EventKind::Hedged { attempt, beside });
        self.hand_to_driver(driver, slot, (attempt, candidate));
    }

    /// Cancels the other attempt in flight of the job at `slot`, if there is one: `answering` answers it. It becomes the attempt in the
    /// job's state.
    pub(super) fn cancel_other(&mut self, driver: &mut impl Driver, slot: Slot, answering: AttemptId) {
        if self.has_second(slot) {
            self.bring_forward(driver, slot, answering);
            self.cancel_second(driver, slot);
        }
    }

    /// Cancels the attempt in flight that is not in the job's state, if there is one.
    pub(super) fn cancel_second(&mut self, driver: &mut impl Driver, slot: Slot) {
        if let Some(second) = self.row(slot).and_then(|row| row.second.take()) {
            self.settle_spend(slot, &second, None);
            self.cancel_attempt(driver, slot, &second, None);
            self.router.target(second.candidate.target).cancel_probe(second.attempt);
        }
    }

    /// Ends one of the two attempts of a job, which did not serve it: the job waits for the other. `times_out`: the attempt is
    /// cancelled because its time is over.
    #[cold]
    pub(super) fn lose_one(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        attempt: AttemptId,
        (reply, times_out): (&Reply, bool),
    ) {
        let second = self.row(slot).and_then(|row| row.second);
        let second = second.expect("invariant: two attempts of the job are in flight");
        if second.attempt != attempt {
            self.bring_forward(driver, slot, second.attempt);
        }
        let class = reply.class();
        let lost = self.row(slot).and_then(|row| {
            row.is_rejected |= class == ReplyClass::Permanent;
            row.second.take()
        });
        let lost = lost.expect("invariant: two attempts of the job are in flight");
        assert_eq!(lost.attempt, attempt, "invariant: an attempt that ends is in flight");
        self.end_with_reply(driver, slot, &lost, reply);
        let active = self.jobs.at(slot);
        active.refused += u8::from(reply.is_refusal());
        if class == ReplyClass::TargetPermanent {
            active.excluded |= lost.candidate.bit();
        }
        if times_out {
            let tag = active.tag;
            driver.cancel(self.now, tag, attempt);
        } else {
            self.settle(slot, lost.candidate.target, reply);
        }
        self.cool_down(driver, slot, lost.candidate, attempt, reply);
    }

    /// Puts the second attempt of a job in the place of the one in its state, if it is `attempt`. The time before it was sent counts as
    /// that of an attempt that did not serve the job.
    fn bring_forward(&mut self, driver: &mut impl Driver, slot: Slot, attempt: AttemptId) {
        let Some(second) = self.row(slot).and_then(|row| row.second) else { return };
        if second.attempt != attempt {
            return;
        }
        let active = self.jobs.at(slot);
        let JobState::Sent { attempt: first, candidate } = active.state else {
            unreachable!("invariant: state == Sent, found {:?} of two attempts", active.state)
        };
        let first = SentAttempt { attempt: first, candidate, sent_at: active.sent_at };
        let (from, to, id) = (active.step, second.candidate.step, active.job.id);
        active.failed_attempts += second.sent_at.since(active.since);
        active.since = second.sent_at;
        active.sent_at = second.sent_at;
        active.step = to;
        active.state = JobState::Sent { attempt, candidate: second.candidate };
        if let Some(row) = self.row(slot) {
            row.second = Some(first);
        }
        if to > from {
            self.log(driver, id, EventKind::FellBack { from, to });
        }
    }

    fn row(&mut self, slot: Slot) -> Option<&mut Row> {
        self.hedges.as_mut().map(|hedges| &mut hedges.rows[slot.index()])
    }
}
