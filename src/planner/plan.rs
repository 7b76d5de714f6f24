//! The content of `plan.json`, schema `quotalab/plan/2`: everything that the planner found. The charts and pages of a plan
//! are made from it alone.
//!
//! The text is the same on every machine and for any number of threads, unless a time limit or an interruption ended the
//! measurements. Rates are in jobs per minute, times in seconds, money in USD. A *multiple* is relative to the load that the
//! scenario offers, a *lift* to the present ceiling.

mod answers;
mod batch;
mod changes;
mod load;
mod users;
mod violation;
mod year;

pub use answers::*;
pub use batch::*;
pub use changes::*;
pub use load::*;
pub use users::*;
pub use violation::*;
pub use year::*;

use super::finding::{Difference, Finding, PlanNote};
use crate::formatting::RunTime;
use crate::record::{CeilingAxis, CeilingPeak, CeilingTarget, RouteOrderCeiling, TargetLimit};
use provider::{Axis, Nanos};
use serde::{Deserialize, Serialize};

/// The name and version of the schema: the first field of every plan.
pub const SCHEMA: &str = "quotalab/plan/2";

/// What the planner found out about a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of quotalab that made it.
    pub version: String,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's own description; may be empty.
    pub about: String,
    /// The scenario's own seed, from which the seeds of the replicas are derived.
    pub seed: u64,
    /// The time over which jobs arrive in a run, in seconds. Runs that measure the cost of a day last a day instead.
    pub duration_s: f64,
    /// The local date and time at which each run begins, with its time zone; `None` if the scenario states none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
    /// The command that reproduces this plan; may be empty.
    pub reproduce: String,
    /// The path of the scenario as the command line gave it; empty if there is none, and in a plan of an earlier version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The answer, the most important finding first.
    pub findings: Vec<Finding>,
    /// How the answer was found, and what was left out.
    pub notes: Vec<PlanNote>,
    /// The load that the scenario offers, and the results at that load.
    pub load: Load,
    /// The load of closed workloads; `None` if there are none. With users, the jobs per minute of [`Load`] and of
    /// [`SimulatedCeiling`] are measured in runs, and [`ComparedCeiling`], [`ChangeEffect`] and [`TargetLoad`] have numbers of
    /// users, with the jobs per minute of the open workloads alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<UserLoad>,
    /// The ceiling by arithmetic and by simulation.
    pub ceiling: Ceilings,
    /// The ceiling to plan with ÷ the load; with one replica, or if the check of the ceiling to plan with did not end, the
    /// simulated ceiling ÷ the load. `None` if there is no ceiling, or none was found. Headroom, which a rule can judge, is
    /// [`AnalyticCeiling::multiple`].
    pub planning_multiple: Option<f64>,
    /// What each limit of each target allows.
    pub targets: Vec<CeilingTarget>,
    /// Runs from far below to far above the ceiling, by increasing multiple; up to the highest load that held if no rule broke,
    /// around the present load if no load held.
    pub curve: Vec<Point>,
    /// The ceiling with which those of the changes are compared; `None` if no load holds at present, if the ceiling cannot be
    /// told, and in a plan of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<ComparedCeiling>,
    /// The changes that were measured, best first; empty if the ceiling cannot be determined.
    pub what_if: Vec<ChangeEffect>,
    /// Pairs of changes that are worth more together, best first; empty if the ceiling cannot be determined.
    pub pairs: Vec<Pair>,
    /// The cheapest changes that hold the target load; `None` if no target was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buy: Option<Purchase>,
    /// When growth reaches the ceiling of [`Self::planning_multiple`]; `None` if no growth was given, if no load holds, or if
    /// the ceiling cannot be determined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// The batches at the present load, in the scenario's order; empty if there are none, and without those whose runs were
    /// stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batches: Vec<BatchPlan>,
    /// What to buy in which month; `None` unless it was asked for and measured to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<Year>,
    /// The effect of the loss of each provider. Providers whose loss was not simulated before the plan was ended are
    /// absent; empty if outages were not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty", rename = "incidents")]
    pub outages: Vec<Outage>,
    /// What was simulated for this plan.
    #[serde(rename = "simulated")]
    pub simulations: Simulations,
    /// Every reason for which the exit code is 1; empty if it is 0.
    #[serde(default)]
    pub not_met: Vec<NotMet>,
}

impl Plan {
    /// Returns what the text of the instants of a run of this plan depends on.
    #[must_use]
    pub fn run_time(&self) -> RunTime {
        RunTime::of_start(self.duration_s, self.starts_at.as_deref().unwrap_or_default())
    }

