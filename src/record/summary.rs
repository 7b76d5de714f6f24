//! The content of `result.json`, schema `quotalab/result/1`: everything that is known of a run, and the only input of
//! reports.
//!
//! The text is the same on every machine: maps are sorted, times are in seconds rounded to the microsecond, shares,
//! rates and money to six decimal digits; over time, used shares of limits to three and money to nine. Counts and
//! distributions of several runs can be added.

pub use super::ceiling::*;
pub use super::client_result::ClientResult;
use super::consistency;
use super::delays::Delays;
use super::endpoint::EndpointResult;
use super::findings::{self, Finding};
pub(super) use super::hedge_result::HedgeCounts;
use super::rule_result::RuleResult;
use super::series::Series;
pub use super::target_result::{Limit, Target};
use super::trace::JobTrace;
pub use super::workload_result::Workload;
use crate::formatting::RunTime;
pub use crate::formatting::Unit;
use crate::scenario::Note;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The name and version of the schema: the first field of every result.
pub const SCHEMA: &str = "quotalab/result/1";

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;
/// Shares by axis.
pub type Shares = BTreeMap<String, f64>;

/// The result of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of quotalab that wrote it.
    pub version: String,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's question, in its author's words; may be empty.
    pub about: String,
    /// The seed of every random stream.
    pub seed: u64,
    /// In virtual time or over HTTP.
    pub mode: Mode,
    /// The time over which jobs arrived, in seconds.
    pub duration_s: f64,
    /// The duration of the scenario in seconds, if the run was ended before it; [`Self::duration_s`] is the time until that end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_s: Option<f64>,
    /// The local date and time at which the run begins, with its time zone, as `start` of the scenario; `None` if it has no date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// The instant of the last event, in seconds; later than the duration if jobs were still in flight then.
    pub ended_s: f64,
    /// The command that reproduces this result; empty if there is none.
    pub reproduce: String,
    /// The path of the scenario as the command line gave it; empty if there is none, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The conclusions, the most important first. A result of an earlier version has none; they are derived again when
    /// it is read.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Assumptions of the scenario, and consequences that its author may not intend.
    pub notes: Vec<Note>,
    /// The jobs by outcome.
    pub jobs: Jobs,
    /// The attempts by outcome.
    pub attempts: Attempts,
    /// From the scheduled arrival to the end of the reply, of jobs that succeeded.
    pub latency_s: Quantiles,
    /// From the scheduled arrival to the first token, of jobs that succeeded.
    pub first_token_s: Quantiles,
    /// Time in the queue of the client's concurrency limit, and lag of the load generator, of jobs that succeeded.
    pub queue_s: Quantiles,
    /// The attempt that succeeded, from the request to the end of its reply, of jobs that succeeded; zero for those that no
    /// attempt of their own served.
    pub service_s: Quantiles,
    /// The mean latency of the jobs that succeeded, by phase.
    pub time_s: LatencyBreakdown,
    /// Tokens that the providers charged.
    pub tokens: Tokens,
    /// What the providers charged, in USD; `None` if it is not known after a run through an endpoint.
    pub cost_usd: Option<f64>,
    /// The first refusal by a limit that could have admitted the attempt at another time; `None` if there was none.
    pub first_refusal: Option<FirstRefusal>,
    /// The jobs by workload, in the scenario's order.
    pub workloads: Vec<Workload>,
    /// The jobs by client; empty if a single process of one client handles all of them, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ClientResult>,
    /// Every account × model of the scenario, in the scenario's order; empty for a run through an endpoint.
    pub targets: Vec<Target>,
    /// The highest load that the limits allow, by arithmetic.
    pub ceiling: CeilingSummary,
    /// The limit whose window is half of the run or longer and of which the load uses the largest share; `None` if the
    /// load uses little of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_window: Option<LongWindow>,
    /// The run over time.
    pub series: Series,
    /// The rules with their measured values.
    pub expect: Vec<RuleResult>,
    /// The traces of the slowest jobs that succeeded and of the first that did not; empty if none were kept.
    #[serde(rename = "worst", default, skip_serializing_if = "Vec::is_empty")]
    pub job_traces: Vec<JobTrace>,
    /// The lag of the load generator, per job; `None` in virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_s: Option<Quantiles>,
    /// From the send of an attempt to the beginning of its request on this machine, per attempt; `None` in virtual time, and in a
    /// result of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_lag_s: Option<Quantiles>,
    /// The delays of a live run, and what they change; `None` in virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delays: Option<Delays>,
    /// What a run through an endpoint shows of the endpoint; `None` for every other run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointResult>,
}

impl Summary {
    /// Returns what the text of the instants of this run depends on.
    #[must_use]
    pub fn run_time(&self) -> RunTime {
        RunTime::of_start(self.duration_s, self.starts_at.as_deref().unwrap_or_default())
    }

