//! The routing engine: a sans-IO state machine that decides where every job is sent, when it is tried again, and when
//! it is given up.
//!
//! It opens no socket, reads no clock and draws no random numbers of its own: time is an argument, randomness a seeded
//! stream. It holds ids and sizes, never bodies; what only the provider knows of a job ([`provider::Truth`]) never
//! reaches it. Every driver (virtual time, HTTP, a gateway) runs the same loop:
//!
//! ```text
//!   submit             a job arrives                       ─┐
//!   add_answer         another client has an answer         │
//!   handle_reply       a reply arrives                      │        ┌─▶ Driver::send, cancel, reassign, done, log
//!   handle_first_byte  an answer begins to reach the caller ├─▶ Engine
//!   handle_first_token an answer begins to reach the client │
//!   cancel             the caller goes away                 │        └─▶ poll_timeout(): when handle_timeout is due
//!   withdraw           an attempt may not be sent           │
//!   handle_timeout     a timer is due                       │
//!   end_run            the run ends                        ─┘
//! ```
//!
//! An input concerns one job, except `handle_timeout` and `end_run`, which concern all jobs that are due or in flight, and
//! `add_answer`, which concerns the jobs with its fingerprint that arrive from then on.
//! `dispatch` chooses the job's next action, `finish` ends it. `handle_reply`, `cancel`, `withdraw` and `handle_timeout` may
//! also free a permit of the concurrency limit or promote a follower; their last step, `run_ready`, continues the jobs that can
//! go on.
//! The states of a job (`jobs::JobState`) and what ends each:
//!
//! | state | meaning | left by |
//! |---|---|---|
//! | `Deciding` | its next action is being chosen; never between two inputs | `dispatch`: another state; `finish`: ended |
//! | `Sent` | an attempt is in flight, or two if the client hedges | `handle_reply`, `time_out`: finished, or `Deciding` again |
//! | `Waiting` | until a wake-up: back-off, cool-down or probe | `handle_timeout`: `Deciding` |
//! | `InPaceQueue` | until its turn at a paced target | `handle_timeout`: `Deciding` |
//! | `InCoolDownQueue` | until its turn after a cool-down or a probe | `wake`: `Deciding` or `Queued`, if due or too late |
//! | `InSpendQueue` | until the client's budget in USD allows a send | `run_ready`: `Deciding` |
//! | `Queued` | no permit of the concurrency limit is free | `run_ready`: `Deciding` |
//! | `Following` | its leader, an identical job, is in flight | the leader's answer: finished; its end: see below |
//! | `Promoted` | leads now, has not run yet; never between two inputs | `run_ready`: `Deciding` |
//!
//! If a leader ends without an answer, its first follower becomes the leader: `Promoted`, or `Sent` if the old leader
//! was cancelled while sent, because the attempt is then handed over. The other followers stay in `Following`.
//!
//! A job ends in `finish`, in one of four ways: served (`serve`, `serve_from_cache`, `serve_followers`), given up in
//! `Deciding` (`give_up`), terminated in any other state by its deadline, its caller or a job that takes its place in the full
//! queue (`terminate`), or in flight when the run ends (`finish_in_flight`).
//!
//! Invariants (asserted): `now` never decreases. The driver executes actions synchronously in the order emitted; that
//! order is the event log; the driver cannot re-enter the engine. Every job ends once (law 1), nothing is sent to a target in
//! cool-down (8), attempts, queue and waits stay within their bounds (14), of identical jobs one is sent at a time
//! (15), nothing is sent for a job after its first byte (16) or its cancellation (17), and a job has one attempt in flight, or two of which
//! one is a hedge (23).
//!
//! Policies, one file each: `route` chooses the step, `pick` the target of a step, `blockers` finds what blocks the others, `backoff` draws the wait,
//! `attempt_timeout` bounds attempts, `hedge` sends second ones, `budget` bounds retries, `spend` what attempts cost, `target` holds the pacing and the cool-downs that hold for all
//! jobs, `job_cool_down` those of single jobs, `estimate` the quota estimate, `cache` the response cache, `coalesce` leaders
//! and followers, `concurrency` the concurrency limit and its queue, `adaptive_limit` a limit that adapts itself, `cool_down_queue` the jobs that wait for targets,
//! `pace_queue` the jobs that wait for the pace, `answer_time` which of them can still be answered in time, `wake` the ends of waits.
//!
//! Of jobs that wait for the same permit, targets or pace, interactive ones go before batch ones ([`crate::job::Priority`]); jobs
//! of one priority go in the order in which they would without priorities. A job never takes a free permit while a job of a
//! higher priority queues for one, and is not sent to a target while a job of a higher priority waits for the end of that
//! target's cool-down.

