//! The findings, differences and notes of a plan as typed data. `report::plan::sentences` makes the sentences.

mod difference;
mod from_plan;

pub use difference::{Difference, GiveUpBound, Refusals};
pub(super) use from_plan::findings;

use super::conclusion::Conclusion;
use super::cut_answers::CutIncrease;
use super::not_tried::{NotTriedReason, UntriedChange};
use super::plan::{
    BrokenRule, FirstViolation, Growth, Outage, PlanningCeiling, Purchase, TooFewJobs, UndecidedSeeds,
    UserLoad,
};
use crate::record::{CutAnswers, LongWindow};
use crate::scenario::{Metric, Note};
use serde::{Deserialize, Serialize};

/// Why a plan was ended before everything was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutReason {
    /// By a signal.
    Interrupted,
    /// By its time limit.
    TimeLimit,
    /// By runs that were left to other processes and whose results are missing.
    MissingShards,
}

/// One statement of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The plan was ended before everything was measured: it states what was found until then.
    Partial {
        /// Why.
        by: CutReason,
        /// The shards whose runs are missing, if that is why.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missing_shards: Vec<String>,
        /// The seeds on which the ceiling was searched.
        seeds: usize,
        /// The changes that were measured.
        changes: usize,
        /// The changes that were to be measured.
        of: usize,
        /// The providers whose loss was to be simulated but was not.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missing_outages: Vec<String>,
        /// Whether months were asked for and not planned to the end.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        missing_year: bool,
    },
    /// The window of a limit of which the load uses a notable share is half of the scenario's duration or longer.
    LongWindow {
        /// The limit.
        #[serde(flatten)]
        window: LongWindow,
        /// The scenario's duration, in seconds; 0 in a plan of an earlier version.
        #[serde(default)]
        scenario_s: f64,
    },
    /// Answers are cut at the present load.
    CutAnswers(CutAnswers),
    /// A ceiling was found.
    CeilingFound {
        /// Whether the present load holds; see [`super::Load::holds`].
        load_holds: bool,
        /// The present load.
        load_jobs_per_min: f64,
        /// The mean simulated ceiling.
        jobs_per_min: f64,
        /// The same as a multiple of the load.
        multiple: f64,
        /// The ceiling to plan with; `None` with one replica, or if its check did not end.
        planning: Option<PlanningCeiling>,
        /// The ends of the confidence interval of the multiple; `None` with one replica.
        interval: Option<[f64; 2]>,
    },
    /// The load of closed workloads, what it can reach, and its ceiling.
    Users {
        /// Whether the present load holds; see [`super::Load::holds`].
        load_holds: bool,
        /// The load and the ceiling.
        load: UserLoad,
        /// The lowest multiple of the load that broke a rule; the highest that was tried if none broke.
        tried: f64,
        /// Why there is no ceiling; `None` if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        without: Option<NoUserCeiling>,
    },
    /// Some rules hold at no load: more jobs are too large for every target than may fail, or the rules break at the lowest
    /// load on every seed, though no limit refuses what it could admit and no job waits.
    NoLoadHolds {
        /// The present load.
        load_jobs_per_min: f64,
        /// The lowest load that was tried, in jobs per minute.
        tried_jobs_per_min: f64,
        /// The rules that no load holds; at least one.
        rules: Vec<BrokenRule>,
        /// The share of jobs that are too large for every target, if that is the cause.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        too_large: Option<f64>,
    },
    /// The rules hold at no load that was tried; a lower one might hold.
    NoneHeld {
        /// The present load.
        load_jobs_per_min: f64,
        /// The lowest load that was tried, in jobs per minute.
        tried_jobs_per_min: f64,
    },
    /// The runs have too few jobs to determine the ceiling, or whether the present load holds, unless that load breaks a rule
    /// for certain.
    CannotTell {
        /// The present load.
        load_jobs_per_min: f64,
        /// The jobs that there are, and those that are needed.
        #[serde(flatten)]
        few: TooFewJobs,
        /// Whether the present load breaks a rule for certain, so that only the ceiling cannot be determined.
        #[serde(default)]
        load_breaks: bool,
        /// The seeds on which the rule cannot be judged; `None` if the number of jobs of a run is the cause.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seeds: Option<UndecidedSeeds>,
    },
    /// The rules hold at every load that was tried.
    NoCeilingFound {
        /// Whether the present load holds; see [`super::Load::holds`].
        load_holds: bool,
        /// The present load.
        load_jobs_per_min: f64,
        /// The highest multiple of the load that was tried.
        tried: f64,
    },
    /// What breaks first above the ceiling: which rule, when, at which load, and which limit is the cause.
    FirstViolation(FirstViolation),
    /// Cost breaks first; without the rules on cost the ceiling is this multiple of the load.
    CeilingWithoutCostRules {
        /// The multiple of the load.
        multiple: f64,
    },
    /// Rules on cost break first, and are broken at the present load already; and how the changes affect its cost.
    Budget {
        /// The rules on cost, as written; at least one.
        rules: Vec<String>,
        /// The cost of a run at the present load, in USD.
        cost_usd: f64,
        /// The change with which that cost is lowest; `None` if it is no lower with any that was tried.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cheapest: Option<CheapestChange>,
    },
    /// The change that raises the ceiling most; of nearly equal ones, the cheapest.
    BestChange(Improvement),
    /// The best change without extra cost, if the best one has a cost or changes the traffic.
    BestFreeChange(Improvement),
    /// A policy in force lowers the ceiling.
    HarmfulPolicy {
        /// The name of the ablation that leaves it out.
        change: String,
        /// The ceiling without the policy divided by the present one, above 1; see [`super::ChangeEffect::lift`].
        lift: f64,
    },
    /// The cheapest changes that hold the target load.
    Purchase(Purchase),
    /// When growth reaches the ceiling.
    Growth(Growth),
    /// What to buy in which month: see [`super::Plan::year`].
    Year,
    /// The effect of the loss of a provider.
    Outage(Outage),
}

