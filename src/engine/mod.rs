//! The routing engine: a sans-IO state machine that decides where every job goes, when it is tried
//! again, and when it is given up.
//!
//! It opens no socket, reads no clock and draws no chance of its own: time is an argument, chance is a
//! seeded stream. One driver runs it in virtual time, another over HTTP; both do this, in this order:
//!
//! ```text
//!            submit(now, job) │ handle(now, slot, attempt, reply) │ advance(now)      one move …
//!                             ▼
//!            Driver: send, abandon, done, log                                          … and what it asks for
//!                             ▼
//!            deadline(): the instant at which `advance` is due next
//! ```
//!
//! **Rules of the house.** `now` never runs back (asserted). The order of what a move asks for is the order of
//! the log, and a driver heeds it at once: it is handed over as it comes up, not queued, because in virtual time
//! the queue cost more than the moves. The engine holds ids and sizes, never bodies; what a provider
//! really does with a job ([`provider::Truth`]) never reaches it.
//!
//! The tactics, each on a page of its own: `route` chooses, `backoff` waits, `budget` bounds retries,
//! `target` cools down, `belief` paces, `cache` remembers, `join` lets identical jobs go as one, `line` bounds how
//! many are out at once.

mod backoff;
mod budget;
mod cache;
mod coalesce;
mod driver;
mod estimate;
mod jobs;
pub mod parse;
mod queue;
mod reply;
mod route;
mod target;
mod timers;

pub use driver::{Attempt, Driver};
pub use reply::{LimitNumbers, Reply, Wait, WaitKind};

use crate::event::{AttemptOutcome, EndReason, Event, EventKind, JobEnd, JobOutcome, LimitCause};
use crate::ids::{AttemptId, JobId, Slot, TargetId};
use crate::job::Job;
use crate::scenario::{Client, Scenario};
use cache::Cache;
use coalesce::Coalescer;
use estimate::cost;
use jobs::{ActiveJob, JobSlab, JobState};
use provider::{Instant, Nanos};
use reply::ReplyClass;
use route::{Candidate, NextAction, Router};
use std::collections::VecDeque;
use target::TargetState;
use timers::Timers;

/// The routing engine. See the module's page for how to drive it.
#[derive(Debug)]
pub struct Engine {
    client: Client,
    router: Router,
    jobs: JobSlab,
    timers: Timers,
    cache: Option<Cache>,
    joining: Option<Coalescer>,
    /// Jobs in line for a place of the concurrency cap.
    line: VecDeque<(Slot, JobId)>,
    /// How many stand in line: those whose deadline came leave it before they reach its head.
    waiting: u32,
    in_flight: u32,
    attempts: u64,
    now: Instant,
}

