//! The budget of one caller as this replica sees it: what the last answer of Redis said, and its share while Redis is gone.

use super::super::heartbeat::Heartbeats;
use super::super::replicas::ReplicaCount;
use super::call::{
    Amounts, BudgetAnswer, BudgetCall, Keys, Outcome, Report, Settlement, Stated, Taken, amounts_of,
    budget_of, cost_of, difference, sum,
};
use crate::gateway::ledger::{Balance, Cost, Hold, Lease, Refusal, UtcDay};
use provider::{Instant, Nanos};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a caller uses.
#[derive(Debug)]
pub(in crate::gateway::sharing) struct SharedAccount {
    pub(in crate::gateway::sharing) name: Arc<str>,
    keys: Keys,
    state: Mutex<State>,
}

/// What is open or was used on a day.
type ByDay = BTreeMap<UtcDay, Amounts>;

#[derive(Debug)]
struct State {
    budget: Amounts,
    /// What the last attempt could cost: a share that pays for few of them is of no use.
    attempt: Amounts,
    replicas: ReplicaCount,
    /// The latest instant seen: those of different tasks come in any order.
    now: Instant,
    known: Known,
    outage: Option<Outage>,
    /// What attempts under way have reserved in Redis.
    leased: ByDay,
    /// What attempts under way may use that this replica admitted alone.
    held_alone: ByDay,
    /// What was used without Redis, with what attempts under way may use, and was not reported to it.
    unreported: ByDay,
    /// What was reported and not acknowledged: reported again under the same id, so that it counts once.
    report: Option<Report>,
    /// Settlements that Redis has not answered.
    unsettled: VecDeque<Settlement>,
}

/// What the last answer of Redis said, and when it came.
#[derive(Debug)]
struct Known {
    taken: Taken,
    at: Instant,
    day_ends_in: Nanos,
    used: Amounts,
    held: Amounts,
    share: Amounts,
    /// The replicas that have a share.
    replicas: u32,
}

/// What this replica may use while Redis is gone, besides its share.
#[derive(Clone, Copy, Debug)]
struct Outage {
    day: UtcDay,
    /// What its attempts did not use of their reservations in Redis.
    returned: Amounts,
}

impl SharedAccount {
    /// Creates the account of a caller of which nothing is known yet but that so many replicas serve it. It is `today` here, which ends
    /// in `day_ends_in`: until Redis says which day it is.
    pub(in crate::gateway::sharing) fn new(
        name: &Arc<str>,
        budget: Cost,
        replicas: u32,
        (now, today, day_ends_in): (Instant, UtcDay, Nanos),
    ) -> Self {
        let taken = Taken { epoch: String::new(), number: 0, day: today, used: [0; 2] };
        let known =
            Known { taken, at: now, day_ends_in, used: [0; 2], held: [0; 2], share: [0; 2], replicas };
        let state = State {
            budget: budget_of(budget),
            attempt: [0; 2],
            replicas: ReplicaCount::new(replicas),
            now,
            known,
            outage: None,
            leased: ByDay::new(),
            held_alone: ByDay::new(),
            unreported: ByDay::new(),
            report: None,
            unsettled: VecDeque::new(),
        };
        Self { name: Arc::clone(name), keys: Keys::new(name), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no thread panics while it holds an account")
    }

    /// Sets the budget after the scenario was read again.
    pub(super) fn set_budget(&self, budget: Cost) {
        self.state().budget = budget_of(budget);
    }

    /// Returns `true` if there is a budget that can refuse.
    pub(super) fn has_budget(&self) -> bool {
        self.state().budget.iter().any(|side| *side >= 0)
    }

    /// Returns the call that reserves `most` as the lease `id`, and the settlement that gives it back if its answer does not come.
    pub(super) fn ask(&self, most: Cost, (replica, id): (&str, &str)) -> (BudgetCall, Settlement) {
        let mut state = self.state();
        let held = amounts_of(most);
        state.attempt = held;
        let call = BudgetCall::reserve(&self.keys, (replica, id), state.for_call(), held);
        let Taken { epoch, day, .. } = &state.known.taken;
        let (id, epoch) = (id.to_owned(), epoch.clone());
        (call, Settlement { id, epoch, day: *day, held, used: [0; 2], is_repeated: true })
    }

    /// Takes the answer to [`Self::ask`].
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn take_reservation(
        &self,
        now: Instant,
        (most, id): (Cost, &str),
        answer: &BudgetAnswer,
    ) -> Result<Hold, Refusal> {
        let mut state = self.state();
        state.learn(now, answer);
        if answer.outcome != Outcome::Done {
            // The shares of the others come back as what is reserved does.
            let balance = Balance {
                day: answer.day,
                used: cost_of(answer.used),
                held: cost_of(sum(answer.held, answer.others)),
                elsewhere: Cost::ZERO,
                day_ends_in: Nanos(answer.day_ends_in_ms.saturating_mul(1_000_000)),
            };
            return Err(Refusal { balance });
        }
        add(&mut state.leased, answer.day, amounts_of(most));
        let lease = Lease { id: id.to_owned(), epoch: answer.epoch.clone() };
        Ok(Hold { account: Arc::clone(&self.name), day: answer.day, most, lease: Some(lease) })
    }

    /// Takes the answer to a call that nothing waits for.
    pub(in crate::gateway::sharing) fn take_answer(&self, now: Instant, answer: &BudgetAnswer) {
        self.state().learn(now, answer);
    }

    /// Decides on an attempt without Redis: by this replica's share.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn decide_alone(&self, now: Instant, most: Cost) -> Result<Hold, Refusal> {
        let mut state = self.state();
        let now = state.advance(now);
        let (day, held) = (state.today(now), amounts_of(most));
        let left = state.left_alone(day);
        if held.iter().zip(left).any(|(held, left)| left.is_some_and(|left| *held > left)) {
            return Err(Refusal { balance: state.balance(now, true) });
        }
        add(&mut state.held_alone, day, held);
        add(&mut state.unreported, day, held);
        Ok(Hold { account: Arc::clone(&self.name), day, most, lease: None })
    }

