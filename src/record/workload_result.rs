//! The part of a result that is about one workload.

use super::batch_result::{BatchProgress, BatchResult};
use super::counts::WorkloadCounts;
use super::cut_answers::CutBound;
use super::hedge_result::HedgeCounts;
use super::recorder::Recorder;
use super::summary::Quantiles;
use super::tasks::Tasks;
use super::worst_window::WorstWindow;
use crate::formatting::rounded;
use serde::{Deserialize, Serialize};

/// The jobs of one workload, by outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// The workload's name.
    pub name: String,
    /// Arrived.
    pub offered: u64,
    /// Served.
    pub succeeded: u64,
    /// Given up after at least one attempt.
    pub failed: u64,
    /// Given up before any attempt.
    pub shed: u64,
    /// Not over when the run ended.
    pub in_flight: u64,
    /// Of the succeeded, those whose answer was cut. Zero in a result of an earlier version.
    #[serde(default)]
    pub cut: u64,
    /// Attempts of its jobs. Zero in a result of an earlier version, as the next.
    #[serde(default)]
    pub attempts: u64,
    /// Of those, attempts whose reply was a refusal, as the client reads it.
    #[serde(default)]
    pub refused: u64,
    /// The hedges among the attempts; `None` if its client does not hedge, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedges: Option<HedgeCounts>,
    /// What the providers charged for its jobs, in USD; `None` if that is not known by workload: over HTTP without the reports of mocks, and
    /// in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// The `max_tokens` of its jobs; `None` if they have none, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// What ends the answers of its jobs if they have no `max_tokens`.
    #[serde(default, skip_serializing_if = "CutBound::is_default")]
    pub cut_bound: CutBound,
    /// From the scheduled arrival to the end of the reply, of jobs that succeeded.
    pub latency_s: Quantiles,
    /// Its tasks; `None` unless its jobs are the calls of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Tasks>,
    /// Its progress, if it is a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchResult>,
    /// Its worst window of time; `None` if the run is too short or has too few jobs to compare windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_window: Option<WorstWindow>,
}

impl Recorder {
    /// Returns the results by workload.
    pub(super) fn workload_results(&self) -> Vec<Workload> {
        let worst = self.worst_windows.clone().map(|windows| windows.finish(&self.scenario));
        let worst = worst.into_iter().flatten().chain(std::iter::repeat(None));
        let each = self.scenario.workloads.iter().zip(&self.workloads).zip(worst);
        each.map(|((workload, counts), worst_window)| Workload {
            name: workload.name.clone(),
            offered: counts.offered,
            succeeded: counts.succeeded,
            failed: counts.failed.iter().sum(),
            shed: counts.shed.iter().sum(),
            in_flight: counts.in_flight,
            cut: counts.cut,
            attempts: counts.attempts,
            refused: counts.refused,
            hedges: self.hedges_of(workload.client, counts),
            cost_usd: self.cost_of(counts).map(|usd| rounded(usd, 6)),
            max_tokens: workload.max_tokens,
            cut_bound: CutBound::of(&self.scenario, workload),
            latency_s: self.quantiles(&counts.latency),
            tasks: workload.sessions.as_ref().map(|_| counts.tasks.finish(|times| self.quantiles(times))),
            batch: counts.batch.as_ref().map(BatchProgress::result),
            worst_window,
        })
        .collect()
    }

    /// Returns what the providers charged for the jobs of a workload, in USD; `None` if the stream has no decisions of the provider.
    pub(super) fn cost_of(&self, counts: &WorkloadCounts) -> Option<f64> {
        let is_known = self.targets.iter().any(|target| target.decided > 0) || counts.attempts == 0;
        let each = self.scenario.targets.iter().zip(&counts.settled);
        is_known.then(|| each.map(|(target, used)| used.usd(&target.price)).sum())
    }
}
