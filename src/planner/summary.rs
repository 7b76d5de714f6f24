//! The content of `plan.json`, schema `quotalab/plan/1`: all that the planner found out, and all that any
//! chart or page of it reads.
//!
//! Its text is the same on every machine and for any number of threads. Rates are in jobs per minute,
//! times in seconds, money in USD; a *multiple* is of the load that the scenario offers, a *lift* of the
//! ceiling as it is.

use crate::record::{Binding, CeilingTarget, Expected};
use crate::scenario::Note;
use serde::{Deserialize, Serialize};

/// The name and version of the schema: the first field of every plan.
pub const SCHEMA: &str = "quotalab/plan/1";

/// What the planner found out about a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
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
    /// How long jobs arrive in every run.
    pub duration_s: f64,
    /// The command that makes this plan again; empty where there is none.
    pub reproduce: String,
    /// The answer: sentences, the most important first.
    pub verdict: Vec<String>,
    /// What the reader should know besides: how it was found, and what was left out.
    pub notes: Vec<String>,
    /// Notes about the scenario itself.
    #[serde(default)]
    pub scenario_notes: Vec<Note>,
    /// What the scenario offers, and how it fares today.
    pub load: Load,
    /// The ceiling by arithmetic and by simulation.
    pub ceiling: Ceilings,
    /// The simulated ceiling ÷ the load; `None` where no ceiling was found.
    pub headroom: Option<f64>,
    /// What each limit of each target allows.
    pub targets: Vec<CeilingTarget>,
    /// Runs from far below to far above the ceiling, by rising multiple.
    pub curve: Vec<Point>,
    /// What could be changed, best first.
    pub what_if: Vec<WhatIf>,
    /// Pairs of the best changes, best first.
    pub pairs: Vec<Pair>,
    /// The cheapest changes that hold the load asked for; only where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buy: Option<Buy>,
    /// When growth meets the ceiling; only where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// What the loss of each provider does; only where it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Outage>,
    /// What was simulated for all this.
    pub simulated: Simulations,
}

impl Plan {
    /// The content of `plan.json`.
    ///
    /// # Panics
    /// Never: a plan holds nothing that JSON cannot say.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("string keys and plain data");
        text.push('\n');
        text
    }

    /// Reads a `plan.json` again.
    ///
    /// # Errors
    /// Where the text is not JSON, or not of the schema [`SCHEMA`].
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let report: Self = serde_json::from_str(text)?;
        if report.schema == SCHEMA {
            return Ok(report);
        }
        let found = format!("schema is `{}`; this version reads `{SCHEMA}`", report.schema);
        Err(serde::de::Error::custom(found))
    }
}

/// What the scenario offers, and how it fares at that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Offered on average.
    pub jobs_per_min: f64,
    /// Offered in the busiest step of the series.
    pub peak_jobs_per_min: f64,
    /// Whether the rules of the ceiling hold at this load.
    pub holds: bool,
    /// The rules of the ceiling, measured at this load.
    pub expect: Vec<Expected>,
    /// 95 % of the jobs that succeeded took no longer; `None` where none did.
    pub p95_s: Option<f64>,
    /// What a day at this load costs.
    pub cost_usd_per_day: f64,
    /// The share of jobs answered from the cache.
    pub cached_share: f64,
    /// The share of jobs answered with the answer to an identical one; none in a plan of an earlier version.
    #[serde(default)]
    pub joined_share: f64,
}

/// The ceiling, twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// By arithmetic.
    pub analytic: Analytic,
    /// By simulation.
    pub simulated: Simulated,
    /// Why the two differ, and what bounds bursts: sentences.
    pub words: Vec<String>,
}

/// The ceiling by arithmetic: the most that the limits let through on average.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Analytic {
    /// Jobs per minute, in the scenario's mix; `None` where nothing limits it.
    pub jobs_per_min: Option<f64>,
    /// As a multiple of the load; `None` where nothing limits it.
    pub multiple: Option<f64>,
    /// The limit that stops it; `None` where nothing does.
    pub binding: Option<Binding>,
    /// The same with the cache of the client counted in; `None` where it has none, or nothing limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<CachedCeiling>,
}

/// What the cache makes of the ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CachedCeiling {
    /// The share of jobs that the cache is expected to answer at that load.
    pub hit_share: f64,
    /// Jobs per minute, hits included.
    pub jobs_per_min: f64,
    /// As a multiple of the load.
    pub multiple: f64,
}

/// The ceiling by simulation: the highest load at which every rule holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulated {
    /// Jobs per minute; `None` where no ceiling was found up to [`Self::tried`].
    pub jobs_per_min: Option<f64>,
    /// As a multiple of the load: the mean over replicas. Zero where the rules hold at no load tried.
    pub multiple: Option<f64>,
    /// The lower end of the confidence interval of that mean.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// How sure: the mean lies between `low` and `high` in this share of plans.
    pub confidence: f64,
    /// The ceiling of each replica, the scenario's own seed first.
    pub replicas: Vec<f64>,
    /// To what share of itself each was found.
    pub tolerance: f64,
    /// The highest multiple that was tried.
    pub tried: f64,
    /// The rules that had to hold.
    pub rules: Vec<String>,
    /// What breaks first, just above the ceiling; `None` where nothing does.
    pub breaks: Option<FirstViolation>,
    /// The multiple at which the rules but those on cost break; only where cost breaks first, on the
    /// scenario's own seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "but_for_cost")]
    pub without_cost_rules: Option<f64>,
}

