//! The content of `result.json`, schema `quotalab/result/1`: all that is known of a run, and all that any
//! report reads.
//!
//! Its text is the same on every machine: maps are sorted, times are in seconds rounded to the microsecond,
//! shares, rates and money to six decimal digits, and how full a limit was over time to three.

pub use crate::formatting::Unit;
use crate::scenario::{Metric, Note};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name and version of the schema: the first field of every result.
pub const SCHEMA: &str = "quotalab/result/1";

/// What a reader takes for a step: a millisecond to a century.
const SHORTEST_STEP_S: f64 = 1e-3;
const LONGEST_STEP_S: f64 = 3.2e9;

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;
/// Shares by axis.
pub type Shares = BTreeMap<String, f64>;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of quotalab that made it.
    pub version: String,
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario asks, in the author's words; may be empty.
    pub about: String,
    /// The seed of every stream.
    pub seed: u64,
    /// Simulated, or over real HTTP.
    pub mode: Mode,
    /// How long jobs arrived.
    pub duration_s: f64,
    /// When the last thing happened; later than the duration where jobs were still under way.
    pub ended_s: f64,
    /// The command that makes this result again; empty where there is none.
    pub reproduce: String,
    /// What to make of it: sentences, the most important first.
    pub verdict: Vec<String>,
    /// What the reader should know besides: limits of the run or of the model.
    pub notes: Vec<Note>,
    /// What became of the jobs.
    pub jobs: Jobs,
    /// What became of the attempts.
    pub attempts: Attempts,
    /// From the scheduled arrival to the end of the reply, of jobs that succeeded.
    pub latency_s: Quantiles,
    /// From the scheduled arrival to the first token, of jobs that succeeded.
    pub first_token_s: Quantiles,
    /// In line for a place of the concurrency cap, of jobs that succeeded.
    pub queue_s: Quantiles,
    /// The attempt that succeeded, from send to the end of its reply.
    pub service_s: Quantiles,
    /// Where the time of the jobs that succeeded went: means that add up to the mean latency.
    pub time_s: LatencyBreakdown,
    /// What the providers charged for.
    pub tokens: Tokens,
    /// What the providers charged, in USD.
    pub cost_usd: f64,
    /// The first refusal by a limit; `None` where nothing was refused.
    pub first_refusal: Option<FirstRefusal>,
    /// The jobs by workload, in the scenario's order.
    pub workloads: Vec<Workload>,
    /// Every account × model of the scenario, in the scenario's order.
    pub targets: Vec<Target>,
    /// The highest load the limits allow, by arithmetic.
    pub ceiling: Ceiling,
    /// The run over time.
    pub series: Series,
    /// What was expected of the run, and what came.
    pub expect: Vec<Expected>,
    /// The slowest jobs that succeeded and the first that did not; empty where nobody kept them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<JobTrace>,
    /// How late the generator delivered jobs; only where it ran against a real clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_s: Option<Quantiles>,
}

impl Summary {
    /// Whether every expectation was met; a scenario without any is content with everything.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.expect.iter().all(|expected| expected.pass)
    }

    /// The content of `result.json`.
    ///
    /// # Panics
    /// Never: a summary holds nothing that JSON cannot say.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("string keys and plain data");
        text.push('\n');
        text
    }

    /// Reads a `result.json` again.
    ///
    /// # Errors
    /// Where the text is not JSON, not of the schema [`SCHEMA`], or has steps of no length.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let summary: Self = serde_json::from_str(text)?;
        let fault = if summary.schema != SCHEMA {
            format!("schema is `{}`; this version reads `{SCHEMA}`", summary.schema)
        } else if !(SHORTEST_STEP_S..=LONGEST_STEP_S).contains(&summary.series.step_s) {
            format!(
                "series.step_s is {}; expected {SHORTEST_STEP_S} to {LONGEST_STEP_S}",
                summary.series.step_s
            )
        } else {
            return Ok(summary);
        };
        Err(serde::de::Error::custom(fault))
    }
}

/// How the run was driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In virtual time.
    Virtual,
    /// Over real HTTP.
    Live,
}

impl Mode {
    /// The word of results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Live => "live",
        }
    }
}

