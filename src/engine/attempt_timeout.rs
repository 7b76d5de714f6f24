//! The time allowed for one attempt: an attempt that takes longer is cancelled and counts as failed.
//!
//! Every attempt is allowed the same time, and attempts are sent in order, so the instants at which they time out are
//! queued without sorting. As with the deadlines in `timers`, an entry is not removed when its attempt ends, except
//! from the front: the first entry always belongs to an attempt in flight.

use super::Engine;
use super::driver::Driver;
use super::jobs::JobState;
use super::reply::Reply;
use super::route::Candidate;
use crate::event::{AttemptFailure, EventKind};
use crate::ids::{AttemptId, Slot};
use provider::{Instant, Nanos};
use std::collections::VecDeque;
use std::iter;

/// The instants at which the attempts in flight time out.
#[derive(Debug)]
pub(super) struct AttemptTimeouts {
    /// The time allowed; `None`: no bound, and nothing is kept.
    length: Option<Nanos>,
    ends: VecDeque<(Instant, Slot, AttemptId)>,
}

impl AttemptTimeouts {
    /// Creates an empty queue. `length` is the time allowed for every attempt.
    pub(super) const fn new(length: Option<Nanos>) -> Self {
        Self { length, ends: VecDeque::new() }
    }

    /// Sets the timeout of an attempt that is sent now.
    #[inline]
    pub(super) fn set(&mut self, now: Instant, slot: Slot, attempt: AttemptId) {
        if let Some(length) = self.length {
            self.ends.push_back((now + length, slot, attempt));
        }
    }

    /// Returns the earliest timeout; [`Instant::MAX`] if none is set.
    #[inline]
    pub(super) fn next(&self) -> Instant {
        self.ends.front().map_or(Instant::MAX, |(at, ..)| *at)
    }

    /// Returns the first attempt that has timed out at `now`. [`Self::forget`] removes it when the attempt has ended.
    pub(super) fn first_due(&mut self, now: Instant) -> Option<(Slot, AttemptId)> {
        self.ends.front().filter(|(at, ..)| *at <= now).map(|(_, slot, attempt)| (*slot, *attempt))
    }

    /// Removes attempts from the front of the queue while `has_ended` returns `true` for the first.
    #[inline]
    pub(super) fn forget(&mut self, has_ended: impl Fn(Slot, AttemptId) -> bool) {
        while self.ends.front().is_some_and(|(_, slot, attempt)| has_ended(*slot, *attempt)) {
            self.ends.pop_front();
        }
    }

    /// Moves an attempt in flight to the job at `slot`.
    pub(super) fn reassign(&mut self, attempt: AttemptId, slot: Slot) {
        if let Some(end) = self.ends.iter_mut().find(|(.., other)| *other == attempt) {
            end.1 = slot;
        }
    }
}

impl Engine {
    /// Cancels an attempt whose time is over and continues its job as after any failure. What the estimate reserved for
    /// it stays charged, since the provider may have used it.
    #[cold]
    pub(super) fn time_out(&mut self, driver: &mut impl Driver, slot: Slot, attempt: AttemptId) {
        let reply = Reply::failed(self.now, AttemptFailure::Timeout);
        let active = self.jobs.at(slot);
        let JobState::Sent { attempt: sent, candidate } = active.state else {
            unreachable!("invariant: state == Sent, found {:?} at the end of {attempt:?}", active.state)
        };
        assert_eq!(sent, attempt, "invariant: the attempt whose time is over is in flight");
        let elapsed = active.transition(self.now, JobState::Deciding);
        active.failed_attempts += elapsed;
        let (job, tag) = (active.job.id, active.tag);
        let (target, outcome, usage) = (candidate.target, reply.outcome, reply.usage);
        self.settle_spend_by(slot, target, &reply);
        self.end_attempt(slot, (attempt, target), Some(outcome));
        self.log(driver, job, EventKind::Replied { attempt, target, outcome, usage });
        driver.cancel(self.now, tag, attempt);
        self.cool_down(driver, slot, candidate, attempt, &reply);
        self.retry_or_give_up(driver, slot, reply.class(), candidate);
    }

    /// Puts the target of an attempt that did not serve the job at `slot` in cool-down, if the reply calls for it, and the
    /// other targets of its account if the account is out of use.
    #[cold]
    pub(super) fn cool_down(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        candidate: Candidate,
        attempt: AttemptId,
        reply: &Reply,
    ) {
        if let Some((until, cause)) = self.router.cool_down(self.now, slot, candidate, attempt, reply) {
            let (job, target) = (self.jobs.at(slot).job.id, candidate.target);
            let parked = self.router.park_account(self.now, target, until, cause);
            for target in iter::once(target).chain(parked) {
                let (until, cause) = self.router.target(target).cool_down();
                self.log(driver, job, EventKind::CoolDownBegan { target, until, cause });
            }
        }
    }
}
