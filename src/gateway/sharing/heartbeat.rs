//! Heartbeats: the calls by which Redis counts the replicas, for each quota and each budget.

use super::call::ScriptCall;
use provider::Instant;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// A quota or a budget, for which each replica sends a heartbeat.
pub(super) trait Heartbeats {
    /// The heartbeat.
    type Call: ScriptCall;

    /// Returns the heartbeat, which counts the replicas that have sent one since `since`. It reports what was used without Redis. `id`
    /// makes the id of a new report.
    fn heartbeat(&self, times: (Instant, Instant), replica: &str, id: &dyn Fn() -> String) -> Self::Call;

    /// Takes the answer to [`Self::heartbeat`].
    fn take_heartbeat(&self, now: Instant, answer: &<Self::Call as ScriptCall>::Answer);

    /// Takes the answer to a heartbeat when Redis is back. Returns `true` if all replicas that were known before are back, and
    /// have reported what they used.
    fn take_return(&self, now: Instant, answer: &<Self::Call as ScriptCall>::Answer) -> bool;

    /// Records that Redis decides again.
    fn end_outage(&self);

    /// Returns the number of replicas that share it, as Redis named it last.
    fn replicas(&self) -> u32;
}

/// All quotas, or all budgets, by name.
pub(super) struct ByName<T>(Mutex<BTreeMap<String, Arc<T>>>);

impl<T: Heartbeats> ByName<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn by_name(&self) -> MutexGuard<'_, BTreeMap<String, Arc<T>>> {
        self.0.lock().expect("invariant: no thread panics while it holds the quotas or the budgets")
    }

    /// Returns all of them.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.by_name().values().map(Arc::clone).collect()
    }

    /// Returns the one with this name, which `make` creates if there is none.
    pub(super) fn get_or_make(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        Arc::clone(self.by_name().entry(name.to_owned()).or_insert_with(|| Arc::new(make())))
    }

    /// Returns the largest number of replicas that Redis has named for one of them; `None` if there are none.
    pub(super) fn replicas(&self) -> Option<u32> {
        self.by_name().values().map(|shared| shared.replicas()).max()
    }

    /// Records for each of them that Redis decides again.
    pub(super) fn end_outage(&self) {
        self.by_name().values().for_each(|shared| shared.end_outage());
    }
}
