//! The jobs of a run that were answered without an attempt of their own, as a finding states them.

use super::summary::Jobs;
use serde::{Deserialize, Serialize};

/// Jobs that used no limit: the load at the providers is that much smaller than the load of the callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsentJobs {
    /// Jobs that arrived.
    pub offered: u64,
    /// Of these, the ones that were answered from the client's cache.
    pub cached: u64,
    /// Of these, the ones that were coalesced: answered with the reply to an identical job.
    pub joined: u64,
}

impl UnsentJobs {
    /// Returns the jobs that were answered so; `None` if there are none.
    pub(super) fn of(jobs: &Jobs) -> Option<Self> {
        let Jobs { offered, cached, joined, .. } = *jobs;
        (cached + joined > 0).then_some(Self { offered, cached, joined })
    }
}
