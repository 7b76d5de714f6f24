//! How a job ends: served, given up, terminated, or in flight when the run ends; what happens to its followers; and how its attempts end.

use super::Engine;
use super::adaptive_limit::Signal;
use super::cache::NewAnswer;
use super::coalesce::Coalescer;
use super::driver::{Answer, Driver, Handover};
use super::estimate::cost_of;
use super::hedge::SentAttempt;
use super::jobs::JobState;
use super::reply::{AttemptEnd, Reply, ReplyClass};
use super::route::Candidate;
use crate::event::{AttemptFailure, AttemptOutcome, EndReason, EventKind, HedgeUse, JobEnd, JobOutcome};
use crate::ids::{AttemptId, Slot, TargetId};
use provider::{Instant, Nanos};

impl Engine {
    /// Ends a job that an attempt served, and its followers with it. `elapsed` is the time in the attempt, counted from
    /// the send, or from the handover if a cancelled leader left the attempt to this job.
    pub(super) fn serve(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        attempt: AttemptId,
        elapsed: Nanos,
        reply: &Reply,
    ) {
        let active = self.jobs.at(slot);
        let (scheduled, fingerprint, tag) = (active.job.scheduled, active.job.fingerprint, active.tag);
        // The first token of an attempt that was handed over may have arrived before this job had the attempt.
        let began = Instant(self.now.0 - elapsed.0);
        let end = JobEnd {
            service: elapsed,
            step: Some(active.step),
            first_token: Some(reply.first_token_at.max(began).since(scheduled)),
            cut: reply.cut,
            ..active.end(JobOutcome::Succeeded)
        };
        if let Some(bytes) = reply.stored_bytes {
            let answer = NewAnswer { age: Nanos::ZERO, cut: reply.cut, bytes };
            if self.cache_answer(driver, fingerprint, answer) {
                driver.store_answer(self.now, tag);
            }
        }
        self.finish(driver, slot, &end, Some(Answer::Attempt(attempt)));
        if let Some(coalescer) = &mut self.coalescer {
            coalescer.end_lead(fingerprint, slot);
            self.serve_followers(driver, slot, Answer::Leader { tag, attempt }, reply.cut);
        }
    }

    /// Stores an answer in the response cache. Returns `false` if it is not stored.
    pub(super) fn cache_answer(
        &mut self,
        driver: &mut impl Driver,
        fingerprint: u64,
        answer: NewAnswer,
    ) -> bool {
        let evict = |evicted| driver.evict_answer(evicted);
        self.cache.as_mut().is_some_and(|cache| cache.store(self.now, fingerprint, answer, evict))
    }

    /// Ends a job that the response cache has an answer for. `cut` is `true` if that answer was cut.
    #[cold]
    pub(super) fn serve_from_cache(&mut self, driver: &mut impl Driver, slot: Slot, cut: bool) {
        let active = self.jobs.at(slot);
        let (id, waited) = (active.job.id, self.now.since(active.job.scheduled));
        let end = JobEnd { first_token: Some(waited), cut, ..active.end(JobOutcome::Succeeded) };
        self.log(driver, id, EventKind::CacheHit);
        self.finish(driver, slot, &end, Some(Answer::Cache));
    }

    /// Ends the followers of a job that was served. They receive its answer as a whole, at this instant. `cut` is `true`
    /// if it was cut.
    fn serve_followers(&mut self, driver: &mut impl Driver, leader: Slot, answer: Answer, cut: bool) {
        while let Some(slot) = self.coalescer.as_mut().and_then(|coalescer| coalescer.pop_follower(leader)) {
            let active = self.jobs.at(slot);
            assert_eq!(active.state, JobState::Following, "law 15: state of a follower == Following");
            active.transition(self.now, JobState::Deciding);
            let waited = self.now.since(active.job.scheduled);
            let end = JobEnd { first_token: Some(waited), cut, ..active.end(JobOutcome::Succeeded) };
            self.finish(driver, slot, &end, Some(answer));
        }
    }

