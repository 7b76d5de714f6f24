//! The jobs of a run that were answered without an attempt of their own, as a finding states them.

use super::summary::{Counts, Jobs};
use serde::{Deserialize, Serialize};

/// Jobs that used no limit, or were given up because of the budget: the load at the providers is that much smaller than the load of the callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsentJobs {
    /// Jobs that arrived.
    pub offered: u64,
    /// Of these, the ones that were answered from the client's cache.
    pub cached: u64,
    /// Of these, the ones that were coalesced: answered with the reply to an identical job.
    pub joined: u64,
    /// Of these, the ones that the client gave up because of its budget in USD.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub over_budget: u64,
}

/// Returns `true` for no jobs, which results do not state.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(jobs: &u64) -> bool {
    *jobs == 0
}

impl UnsentJobs {
    /// Returns the jobs that were answered so, or given up because of the budget; `None` if there are none.
    pub(super) fn of(jobs: &Jobs) -> Option<Self> {
        let Jobs { offered, cached, joined, .. } = *jobs;
        let by = |counts: &Counts| counts.get("client_budget").copied().unwrap_or(0);
        let over_budget = by(&jobs.failed_by) + by(&jobs.shed_by);
        (cached + joined + over_budget > 0).then_some(Self { offered, cached, joined, over_budget })
    }
}
