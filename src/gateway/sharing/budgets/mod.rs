//! Budgets of callers that several replicas of the gateway share through Redis.
//!
//! Before an attempt is sent, the most that it may cost is reserved by one script, which counts what all replicas have used and reserved
//! on this day of UTC at the Redis server:
//!
//! ```text
//!   used + reserved + shares of the other replicas + the next attempt ≤ budget
//! ```
//!
//! Each replica has a share: what it may use if Redis is gone. Redis gives it to no other replica, so that together they do not exceed a
//! budget without Redis either. A share is nine tenths of what is left ÷ the number of replicas, and nothing once that pays for fewer than
//! two attempts like the last one. Without Redis a replica also uses what its attempts under way give back.
//!
//! Invariants:
//! 1. A refused reservation changes nothing. A lease is settled once; an unknown or repeated settlement changes nothing.
//! 2. A lease that is not settled within ten minutes counts as used: its gateway is gone, and the provider may have answered.
//! 3. What was used without Redis is reported under an id, which counts once. Settlements are sent until Redis has answered.
//! 4. A server that has lost its data takes the most that a replica knows to be used or reserved on a day; each of those
//!    reservations is then replaced by what its attempt has used, once.
//! 5. Leases (65,536 for each caller) and settlements that wait (16,384) are bounded.
//!
//! Money is counted in whole 10^-9 USD; what an attempt costs is rounded up. A caller without a budget is counted here and reported with
//! the heartbeat: its attempts do not wait for Redis.

mod call;
mod shared_budget;
mod state;

#[cfg(test)]
mod fleet_laws;
#[cfg(test)]
mod laws;

pub(super) use call::Settlement;
pub(super) use shared_budget::SharedBudget;

use super::Sharing;
use super::counts::DecidedBy;
use super::link::Link;
use crate::drive::clock::Clock;
use crate::gateway::ledger::{Balance, ChargedCaller, Cost, Hold, Ledger, Refusal, Scope, UtcDay};
use call::Outcome;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The ledger of replicas that share budgets.
#[derive(Debug)]
pub(in crate::gateway) struct SharedLedger {
    sharing: Arc<Sharing>,
    budgets: BTreeMap<Arc<str>, Arc<SharedBudget>>,
}

/// A reservation that Redis has not answered. If it is dropped, the lease is given back, because its attempt was not sent.
struct Asked<'a> {
    link: &'a Link,
    shared: &'a Arc<SharedBudget>,
    given_back: Option<Settlement>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.given_back
            .take()
            .into_iter()
            .for_each(|settlement| self.link.enqueue_settlement(self.shared, settlement));
    }
}

impl SharedLedger {
    /// Creates the ledger of these callers.
    pub(in crate::gateway) fn new<'a>(
        sharing: &Arc<Sharing>,
        callers: impl Iterator<Item = &'a ChargedCaller>,
    ) -> Self {
        let link = &sharing.link;
        let shared_of = |ChargedCaller { name, budget }: &ChargedCaller| {
            let calendar = Clock::calendar_time();
            let today = UtcDay::of(calendar);
            let begun = (link.now(), today, today.end().since(calendar));
            let shared = link.budget(name, |replicas| SharedBudget::new(name, *budget, replicas, begun));
            shared.set_budget(*budget);
            (Arc::clone(name), shared)
        };
        Self { sharing: Arc::clone(sharing), budgets: callers.map(shared_of).collect() }
    }

    fn budget(&self, name: &str) -> &Arc<SharedBudget> {
        self.budgets.get(name).expect("invariant: every caller of the scenario has a budget")
    }

    /// Asks Redis for a reservation; `None` if Redis is gone.
    async fn ask(&self, shared: &Arc<SharedBudget>, most: Cost) -> Option<Result<Hold, Refusal>> {
        let link = &*self.sharing.link;
        if !link.is_up() {
            return None;
        }
        let id = link.new_id();
        let (call, given_back) = shared.ask(most, (link.replica(), &id));
        let mut asked = Asked { link, shared, given_back: Some(given_back) };
        let answer = link.ask(&call).await?;
        asked.given_back = None;
        if answer.outcome == Outcome::TooManyLeases {
            tracing::warn!(caller = %shared.name, "too many attempts are not settled: no further one is sent");
        }
        Some(shared.take_reservation(link.now(), (most, &id), &answer))
    }
}

impl Ledger for SharedLedger {
    fn reserve<'l>(&'l self, caller: &'l ChargedCaller, most: Cost) -> BoxFuture<'l, Result<Hold, Refusal>> {
        async move {
            let (link, shared) = (&self.sharing.link, self.budget(&caller.name));
            if !shared.has_budget() {
                return shared.decide_alone(link.now(), most, || None);
            }
            let (decided, [given, refused]) = match self.ask(shared, most).await {
                Some(decided) => (decided, [DecidedBy::Shared, DecidedBy::Refused]),
                None => {
                    let decided = shared.decide_alone(link.now(), most, || link.lost_connection());
                    (decided, [DecidedBy::Alone, DecidedBy::RefusedAlone])
                }
            };
            link.counts.budget_decided(if decided.is_ok() { given } else { refused });
            decided
        }
        .boxed()
    }

    fn settle(&self, hold: Hold, used: Cost) {
        let link = &self.sharing.link;
        let shared = self.budget(&hold.caller);
        let settlement = shared.settle(link.now(), hold, used, || link.lost_connection());
        settlement.into_iter().for_each(|settlement| link.enqueue_settlement(shared, settlement));
    }

    fn balance(&self, caller: &ChargedCaller) -> Balance {
        let link = &self.sharing.link;
        self.budget(&caller.name).balance(link.now(), link.lost_connection())
    }

    fn scope(&self) -> Scope {
        if self.sharing.link.is_up() { Scope::Shared } else { Scope::Share }
    }
}
