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
mod belief;
mod budget;
mod cache;
mod driver;
mod join;
mod line;
pub mod parse;
mod reply;
mod route;
mod target;
mod timers;
mod work;

pub use driver::{Attempt, Driver};
pub use reply::{Meaning, Reply, Told, Wait};

use crate::event::{Cause, Ending, Event, Kind, Outcome, Reason, Verdict};
use crate::ids::{AttemptId, JobId, Slot, TargetId};
use crate::job::Job;
use crate::scenario::{Client, Plan};
use belief::need;
use cache::Cache;
use join::Joining;
use provider::{Instant, Nanos};
use reply::Meant;
use route::{Move, Router, Turn};
use std::collections::VecDeque;
use target::TargetState;
use timers::Timers;
use work::{State, Work, Works};

/// The routing engine. See the module's page for how to drive it.
#[derive(Debug)]
pub struct Engine {
    client: Client,
    router: Router,
    works: Works,
    timers: Timers,
    cache: Option<Cache>,
    joining: Option<Joining>,
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
    pub fn new(plan: &Plan) -> Self {
        Self {
            client: plan.client.clone(),
            router: Router::new(plan),
            works: Works::default(),
            timers: Timers::new(),
            cache: plan.client.cache.map(Cache::new),
            joining: plan.client.join.then(Joining::default),
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
        let slot = self.works.insert(Work::new(job, deadline, now));
        let Job { class, scheduled, prompt_tokens, max_tokens, .. } = job;
        self.log(driver, job.id, Kind::Arrived { class, scheduled, prompt_tokens, max_tokens });
        self.router.budget.deposit();
        if now >= deadline {
            self.give_up(driver, slot, Reason::Deadline);
        } else if self.cache.as_mut().is_some_and(|cache| cache.hit(now, job.fingerprint)) {
            self.log(driver, job.id, Kind::CacheHit);
            let ending = self.works.at(slot).ending(Verdict::Succeeded);
            let ending = Ending { first_token: Some(now.since(scheduled)), ..ending };
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
        let work = self.works.at(slot);
        let State::Sent { attempt: sent, turn } = work.state else {
            unreachable!("only sent jobs get replies")
        };
        assert_eq!(sent, attempt, "a reply belongs to the attempt that is out");
        let spent = work.enter(now, State::Deciding);
        let (job, need, target) = (work.job.id, need(&work.job), turn.target);
        self.in_flight -= 1;
        self.log(driver, job, Kind::Replied { attempt, target, outcome: reply.outcome, usage: reply.usage });

        let meant = reply.meant();
        let state = &mut self.router.targets[target.index()];
        state.settle(now, &need, (meant == Meant::Served).then_some(reply.usage));
        state.learn(now, reply);
        if meant == Meant::Served {
            state.served();
            self.served(driver, slot, spent, reply);
        } else {
            self.works.at(slot).lost += spent;
            self.cool_down(driver, job, target, meant, reply);
            self.try_again(driver, slot, meant, turn.bit());
        }
        self.admit_from_line(driver);
    }

    /// Does what is due at or before `now`: wakes sleepers, ends jobs at their deadline.
    pub fn advance(&mut self, driver: &mut impl Driver, now: Instant) {
        self.begin(now);
        while let Some(timer) = self.timers.due_wake(now) {
            if let Some(work) = self.works.still(timer.slot, timer.job) {
                let State::Asleep { booked } = work.state else { continue };
                work.enter(now, State::Deciding);
                work.tried_this_round = 0;
                self.resume(driver, timer.slot, booked);
            }
        }
        while let Some(timer) = self.timers.due_deadline(now) {
            self.expire(driver, timer.slot);
        }
        self.admit_from_line(driver);
    }

    /// The place that the next job will get.
    #[must_use]
    pub fn vacant(&self) -> Slot {
        self.works.vacant()
    }

    /// When [`Self::advance`] is due next; [`Instant::MAX`] where no job sleeps or has a deadline.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.timers.next()
    }

    /// Whether it heeds what replies tell of the limits: only where a tactic asks what a target has left.
    #[must_use]
    pub fn heeds_limits(&self) -> bool {
        self.router.targets.iter().any(TargetState::believes)
    }

    /// Jobs under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.works.len()
    }

    fn begin(&mut self, now: Instant) {
        assert!(now >= self.now, "time never runs back");
        self.now = now;
    }

    #[inline(always)]
    fn log(&self, driver: &mut impl Driver, job: JobId, kind: Kind) {
        driver.log(&Event { at: self.now, job, kind });
    }

    /// Makes the next move of a job that is neither in line nor asleep nor out.
    fn decide(&mut self, driver: &mut impl Driver, slot: Slot) {
        if self.is_full() {
            return self.stand_in_line(driver, slot, None);
        }
        let work = self.works.at(slot);
        let need = need(&work.job);
        match self.router.choose(self.now, work, &need) {
            Move::Send(turn) => {
                self.router.targets[turn.target.index()].book(self.now, &need);
                self.send(driver, slot, turn);
            }
            Move::Sleep { until, why, book } => {
                if let Some(turn) = book {
                    self.router.targets[turn.target.index()].book(self.now, &need);
                }
                work.enter(self.now, State::Asleep { booked: book });
                let job = work.job.id;
                self.timers.wake(until, slot, job);
                self.log(driver, job, Kind::Waiting { until, why });
            }
            Move::GiveUp(reason) => self.give_up(driver, slot, reason),
        }
    }

