//! The budget of one caller as this replica sees it: calls of Redis and their answers, and decisions while Redis is gone.

use super::super::heartbeat::Heartbeats;
use super::super::replicas::ReplicaCount;
use super::call::{
    BudgetAnswer, BudgetCall, Keys, Outcome, Report, Settlement, amounts_of, budget_of, cost_of, difference,
    sum,
};
use super::state::{ByDay, Outage, State, add, on_day};
use crate::gateway::ledger::{Balance, Cost, Hold, Lease, Refusal, UtcDay};
use provider::{Instant, Nanos};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a caller uses of its budget, as this replica knows it.
#[derive(Debug)]
pub(in crate::gateway::sharing) struct SharedBudget {
    pub(in crate::gateway::sharing) name: Arc<str>,
    keys: Keys,
    state: Mutex<State>,
}

impl SharedBudget {
    /// Creates the budget of a caller that this number of replicas serve. Until Redis has answered, the day is that of this machine:
    /// `today`, which ends in `day_ends_in`.
    pub(in crate::gateway::sharing) fn new(
        name: &Arc<str>,
        budget: Cost,
        replicas: u32,
        (now, today, day_ends_in): (Instant, UtcDay, Nanos),
    ) -> Self {
        let state = State {
            budget: budget_of(budget),
            attempt: [0; 2],
            replicas: ReplicaCount::new(replicas),
            now,
            known: BudgetAnswer::before_first(today, day_ends_in, replicas),
            known_at: now,
            outage: None,
            former_share: None,
            leased: ByDay::new(),
            held_alone: ByDay::new(),
            unreported: ByDay::new(),
            report: None,
            kept_settlements: VecDeque::new(),
        };
        Self { name: Arc::clone(name), keys: Keys::new(name), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no thread panics while it holds a budget")
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
        let (id, epoch, day) = (id.to_owned(), state.known.epoch.clone(), state.known.day);
        // As a repeated one, so that it settles nothing if Redis does not have the lease: it may not have been given.
        (call, Settlement { id, epoch, day, held, used: [0; 2], is_repeated: true })
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
            // Shares of other replicas count as reserved: both may become available again, so the caller may retry.
            let balance = Balance {
                day: answer.day,
                used: cost_of(answer.used),
                held: cost_of(sum(answer.held, answer.others)),
                elsewhere: Cost::ZERO,
                day_ends_in: answer.day_ends_in,
            };
            return Err(Refusal { balance });
        }
        add(&mut state.leased, answer.day, amounts_of(most));
        let lease = Lease { id: id.to_owned(), epoch: answer.epoch.clone() };
        Ok(Hold { caller: Arc::clone(&self.name), day: answer.day, most, lease: Some(lease) })
    }

    /// Takes the answer to a call for which no request waits.
    pub(in crate::gateway::sharing) fn take_answer(&self, now: Instant, answer: &BudgetAnswer) {
        self.state().learn(now, answer);
    }

    /// Decides on an attempt without Redis: by this replica's share. `outage` returns the number of the connection that was lost; `None`
    /// if there is a connection again.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn decide_alone(
        &self,
        now: Instant,
        most: Cost,
        outage: impl Fn() -> Option<u64>,
    ) -> Result<Hold, Refusal> {
        let mut state = self.state();
        let outage = outage();
        let now = state.advance(now);
        let (day, held) = (state.today(now), amounts_of(most));
        let left = state.left_alone(day, outage);
        if held.iter().zip(left).any(|(held, left)| left.is_some_and(|left| *held > left)) {
            return Err(Refusal { balance: state.balance(now, Some(left)) });
        }
        add(&mut state.held_alone, day, held);
        add(&mut state.unreported, day, held);
        state.former_share = state.former_share.map(|former| difference(former, held));
        Ok(Hold { caller: Arc::clone(&self.name), day, most, lease: None })
    }

    /// Replaces what was reserved by what was used. Returns what is to be sent to Redis, if it gave the reservation. If Redis is gone,
    /// this replica may use what was reserved and not used. `outage` is as in [`Self::decide_alone`].
    pub(super) fn settle(
        &self,
        now: Instant,
        hold: Hold,
        used: Cost,
        outage: impl Fn() -> Option<u64>,
    ) -> Option<Settlement> {
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
        if let Some(number) = outage()
            && day == state.today(now)
        {
            let returned = sum(state.returned(day, Some(number)), difference(held, used));
            state.outage = Some(Outage { number, day, returned });
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
        let is_kept = state.kept_settlements.len() < MAX_KEPT_SETTLEMENTS;
        if is_kept {
            state.kept_settlements.push_back(settlement);
        }
        is_kept
    }

    /// Takes some of the settlements that are kept, the oldest first.
    pub(in crate::gateway::sharing) fn take_kept_settlements(&self) -> Vec<Settlement> {
        let kept = &mut self.state().kept_settlements;
        let count = kept.len().min(MAX_SENT_AGAIN);
        kept.drain(..count).collect()
    }

    /// Returns the number of settlements that are kept.
    pub(in crate::gateway::sharing) fn kept_settlements(&self) -> usize {
        self.state().kept_settlements.len()
    }

    /// Returns what is used and reserved, as far as this replica knows; if Redis is gone, also what only other replicas may use.
    pub(super) fn balance(&self, now: Instant, outage: Option<u64>) -> Balance {
        let mut state = self.state();
        let now = state.advance(now);
        let left_alone = outage.map(|_| state.left_alone(state.today(now), outage));
        state.balance(now, left_alone)
    }
}

impl Heartbeats for SharedBudget {
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
            // The latest day first, because new attempts use its budget.
            state.report = Some(Report { id: id(), day, used, is_repeated: false });
        }
        let recent_ms = now.since(since).0 / 1_000_000;
        let stated = state.stated(on_day(&state.unreported, state.known.day));
        BudgetCall::beat(&self.keys, replica, stated, state.report.as_ref(), recent_ms)
    }

    fn take_heartbeat(&self, now: Instant, answer: &BudgetAnswer) {
        let mut state = self.state();
        state.end_report();
        state.learn(now, answer);
    }

    fn take_return(&self, now: Instant, answer: &BudgetAnswer) -> bool {
        let mut state = self.state();
        let now = state.advance(now);
        state.keep_former_share(now, &answer.epoch);
        state.end_report();
        let are_back = state.replicas.take_return(now, answer.replicas);
        state.learn(now, answer);
        are_back && state.unreported.is_empty()
    }

    fn end_outage(&self) {
        let mut state = self.state();
        (state.outage, state.former_share) = (None, None);
    }

    fn replicas(&self) -> u32 {
        self.state().replicas.get()
    }
}

/// The most settlements that are kept while Redis is gone.
const MAX_KEPT_SETTLEMENTS: usize = 16_384;

/// The most of them that are sent with one heartbeat.
const MAX_SENT_AGAIN: usize = 1_024;