    /// Returns everything that was asked for and does not hold: the present load, the target load, the loss
    /// of a provider, the load of a month.
    pub(super) fn find_not_met(&self) -> Vec<NotMet> {
        let lost = self.outages.iter().filter(|outage| !outage.survives);
        let providers: Vec<String> = lost.map(|outage| outage.provider.clone()).collect();
        let target_holds = self.buy.as_ref().is_none_or(|purchase| purchase.holds);
        let load = (!self.load.holds).then_some(NotMet::PresentLoad);
        let target = (!target_holds).then_some(NotMet::TargetLoad);
        let outage = (!providers.is_empty()).then_some(NotMet::Outage { providers });
        let is_short = |year: &&Year| year.not_held.is_some() || year.undecided.is_some();
        let year =
            self.year.as_ref().filter(is_short).map(|year| NotMet::Year {
                month: year.not_held.as_ref().map(|not_held| not_held.load.month),
            });
        load.into_iter().chain(target).chain(outage).chain(year).collect()
    }

    /// Returns the content of `plan.json`.
    ///
    /// # Panics
    /// Does not panic: every field is serialisable.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("invariant: every field is serialisable");
        text.push('\n');
        text
    }

    /// Reads the content of a `plan.json`.
    ///
    /// # Errors
    /// Fails if the text is not JSON, or not of the schema [`SCHEMA`].
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let Head { schema } = serde_json::from_str(text)?;
        if schema == SCHEMA {
            return serde_json::from_str(text);
        }
        let message = format!("schema is `{schema}`; this version reads `{SCHEMA}`");
        Err(serde::de::Error::custom(message))
    }
}

/// The ceiling by arithmetic and by simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// By arithmetic.
    pub analytic: AnalyticCeiling,
    /// By simulation.
    pub simulated: SimulatedCeiling,
    /// Why the two differ, and what bounds bursts.
    pub differences: Vec<Difference>,
}

/// The ceiling by arithmetic: the highest average load that the limits admit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalyticCeiling {
    /// Jobs per minute, in the scenario's mix of workloads; `None` if nothing limits it.
    pub jobs_per_min: Option<f64>,
    /// As a multiple of the load; `None` if nothing limits it, or if a workload is closed.
    pub multiple: Option<f64>,
    /// The limit that binds; `None` if none does.
    pub binding: Option<TargetLimit>,
    /// The peak that bounds it; `None` if the mean over the run does, or if a workload is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<CeilingPeak>,
    /// The ceiling with expected cache hits; `None` if the client has no cache, no job repeats another, nothing limits the
    /// load, or a workload is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<CachedCeiling>,
    /// The share of the jobs that some target can admit; the rates of the plan count the others too. `None` if it is all or
    /// none, or if a workload is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servable_share: Option<f64>,
    /// What is left of it, about, if jobs go to the first target of their route that has room, so that a limit per day is used up while
    /// other targets are idle. `None` if that is more than 97 % of it, or if a workload is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_route_order: Option<RouteOrderCeiling>,
}

impl AnalyticCeiling {
    /// Returns the jobs per minute that a limit alone admits ÷ the offered rate that it has to admit. That rate is the
    /// peak's if there is a peak and the limit is on concurrency, or has a window of at most a minute or the length of the
    /// peak; otherwise it is the mean rate, `load`, in jobs per minute. `None` if the rate is 0, or if the peak has no
    /// length.
    #[must_use]
    pub fn multiple_of_offered(&self, limit: &CeilingAxis, load: f64) -> Option<f64> {
        let named = || Axis::from_name(&limit.axis).and_then(Axis::window_length).map(Nanos::as_secs_f64);
        let window_s = limit.window_s.or_else(named).unwrap_or(0.0);
        let offered = match self.peak {
            Some(peak) if window_s <= peak.length_s.max(60.0) => {
                Some(peak.offered * 60.0 / peak.length_s).filter(|rate| rate.is_finite())
            }
            _ => Some(load),
        };
        offered.filter(|rate| *rate > 0.0).map(|rate| limit.jobs_per_min / rate)
    }
}

/// The ceiling by arithmetic with expected cache hits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CachedCeiling {
    /// The expected share of jobs answered from the cache at the highest load for the mean over the run, even if a peak bounds
    /// this ceiling.
    pub hit_share: f64,
    /// Jobs per minute, hits included.
    pub jobs_per_min: f64,
    /// As a multiple of the load.
    pub multiple: f64,
}