    /// Goes on with a job whose sleep or time in line is over: it takes the turn it booked, if it still can.
    fn resume(&mut self, driver: &mut impl Driver, slot: Slot, booked: Option<Turn>) {
        let Some(turn) = booked else { return self.decide(driver, slot) };
        let retries = self.works.at(slot).tried & turn.bit() != 0;
        let unaffordable = retries && !self.router.budget.allows();
        if unaffordable || self.router.targets[turn.target.index()].cool_until > self.now {
            self.unbook(slot, turn);
            self.decide(driver, slot);
        } else if self.is_full() {
            self.stand_in_line(driver, slot, booked);
        } else {
            self.send(driver, slot, turn);
        }
    }

    fn send(&mut self, driver: &mut impl Driver, slot: Slot, turn: Turn) {
        let (Turn { target, step, .. }, bit) = (turn, turn.bit());
        let attempt = AttemptId(self.attempts);
        self.attempts += 1;
        self.in_flight += 1;
        let work = self.works.at(slot);
        debug_assert!(work.attempts < self.client.retry.attempts, "law 14: attempts stay inside their bound");
        let (left, retried) = (work.step, work.tried & bit != 0);
        work.enter(self.now, State::Sent { attempt, turn });
        work.step = step;
        work.attempts += 1;
        work.tried |= bit;
        work.tried_this_round |= bit;
        let (number, job) = (work.attempts, work.job);
        if retried {
            self.router.budget.withdraw();
        }
        if step > left {
            self.log(driver, job.id, Kind::FellBack { from: left, to: step });
        }
        self.log(driver, job.id, Kind::Sent { attempt, target, step, number });
        driver.send(self.now, &Attempt { id: attempt, slot, number, target, job });
    }

    fn served(&mut self, driver: &mut impl Driver, slot: Slot, spent: Nanos, reply: &Reply) {
        let work = self.works.at(slot);
        let ending = Ending {
            service: spent,
            step: Some(work.step),
            first_token: Some(reply.first_token_at.since(work.job.scheduled)),
            ..work.ending(Verdict::Succeeded)
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
        meant: Meant,
        reply: &Reply,
    ) {
        let now = self.now;
        let asked = reply.ready_at(now).filter(|_| self.client.retry.obey_retry_after);
        let state = &mut self.router.targets[target.index()];
        let (until, cause) = match (meant, reply.outcome) {
            (Meant::NoRoom, Outcome::Limited { cause, .. }) if self.client.retry.obey_retry_after => {
                let refusals = state.refused();
                (asked.or_else(|| Some(now + self.router.rest_unasked(refusals))), cause)
            }
            (Meant::Unwell, _) => (state.failed(now).into_iter().chain(asked).max(), Cause::Overload),
            (Meant::NeverHere, Outcome::Limited { cause: cause @ (Cause::Auth | Cause::Billing), .. }) => {
                (state.failed(now), cause)
            }
            _ => (None, Cause::Other),
        };
        if let Some(until) = until.filter(|until| *until > now) {
            let until = self.router.targets[target.index()].rest(until);
            self.log(driver, job, Kind::CooledDown { target, until, cause });
        }
    }

    /// Goes on after an attempt that did not serve the job.
    fn try_again(&mut self, driver: &mut impl Driver, slot: Slot, meant: Meant, bit: u64) {
        let work = self.works.at(slot);
        if meant == Meant::NeverHere {
            work.barred |= bit;
        }
        if meant == Meant::Never {
            self.give_up(driver, slot, Reason::Rejected);
        } else if work.attempts >= self.client.retry.attempts {
            self.give_up(driver, slot, Reason::Attempts);
        } else {
            self.decide(driver, slot);
        }
    }

    /// Ends a job whose deadline came, whatever it is doing.
    #[cold]
    fn expire(&mut self, driver: &mut impl Driver, slot: Slot) {
        let work = self.works.at(slot);
        let state = work.state;
        let spent = work.enter(self.now, State::Deciding);
        match state {
            State::Sent { attempt, turn } => {
                work.lost += spent;
                let job = work.job.id;
                self.in_flight -= 1;
                let target = turn.target;
                self.router.targets[target.index()].failed(self.now);
                self.log(driver, job, Kind::Abandoned { attempt, target });
                driver.abandon(self.now, slot, attempt);
            }
            State::InLine { booked } => {
                self.waiting -= 1;
                booked.into_iter().for_each(|turn| self.unbook(slot, turn));
            }
            State::Asleep { booked } => booked.into_iter().for_each(|turn| self.unbook(slot, turn)),
            State::Deciding => {}
            State::Follows => unreachable!("a leader's deadline comes before its followers'"),
        }
        self.give_up(driver, slot, Reason::Deadline);
    }

    fn unbook(&mut self, slot: Slot, turn: Turn) {
        let need = need(&self.works.at(slot).job);
        self.router.targets[turn.target.index()].settle(self.now, &need, None);
    }

    fn give_up(&mut self, driver: &mut impl Driver, slot: Slot, reason: Reason) {
        let work = self.works.at(slot);
        let ending =
            work.ending(if work.attempts > 0 { Verdict::Failed(reason) } else { Verdict::Shed(reason) });
        let (job, fingerprint) = (work.job.id, work.job.fingerprint);
        self.finish(driver, slot, job, ending);
        self.bequeath(driver, (slot, job), fingerprint);
    }

    fn finish(&mut self, driver: &mut impl Driver, slot: Slot, job: JobId, ending: Ending) {
        self.log(driver, job, Kind::Done(ending));
        self.works.remove(slot);
        driver.done(self.now, slot, ending.class);
        self.timers.forget(job, |timer| self.works.is_gone(timer.slot, timer.job));
    }
}
