//! The part of a result that is about hedges.

use super::counts::WorkloadCounts;
use super::recorder::Recorder;
use crate::event::HedgeUse;
use crate::ids::ClientId;
use serde::{Deserialize, Serialize};

/// The hedges of jobs that have ended, or were in flight when the run ended. A job has at most one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HedgeCounts {
    /// Sent. They are attempts as well.
    pub sent: u64,
    /// Of those, hedges that served their job: they answered first.
    pub won: u64,
}

impl HedgeCounts {
    /// Counts a job that ends.
    #[inline]
    pub(super) fn done(&mut self, hedge: HedgeUse) {
        self.sent += u64::from(hedge != HedgeUse::None);
        self.won += u64::from(hedge == HedgeUse::Won);
    }
}

impl Recorder {
    /// Returns the hedges of all jobs; `None` if no client hedges.
    pub(super) fn hedges(&self) -> Option<HedgeCounts> {
        let hedges = |(_, client): (ClientId, &crate::scenario::Client)| client.hedge.is_some();
        self.scenario.clients_in_use().any(hedges).then(|| {
            self.workloads.iter().fold(HedgeCounts::default(), |sum, counts| HedgeCounts {
                sent: sum.sent + counts.hedges.sent,
                won: sum.won + counts.hedges.won,
            })
        })
    }

    /// Returns the hedges of a workload of this client; `None` if the client does not hedge.
    pub(super) fn hedges_of(&self, client: ClientId, counts: &WorkloadCounts) -> Option<HedgeCounts> {
        self.scenario.clients[client.index()].hedge.map(|_| counts.hedges)
    }
}
