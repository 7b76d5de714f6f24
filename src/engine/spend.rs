//! The budget of a client in USD per hour and per day, and the jobs that wait for it.
//!
//! What an attempt costs is known only when it has ended, and several are in flight at once. A client that counted only what has ended
//! would exceed its budget by all that is in flight. Therefore an attempt *reserves* the most that it can cost when it is sent, and is
//! *settled* when it ends:
//!
//! * The reservation is the price of the whole prompt, none of it cached if that is dearer, and of the longest completion: `max_tokens`, or
//!   else what the model allows ([`Tariff::longest`]). A mean would be closer and could be exceeded; this one cannot, if the client's
//!   count of the prompt is not too low.
//! * An answer is settled to its usage. A refusal and an error reply cost nothing.
//! * An attempt that timed out, was cancelled, broke off or cannot be read stays reserved in full: the provider may charge for what it has
//!   generated, and the client is not told how much.
//!
//! So in every window the attempts that are sent in it cost at most the budget. An attempt counts in the window in which it is sent, even
//! if it ends in the next one: it was decided then, and each window begins with nothing in it.
//!
//! The windows are hours and days of local time, which passes from the start of the run if that has no date: the days end at midnight.
//! The processes of a client share nothing, so each has an equal share of the budget; together they never exceed it, whichever of them
//! has more to do.
//!
//! A job whose reservation does not fit now goes to a target that it fits. If there is none it waits in a queue, first in, first out,
//! interactive jobs before batch jobs, for the end of the window or for what attempts in flight give back:
//!
//! ```text
//!            limit ┬───────────────────────────────┬──▶ a new window: the queue goes on in order
//!        reserved  │  an answer settles: its rest   │
//!  settled         │  goes to the first in the queue│
//! ```
//!
//! Only the first of the queue is looked at, so an input takes constant time whatever its length. A job that arrives and is cheaper than
//! the first may go before it: the first waits at most until the end of a window, when it is first. A batch job does not, while an
//! interactive one waits. A job that waits goes on only when an attempt may be sent ([`crate::scenario::Client::concurrency`]).

use super::Engine;
use super::blockers::SpendWait;
use super::driver::Driver;
use super::estimate::leaves_spare;
use super::fifo::{Fifo, Links};
use super::hedge::SentAttempt;
use super::jobs::{ActiveJob, JobState};
use super::reply::Reply;
use super::route::{Candidate, NextAction};
use crate::event::{AttemptFailure, AttemptOutcome, EndReason};
use crate::ids::{Slot, TargetId};
use crate::job::{Job, Priority};
use crate::scenario::{Client, Scenario, SpendingBudget, TokenPrices, budget_pico_usd};
use provider::calendar::LocalClock;
use provider::config::DEFAULT_MAX_TOKENS;
use provider::{Instant, Nanos, Usage};

/// What a client has spent of its budget, and the jobs that wait for it. Money is in picodollars.
#[derive(Debug)]
pub(super) struct Spend {
    /// One or two: of an hour and of a day.
    windows: Vec<Window>,
    clock: LocalClock,
    /// By target.
    tariffs: Box<[Tariff]>,
    /// The jobs that wait, by priority.
    queues: [Fifo; 2],
    links: Links,
    /// A window has ended, and the first job that waits has not been looked at since.
    is_due: bool,
    /// The instant of the last input.
    now: Instant,
}

/// What is spent in a window.
#[derive(Clone, Copy, Debug)]
struct Window {
    length: Nanos,
    limit: u64,
    /// An attempt that was sent before this instant belongs to an earlier window.
    begins: Instant,
    ends: Instant,
    /// By attempts that have ended.
    settled: u64,
    /// The most that those in flight can cost.
    reserved: u64,
}

/// What tokens cost at a target, and how many an answer can have.
#[derive(Clone, Copy, Debug)]
struct Tariff {
    prices: TokenPrices,
    /// The longest completion of a job without `max_tokens`: the smaller of the model's longest completion and its context, or
    /// [`DEFAULT_MAX_TOKENS`] if it states neither.
    longest: u32,
}

