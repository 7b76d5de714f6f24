//! What a replica knows of the budget of one caller, and what it may use of it alone.

use super::super::replicas::ReplicaCount;
use super::call::{Amounts, BudgetAnswer, Outcome, Report, Settlement, Stated, cost_of, difference, sum};
use crate::gateway::ledger::{Balance, UtcDay};
use provider::{Instant, Nanos};
use std::collections::{BTreeMap, VecDeque};

/// Amounts by day of UTC.
pub(super) type ByDay = BTreeMap<UtcDay, Amounts>;

#[derive(Debug)]
pub(super) struct State {
    pub(super) budget: Amounts,
    /// What the last attempt could cost: no share is kept that pays for only one like it.
    pub(super) attempt: Amounts,
    pub(super) replicas: ReplicaCount,
    /// The latest instant seen: those of different tasks come in any order.
    pub(super) now: Instant,
    /// The last answer of Redis that was taken, and when it came.
    pub(super) known: BudgetAnswer,
    pub(super) known_at: Instant,
    pub(super) outage: Option<Outage>,
    /// What is left of the share that this replica had before the first answer of the present epoch: Redis has lost its data, or has never
    /// answered before. It bounds what this replica uses until all replicas are back; `None` at other times.
    pub(super) former_share: Option<Amounts>,
    /// What attempts under way have reserved in Redis.
    pub(super) leased: ByDay,
    /// What attempts under way may use that this replica admitted alone.
    pub(super) held_alone: ByDay,
    /// What attempts that were admitted alone have used, or may use while they are under way, and was not reported to Redis.
    pub(super) unreported: ByDay,
    /// What was reported and not acknowledged: reported again under the same id, so that it counts once.
    pub(super) report: Option<Report>,
    /// Settlements that Redis has not answered.
    pub(super) kept_settlements: VecDeque<Settlement>,
}

/// An outage of Redis, and what this replica may use during it besides its share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    /// The number of the connection that was lost: what came back in another outage is known to Redis.
    pub(super) number: u64,
    pub(super) day: UtcDay,
    /// What its attempts did not use of their reservations in Redis.
    pub(super) returned: Amounts,
}