    /// Gives up a job in any state except `Deciding`: because its deadline passed, its caller went away, or a job of a higher
    /// priority takes its place in the full queue. First releases what the state holds: the attempt, the permit, the reserved
    /// quota, or the position in a list.
    #[cold]
    pub(super) fn terminate(&mut self, driver: &mut impl Driver, slot: Slot, reason: EndReason) {
        self.cancel_second(driver, slot);
        let active = self.jobs.at(slot);
        let (state, id, fingerprint) = (active.state, active.job.id, active.job.fingerprint);
        let mut end_reason = reason;
        let priority = active.job.priority;
        let elapsed = active.transition(self.now, JobState::Deciding);
        match state {
            JobState::Sent { attempt, candidate } => {
                active.failed_attempts += elapsed;
                let sent = SentAttempt { attempt, candidate, sent_at: active.sent_at };
                let handed_over =
                    reason == EndReason::Cancelled && self.hand_over(driver, slot, attempt, candidate);
                if !handed_over {
                    let timeout = AttemptOutcome::Failed(AttemptFailure::Timeout);
                    let outcome = (reason == EndReason::Deadline).then_some(timeout);
                    self.settle_spend(slot, &sent, None);
                    self.cancel_attempt(driver, slot, &sent, outcome);
                    if reason == EndReason::Deadline {
                        let reply = Reply::failed(self.now, AttemptFailure::Timeout);
                        self.cool_down(driver, slot, candidate, attempt, &reply);
                    } else {
                        self.router.target(candidate.target).cancel_probe(attempt);
                    }
                }
            }
            JobState::Queued { reserved, woken } => {
                self.concurrency.remove(slot, self.jobs.job(slot));
                if woken {
                    self.concurrency.forget_woken(priority);
                }
                self.release_reserved(slot, reserved);
            }
            JobState::Waiting { awaits, .. } => self.end_await(awaits, priority),
            JobState::InPaceQueue { candidate, .. } => self.leave_pace_queue(slot, candidate.target),
            JobState::InCoolDownQueue(place) => self.leave_cool_down_queue(slot, place),
            JobState::InSpendQueue(_) => {
                self.leave_spend_queue(slot);
                if reason == EndReason::Deadline {
                    end_reason = EndReason::ClientBudget;
                }
            }
            JobState::Following => self.coalescer().remove_follower(fingerprint, slot),
            JobState::Promoted => self.coalescer().remove_promoted(slot),
            JobState::Deciding => {
                unreachable!("invariant: state != Deciding between inputs, for {id}")
            }
        }
        self.give_up(driver, slot, end_reason);
    }

    /// Frees the permit of an attempt that is no longer in flight for its job, and its share of the bound on the time of attempts.
    /// `outcome` is `None` if it has no result: it was cancelled, or not sent.
    #[inline]
    pub(super) fn end_attempt(&mut self, sent: &SentAttempt, outcome: Option<AttemptOutcome>) {
        let &SentAttempt { attempt, candidate, sent_at } = sent;
        let signal = outcome.map_or(Signal::None, Signal::of);
        self.concurrency.release((attempt, AttemptId(self.next_attempt)), signal);
        let Self { jobs, hedges, attempt_timeouts, .. } = self;
        match hedges {
            None => attempt_timeouts.forget(|slot, attempt| !jobs.has_in_flight(slot, attempt)),
            Some(hedges) => {
                hedges.forget(|slot, attempt| !jobs.has_in_flight(slot, attempt));
                let is_second = |slot, attempt| hedges.has_in_flight(slot, attempt);
                attempt_timeouts
                    .forget(|slot, attempt| !jobs.has_in_flight(slot, attempt) && !is_second(slot, attempt));
            }
        }
        let took = self.now.since(sent_at);
        let end = outcome.map_or(AttemptEnd::Unknown, |outcome| ReplyClass::of(outcome).attempt_end());
        self.router.target(candidate.target).end_attempt(self.now, took, end);
    }

    /// Ends an attempt of the job at `slot` with its reply, or with the failure that stands for it.
    #[inline]
    pub(super) fn end_with_reply(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        sent: &SentAttempt,
        reply: &Reply,
    ) {
        let &SentAttempt { attempt, candidate, .. } = sent;
        let (job, target) = (self.jobs.at(slot).job.id, candidate.target);
        let &Reply { outcome, usage, .. } = reply;
        self.settle_spend_by(slot, sent, reply);
        self.end_attempt(sent, Some(outcome));
        self.log(driver, job, EventKind::Replied { attempt, target, outcome, usage });
    }

    /// Replaces what an attempt of the job at `slot` reserved of the quota estimate by what its reply states.
    #[inline]
    pub(super) fn settle(&mut self, slot: Slot, target: TargetId, reply: &Reply) {
        let cost = cost_of(&self.jobs.at(slot).job);
        let served = (reply.class() == ReplyClass::Served).then_some(reply.usage);
        let target_state = self.router.target(target);
        target_state.settle(self.now, &cost, served);
        target_state.update_estimate(self.now, reply);
        self.advance_pace_turns(target);
    }

    /// Cancels an attempt of a job that is no longer in flight by the state of the job, and releases its permit.
    pub(super) fn cancel_attempt(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        sent: &SentAttempt,
        outcome: Option<AttemptOutcome>,
    ) {
        let active = self.jobs.at(slot);
        let (id, tag) = (active.job.id, active.tag);
        let (attempt, target) = (sent.attempt, sent.candidate.target);
        self.end_attempt(sent, outcome);
        self.log(driver, id, EventKind::AttemptCancelled { attempt, target });
        driver.cancel(self.now, tag, attempt);
    }

