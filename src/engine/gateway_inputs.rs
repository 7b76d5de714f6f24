//! The inputs that only a gateway has: the first byte of an answer reaches its caller, an attempt may not be sent, and another client has an
//! answer.

use super::Engine;
use super::cache::NewAnswer;
use super::driver::Driver;
use super::estimate::cost_of;
use super::hedge::SentAttempt;
use super::jobs::JobState;
use crate::event::{EndReason, EventKind};
use crate::ids::{AttemptId, Slot};
use provider::{Instant, Usage};

impl Engine {
    /// Records that the first byte of an answer has reached the caller of the job at `slot`. From now on the attempt
    /// either serves the job or ends it: a caller cannot take back what it has read, so no retry and no fallback
    /// follows. The job's followers have received nothing; if it fails, the first of them is promoted as usual.
    ///
    /// Clients that collect whole answers do not call this.
    ///
    /// # Panics
    /// If `attempt` is not in flight for the job, or if its first byte was recorded before.
    pub fn handle_first_byte(
        &mut self,
        driver: &mut impl Driver,
        now: Instant,
        slot: Slot,
        attempt: AttemptId,
    ) {
        self.advance_clock(now);
        let frees_permit = self.has_second(slot);
        self.cancel_other(driver, slot, attempt);
        let active = self.jobs.at(slot);
        let JobState::Sent { attempt: sent, candidate } = active.state else {
            unreachable!(
                "invariant: state == Sent, found {:?} at the first byte of {attempt:?}",
                active.state
            )
        };
        assert_eq!(sent, attempt, "invariant: the first byte belongs to the attempt in flight");
        assert!(!active.first_byte_sent, "invariant: the first byte of {} is recorded once", active.job.id);
        active.first_byte_sent = true;
        let (id, target) = (active.job.id, candidate.target);
        self.log(driver, id, EventKind::FirstByte { attempt, target });
        if frees_permit {
            self.run_ready(driver);
        }
    }

    /// Ends the job at `slot` because the budget of its caller does not cover the attempt in flight. The driver has not sent that
    /// attempt, so nothing is charged for it, and no follower can take it over: the first follower is promoted.
    ///
    /// # Panics
    /// If `attempt` is not in flight for the job.
    pub fn withdraw(&mut self, driver: &mut impl Driver, now: Instant, slot: Slot, attempt: AttemptId) {
        self.advance_clock(now);
        assert!(!self.has_second(slot), "invariant: a driver that withdraws attempts does not hedge");
        let active = self.jobs.at(slot);
        let JobState::Sent { attempt: sent, candidate } = active.state else {
            unreachable!("invariant: state == Sent, found {:?} when {attempt:?} is withdrawn", active.state)
        };
        assert_eq!(sent, attempt, "invariant: the attempt that is withdrawn is in flight");
        let (cost, sent_at) = (cost_of(&active.job), active.sent_at);
        let elapsed = active.transition(now, JobState::Deciding);
        active.failed_attempts += elapsed;
        let target = self.router.target(candidate.target);
        target.settle(now, &cost, None);
        target.cancel_probe(attempt);
        self.advance_pace_turns(candidate.target);
        let sent = SentAttempt { attempt, candidate, sent_at };
        self.settle_spend(slot, &sent, Some(Usage::default()));
        self.cancel_attempt(driver, slot, &sent, None);
        self.give_up(driver, slot, EndReason::Cancelled);
        self.run_ready(driver);
    }

    /// Accepts an answer to the jobs with this fingerprint that another client was given: the response cache has it from now on, under
    /// the same rules as an answer of its own. Jobs in flight are not served with it. Returns `false` if it is not stored: the client has
    /// no response cache, its time to live is over, or it is too large.
    pub fn add_answer(
        &mut self,
        driver: &mut impl Driver,
        now: Instant,
        fingerprint: u64,
        answer: NewAnswer,
    ) -> bool {
        self.advance_clock(now);
        self.cache_answer(driver, fingerprint, answer)
    }
}