/// Whether the budget allows a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Not before `at`, unless attempts in flight give something back before. `may_return`: what they give back may suffice.
    Later { at: Instant, may_return: bool, cost: u64 },
    /// It exceeds the budget of a whole window.
    Never,
}

impl Spend {
    /// Returns the state of a client that has spent nothing; `None` if the client has no budget.
    pub(super) fn new(scenario: &Scenario, client: &Client) -> Option<Self> {
        let SpendingBudget { usd_per_hour, usd_per_day } = client.budget?;
        let window = |length: Nanos, usd: Option<f64>| {
            Some(Window {
                length,
                limit: budget_pico_usd(usd?) / u64::from(client.processes.max(1)),
                begins: Instant::ZERO,
                ends: Instant::ZERO,
                settled: 0,
                reserved: 0,
            })
        };
        let windows = [window(Nanos::HOUR, usd_per_hour), window(Nanos::DAY, usd_per_day)];
        let tariff = |target: &crate::scenario::Target| {
            let models = &scenario.providers[usize::from(target.provider)].models;
            let lengths = models[usize::from(target.model)].lengths;
            let longest = [lengths.max_output, lengths.context].into_iter().flatten().min();
            Tariff { prices: TokenPrices::of(target.price), longest: longest.unwrap_or(DEFAULT_MAX_TOKENS) }
        };
        let mut spend = Self {
            windows: windows.into_iter().flatten().collect(),
            clock: scenario.clock.clone(),
            tariffs: scenario.targets.iter().map(tariff).collect(),
            queues: [Fifo::EMPTY; 2],
            links: Links::default(),
            is_due: false,
            now: Instant::ZERO,
        };
        spend.advance(Instant::ZERO);
        Some(spend)
    }

    /// Lets the days end a multiple of 24 hours after the start, whatever date the scenario begins at. Nothing has been spent.
    pub(super) fn count_from_start(&mut self) {
        self.clock = LocalClock::default();
        self.windows.iter_mut().for_each(|window| window.ends = Instant::ZERO);
        self.advance(Instant::ZERO);
    }

    /// Begins the windows of `now`, if those before have ended.
    #[inline]
    pub(super) fn advance(&mut self, now: Instant) {
        self.now = now;
        let is_waiting = self.first().is_some();
        for window in self.windows.iter_mut().filter(|window| window.ends <= now) {
            let ends = end_of(window.length, now, &self.clock);
            *window = Window { begins: now, ends, settled: 0, reserved: 0, ..*window };
            self.is_due |= is_waiting;
        }
    }

    /// Returns when the first job that waits is to be looked at; [`Instant::MAX`] if none waits.
    pub(super) fn next(&self) -> Instant {
        if self.first().is_none() {
            return Instant::MAX;
        }
        let ends = self.windows.iter().map(|window| window.ends).min();
        ends.filter(|_| !self.is_due).unwrap_or(self.now)
    }

    /// Returns the most that an attempt of the job at a target can cost.
    fn most(&self, job: &Job, target: TargetId) -> u64 {
        let Tariff { prices, longest } = self.tariffs[target.index()];
        let completion_tokens = job.max_tokens.unwrap_or(longest);
        let usage =
            |cached_tokens| Usage { prompt_tokens: job.prompt_tokens, completion_tokens, cached_tokens };
        [0, job.prompt_tokens].map(|cached| prices.pico_usd(usage(cached))).into_iter().max().unwrap_or(0)
    }

