//! The parts of a plan that answer one question each: pairs of changes, a target load, growth, and the loss of a provider.

use super::{BrokenRule, TooFewJobs};
use serde::{Deserialize, Serialize};

/// Two changes that are worth more together than separately, by more than the tolerance of the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The names of both changes.
    pub changes: [String; 2],
    /// The lift of both together.
    pub lift: f64,
    /// The product of their separate lifts.
    pub apart: f64,
}

/// The cheapest changes that hold a target load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Purchase {
    /// The load to hold.
    pub target: TargetLoad,
    /// Whether it is proved that the load holds: every rule, those on cost included, holds on [`Self::proof`] fresh replicas,
    /// on which the changes were not chosen.
    pub holds: bool,
    /// Why it cannot be determined whether the load holds: a run at that load has too few jobs. No changes are stated then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<TooFewJobs>,
    /// The number of fresh replicas that all have to hold in order to prove that at least 95 % of runs hold. The confidence
    /// is 90 %, for all proofs of the search together.
    #[serde(default)]
    pub proof: u32,
    /// Whether the search ended by itself; `false` if the time limit or an interruption ended it, with the best answer
    /// until then.
    #[serde(default)]
    pub complete: bool,
    /// Whether the changes are expected to hold the load by arithmetic, corrected by their measured lifts.
    #[serde(default)]
    pub expected: bool,
    /// The changes after which another model answers some jobs. Their cost was not compared, although it may be lower, since
    /// changes without another model are preferred at any price. Empty if one of them is chosen, or no change of quota is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
    /// The names of the changes, in the order in which they are applied; a change that is needed several times is repeated.
    pub changes: Vec<String>,
    /// The providers of which free accounts are among the changes: their terms of service may forbid several.
    #[serde(default)]
    pub free_accounts: Vec<String>,
    /// The models to which jobs can be sent with the changes, and not without them.
    #[serde(default)]
    pub other_models: Vec<String>,
    /// The rules that are still broken on some replica; empty if the load holds, or if [`Self::undecided`] is set.
    pub broken: Vec<BrokenRule>,
    /// The cost of a day at that load with the changes, everything included; with those that were tried last if
    /// [`Self::undecided`] is set. `None` if no whole run ended before the time was up.
    pub cost_usd_per_day: Option<f64>,
    /// The highest 95th percentile of latency at that load over the replicas that hold, and the first that does not; `None` if
    /// no job succeeded.
    pub p95_s: Option<f64>,
    /// The number of seeds on which the changes were simulated.
    pub replicas: u32,
    /// The number of these on which a rule breaks, those on cost left out.
    #[serde(default)]
    pub failing_replicas: u32,
}

/// A load to hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetLoad {
    /// As a multiple of the present load.
    pub multiple: f64,
    /// In jobs per minute; with closed workloads, of the open ones.
    pub jobs_per_min: f64,
    /// The users of closed workloads; `None` without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
}

/// When growth reaches the ceiling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// As given: `8%/month`.
    pub rate: String,
    /// Months of 30.44 days until the load reaches the ceiling of [`super::Plan::planning_multiple`]; negative if the load is
    /// above it already, `None` if no ceiling was found.
    pub months: Option<f64>,
    /// The same for the mean ceiling; `None` with one replica, if no ceiling was found, and in a plan of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<MeanGrowth>,
}

/// When growth reaches the mean ceiling, which is above the one to plan with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanGrowth {
    /// Months of 30.44 days; negative if the load is above the mean ceiling already.
    pub months: f64,
    /// The same for the two ends of the confidence interval of the mean ceiling.
    pub between: [f64; 2],
}