    /// Returns `true` if every rule holds. A run without rules passes.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.expect.iter().all(|expected| expected.pass)
    }

    /// Returns the summary without its distributions, which only further computations need.
    #[must_use]
    pub fn without_distributions(&self) -> Self {
        let mut summary = self.clone();
        let quantiles = [
            &mut summary.latency_s,
            &mut summary.first_token_s,
            &mut summary.queue_s,
            &mut summary.service_s,
        ];
        let workloads = summary.workloads.iter_mut().flat_map(|workload| {
            let of_tasks = workload.tasks.as_mut().map(|tasks| &mut tasks.latency_s);
            std::iter::once(&mut workload.latency_s).chain(of_tasks)
        });
        let clients = summary.clients.iter_mut().map(|client| &mut client.latency_s);
        quantiles
            .into_iter()
            .chain(workloads)
            .chain(clients)
            .chain(&mut summary.lag_s)
            .chain(&mut summary.send_lag_s)
            .for_each(|it| it.hdr.clear());
        summary.series.latency_hdr.clear();
        summary
    }

    /// Returns the content of `result.json`, ending in a line feed. Does not panic: every field is serialisable.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("invariant: every field is serialisable");
        text.push('\n');
        text
    }

    /// Reads the content of a `result.json`.
    ///
    /// # Errors
    /// If the text is not JSON, not of the schema [`SCHEMA`], or its numbers cannot be those of a run.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let value: Value = serde_json::from_str(text)?;
        let too_large = consistency::too_large(&value);
        let mut summary = Self::deserialize(value)?;
        if let Some(inconsistency) = summary.inconsistency().or(too_large) {
            return Err(serde::de::Error::custom(inconsistency));
        }
        if summary.findings.is_empty() {
            summary.findings = findings::of(&summary, findings::Facts::default());
        }
        Ok(summary)
    }
}

/// How the run was driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In virtual time.
    Virtual,
    /// Over HTTP, in real time.
    Live,
}

impl Mode {
    /// Returns the name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Live => "live",
        }
    }
}

/// The number of jobs by outcome: `offered = succeeded + failed + shed + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
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
    /// Of the succeeded, those answered from the client's cache.
    pub cached: u64,
    /// Of the succeeded, those coalesced: answered with the reply to an identical job. Zero in a result of an earlier
    /// version.
    #[serde(default)]
    pub joined: u64,
    /// Of the succeeded, those served by a later step of their route than the first.
    pub fell_back: u64,
    /// Of the succeeded, those whose answer was cut: it ends at `max_tokens`, at the longest completion of the model, or at the
    /// end of its context. Zero in a result of an earlier version.
    #[serde(default)]
    pub cut: u64,
    /// The failed, by reason.
    pub failed_by: Counts,
    /// The shed, by reason.
    pub shed_by: Counts,
}

/// The attempts by outcome: `total = ok + limited + failed + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Sent.
    pub total: u64,
    /// Succeeded.
    pub ok: u64,
    /// Refused by a limit.
    pub limited: u64,
    /// Failed in any other way, including those that the client cancelled.
    pub failed: u64,
    /// Without a reply when the run ended.
    pub in_flight: u64,
    /// Of the total, the hedges; `None` if no client hedges, and in a result of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedges: Option<HedgeCounts>,
    /// The limited, by axis, or by cause if the reply named no axis.
    pub limited_by: Counts,
    /// The failed, by failure: `status_503`, `connection`, `timeout`, `garbage`; `abandoned` if the client cancelled them;
    /// `too_long` for the model; `rate_limit_error` and `overload` if a fault was answered like a refusal; and on this machine,
    /// `local_descriptors`, `local_ports`, `local_memory`.
    pub failed_by: Counts,
}

/// A distribution of durations, in seconds; all zero if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The number of durations.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The maximum.
    pub max: f64,
    /// The distribution in microseconds: an `HdrHistogram` with three digits, V2 compressed, in base64. Empty if `count` is 0,
    /// or if the run was recorded without distributions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hdr: String,
}

/// The mean latency of the jobs that succeeded, by phase, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyBreakdown {
    /// In the queue of the client's concurrency limit, and before it the lag of the load generator.
    pub queue: f64,
    /// In waits: for the end of a back-off, a cool-down or a pace, or for the reply to an identical job.
    pub wait: f64,
    /// In attempts that did not succeed.
    pub lost: f64,
    /// In the attempt that succeeded, up to the first token.
    pub first_token: f64,
    /// From the first token to the last.
    pub output: f64,
}

/// Prompt and completion tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Of prompts.
    pub prompt: u64,
    /// Of those, tokens found in a provider's prefix cache.
    #[serde(default)]
    pub cached: u64,
    /// Of completions.
    pub completion: u64,
}

/// The first refusal by a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstRefusal {
    /// When, in seconds since the run began.
    pub at_s: f64,
    /// The name of the target.
    pub target: String,
    /// The axis; the cause if the reply named no axis.
    pub axis: String,
    /// Jobs offered per minute, in the minute before it (in the first minute of the run if it came earlier), or in a longer
    /// time around it that has at least twenty jobs.
    pub offered_per_min: f64,
    /// The jobs that arrive in the busiest minute about then, if they are far more than that rate says, as those of a burst
    /// are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busiest_minute: Option<u64>,
}
