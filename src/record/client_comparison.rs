//! The content of `clients.json`, schema `quotalab/clients/1`: the same traffic, handled by one client after the other.

use super::summary::Summary;
use crate::formatting::{rounded, share_of};
use serde::Serialize;

/// The name and version of the schema.
const SCHEMA: &str = "quotalab/clients/1";

/// Runs of one scenario that differ in the client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientComparison<'r> {
    /// The name and version of the schema.
    pub schema: &'static str,
    /// The scenario's name.
    pub scenario: &'r str,
    /// The path of the scenario as the command line gave it.
    pub file: &'r str,
    /// The seed of every random stream.
    pub seed: u64,
    /// The clients, in the order in which they were given.
    pub clients: Vec<ComparedClient<'r>>,
}

/// What one client made of the traffic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedClient<'r> {
    /// Its name: a client of the scenario, or an imitation.
    pub client: &'r str,
    /// Jobs that succeeded ÷ jobs offered; `None` without jobs.
    pub success_share: Option<f64>,
    /// Attempts per job that succeeded; `None` if none did.
    pub attempts_per_success: Option<f64>,
    /// Attempts that a limit refused ÷ attempts; `None` without attempts.
    pub refused_share: Option<f64>,
    /// Attempts that did not serve a job ÷ attempts: refused, failed, cancelled or in flight at the end. `None` without attempts.
    pub wasted_share: Option<f64>,
    /// The mean time of the succeeded jobs in the queue and in waits, in seconds; `None` if none succeeded.
    pub waited_s: Option<f64>,
    /// The 95th percentile of the latency of the succeeded jobs, in seconds; `None` if none succeeded.
    pub latency_p95_s: Option<f64>,
    /// What the providers charged, in USD.
    pub cost_usd: Option<f64>,
    /// The result of the run.
    pub result: &'r Summary,
}

impl<'r> ClientComparison<'r> {
    /// Returns the comparison of runs of one scenario, each with the name of its client. `None` if there are none.
    #[must_use]
    pub fn of(runs: &[(&'r str, &'r Summary)]) -> Option<Self> {
        let (_, first) = runs.first()?;
        Some(Self {
            schema: SCHEMA,
            scenario: &first.scenario,
            file: &first.file,
            seed: first.seed,
            clients: runs.iter().map(|(client, result)| ComparedClient::of(client, result)).collect(),
        })
    }

    /// Returns the content of `clients.json`, ending in a line feed. Does not panic: every field is serialisable.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("invariant: every field is serialisable") + "\n"
    }
}

impl<'r> ComparedClient<'r> {
    fn of(client: &'r str, result: &'r Summary) -> Self {
        let Summary { jobs, attempts, .. } = result;
        let of_successes = |value: f64| (jobs.succeeded > 0).then_some(value);
        Self {
            client,
            success_share: share(jobs.succeeded, jobs.offered),
            attempts_per_success: share(attempts.total, jobs.succeeded),
            refused_share: share(attempts.limited, attempts.total),
            wasted_share: share(attempts.total - attempts.ok, attempts.total),
            waited_s: of_successes(rounded(result.time_s.queue + result.time_s.wait, 6)),
            latency_p95_s: of_successes(result.latency_s.p95),
            cost_usd: result.cost_usd,
            result,
        }
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    share_of(part, whole).map(|share| rounded(share, 6))
}