impl State {
    /// Returns what a call states of this replica. A report that is on its way counts as not acknowledged.
    pub(super) fn for_call(&self) -> Stated<'_> {
        self.stated(self.unacknowledged(self.known.day))
    }

    pub(super) fn stated(&self, unacknowledged: Amounts) -> Stated<'_> {
        let unacknowledged = unacknowledged.map(|amount| amount.max(0));
        Stated { known: &self.known, budget: self.budget, attempt: self.attempt, unacknowledged }
    }

    /// Returns `now`, or the latest instant seen if that is later.
    pub(super) fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// Returns the day at the Redis server.
    pub(super) fn today(&self, now: Instant) -> UtcDay {
        let beyond = now.since(self.known_at).0.checked_sub(self.known.day_ends_in.0);
        let days = beyond.map_or(0, |beyond| 1 + beyond / Nanos::DAY.0);
        UtcDay(self.known.day.0.saturating_add(u32::try_from(days).unwrap_or(u32::MAX)))
    }

    /// Returns what attempts that were admitted alone on a day have used or may use and Redis has not acknowledged.
    pub(super) fn unacknowledged(&self, day: UtcDay) -> Amounts {
        let reported = self.report.as_ref().filter(|report| report.day == day);
        // If a report gives back, Redis may have counted it already and given that to others.
        let reported = reported.map_or([0; 2], |report| report.used.map(|amount| amount.max(0)));
        sum(on_day(&self.unreported, day), reported)
    }

    /// Keeps what this replica may still use alone, if an answer is the first one of its epoch: Redis has lost its data, or has
    /// never answered for this caller.
    pub(super) fn keep_former_share(&mut self, now: Instant, epoch: &str) {
        if self.known.epoch != epoch {
            let left = self.left_alone(self.today(now), self.outage.map(|outage| outage.number));
            self.former_share = Some(left.map(|left| left.unwrap_or(i64::MAX)));
        }
    }

    /// Records that Redis has counted the report. What was reported may have been paid from what attempts gave back in this outage, which
    /// is not used a second time.
    pub(super) fn end_report(&mut self) {
        let Some(report) = self.report.take() else { return };
        if let Some(outage) = self.outage.as_mut().filter(|outage| outage.day == report.day) {
            outage.returned = difference(outage.returned, report.used.map(|amount| amount.max(0)));
        }
    }

    /// Returns what attempts have given back on a day in an outage.
    pub(super) fn returned(&self, day: UtcDay, number: Option<u64>) -> Amounts {
        let outage = self.outage.filter(|outage| outage.day == day && Some(outage.number) == number);
        outage.map_or([0; 2], |outage| outage.returned)
    }

    /// Returns what this replica may still use on a day without Redis; `None` on a side without a budget.
    pub(super) fn left_alone(&self, day: UtcDay, outage: Option<u64>) -> [Option<i64>; 2] {
        let BudgetAnswer { epoch, day: known_day, share, all_replicas, .. } = &self.known;
        let spent = difference(self.unacknowledged(day), self.returned(day, outage));
        std::array::from_fn(|side| {
            let budget = self.budget[side];
            let share = if *known_day == day || epoch.is_empty() {
                share[side]
            } else {
                // As in the script, which keeps this share for each replica at the beginning of a day.
                (budget - (budget + 9) / 10) / i64::from(*all_replicas).max(1)
            };
            let left = share.saturating_sub(spent[side]);
            (budget >= 0).then(|| self.former_share.map_or(left, |former| left.min(former[side])))
        })
    }

    /// Takes an answer, unless a later one was taken, or it is a refusal, which states no share.
    pub(super) fn learn(&mut self, now: Instant, answer: &BudgetAnswer) {
        let now = self.advance(now);
        self.replicas.learn(now, answer.replicas);
        let known = &self.known;
        if answer.outcome == Outcome::Done && (known.epoch != answer.epoch || known.number < answer.number) {
            (self.known, self.known_at) = (answer.clone(), now);
        }
    }

    /// Returns what is used and reserved. `left_alone` is what [`Self::left_alone`] returns if this replica decides without Redis: then the
    /// rest is what only the other replicas may use.
    pub(super) fn balance(&self, now: Instant, left_alone: Option<[Option<i64>; 2]>) -> Balance {
        let day = self.today(now);
        let mut held = on_day(&self.held_alone, day);
        let mut used = difference(self.unacknowledged(day), held);
        if self.known.day == day {
            (used, held) = (sum(used, self.known.used), sum(held, self.known.held));
        }
        let mut elsewhere = [0; 2];
        if let Some(left_alone) = left_alone {
            // This replica may use what its own attempts give back.
            held = sum(on_day(&self.held_alone, day), on_day(&self.leased, day));
            for (side, left) in left_alone.into_iter().enumerate() {
                let rest = self.budget[side] - used[side].max(0) - held[side] - left.unwrap_or(0).max(0);
                elsewhere[side] = if left.is_some() { rest.max(0) } else { 0 };
            }
        }
        let (since_known, known_ends_in) = (now.since(self.known_at).0, self.known.day_ends_in.0);
        let ends_in = if day == self.known.day {
            known_ends_in.saturating_sub(since_known)
        } else {
            Nanos::DAY.0 - since_known.saturating_sub(known_ends_in) % Nanos::DAY.0
        };
        Balance {
            day,
            used: cost_of(used),
            held: cost_of(held),
            elsewhere: cost_of(elsewhere),
            day_ends_in: Nanos(ends_in),
        }
    }
}

/// Returns the amounts of a day.
pub(super) fn on_day(sums: &ByDay, day: UtcDay) -> Amounts {
    sums.get(&day).copied().unwrap_or_default()
}

/// Adds amounts to those of a day.
pub(super) fn add(sums: &mut ByDay, day: UtcDay, amounts: Amounts) {
    let total = sum(on_day(sums, day), amounts);
    if total == [0; 2] {
        sums.remove(&day);
    } else {
        sums.insert(day, total);
    }
}