    /// Returns why the job cannot be sent to a target at `at`, which is not before the last input; `None` if the budget allows it.
    pub(super) fn blocks(&self, at: Instant, job: &Job, target: TargetId) -> Option<Fit> {
        let cost = self.most(job, target);
        if cost == 0 {
            return None;
        }
        if self.windows.iter().any(|window| window.limit < cost) {
            return Some(Fit::Never);
        }
        // A window that has ended at `at` is empty then.
        let open = || self.windows.iter().filter(|window| window.ends > at);
        let is_full = |used: fn(&Window) -> u64| {
            move |window: &&Window| window.limit - cost < used(window) // `cost` is at most the limit.
        };
        let full = is_full(|window| window.settled.saturating_add(window.reserved));
        let fits_at = open().filter(full).map(|window| window.ends).max();
        if let Some(at) = fits_at {
            let may_return = !open().any(|window| is_full(|window| window.settled)(&window));
            return Some(Fit::Later { at, may_return, cost });
        }
        let yields = job.priority == Priority::Batch && !self.queues[0].is_empty();
        let at = self.windows.iter().map(|window| window.ends).min().unwrap_or(Instant::MAX);
        yields.then_some(Fit::Later { at, may_return: true, cost })
    }

    /// Returns `true` if an attempt of the job at a target leaves this share of the budget of each window, in thousandths, also if it
    /// costs the most that it can.
    pub(super) fn has_spare(&self, at: Instant, job: &Job, target: TargetId, permille: u32) -> bool {
        let cost = self.most(job, target);
        // A window that has ended at `at` is empty then.
        let used = |window: &Window| {
            if window.ends > at { window.settled.saturating_add(window.reserved) } else { 0 }
        };
        let left = |window: &Window| i128::from(window.limit) - i128::from(used(window)) - i128::from(cost);
        cost == 0 || self.windows.iter().all(|window| leaves_spare(left(window), window.limit, permille))
    }

    /// Reserves the most that an attempt of the job, which is sent now, can cost.
    pub(super) fn reserve(&mut self, job: &Job, target: TargetId) {
        let cost = self.most(job, target);
        for window in &mut self.windows {
            window.reserved = window.reserved.saturating_add(cost);
            assert!(
                cost == 0 || window.settled.saturating_add(window.reserved) <= window.limit,
                "invariant: an attempt is sent only if the budget of its window allows it, found {window:?}"
            );
        }
    }

    /// Replaces what an attempt reserved by what it cost; `used` is `None` if that is not known: it stays counted in full.
    fn settle(&mut self, sent_at: Instant, job: &Job, target: TargetId, used: Option<Usage>) {
        let most = self.most(job, target);
        let cost = used.map_or(most, |used| self.tariffs[target.index()].prices.pico_usd(used));
        for window in self.windows.iter_mut().filter(|window| sent_at >= window.begins) {
            window.reserved -= most;
            window.settled = window.settled.saturating_add(cost);
        }
    }

    /// Returns `true` if a job waits for the budget.
    pub(super) fn is_awaited(&self) -> bool {
        self.first().is_some()
    }

    /// Returns the job that goes first among those that wait.
    fn first(&self) -> Option<Slot> {
        self.queues.iter().find_map(|queue| queue.first())
    }

    fn push(&mut self, slot: Slot, priority: Priority) {
        self.links.push(&mut self.queues[priority as usize], slot);
    }

    fn remove(&mut self, slot: Slot, priority: Priority) {
        self.links.remove(&mut self.queues[priority as usize], slot);
    }
}

impl SpendWait {
    /// Returns the wait as an action, or the reason to give the job up: the window ends after its deadline, and attempts in flight cannot
    /// give back enough before.
    pub(super) fn action(self, active: &mut ActiveJob) -> NextAction {
        let Self { at, may_return, obstacle, candidate, .. } = self;
        active.obstacle = Some(obstacle);
        if at >= active.deadline && !may_return {
            return NextAction::GiveUp(EndReason::ClientBudget);
        }
        NextAction::AwaitSpend { until: at.min(active.deadline), obstacle, candidate }
    }
}

/// Returns the end of the window of this length, an hour or a day, that `now` belongs to. A day ends at midnight of local time, also if
/// clocks change in it. Hours are those of local time as it passes at `now`: a change by half an hour makes the next one shorter.
fn end_of(length: Nanos, now: Instant, clock: &LocalClock) -> Instant {
    let (local, changes) = clock.since_monday(now);
    let left = Nanos(length.0 - local.0 % length.0);
    let end = now + left;
    if length < Nanos::DAY || end <= changes {
        return end;
    }
    let midnight = clock.instant_of(Nanos(local.0 + left.0));
    if midnight > now { midnight } else { end }
}