mod adaptive_limit;
mod answer_time;
mod attempt_timeout;
mod backoff;
mod blockers;
mod budget;
mod cache;
mod coalesce;
mod concurrency;
mod cool_down_queue;
mod dispatch;
mod driver;
mod estimate;
mod fair_queue;
mod fifo;
mod finish;
mod gateway_inputs;
mod hedge;
mod job_cool_down;
mod jobs;
mod pace_queue;
pub mod parse;
mod pick;
mod reply;
mod route;
mod spend;
mod target;
mod timers;
mod view;
mod wake;

pub use cache::{MAX_CACHE_BYTES, NewAnswer};
pub use driver::{Answer, Attempt, Driver, Handover};
pub(crate) use estimate::cost_of;
pub(crate) use reply::is_permanent_status;
pub use reply::{LimitNumbers, Reply, Wait, WaitKind};
pub use view::{TargetHealth, TargetView};

use crate::event::{EndReason, Event, EventKind};
use crate::ids::{AttemptId, EngineId, JobId, Slot, Tag};
use crate::job::Job;
use crate::scenario::{Client, Scenario};
use attempt_timeout::AttemptTimeouts;
use cache::Cache;
use coalesce::Coalescer;
use concurrency::ConcurrencyLimiter;
use cool_down_queue::CoolDownQueues;
use hedge::{Hedges, SentAttempt};
use jobs::{ActiveJob, JobSlab, JobState};
use provider::Instant;
use reply::ReplyClass;
use route::Router;
use spend::Spend;
use timers::Timers;

/// The routing engine. The module documentation describes how to drive it.
#[derive(Debug)]
pub struct Engine {
    client: Client,
    router: Router,
    jobs: JobSlab,
    timers: Timers,
    attempt_timeouts: AttemptTimeouts,
    concurrency: ConcurrencyLimiter,
    cool_down_queues: CoolDownQueues,
    /// `None` if the client has no response cache.
    cache: Option<Cache>,
    /// `None` if the client does not coalesce.
    coalescer: Option<Coalescer>,
    /// `None` if the client does not hedge.
    hedges: Option<Hedges>,
    /// The id of the next attempt.
    next_attempt: u64,
    /// The difference between the ids of successive attempts.
    attempt_step: u64,
    now: Instant,
}