/// Why there is no ceiling of closed workloads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum NoUserCeiling {
    /// These rules hold at no load; see [`Finding::NoLoadHolds`].
    NoLoadHolds {
        /// The rules; at least one.
        rules: Vec<BrokenRule>,
        /// The share of jobs that are too large for every target, if that is the cause.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        too_large: Option<f64>,
    },
    /// The rules hold at no load that was tried; a lower one might hold.
    NoneHeld,
    /// The runs have too few jobs.
    TooFewJobs(TooFewJobs),
    /// The rules hold at every load that was tried.
    Unbounded,
}

impl NoUserCeiling {
    pub(super) fn of(conclusion: &Conclusion) -> Option<Self> {
        match conclusion {
            Conclusion::Ceiling => None,
            Conclusion::NoLoadHolds { rules, too_large } => {
                Some(Self::NoLoadHolds { rules: rules.clone(), too_large: *too_large })
            }
            Conclusion::NoneHeld => Some(Self::NoneHeld),
            Conclusion::TooFewJobs(few) => Some(Self::TooFewJobs(few.clone())),
            Conclusion::Unbounded => Some(Self::Unbounded),
        }
    }
}

/// The change with which the present load costs least.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheapestChange {
    /// The name of the change.
    pub change: String,
    /// The cost of a run at the present load with the change, in USD.
    pub cost_usd: f64,
    /// Whether the rules on cost hold with it.
    pub meets_budget: bool,
}

/// A change that raises the ceiling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Improvement {
    /// The name of the change.
    pub change: String,
    /// The new ceiling divided by the present one, above 1; `None` if no load holds at present.
    pub lift: Option<f64>,
    /// The new ceiling; `None` if every load that was tried held.
    pub jobs_per_min: Option<f64>,
    /// The users at the new ceiling; `None` without closed workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// The extra cost of a day at the present load; 0 if it is negligible, negative if the change saves money.
    pub extra_usd_per_day: f64,
    /// The whole cost of a day at the new ceiling, or at the highest load tried if there is none.
    #[serde(default)]
    pub ceiling_usd_per_day: f64,
}

fn success() -> Metric {
    Metric::Success
}

fn is_success(metric: &Metric) -> bool {
    *metric == Metric::Success
}

/// How a plan was found, and what was left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PlanNote {
    /// Expectations that are no rules of the ceiling, because more load does not break them, less does not mend them, or they bound
    /// the goodput from above.
    RulesLeftOut {
        /// The rules, as written.
        rules: Vec<String>,
    },
    /// The scenario has no rule on success that more load breaks, or none on the end of a batch; this one was added.
    RuleAssumed {
        /// The rule.
        rule: String,
        /// What it is about. It is left out for success.
        #[serde(default = "success", skip_serializing_if = "is_success")]
        metric: Metric,
    },
    /// The number of runs and the precision of the searches.
    Method {
        /// The number of seeds on which the ceiling was searched.
        replicas: usize,
        /// The confidence level of the interval of the mean.
        confidence: f64,
        /// The relative tolerance of the first seed's search.
        tolerance: f64,
        /// The same for the other seeds.
        other_seeds_tolerance: f64,
        /// The same for the changes.
        change_tolerance: f64,
        /// The same for the ablations.
        ablation_tolerance: f64,
        /// The same for the pairs.
        pair_tolerance: f64,
        /// Ceilings that differ by at most this share are called equal.
        equal: f64,
        /// The same for ablations.
        ablation_equal: f64,
    },
    /// A change that uses another model of the same accounts: no new account, but another model's answers.
    OtherModel {
        /// The name of the change.
        change: String,
    },
    /// Accounts of a provider are free; no more than a few are proposed, since its terms may forbid several.
    FreeAccounts {
        /// The name of the provider.
        provider: String,
        /// The most accounts that are added.
        max: usize,
    },
    /// A change cuts more answers than are cut at present.
    CutsAnswers {
        /// The name of the change.
        change: String,
        /// The workloads; at least one.
        workloads: Vec<CutIncrease>,
    },
    /// Changes that only measure the worth of a policy in force.
    Ablations {
        /// Their names.
        changes: Vec<String>,
    },
    /// Changes are measured without the rules on cost, since these break first.
    MeasuredWithoutCostRules,
    /// Runs are longer than the scenario's duration, which has too few jobs or is short against the window of a limit.
    LongerRuns {
        /// The scenario's duration, in seconds.
        from_s: f64,
        /// The duration of the runs, in seconds.
        to_s: f64,
        /// Whether they are longer in order to cover several windows of long limits.
        #[serde(default)]
        covers_windows: bool,
    },
    /// The runs do not last a day, so that a cost per day is scaled from that of a run, unless a day is simulated because of
    /// a limit per day.
    CostPerDay {
        /// The duration of the runs, in seconds.
        run_s: f64,
        /// Whether a target has a limit per day: if it does not allow what the run uses, scaled to a day, a day is simulated.
        #[serde(default)]
        has_daily_limits: bool,
    },
    /// A change of the catalogue was not tried.
    NotTried {
        /// The change.
        change: UntriedChange,
        /// Why it was not tried.
        reason: NotTriedReason,
    },
    /// Growth was given, and no ceiling was found that it could reach.
    GrowthWithoutCeiling {
        /// As given: `8%/month`.
        rate: String,
    },
    /// A note of the scenario itself.
    Scenario {
        /// The note.
        note: Note,
    },
}