/// The effect of the loss of a provider at the present load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// The name of the provider.
    pub provider: String,
    /// When the outage begins, as reports write it. Of all intervals as long as the outage, it takes the one in which the
    /// most jobs arrive of workloads that can use the provider, those with users left out.
    pub at: String,
    /// The same in seconds from the start.
    pub at_s: f64,
    /// For how many seconds every call to the provider is answered with status 503.
    pub for_s: f64,
    /// Whether the outage is survived on every replica: the jobs of each workload that arrive during it break no rule,
    /// success is back before the end of the run or too few jobs arrive after the outage to judge that, and the outage
    /// breaks no rule over the whole run. `false` also if no job arrives during it, so that nothing is known.
    pub survives: bool,
    /// The rules that break on some replica: for the jobs of a workload that arrive during the outage, or over the run because
    /// of it.
    pub broken: Vec<BrokenRule>,
    /// Those of [`Self::broken`] that break over the whole run: a simulation of the scenario with this incident reports
    /// them as well. It does not report the others, which break only for the jobs that arrive during the outage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken_over_run: Vec<BrokenRule>,
    /// The rules that break over the whole run even without the outage, on some replica.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken_without: Vec<BrokenRule>,
    /// The share of the jobs that arrive during the outage that succeed, on the worst replica; `None` if none arrive.
    pub success: Option<f64>,
    /// The 95th percentile of their latency; `None` if none succeeds.
    pub p95_s: Option<f64>,
    /// Of the jobs that arrive during the outage and that an attempt of their own serves, the share that a later step of
    /// their route serves; `None` if there are none.
    #[serde(default)]
    pub fallback_share: Option<f64>,
    /// What the jobs that arrive during the outage cost, in USD.
    #[serde(default)]
    pub cost_usd: f64,
    /// The jobs of each workload that arrive during the outage.
    #[serde(default)]
    pub workloads: Vec<OutageWorkload>,
    /// The number of seeds on which the outage was simulated.
    #[serde(default)]
    pub replicas: u32,
}

impl Outage {
    /// Returns `true` if it is known whether the outage is survived: jobs arrive during it, or it breaks a rule.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        !self.broken.is_empty() || self.workloads.iter().any(|workload| workload.jobs > 0)
    }
}

/// The results of the jobs of a workload that arrive during an outage, on the replica on which the smallest share of them
/// succeeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutageWorkload {
    /// The workload's name.
    pub name: String,
    /// The route that it uses.
    pub route: String,
    /// The seed of that replica; `None` in a plan of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The jobs that arrive.
    pub jobs: u64,
    /// The share that succeeds; `None` if none arrive.
    pub success: Option<f64>,
    /// The 95th percentile of latency; `None` if none succeeds.
    pub p95_s: Option<f64>,
    /// Of those that an attempt of their own serves, the share that a later step of the route serves; `None` if there are none.
    pub fallback_share: Option<f64>,
    /// What these jobs cost, in USD.
    pub cost_usd: f64,
    /// The share of the same jobs that succeeds on the same replica without the outage; `None` if none arrive.
    #[serde(default)]
    pub success_without: Option<f64>,
    /// Whether the jobs that arrive after the outage would succeed without it as the rules demand, on every replica. If not,
    /// the recovery is to the share that succeeds without the outage.
    #[serde(default)]
    pub serves_without: bool,
    /// The rules that these jobs break on some replica.
    pub broken: Vec<BrokenRule>,
    /// The recovery after the outage, on the slowest replica.
    pub recovery: Recovery,
}

/// When the jobs of a workload succeed again after an outage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Recovery {
    /// From this time to the end of the run, arriving jobs succeed as the rules demand, or as they do without the outage.
    After {
        /// The time from the end of the outage, in seconds.
        seconds: f64,
    },
    /// Success is not back before the end of the run.
    NotBeforeEnd,
    /// Too few jobs arrive after the outage to judge.
    TooFewJobs {
        /// The jobs that arrive.
        jobs: u64,
        /// The jobs that the rule on success needs.
        needed: u64,
    },
}

/// A reason for which `plan` ends with exit code 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum NotMet {
    /// The present load does not hold, or whether it does cannot be determined.
    PresentLoad,
    /// No changes were found that are proved to hold the target load.
    TargetLoad,
    /// The loss of these providers is not survived.
    Outage {
        /// Their names.
        providers: Vec<String>,
    },
    /// No order of purchases holds the load of every month.
    Year {
        /// The first month that is not held; `None` if that cannot be determined.
        month: Option<u32>,
    },
}

/// What was simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulations {
    /// Runs, including those that were ended early because their verdict was certain. The days before a run, which are
    /// simulated to find the levels with which its limits begin, do not count.
    pub runs: u64,
    /// Jobs in those runs.
    pub jobs: u64,
}