/// What became of the jobs: `offered = succeeded + failed + shed + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// Arrived.
    pub offered: u64,
    /// Answered.
    pub succeeded: u64,
    /// Given up after at least one send.
    pub failed: u64,
    /// Given up before any send.
    pub shed: u64,
    /// Still under way when the run was over.
    pub in_flight: u64,
    /// Of the succeeded, those answered from the cache.
    pub cached: u64,
    /// Of the succeeded, those answered with the answer to an identical job that was under way; a result of an
    /// earlier version has none.
    #[serde(default)]
    pub joined: u64,
    /// Of the succeeded, those served by a later step of their route than the first.
    pub fell_back: u64,
    /// The failed, by reason.
    pub failed_by: Counts,
    /// The shed, by reason.
    pub shed_by: Counts,
}

/// What became of the attempts: `total = ok + limited + failed + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Sent.
    pub total: u64,
    /// Served.
    pub ok: u64,
    /// Refused by a limit.
    pub limited: u64,
    /// Broken in any other way, those included that the client gave up.
    pub failed: u64,
    /// Without a reply when the run was over.
    pub in_flight: u64,
    /// The limited, by axis, or by cause where the reply named no axis.
    pub limited_by: Counts,
    /// The failed, by what broke: `status_503`, `connection`, `timeout`, `garbage`, `abandoned`.
    pub failed_by: Counts,
}

/// How lengths of time are spread, in seconds; all zero where nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many were counted.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// 90 % are no longer.
    pub p90: f64,
    /// 95 % are no longer.
    pub p95: f64,
    /// 99 % are no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Where the time of a job went, in seconds on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyBreakdown {
    /// In line for a place of the concurrency cap, and late out of the generator.
    pub queue: f64,
    /// Asleep (back-off, cool-down, pacing), or standing by for the answer to an identical job.
    pub wait: f64,
    /// In attempts that did not succeed.
    pub lost: f64,
    /// In the attempt that succeeded, until the first token.
    pub first_token: f64,
    /// From the first token to the last.
    pub output: f64,
}

/// Tokens of both kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// In prompts.
    pub prompt: u64,
    /// Of those, what was found in a provider's prefix cache.
    #[serde(default)]
    pub cached: u64,
    /// In completions.
    pub completion: u64,
}

/// The first refusal by a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstRefusal {
    /// When.
    pub at_s: f64,
    /// By which target.
    pub target: String,
    /// On which axis; the cause where no axis was named.
    pub axis: String,
    /// Jobs offered per minute, in the minute that led up to it.
    pub offered_per_min: f64,
}

/// One class of jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Arrived.
    pub offered: u64,
    /// Answered.
    pub succeeded: u64,
    /// Given up after at least one send.
    pub failed: u64,
    /// Given up before any send.
    pub shed: u64,
    /// Still under way when the run was over.
    pub in_flight: u64,
    /// From the scheduled arrival to the end of the reply, of jobs that succeeded.
    pub latency_s: Quantiles,
}

/// One account × model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// `provider/account/model`.
    pub name: String,
    /// Sent to it.
    pub attempts: u64,
    /// Served by it.
    pub ok: u64,
    /// Refused by its limits.
    pub limited: u64,
    /// Broken in any other way.
    pub failed: u64,
    /// The limited, by axis, or by cause where the reply named no axis.
    pub limited_by: Counts,
    /// What it charged for.
    pub tokens: Tokens,
    /// What it charged, in USD.
    pub cost_usd: f64,
    /// How often the client let it rest.
    pub cool_downs: u64,
    /// Its limits, in the order of reports.
    pub limits: Vec<Limit>,
    /// By axis, what was used ÷ what the limit could have admitted over the run.
    pub utilisation: Shares,
    /// By axis, the fullest it was seen; above 1 where a settlement overdrew it.
    pub peak: Shares,
}

/// One limit of a target, as the provider enforces it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// What is counted.
    pub axis: String,
    /// How much per window.
    pub limit: u64,
    /// How much fits at once.
    pub burst: u64,
    /// The window; `None` for concurrency.
    pub window_s: Option<f64>,
    /// The law by which it refills, in the scenario's word; `calendar_pacific` with the zone, `at_once` for concurrency.
    pub law: String,
}