impl Engine {
    /// An engine at the beginning of a run.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            client: scenario.client.clone(),
            router: Router::new(scenario),
            jobs: JobSlab::default(),
            timers: Timers::new(),
            cache: scenario.client.cache.map(Cache::new),
            joining: scenario.client.join.then(Coalescer::default),
            line: VecDeque::new(),
            waiting: 0,
            in_flight: 0,
            attempts: 0,
            now: Instant::ZERO,
        }
    }

    /// A job came. Returns its place, which stays its own until [`Driver::done`] names it.
    pub fn submit(&mut self, driver: &mut impl Driver, now: Instant, job: Job) -> Slot {
        self.begin(now);
        let deadline = job.scheduled + self.client.deadline;
        let slot = self.jobs.insert(ActiveJob::new(job, deadline, now));
        let Job { class, scheduled, prompt_tokens, max_tokens, .. } = job;
        self.log(driver, job.id, EventKind::Arrived { class, scheduled, prompt_tokens, max_tokens });
        self.router.budget.deposit();
        if now >= deadline {
            self.give_up(driver, slot, EndReason::Deadline);
        } else if self.cache.as_mut().is_some_and(|cache| cache.hit(now, job.fingerprint)) {
            self.log(driver, job.id, EventKind::CacheHit);
            let ending = self.jobs.at(slot).ending(JobOutcome::Succeeded);
            let ending = JobEnd { first_token: Some(now.since(scheduled)), ..ending };
            self.finish(driver, slot, job.id, ending);
        } else {
            self.timers.deadline(deadline, slot, job.id);
            if !self.follows(driver, slot) {
                self.decide(driver, slot);
            }
        }
        slot
    }

    /// The reply to an attempt came. A reply to an attempt that was abandoned must not be handed in.
    pub fn handle(
        &mut self,
        driver: &mut impl Driver,
        now: Instant,
        slot: Slot,
        attempt: AttemptId,
        reply: &Reply,
    ) {
        self.begin(now);
        let work = self.jobs.at(slot);
        let JobState::Sent { attempt: sent, turn } = work.state else {
            unreachable!("only sent jobs get replies")
        };
        assert_eq!(sent, attempt, "a reply belongs to the attempt that is out");
        let spent = work.transition(now, JobState::Deciding);
        let (job, need, target) = (work.job.id, cost(&work.job), turn.target);
        self.in_flight -= 1;
        self.log(
            driver,
            job,
            EventKind::Replied { attempt, target, outcome: reply.outcome, usage: reply.usage },
        );

        let meant = reply.class();
        let state = &mut self.router.targets[target.index()];
        state.settle(now, &need, (meant == ReplyClass::Served).then_some(reply.usage));
        state.learn(now, reply);
        if meant == ReplyClass::Served {
            state.served();
            self.served(driver, slot, spent, reply);
        } else {
            self.jobs.at(slot).lost += spent;
            self.cool_down(driver, job, target, meant, reply);
            self.try_again(driver, slot, meant, turn.bit());
        }
        self.admit_queued(driver);
    }

    /// Does what is due at or before `now`: wakes sleepers, ends jobs at their deadline.
    pub fn handle_timeout(&mut self, driver: &mut impl Driver, now: Instant) {
        self.begin(now);
        while let Some(timer) = self.timers.due_wake(now) {
            if let Some(work) = self.jobs.get_if_current(timer.slot, timer.job) {
                let JobState::Asleep { booked } = work.state else { continue };
                work.transition(now, JobState::Deciding);
                work.tried_this_round = 0;
                self.resume(driver, timer.slot, booked);
            }
        }
        while let Some(timer) = self.timers.due_deadline(now) {
            self.expire(driver, timer.slot);
        }
        self.admit_queued(driver);
    }

    /// The place that the next job will get.
    #[must_use]
    pub fn vacant(&self) -> Slot {
        self.jobs.vacant()
    }

    /// When [`Self::advance`] is due next; [`Instant::MAX`] where no job sleeps or has a deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.timers.next()
    }

    /// Whether it heeds what replies tell of the limits: only where a tactic asks what a target has left.
    #[must_use]
    pub fn uses_limit_headers(&self) -> bool {
        self.router.targets.iter().any(TargetState::has_estimate)
    }

    /// Jobs under way.
    #[must_use]
    pub fn jobs_in_flight(&self) -> usize {
        self.jobs.len()
    }

    fn begin(&mut self, now: Instant) {
        assert!(now >= self.now, "time never runs back");
        self.now = now;
    }

    #[inline(always)]
    fn log(&self, driver: &mut impl Driver, job: JobId, kind: EventKind) {
        driver.log(&Event { at: self.now, job, kind });
    }

    /// Makes the next move of a job that is neither in line nor asleep nor out.
    fn decide(&mut self, driver: &mut impl Driver, slot: Slot) {
        if self.is_full() {
            return self.enqueue(driver, slot, None);
        }
        let work = self.jobs.at(slot);
        let need = cost(&work.job);
        match self.router.choose(self.now, work, &need) {
            NextAction::Send(turn) => {
                self.router.targets[turn.target.index()].reserve(self.now, &need);
                self.send(driver, slot, turn);
            }
            NextAction::Sleep { until, why, book } => {
                if let Some(turn) = book {
                    self.router.targets[turn.target.index()].reserve(self.now, &need);
                }
                work.transition(self.now, JobState::Asleep { booked: book });
                let job = work.job.id;
                self.timers.wake(until, slot, job);
                self.log(driver, job, EventKind::Waiting { until, why });
            }
            NextAction::GiveUp(reason) => self.give_up(driver, slot, reason),
        }
    }

    /// Goes on with a job whose sleep or time in line is over: it takes the turn it booked, if it still can.
    fn resume(&mut self, driver: &mut impl Driver, slot: Slot, booked: Option<Candidate>) {
        let Some(turn) = booked else { return self.decide(driver, slot) };
        let retries = self.jobs.at(slot).tried & turn.bit() != 0;
        let unaffordable = retries && !self.router.budget.allows();
        if unaffordable || self.router.targets[turn.target.index()].cool_until > self.now {
            self.release(slot, turn);
            self.decide(driver, slot);
        } else if self.is_full() {
            self.enqueue(driver, slot, booked);
        } else {
            self.send(driver, slot, turn);
        }
    }

    fn send(&mut self, driver: &mut impl Driver, slot: Slot, turn: Candidate) {
        let (Candidate { target, step, .. }, bit) = (turn, turn.bit());
        let attempt = AttemptId(self.attempts);
        self.attempts += 1;
        self.in_flight += 1;
        let work = self.jobs.at(slot);
        debug_assert!(work.attempts < self.client.retry.attempts, "law 14: attempts stay inside their bound");
        let (left, retried) = (work.step, work.tried & bit != 0);
        work.transition(self.now, JobState::Sent { attempt, turn });
        work.step = step;
        work.attempts += 1;
        work.tried |= bit;
        work.tried_this_round |= bit;
        let (number, job) = (work.attempts, work.job);
        if retried {
            self.router.budget.withdraw();
        }
        if step > left {
            self.log(driver, job.id, EventKind::FellBack { from: left, to: step });
        }
        self.log(driver, job.id, EventKind::Sent { attempt, target, step, number });
        driver.send(self.now, &Attempt { id: attempt, slot, number, target, job });
    }

    fn served(&mut self, driver: &mut impl Driver, slot: Slot, spent: Nanos, reply: &Reply) {
        let work = self.jobs.at(slot);
        let ending = JobEnd {
            service: spent,
            step: Some(work.step),
            first_token: Some(reply.first_token_at.since(work.job.scheduled)),
            ..work.ending(JobOutcome::Succeeded)
        };
        let (job, fingerprint) = (work.job.id, work.job.fingerprint);
        if let Some(cache) = &mut self.cache {
            cache.store(self.now, fingerprint);
        }
        self.finish(driver, slot, job, ending);
        self.serve_followers(driver, slot, fingerprint);
    }

    /// Lets a target rest where the reply asks for it.
    #[cold] // No part of a job that goes well: out of its way.
    fn cool_down(
        &mut self,
        driver: &mut impl Driver,
        job: JobId,
        target: TargetId,
        meant: ReplyClass,
        reply: &Reply,
    ) {
        let now = self.now;
        let asked = reply.ready_at(now).filter(|_| self.client.retry.obey_retry_after);
        let state = &mut self.router.targets[target.index()];
        let (until, cause) = match (meant, reply.outcome) {
            (ReplyClass::RateLimited, AttemptOutcome::Limited { cause, .. })
                if self.client.retry.obey_retry_after =>
            {
                let refusals = state.refused();
                (asked.or_else(|| Some(now + self.router.default_cool_down(refusals))), cause)
            }
            (ReplyClass::Unhealthy, _) => {
                (state.failed(now).into_iter().chain(asked).max(), LimitCause::Overload)
            }
            (
                ReplyClass::TargetPermanent,
                AttemptOutcome::Limited { cause: cause @ (LimitCause::Auth | LimitCause::Billing), .. },
            ) => (state.failed(now), cause),
            _ => (None, LimitCause::Other),
        };
        if let Some(until) = until.filter(|until| *until > now) {
            let until = self.router.targets[target.index()].cool_down_until(until);
            self.log(driver, job, EventKind::CooledDown { target, until, cause });
        }
    }

    /// Goes on after an attempt that did not serve the job.
    fn try_again(&mut self, driver: &mut impl Driver, slot: Slot, meant: ReplyClass, bit: u64) {
        let work = self.jobs.at(slot);
        if meant == ReplyClass::TargetPermanent {
            work.barred |= bit;
        }
        if meant == ReplyClass::Permanent {
            self.give_up(driver, slot, EndReason::Rejected);
        } else if work.attempts >= self.client.retry.attempts {
            self.give_up(driver, slot, EndReason::Attempts);
        } else {
            self.decide(driver, slot);
        }
    }

    /// Ends a job whose deadline came, whatever it is doing.
    #[cold]
    fn expire(&mut self, driver: &mut impl Driver, slot: Slot) {
        let work = self.jobs.at(slot);
        let state = work.state;
        let spent = work.transition(self.now, JobState::Deciding);
        match state {
            JobState::Sent { attempt, turn } => {
                work.lost += spent;
                let job = work.job.id;
                self.in_flight -= 1;
                let target = turn.target;
                self.router.targets[target.index()].failed(self.now);
                self.log(driver, job, EventKind::Abandoned { attempt, target });
                driver.cancel(self.now, slot, attempt);
            }
            JobState::Queued { booked } => {
                self.waiting -= 1;
                booked.into_iter().for_each(|turn| self.release(slot, turn));
            }
            JobState::Asleep { booked } => booked.into_iter().for_each(|turn| self.release(slot, turn)),
            JobState::Deciding => {}
            JobState::Waiting => unreachable!("a leader's deadline comes before its followers'"),
        }
        self.give_up(driver, slot, EndReason::Deadline);
    }

    fn release(&mut self, slot: Slot, turn: Candidate) {
        let need = cost(&self.jobs.at(slot).job);
        self.router.targets[turn.target.index()].settle(self.now, &need, None);
    }

    fn give_up(&mut self, driver: &mut impl Driver, slot: Slot, reason: EndReason) {
        let work = self.jobs.at(slot);
        let ending = work.ending(if work.attempts > 0 {
            JobOutcome::Failed(reason)
        } else {
            JobOutcome::Shed(reason)
        });
        let (job, fingerprint) = (work.job.id, work.job.fingerprint);
        self.finish(driver, slot, job, ending);
        self.promote_next(driver, (slot, job), fingerprint);
    }

    fn finish(&mut self, driver: &mut impl Driver, slot: Slot, job: JobId, ending: JobEnd) {
        self.log(driver, job, EventKind::Done(ending));
        self.jobs.remove(slot);
        driver.done(self.now, slot, ending.class);
        self.timers.forget(job, |timer| self.jobs.is_gone(timer.slot, timer.job));
    }
}