    /// Replaces what was reserved by what was used. Returns what is to be sent to Redis, if it gave the reservation. If Redis is gone,
    /// this replica may use what comes back.
    pub(super) fn settle(&self, now: Instant, hold: Hold, used: Cost, is_up: bool) -> Option<Settlement> {
        let Hold { day, most, lease, .. } = hold;
        let (held, used) = (amounts_of(most), amounts_of(used));
        let mut state = self.state();
        let now = state.advance(now);
        let Some(Lease { id, epoch }) = lease else {
            add(&mut state.held_alone, day, difference([0; 2], held));
            add(&mut state.unreported, day, difference(used, held));
            return None;
        };
        add(&mut state.leased, day, difference([0; 2], held));
        if !is_up && day == state.today(now) {
            let outage = state.outage.take().filter(|outage| outage.day == day);
            let returned = outage.map_or([0; 2], |outage| outage.returned);
            state.outage = Some(Outage { day, returned: sum(returned, difference(held, used)) });
        }
        Some(Settlement { id, epoch, day, held, used, is_repeated: false })
    }

    /// Returns the call of a settlement.
    pub(in crate::gateway::sharing) fn settlement(
        &self,
        replica: &str,
        settlement: &Settlement,
    ) -> BudgetCall {
        BudgetCall::settle(&self.keys, replica, self.state().for_call(), settlement)
    }

    /// Keeps a settlement that Redis has not answered. Returns `false` if too many are kept: then its attempt is charged in full.
    pub(in crate::gateway::sharing) fn put_back(&self, settlement: Settlement) -> bool {
        let mut state = self.state();
        let is_kept = state.unsettled.len() < MAX_UNSETTLED;
        if is_kept {
            state.unsettled.push_back(settlement);
        }
        is_kept
    }

    /// Takes some of the settlements that were put back, the oldest first.
    pub(in crate::gateway::sharing) fn take_unsent(&self) -> Vec<Settlement> {
        let unsettled = &mut self.state().unsettled;
        let count = unsettled.len().min(MAX_SENT_AGAIN);
        unsettled.drain(..count).collect()
    }

    /// Returns the number of settlements that were put back.
    pub(in crate::gateway::sharing) fn unsent(&self) -> usize {
        self.state().unsettled.len()
    }

    /// Returns what is used and reserved, as far as this replica knows. `is_alone`: and what the others may use.
    pub(super) fn balance(&self, now: Instant, is_alone: bool) -> Balance {
        let mut state = self.state();
        let now = state.advance(now);
        state.balance(now, is_alone)
    }
}

