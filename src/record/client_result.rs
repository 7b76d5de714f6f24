//! The part of a result that is about one client, if a run has several engines.

use super::counts::WorkloadCounts;
use super::histogram::Histogram;
use super::recorder::Recorder;
use super::summary::Quantiles;
use crate::formatting::{rounded, share_of};
use crate::ids::ClientId;
use crate::scenario::Client;
use provider::Nanos;
use serde::{Deserialize, Serialize};

/// The jobs of the workloads of one client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientResult {
    /// The client's name; `default` for that under `client`.
    pub name: String,
    /// The program that it imitates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// Its processes, which share nothing.
    pub processes: u16,
    /// The names of its workloads.
    pub workloads: Vec<String>,
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
    /// Attempts of its jobs.
    pub attempts: u64,
    /// Of those, attempts whose reply was a refusal, as the client reads it.
    pub refused: u64,
    /// Attempts per job that succeeded; `None` if none did.
    pub attempts_per_success: Option<f64>,
    /// The mean time of its succeeded jobs in the queue and in waits, in seconds; zero if none succeeded.
    pub waited_s: f64,
    /// From the scheduled arrival to the end of the reply, of jobs that succeeded.
    pub latency_s: Quantiles,
    /// What the providers charged for its jobs, in USD; `None` if that is not known by client.
    pub cost_usd: Option<f64>,
}

impl Recorder {
    /// Returns the results by client; empty if the run has a single engine, of which the result as a whole tells everything.
    pub(super) fn client_results(&self) -> Vec<ClientResult> {
        if self.scenario.engines().len() < 2 {
            return Vec::new();
        }
        self.scenario.clients_in_use().map(|(id, client)| self.client_result(id, client)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "means and ratios need no more than 53 bits")]
    fn client_result(&self, id: ClientId, client: &Client) -> ClientResult {
        let of_client = || {
            let each = self.scenario.workloads.iter().zip(&self.workloads);
            each.filter(move |(workload, _)| workload.client == id)
        };
        let sum = |of: fn(&WorkloadCounts) -> u64| of_client().map(|(_, counts)| of(counts)).sum::<u64>();
        let (succeeded, attempts) = (sum(|counts| counts.succeeded), sum(|counts| counts.attempts));
        let waited: u128 = of_client().map(|(_, counts)| counts.waited).sum();
        let waited_s = waited as f64 / Nanos::SECOND.0 as f64 / succeeded.max(1) as f64;
        let latency = of_client().fold(Histogram::of_run(), |mut all, (_, counts)| {
            all.add(&counts.latency);
            all
        });
        let cost: Option<f64> = of_client().map(|(_, counts)| self.cost_of(counts)).sum();
        ClientResult {
            name: client.name.clone(),
            like: client.like.map(str::to_owned),
            processes: client.processes,
            workloads: of_client().map(|(workload, _)| workload.name.clone()).collect(),
            offered: sum(|counts| counts.offered),
            succeeded,
            failed: sum(|counts| counts.failed.iter().sum()),
            shed: sum(|counts| counts.shed.iter().sum()),
            in_flight: sum(|counts| counts.in_flight),
            attempts,
            refused: sum(|counts| counts.refused),
            attempts_per_success: share_of(attempts, succeeded).map(|attempts| rounded(attempts, 6)),
            waited_s: rounded(waited_s, 6),
            latency_s: self.quantiles(&latency),
            cost_usd: cost.map(|usd| rounded(usd, 6)),
        }
    }
}