/// What breaks first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstViolation {
    /// The rule.
    pub rule: String,
    /// What was measured; `None` where there was nothing to measure.
    pub actual: Option<f64>,
    /// At which multiple of the load.
    pub multiple: f64,
    /// The moment of the run at which it is worst, as reports write it.
    pub at: String,
    /// The same in seconds from the start.
    pub at_s: f64,
    /// The target whose limit is fullest then; `None` where no limit is nearly full.
    pub target: Option<String>,
    /// That limit's axis.
    pub axis: Option<String>,
}

/// One run on the way through the ceiling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Of the load.
    pub multiple: f64,
    /// Offered on average.
    pub offered_jobs_per_min: f64,
    /// Jobs answered per minute of the run.
    pub goodput_jobs_per_min: f64,
    /// Jobs offered.
    pub offered: u64,
    /// Jobs answered.
    pub succeeded: u64,
    /// Jobs given up after at least one send.
    pub failed: u64,
    /// Jobs given up before any send.
    pub shed: u64,
    /// Attempts refused by a limit.
    pub limited: u64,
    /// Attempts sent.
    pub attempts: u64,
    /// Jobs answered from the cache.
    pub cached: u64,
    /// Half of the jobs that succeeded took no longer; `None` where none did.
    pub p50_s: Option<f64>,
    /// 95 % of them took no longer.
    pub p95_s: Option<f64>,
    /// What the run cost.
    pub cost_usd: f64,
    /// Whether every rule of the ceiling holds.
    pub holds: bool,
}

/// A change and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    /// What is changed.
    pub change: String,
    /// What has to be done for it.
    pub kind: Kind,
    /// The new ceiling; `None` where none was found up to the highest load tried.
    pub ceiling_jobs_per_min: Option<f64>,
    /// The new ceiling ÷ the ceiling as it is, on the same traffic; of the highest load tried where it has none.
    pub lift: f64,
    /// The 95th percentile of latency at the present load; `None` where no job succeeded.
    pub p95_s: Option<f64>,
    /// What a day at the present load costs.
    pub cost_usd_per_day: f64,
    /// How much more that is than now; negative where it saves.
    pub extra_usd_per_day: f64,
    /// What is lifted beyond 1 ÷ the extra cost in USD per day; `None` where it costs nothing extra, or buys nothing.
    pub lift_per_usd: Option<f64>,
    /// What breaks first then; `None` where nothing does.
    pub breaks: Option<String>,
}

/// What has to be done for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A setting of the client.
    Client,
    /// More quota: an account, a tier, a provider.
    Quota,
    /// Other traffic: what is asked, how long answers may be, when it comes.
    Traffic,
    /// The scenario's own.
    Own,
    /// A tactic of today left out, to show what it is worth: never bought, nor paired.
    Without,
}

/// Two changes that are worth more together than apart, by more than the tolerance of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Both changes.
    pub changes: [String; 2],
    /// What both are worth at once.
    pub lift: f64,
    /// What they would be worth if neither helped nor hindered the other: the product of their lifts.
    pub apart: f64,
}

/// The cheapest changes that hold a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buy {
    /// The load asked for.
    pub target: Aim,
    /// Whether the changes hold it: proved by simulation on every replica.
    pub holds: bool,
    /// What to change, in the order of effect; a change that is needed several times stands there as often.
    pub changes: Vec<String>,
    /// The rules that are still broken; empty where it holds.
    pub broken: Vec<String>,
    /// What a day at that load costs then.
    pub cost_usd_per_day: f64,
    /// The 95th percentile of latency at that load; `None` where no job succeeded.
    pub p95_s: Option<f64>,
    /// On how many seeds it was proved.
    pub replicas: u32,
}

/// A load to hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aim {
    /// Of the present load.
    pub multiple: f64,
    /// The same in jobs per minute.
    pub jobs_per_min: f64,
}

/// When growth meets the ceiling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// As asked for: `8%/month`.
    pub rate: String,
    /// Months of 30.44 days until the load is at the simulated ceiling; negative where it is above, `None` where no ceiling was found.
    pub months: Option<f64>,
    /// The same for the two ends of the interval.
    pub between: Option<[f64; 2]>,
}

/// What the loss of a provider does at the present load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// The provider.
    pub provider: String,
    /// When it is lost: the start of the busiest stretch of that length.
    pub at: String,
    /// The same in seconds from the start.
    pub at_s: f64,
    /// For how long every call to it is answered with 503.
    pub for_s: f64,
    /// Whether every rule holds on every replica.
    pub survives: bool,
    /// The rules that break on some replica.
    pub broken: Vec<String>,
    /// The worst share of jobs that succeeded, over the replicas.
    pub success: f64,
    /// The worst 95th percentile of latency over the replicas.
    pub p95_s: Option<f64>,
}

/// What was simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulations {
    /// Whole runs.
    pub runs: u64,
    /// Jobs in them.
    pub jobs: u64,
}
