//! The present load of a plan, and runs that have too few jobs for a verdict.

use crate::record::RuleResult;
use serde::{Deserialize, Serialize};

/// The load that the scenario offers, and the results at that load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The offered rate, on average over the run.
    pub jobs_per_min: f64,
    /// The offered rate in the busiest time bucket of the run.
    pub peak_jobs_per_min: f64,
    /// Whether the load holds: it is not above the ceiling to plan with. Without a ceiling to plan with, or if no ceiling was
    /// found up to [`super::SimulatedCeiling::search_bound`], whether no rule breaks on the scenario's own seed, or, if that
    /// run has too few jobs for a rule, at the loads above it. `false` if it cannot be determined.
    pub holds: bool,
    /// Why it cannot be determined whether the load holds; `None` if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<TooFewJobs>,
    /// The rules of the ceiling, measured at this load.
    pub expect: Vec<RuleResult>,
    /// The 95th percentile of the latency of succeeded jobs; `None` if none succeeded.
    pub p95_s: Option<f64>,
    /// The cost of a run at this load; 0 in a plan of an earlier version.
    #[serde(default)]
    pub cost_usd: f64,
    /// The cost of a day at this load.
    pub cost_usd_per_day: f64,
    /// The share of jobs answered from the cache.
    pub cached_share: f64,
    /// The share of jobs coalesced with an identical one.
    #[serde(default, rename = "joined_share")]
    pub coalesced_share: f64,
}

/// The fewest jobs from which a rule can be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FewestJobs {
    /// The rule, as written.
    pub rule: String,
    /// The jobs: 3 ÷ the share of jobs that it allows to fail or to be slower, at most 3,000; 1 if it is not on single jobs.
    pub jobs: u64,
}

/// Runs or windows that have too few jobs for a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TooFewJobs {
    /// The rule that needs the most jobs, as written; of rules that are judged in windows, the first that cannot be judged.
    pub rule: String,
    /// The jobs of a run at the ceiling, or at the load in question if there is none. Of a rule that is judged in windows, the
    /// jobs of the window with the most.
    pub jobs: u64,
    /// The fewest jobs from which the rule can be judged: as [`FewestJobs::jobs`]; in a window, 1 ÷ the share of jobs that it
    /// allows to fail or to be slower.
    pub needed: u64,
    /// The length of the windows, in seconds; `None` if it is the run that has too few jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// The tasks that there are and that the rule needs; `None` if it is not on tasks, and in a plan of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TooFewTasks>,
}

/// The tasks of a run or window that has too few of them for a verdict on a rule on tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TooFewTasks {
    /// The tasks that there are.
    pub tasks: u64,
    /// The fewest tasks from which the rule can be judged.
    pub needed: u64,
}

/// The seeds of a plan whose ceiling cannot be determined, since a rule cannot be judged, as when its windows have too few
/// jobs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndecidedSeeds {
    /// The seeds on which the ceiling was searched.
    pub seeds: u32,
    /// On how many of them no load holds that can be judged. 0 if a load holds on each: then [`Self::fresh`] could not be judged.
    pub undecided: u32,
    /// The check of the ceiling to plan with on fresh seeds, if it could not be made; `None` otherwise, and in a plan of an earlier
    /// version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<UndecidedCheck>,
    /// The highest load that held on the scenario's own seed, in jobs per minute; `None` if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_jobs_per_min: Option<f64>,
    /// The lowest load that broke a rule there; `None` if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_jobs_per_min: Option<f64>,
}

/// A check on fresh seeds of which so many cannot be judged that it neither passes nor fails.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UndecidedCheck {
    /// The load that was checked, in jobs per minute.
    pub jobs_per_min: f64,
    /// The fresh seeds.
    pub seeds: u32,
    /// On how many of them a rule cannot be judged.
    pub undecided: u32,
}