/// The highest load the limits allow, by arithmetic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Jobs per minute, in the scenario's mix; `None` where nothing limits it.
    pub jobs_per_min: Option<f64>,
    /// The ceiling ÷ the offered load; `None` where nothing limits it.
    pub multiple: Option<f64>,
    /// What the scenario offers on average.
    pub offered_jobs_per_min: f64,
    /// The limit that stops it; `None` where nothing does.
    pub binding: Option<Binding>,
    /// What each limit of each target allows.
    pub targets: Vec<CeilingTarget>,
}

/// One limit of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// `provider/account/model`.
    pub target: String,
    /// The axis.
    pub axis: String,
}

/// What the limits of one target allow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CeilingTarget {
    /// `provider/account/model`.
    pub name: String,
    /// Each of its limits.
    pub axes: Vec<CeilingAxis>,
}

/// What one limit allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CeilingAxis {
    /// The axis.
    pub axis: String,
    /// How much per window.
    pub limit: u64,
    /// Jobs per minute that this limit alone would let pass.
    pub jobs_per_min: f64,
}

/// The run over time. Every list has one entry per step, the first step begins at zero; attempts and jobs
/// are counted in the step in which the thing happened, latencies in the step in which the job ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The length of a step.
    pub step_s: f64,
    /// Jobs that arrived.
    pub offered: Vec<u64>,
    /// Attempts sent.
    pub sent: Vec<u64>,
    /// Jobs answered.
    pub succeeded: Vec<u64>,
    /// Attempts refused by a limit.
    pub limited: Vec<u64>,
    /// Jobs given up after at least one send.
    pub failed: Vec<u64>,
    /// Jobs given up before any send.
    pub shed: Vec<u64>,
    /// The median latency of the jobs that succeeded; `null` where there were none.
    pub p50_s: Vec<Option<f64>>,
    /// The 95th percentile of their latency; `null` where there were none.
    pub p95_s: Vec<Option<f64>>,
    /// The limited, by axis, `unnamed` where the reply named none; axes that never refused are left out.
    pub limited_by: BTreeMap<String, Vec<u64>>,
    /// How full the limits were, by target.
    pub fill: Vec<Fill>,
}

/// How the limits of one target were used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fill {
    /// `provider/account/model`.
    pub target: String,
    /// How full they were, by axis: the fullest seen in each step, 0 when untouched, above 1 when overdrawn.
    pub axes: BTreeMap<String, Vec<f64>>,
    /// What was charged to them.
    #[serde(default, skip_serializing_if = "Charged::is_empty")]
    pub charged: Charged,
    /// Attempts they refused, by axis; axes that never refused are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, Vec<u64>>,
}

/// What one target charged in each step: calls when they were admitted, tokens when they were settled. All
/// lists are empty where nothing was charged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Charged {
    /// Calls admitted.
    pub calls: Vec<u64>,
    /// Tokens in their prompts.
    pub prompt_tokens: Vec<u64>,
    /// Tokens in their completions.
    pub completion_tokens: Vec<u64>,
    /// How long calls were in flight, added up; empty where concurrency is not limited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy_s: Vec<f64>,
}

impl Charged {
    /// Whether nothing was charged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

/// One job and what happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobTrace {
    /// Its number, in order of arrival from zero.
    pub job: u64,
    /// Its workload.
    pub workload: String,
    /// When the schedule wanted it.
    pub scheduled_s: f64,
    /// From then until it was over.
    pub latency_s: f64,
    /// Tokens in its prompt, as the client estimates them.
    pub prompt_tokens: u32,
    /// Attempts made.
    pub attempts: u8,
    /// `succeeded`, `failed` or `shed`.
    pub verdict: String,
    /// Why it was given up; `None` where it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened, in order; the last is how it ended.
    pub moments: Vec<TraceEvent>,
}

/// One thing that happened to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// When, counted from the job's schedule.
    pub at_s: f64,
    /// What, in words.
    pub what: String,
}

/// One expectation and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// As written.
    pub rule: String,
    /// The metric that the rule is about; `None` in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// What was measured; `None` where there was nothing to measure.
    pub actual: Option<f64>,
    /// What `actual` counts in.
    pub unit: Unit,
    /// Whether it holds; what could not be measured does not, except headroom without any limit.
    pub pass: bool,
}