/// The ceiling by simulation: the highest load at which every rule holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulatedCeiling {
    /// Jobs per minute; `None` if no ceiling was found: see [`Self::lowest_tried`], [`Self::undecided`] and
    /// [`Self::search_bound`].
    pub jobs_per_min: Option<f64>,
    /// As a multiple of the load: the mean over replicas; with closed workloads, that of [`UserCeiling`].
    pub multiple: Option<f64>,
    /// The lowest multiple that was tried, if no load held: a ceiling, if there is one, is below it.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "below")]
    pub lowest_tried: Option<f64>,
    /// Why the ceiling cannot be determined; `None` if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<TooFewJobs>,
    /// The ceiling to plan with, which most runs hold; `None` if no ceiling was found, with one replica, or if its check did
    /// not end.
    #[serde(default)]
    pub planning: Option<PlanningCeiling>,
    /// The rule that breaks on the most fresh seeds at the lowest checked load above the ceiling to plan with, which failed
    /// the check. `None` if no load was checked, if the first one passed, and in a plan of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "breaks_above")]
    pub broken_above: Option<String>,
    /// The lower end of the confidence interval of the mean, as a multiple; `None` with one replica, which has no interval, if
    /// no ceiling was found, and with closed workloads.
    pub low: Option<f64>,
    /// The upper end of the confidence interval; `None` as [`Self::low`] is.
    pub high: Option<f64>,
    /// The confidence level of the interval, in `0..1`.
    pub confidence: f64,
    /// The ceiling of each replica as a multiple, the scenario's own seed first; empty if no ceiling was found.
    pub replicas: Vec<f64>,
    /// The relative width to which the first replica's ceiling was narrowed down.
    pub tolerance: f64,
    /// The multiple above which the search had no need to look: the lowest that broke a rule on the scenario's own seed, or the
    /// highest that was tried if none broke.
    #[serde(rename = "tried")]
    pub search_bound: f64,
    /// The seeds on which a rule cannot be judged, as when its windows have too few jobs; `None` unless that is why
    /// [`Self::undecided`] is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided_seeds: Option<UndecidedSeeds>,
    /// The rules that had to hold.
    pub rules: Vec<String>,
    /// The rule of these that needs the most jobs to be judged; `None` in a plan of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_from: Option<FewestJobs>,
    /// The first violation, just above the ceiling, or at the lowest load if none holds; `None` if no rule broke, or if the
    /// ceiling cannot be determined.
    #[serde(rename = "breaks")]
    pub first_violation: Option<FirstViolation>,
    /// The ceiling without the rules on cost, as a multiple on the scenario's own seed; `None` unless cost breaks first and one
    /// was found.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "but_for_cost")]
    pub without_cost_rules: Option<f64>,
}

/// The load that most runs hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanningCeiling {
    /// Jobs per minute.
    pub jobs_per_min: f64,
    /// As a multiple of the load; 0 if a replica holds no load that was tried, or too few fresh seeds hold any that was
    /// checked.
    pub multiple: f64,
    /// The least share of runs that hold it, in `0..1`.
    pub share: f64,
    /// The confidence that at least this share of runs holds it, in `0..1`.
    pub confidence: f64,
    /// The number of fresh seeds on which the load was simulated, and on how many of them it held; `None` if the runs have so
    /// many jobs, and their ceilings vary so little, that no check is needed, or if a replica holds no load.
    #[serde(default)]
    pub checked: Option<CheckedSeeds>,
}

/// Fresh seeds on which a load was simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedSeeds {
    /// The number of seeds.
    pub seeds: u32,
    /// On how many of them every rule held.
    pub held: u32,
}

/// One run on the curve through the ceiling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The multiple of the load.
    pub multiple: f64,
    /// Offered on average.
    pub offered_jobs_per_min: f64,
    /// Jobs that succeeded, per minute of the run.
    pub goodput_jobs_per_min: f64,
    /// Jobs offered.
    pub offered: u64,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// Jobs that failed after at least one attempt.
    pub failed: u64,
    /// Jobs that were shed before any attempt.
    pub shed: u64,
    /// Attempts refused by a limit.
    pub limited: u64,
    /// Attempts sent.
    pub attempts: u64,
    /// Jobs answered from the cache.
    pub cached: u64,
    /// The median latency of succeeded jobs; `None` if none succeeded.
    pub p50_s: Option<f64>,
    /// The 95th percentile of their latency.
    pub p95_s: Option<f64>,
    /// The cost of the run.
    pub cost_usd: f64,
    /// The cost of a day at this load; `None` in a plan of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd_per_day: Option<f64>,
    /// Whether every rule of the ceiling holds.
    pub holds: bool,
    /// Whether the whole run has fewer jobs than the most demanding rule needs. Then it gives no verdict, even if a rule is broken.
    #[serde(default)]
    pub too_few_jobs: bool,
    /// The first rule that cannot be judged, in the run or in its windows, if no rule is broken. The run may have too few jobs even
    /// if this is `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<TooFewJobs>,
}