impl Engine {
    /// Creates an engine of the default client: no jobs, no cool-downs, the quota estimates of the scenario's known limits.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self::of_client(scenario, scenario.default_client())
    }

    /// Creates an engine of a client of the scenario, as [`Self::new`] does.
    #[must_use]
    pub fn of_client(scenario: &Scenario, client: &Client) -> Self {
        let client = client.clone();
        Self {
            router: Router::new(scenario, &client),
            jobs: JobSlab::default(),
            timers: Timers::new(),
            attempt_timeouts: AttemptTimeouts::new(client.attempt_timeout()),
            concurrency: ConcurrencyLimiter::new(&client),
            cool_down_queues: CoolDownQueues::new(),
            cache: client.cache.map(Cache::new),
            coalescer: client.coalesce.then(Coalescer::default),
            hedges: client.hedge.map(Hedges::new),
            next_attempt: 0,
            attempt_step: 1,
            now: Instant::ZERO,
            client,
        }
    }

    /// Returns the engine with only the first `count` routes protected: the last target in use of a protected route is not
    /// ejected. The other routes, for example those that name a single target on purpose, are not protected.
    #[must_use]
    pub fn with_protected_routes(mut self, count: usize) -> Self {
        self.router.protected_routes = count;
        self
    }

    /// Returns the engine without hedges, for a driver that has one attempt of a job in flight at a time. It has no job.
    #[must_use]
    pub fn without_hedges(mut self) -> Self {
        self.hedges = None;
        self
    }

    /// Returns the engine with a budget whose windows are counted from [`Instant::ZERO`], whatever date its scenario begins at: for a
    /// driver that does not begin at that date. It has sent no attempt.
    #[must_use]
    pub fn with_budget_from_start(mut self) -> Self {
        if let Some(spend) = &mut self.router.spend {
            spend.count_from_start();
        }
        self
    }

    /// Returns the engine with ids for its attempts that no other of `engines` engines uses. It has sent no attempt.
    #[must_use]
    pub fn as_one_of(mut self, id: EngineId, engines: usize) -> Self {
        (self.next_attempt, self.attempt_step) = (u64::from(id.0), engines as u64);
        self
    }

    /// Accepts a job. `tag` is the driver's own number for it, handed back with every action except events.
    ///
    /// Returns the slot under which the job is known until [`Driver::done`]; `None` if it has ended already.
    ///
    /// # Panics
    /// If the job arrives before its schedule, or differs from a job in flight with the same fingerprint; as every input, if
    /// `now` is earlier than that of the last input.
    pub fn submit(&mut self, driver: &mut impl Driver, now: Instant, job: Job, tag: Tag) -> Option<Slot> {
        self.advance_clock(now);
        let Job { id, workload, engine, scheduled, prompt_tokens, max_tokens, fingerprint, .. } = job;
        assert!(scheduled <= now, "law 3: {id} arrives at {now}, before its schedule at {scheduled}");
        let deadline = job.deadline.unwrap_or(scheduled + self.client.deadline);
        let slot = self.jobs.insert(ActiveJob::new(job, tag, deadline, now));
        self.router.job_cool_downs.begin(slot);
        if let Some(hedges) = &mut self.hedges {
            hedges.begin(slot);
        }
        let arrived = EventKind::Arrived {
            workload,
            engine,
            scheduled,
            deadline: job.deadline,
            prompt_tokens,
            max_tokens,
        };
        self.log(driver, id, arrived);
        self.router.budget.deposit();
        if now >= deadline {
            self.give_up(driver, slot, EndReason::Deadline);
        } else if let Some(answer) = self.cache.as_mut().and_then(|cache| cache.hit(now, fingerprint)) {
            self.serve_from_cache(driver, slot, answer.cut);
        } else {
            self.timers.set_deadline(deadline, slot, id);
            match self.coalescer.as_mut().and_then(|coalescer| coalescer.join_leader(fingerprint, slot)) {
                Some(leader) => self.follow(driver, slot, leader),
                None => self.decide(driver, slot),
            }
        }
        if self.coalescer.as_ref().is_some_and(Coalescer::has_promoted) {
            // The job has taken the place of a leader in the full queue, whose first follower was promoted.
            self.run_ready(driver);
        }
        // The queues may wait for the deposit into the retry budget, which the job has made even if it has ended.
        self.update_cool_down_queues();
        self.jobs.is_current(slot, id).then_some(slot)
    }

    /// Accepts the reply to an attempt. The driver must not pass on replies to attempts that were cancelled.
    ///
    /// # Panics
    /// If `attempt` is not in flight for the job at `slot`.
    pub fn handle_reply(
        &mut self,
        driver: &mut impl Driver,
        now: Instant,
        slot: Slot,
        attempt: AttemptId,
        reply: &Reply,
    ) {
        self.advance_clock(now);
        let class = reply.class();
        if self.has_second(slot) {
            if class != ReplyClass::Served {
                self.lose_one(driver, slot, attempt, (reply, false));
                return self.run_ready(driver);
            }
            self.cancel_other(driver, slot, attempt);
        }
        let active = self.jobs.at(slot);
        let JobState::Sent { attempt: sent, candidate } = active.state else {
            unreachable!("invariant: state == Sent, found {:?} at a reply to {attempt:?}", active.state)
        };
        assert_eq!(sent, attempt, "invariant: a reply belongs to the attempt in flight");
        let elapsed = active.transition(now, JobState::Deciding);
        let (sent_at, target) = (active.sent_at, candidate.target);
        self.end_with_reply(driver, slot, &SentAttempt { attempt, candidate, sent_at }, reply);
        self.settle(slot, target, reply);
        if class == ReplyClass::Served {
            self.router.target(target).count_success(attempt);
            let route = self.jobs.at(slot).job.route;
            self.router.count_answer(route, reply.usage);
            self.serve(driver, slot, attempt, elapsed, reply);
        } else {
            let active = self.jobs.at(slot);
            active.failed_attempts += elapsed;
            active.refused += u8::from(reply.is_refusal());
            self.cool_down(driver, slot, candidate, attempt, reply);
            self.retry_or_give_up(driver, slot, class, candidate);
        }
        self.run_ready(driver);
    }

    /// Ends the job at `slot` because its caller went away, whatever the job is doing. An attempt in flight is
    /// cancelled, unless the job has followers: then the first of them takes the attempt over ([`Driver::reassign`]),
    /// because the provider may have charged it already.
    ///
    /// # Panics
    /// If the slot is vacant: the driver must not cancel a job that is done.
    pub fn cancel(&mut self, driver: &mut impl Driver, now: Instant, slot: Slot) {
        self.advance_clock(now);
        self.terminate(driver, slot, EndReason::Cancelled);
        self.run_ready(driver);
    }

    /// Fires the timers that are due at or before `now`: ends waits, cancels attempts that take too long, and ends jobs
    /// at their deadline.
    pub fn handle_timeout(&mut self, driver: &mut impl Driver, now: Instant) {
        self.advance_clock(now);
        while self.wake_next(driver) {}
        while let Some((slot, attempt)) = self.attempt_timeouts.first_due(now) {
            self.time_out(driver, slot, attempt);
        }
        while let Some(timer) = self.timers.due_deadline(now) {
            assert!(
                self.jobs.is_current(timer.slot, timer.job),
                "invariant: the first deadline belongs to a job in flight"
            );
            self.terminate(driver, timer.slot, EndReason::Deadline);
        }
        self.run_ready(driver);
        if self.hedges.is_some() {
            self.send_hedges(driver);
        }
    }

    /// Ends the run: every job in flight is done as [`crate::event::JobOutcome::InFlight`], in the order of their ids.
    /// [`Driver::cancel`] is not called: the driver drops the attempts in flight.
    pub fn end_run(&mut self, driver: &mut impl Driver, now: Instant) {
        self.advance_clock(now);
        for slot in self.jobs.slots() {
            self.finish_in_flight(driver, slot);
        }
    }

    /// Returns the instant at which [`Self::handle_timeout`] is due; [`Instant::MAX`] if no job is in flight.
    #[must_use]
    #[inline]
    pub fn poll_timeout(&self) -> Instant {
        let timers = self.timers.next().min(self.attempt_timeouts.next()).min(self.cool_down_queues.next());
        let hedge = self.hedges.as_ref().map_or(Instant::MAX, Hedges::next);
        let spend = self.router.spend.as_ref().map_or(Instant::MAX, Spend::next);
        timers.min(hedge).min(spend)
    }

    fn advance_clock(&mut self, now: Instant) {
        assert!(now >= self.now, "law 4: time does not decrease, {now} comes after {}", self.now);
        self.now = now;
        if let Some(spend) = &mut self.router.spend {
            spend.advance(now);
        }
    }

    #[inline(always)]
    fn log(&self, driver: &mut impl Driver, job: JobId, kind: EventKind) {
        driver.log(&Event { at: self.now, job, kind });
    }

    /// Runs the jobs that this input made ready: first the promoted followers, so that they get the permits of the jobs
    /// that they replace, then jobs that the client's budget in USD allows again, then queued jobs while the concurrency limit allows, then jobs whose turn for their targets has
    /// come or would come too late. A job that is given up here may promote another one.
    #[inline]
    fn run_ready(&mut self, driver: &mut impl Driver) {
        loop {
            if let Some(slot) = self.coalescer.as_mut().and_then(Coalescer::pop_promoted) {
                self.jobs.at(slot).transition(self.now, JobState::Deciding);
                self.decide(driver, slot);
            } else if self.take_spend_turn(driver) {
                // The next one may have its turn as well.
            } else if let Some(slot) = self.concurrency.pop(&self.jobs) {
                self.dequeue(driver, slot);
            } else if !self.take_next_turn(driver) {
                return;
            }
        }
    }
}