impl Engine {
    /// Adds a job in state `Deciding` to those that wait for the budget. `candidate`: the target of its route at which it costs least.
    #[cold]
    pub(super) fn enter_spend_queue(&mut self, slot: Slot, candidate: Candidate) {
        let active = self.jobs.at(slot);
        let priority = active.job.priority;
        active.transition(self.now, JobState::InSpendQueue(candidate));
        if let Some(spend) = &mut self.router.spend {
            spend.push(slot, priority);
        }
    }

    /// Removes a job from those that wait for the budget.
    pub(super) fn leave_spend_queue(&mut self, slot: Slot) {
        let priority = self.jobs.at(slot).job.priority;
        if let Some(spend) = &mut self.router.spend {
            spend.remove(slot, priority);
        }
    }

    /// Lets the first job that waits for the budget decide again if the budget allows its send now, or if it cannot before the job's
    /// deadline. Returns `false` if there is none, or no attempt may be sent.
    #[inline]
    pub(super) fn take_spend_turn(&mut self, driver: &mut impl Driver) -> bool {
        match &self.router.spend {
            None => false,
            Some(_) => self.take_first_spend_turn(driver),
        }
    }

    fn take_first_spend_turn(&mut self, driver: &mut impl Driver) -> bool {
        let Some(spend) = &mut self.router.spend else { return false };
        spend.is_due = false;
        let Some(slot) = spend.first().filter(|_| !self.concurrency.is_at_limit()) else { return false };
        let active = self.jobs.at(slot);
        let JobState::InSpendQueue(candidate) = active.state else {
            unreachable!("invariant: state == InSpendQueue, found {:?} in its queue", active.state)
        };
        let has_turn = match spend.blocks(self.now, &active.job, candidate.target) {
            None | Some(Fit::Never) => true,
            Some(Fit::Later { at, may_return, .. }) => at >= active.deadline && !may_return,
        };
        if !has_turn {
            return false;
        }
        self.leave_spend_queue(slot);
        self.jobs.at(slot).begin_round(self.now);
        self.decide(driver, slot);
        true
    }

    /// Returns `true` if the budget does not allow the job to be sent to a target now.
    pub(super) fn exceeds_spend(&mut self, slot: Slot, target: TargetId) -> bool {
        let job = &self.jobs.at(slot).job;
        self.router.spend.as_ref().is_some_and(|spend| spend.blocks(self.now, job, target).is_some())
    }

    /// Settles what the attempt of the job at `slot`, which has ended, reserved of the budget; `used` is `None` if it is not known.
    #[inline]
    pub(super) fn settle_spend(&mut self, slot: Slot, sent: &SentAttempt, used: Option<Usage>) {
        if let Some(spend) = &mut self.router.spend {
            spend.settle(sent.sent_at, self.jobs.job(slot), sent.candidate.target, used);
        }
    }

    /// Settles an attempt by its reply.
    #[inline]
    pub(super) fn settle_spend_by(&mut self, slot: Slot, sent: &SentAttempt, reply: &Reply) {
        if self.router.spend.is_some() {
            let is_begun = self.jobs.at(slot).first_byte_sent;
            let used = match reply.outcome {
                AttemptOutcome::Ok => Some(reply.usage),
                AttemptOutcome::Refused { .. } | AttemptOutcome::Failed(AttemptFailure::Local(_)) => {
                    Some(Usage::default())
                }
                // An error after the first byte of an answer: that answer had begun.
                AttemptOutcome::Failed(AttemptFailure::Status(_)) => (!is_begun).then(Usage::default),
                AttemptOutcome::Failed(
                    AttemptFailure::Connection | AttemptFailure::Timeout | AttemptFailure::Garbage,
                ) => None,
            };
            self.settle_spend(slot, sent, used);
        }
    }
}