impl State {
    /// Returns what every call states.
    fn for_call(&self) -> Stated<'_> {
        let unknown = of(&self.unreported, self.known.taken.day).map(|amount| amount.max(0));
        Stated { taken: &self.known.taken, budget: self.budget, attempt: self.attempt, unknown }
    }

    /// Returns `now`, or the latest instant seen if that is later.
    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// Returns the day at the server.
    fn today(&self, now: Instant) -> UtcDay {
        let Known { taken, at, day_ends_in, .. } = &self.known;
        let beyond = now.since(*at).0.checked_sub(day_ends_in.0);
        let days = beyond.map_or(0, |beyond| 1 + beyond / Nanos::DAY.0);
        UtcDay(taken.day.0.saturating_add(u32::try_from(days).unwrap_or(u32::MAX)))
    }

    /// Returns what was used on a day without Redis, with what attempts under way may use, and what Redis does not know.
    fn unknown(&self, day: UtcDay) -> Amounts {
        let reported = self.report.as_ref().filter(|report| report.day == day);
        sum(of(&self.unreported, day), reported.map_or([0; 2], |report| report.used))
    }

    /// Returns what this replica may still use on a day without Redis; `None` on a side without a budget.
    fn left_alone(&self, day: UtcDay) -> [Option<i64>; 2] {
        let Known { taken, share, replicas, .. } = &self.known;
        let returned =
            self.outage.filter(|outage| outage.day == day).map_or([0; 2], |outage| outage.returned);
        let spent = difference(self.unknown(day), returned);
        std::array::from_fn(|side| {
            let budget = self.budget[side];
            let share = if taken.day == day || taken.epoch.is_empty() {
                share[side]
            } else {
                // As the script, which keeps as much for each replica at the beginning of a day.
                budget * 3 / 4 / i64::from(*replicas).max(1)
            };
            (budget >= 0).then(|| share.saturating_sub(spent[side]))
        })
    }

    /// Takes an answer, unless a later one was taken. A refusal has no share.
    fn learn(&mut self, now: Instant, answer: &BudgetAnswer) {
        let now = self.advance(now);
        self.replicas.learn(now, answer.replicas);
        let taken = &self.known.taken;
        if answer.outcome != Outcome::Done || (taken.epoch == answer.epoch && taken.number >= answer.number) {
            return;
        }
        let used = sum(answer.used, answer.held);
        self.known = Known {
            taken: Taken { epoch: answer.epoch.clone(), number: answer.number, day: answer.day, used },
            at: now,
            day_ends_in: Nanos(answer.day_ends_in_ms.saturating_mul(1_000_000)),
            used: answer.used,
            held: answer.held,
            share: answer.share,
            replicas: answer.all_replicas,
        };
    }

    fn balance(&self, now: Instant, is_alone: bool) -> Balance {
        let day = self.today(now);
        let mut held = of(&self.held_alone, day);
        let mut used = difference(self.unknown(day), held);
        if self.known.taken.day == day {
            (used, held) = (sum(used, self.known.used), sum(held, self.known.held));
        }
        let mut elsewhere = [0; 2];
        if is_alone {
            // What attempts of this replica give back, it may use.
            held = sum(of(&self.held_alone, day), of(&self.leased, day));
            for (side, left) in self.left_alone(day).into_iter().enumerate() {
                let rest = self.budget[side] - used[side].max(0) - held[side] - left.unwrap_or(0).max(0);
                elsewhere[side] = if left.is_some() { rest.max(0) } else { 0 };
            }
        }
        let into_day = now.since(self.known.at).0.saturating_sub(self.known.day_ends_in.0) % Nanos::DAY.0;
        let ends_in = if day == self.known.taken.day {
            self.known.day_ends_in.0.saturating_sub(now.since(self.known.at).0)
        } else {
            Nanos::DAY.0 - into_day
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

impl Heartbeats for SharedAccount {
    type Call = BudgetCall;

    fn heartbeat(
        &self,
        (since, now): (Instant, Instant),
        replica: &str,
        id: &dyn Fn() -> String,
    ) -> BudgetCall {
        let mut state = self.state();
        let now = state.advance(now);
        if let Some(report) = &mut state.report {
            report.is_repeated = true;
        } else if let Some((day, used)) = state.unreported.pop_last() {
            // The latest day first: its budget is asked for.
            state.report = Some(Report { id: id(), day, used, is_repeated: false });
        }
        let recent_ms = now.since(since).0 / 1_000_000;
        BudgetCall::beat(&self.keys, replica, state.for_call(), state.report.as_ref(), recent_ms)
    }

    fn take_heartbeat(&self, now: Instant, answer: &BudgetAnswer) {
        let mut state = self.state();
        state.report = None;
        state.learn(now, answer);
    }

    fn take_return(&self, now: Instant, answer: &BudgetAnswer) -> bool {
        let mut state = self.state();
        let now = state.advance(now);
        state.report = None;
        let are_back = state.replicas.take_return(now, answer.replicas);
        state.learn(now, answer);
        are_back && state.unreported.is_empty()
    }

    fn end_outage(&self) {
        self.state().outage = None;
    }

    fn replicas(&self) -> u32 {
        self.state().replicas.get()
    }
}

fn of(sums: &ByDay, day: UtcDay) -> Amounts {
    sums.get(&day).copied().unwrap_or_default()
}

fn add(sums: &mut ByDay, day: UtcDay, amounts: Amounts) {
    let total = sum(of(sums, day), amounts);
    if total == [0; 2] {
        sums.remove(&day);
    } else {
        sums.insert(day, total);
    }
}

/// The most settlements that are kept while Redis is gone.
const MAX_UNSETTLED: usize = 16_384;

/// The most of them that are sent with one heartbeat.
const MAX_SENT_AGAIN: usize = 1_024;