    /// Gives the attempt of a leader that was cancelled to its first follower, which leads from now on. Returns `false`
    /// if the job has no followers.
    fn hand_over(
        &mut self,
        driver: &mut impl Driver,
        slot: Slot,
        attempt: AttemptId,
        candidate: Candidate,
    ) -> bool {
        let active = self.jobs.at(slot);
        let (from, leader, fingerprint) = (active.tag, active.job.id, active.job.fingerprint);
        let sent_at = active.sent_at;
        let next = self.coalescer.as_mut().and_then(|coalescer| coalescer.promote_next(fingerprint, slot));
        let Some(next) = next else { return false };
        let active = self.jobs.at(next);
        assert_eq!(active.state, JobState::Following, "law 15: state of a follower == Following");
        active.transition(self.now, JobState::Sent { attempt, candidate });
        active.sent_at = sent_at;
        active.count_attempt(candidate);
        self.attempt_timeouts.reassign(attempt, next);
        if let Some(hedges) = &mut self.hedges {
            hedges.reassign(attempt, next);
        }
        let active = self.jobs.at(next);
        let (job, to) = (active.job.id, active.tag);
        self.log(driver, job, EventKind::Promoted { leader, attempt: Some(attempt) });
        driver.reassign(self.now, &Handover { attempt, from, to, slot: next, job });
        true
    }

    /// Ends a job in state `Deciding` without an answer. If it leads, its first follower is promoted and runs at the
    /// end of this input, because the follower's own deadline may be due at the same instant.
    pub(super) fn give_up(&mut self, driver: &mut impl Driver, slot: Slot, reason: EndReason) {
        let active = self.jobs.at(slot);
        let outcome = if active.attempts > 0 { JobOutcome::Failed(reason) } else { JobOutcome::Shed(reason) };
        let (end, leader, fingerprint) = (active.end(outcome), active.job.id, active.job.fingerprint);
        self.finish(driver, slot, &end, None);
        let next = self.coalescer.as_mut().and_then(|coalescer| coalescer.promote_next(fingerprint, slot));
        if let Some(next) = next {
            self.coalescer().push_promoted(next);
            let active = self.jobs.at(next);
            active.transition(self.now, JobState::Promoted);
            let id = active.job.id;
            self.log(driver, id, EventKind::Promoted { leader, attempt: None });
        }
    }

    /// Ends a job that is in flight when the run ends.
    pub(super) fn finish_in_flight(&mut self, driver: &mut impl Driver, slot: Slot) {
        let active = self.jobs.at(slot);
        let is_sent = matches!(active.state, JobState::Sent { .. });
        let elapsed = active.transition(self.now, JobState::Deciding);
        active.failed_attempts += if is_sent { elapsed } else { Nanos::ZERO };
        if let Some(hedges) = &mut self.hedges {
            hedges.drop_second(slot);
        }
        let active = self.jobs.at(slot);
        let end = active.end(JobOutcome::InFlight);
        self.finish(driver, slot, &end, None);
    }

    /// Ends a job in state `Deciding`: the only place where a job leaves the engine.
    fn finish(&mut self, driver: &mut impl Driver, slot: Slot, end: &JobEnd, answer: Option<Answer>) {
        let active = self.jobs.at(slot);
        let (id, tag) = (active.job.id, active.tag);
        debug_assert_eq!(active.state, JobState::Deciding, "invariant: {id} ends in state Deciding");
        assert_eq!(
            end.queue + end.wait + end.service + end.failed_attempts,
            self.now.since(end.scheduled),
            "invariant: the parts of the latency of {id} add up to it"
        );
        assert_eq!(
            answer.is_some(),
            end.outcome == JobOutcome::Succeeded,
            "invariant: {id} has an answer if and only if it succeeded"
        );
        let end = &JobEnd { hedge: self.end_hedge(slot, answer), ..*end };
        self.log(driver, id, EventKind::Done(*end));
        self.jobs.remove(slot);
        driver.done(self.now, tag, end, answer);
        self.timers.forget(
            id,
            |timer| !self.jobs.is_current(timer.slot, timer.job),
            |timer| !self.jobs.wakes_at(timer.slot, timer.job, timer.at),
        );
    }

    /// Returns whether a job that ends with this answer had a hedge.
    #[inline]
    fn end_hedge(&mut self, slot: Slot, answer: Option<Answer>) -> HedgeUse {
        let Some(hedges) = &mut self.hedges else { return HedgeUse::None };
        let attempt = match answer {
            Some(Answer::Attempt(attempt)) => Some(attempt),
            _ => None,
        };
        hedges.end(slot, attempt)
    }

    fn coalescer(&mut self) -> &mut Coalescer {
        self.coalescer.as_mut().expect("invariant: only a client that coalesces has followers")
    }
}
