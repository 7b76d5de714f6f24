//! The part of a plan about changes: what each of them is worth.

use crate::planner::cut_answers::CutIncrease;
use serde::{Deserialize, Serialize};

/// A change and its measured effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeEffect {
    /// The name of the change.
    pub change: String,
    /// What the change requires.
    pub kind: ChangeKind,
    /// The new ceiling; `None` if none was found up to the highest load tried, or down to the lowest.
    pub ceiling_jobs_per_min: Option<f64>,
    /// The users of closed workloads in the run at the highest load that held, which is at most the new ceiling, or at the load
    /// tried if there is no ceiling; 0 if the new ceiling cannot be determined, `None` without closed workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// The lowest load tried, if none held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below_jobs_per_min: Option<f64>,
    /// The highest load tried, if every load held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_jobs_per_min: Option<f64>,
    /// The new ceiling, or the highest load tried if there is none, divided by that of [`ComparedCeiling`], on the same
    /// traffic; divided by the lowest load to try if no load holds at present. 0 if no load holds with the change, or if the
    /// new ceiling cannot be determined.
    pub lift: f64,
    /// Whether the new ceiling differs from the present one by more than what the searches and the seeds explain.
    #[serde(default)]
    pub compared: Comparison,
    /// Why the new ceiling cannot be determined; `None` if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<super::TooFewJobs>,
    /// The 95th percentile of latency at the present load; `None` if no job succeeded.
    pub p95_s: Option<f64>,
    /// The cost of a run at the present load; 0 in a plan of an earlier version.
    #[serde(default)]
    pub cost_usd: f64,
    /// The cost of a day at the present load.
    pub cost_usd_per_day: f64,
    /// The increase of that cost over the present one; negative if the change saves money.
    pub extra_usd_per_day: f64,
    /// The cost of a day at the new ceiling, or at the highest load tried if there is none; 0 if no load holds, or if the
    /// new ceiling cannot be determined.
    #[serde(default)]
    pub ceiling_usd_per_day: f64,
    /// `lift - 1` divided by the extra cost in USD per day; `None` if there is no extra cost, if the ceilings are
    /// [`Comparison::Equal`] or [`Comparison::Unknown`], or if the change is an ablation.
    pub lift_per_usd: Option<f64>,
    /// Whether the change keeps all rules on cost at the present load; `None` unless such rules break first and are broken
    /// at the present load, and in a plan of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meets_budget: Option<bool>,
    /// The rule that breaks first after the change; `None` if none does.
    #[serde(rename = "breaks")]
    pub broken_rule: Option<String>,
    /// The workloads that have more answers cut with the change than at present.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<CutIncrease>,
}

impl ChangeEffect {
    /// The largest difference in cost that is not worth mentioning, in USD per day. A smaller one is worth mentioning if it is
    /// more than [`Self::NEGLIGIBLE_SHARE`] of the cost.
    const NEGLIGIBLE_USD: f64 = 0.005;
    /// The share of a cost above which a difference is worth mentioning even if it is below [`Self::NEGLIGIBLE_USD`].
    const NEGLIGIBLE_SHARE: f64 = 0.01;

    /// Returns `true` if the change may be proposed: it is not an ablation, and wherever it cuts more answers, a rule
    /// judges that.
    #[must_use]
    pub fn may_be_proposed(&self) -> bool {
        self.kind != ChangeKind::Ablation && self.cuts.iter().all(|cut| cut.is_judged)
    }

    /// Returns `true` if the change raises the cost of a day at the present load by more than is negligible.
    #[must_use]
    pub fn costs_extra(&self) -> bool {
        self.extra_usd_per_day > Self::negligible_usd(self.cost_usd_per_day)
    }

    /// Returns `true` if the change lowers the cost of a day at the present load by more than is negligible.
    #[must_use]
    pub fn saves(&self) -> bool {
        self.extra_usd_per_day < -Self::negligible_usd(self.cost_usd_per_day)
    }

    /// Returns the largest difference, in USD, that is negligible compared with this cost.
    pub(in crate::planner) fn negligible_usd(cost_usd: f64) -> f64 {
        Self::NEGLIGIBLE_USD.min(cost_usd.abs() * Self::NEGLIGIBLE_SHARE)
    }
}

/// The ceiling of the unchanged scenario, found on the same seed as those of changes, which are compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedCeiling {
    /// Jobs per minute; with closed workloads, of the open ones.
    pub jobs_per_min: f64,
    /// As a multiple of the load.
    pub multiple: f64,
    /// The users of closed workloads in the run at the highest load that held; `None` without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// The scenario's own seed, if the ceiling was searched on several; `None` if this is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether it is the ceiling without the rules on cost, since these break first.
    pub without_cost_rules: bool,
    /// Whether it is the highest load that was tried, since every load held.
    pub is_bound: bool,
}

/// A new ceiling in comparison with the present one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    /// Higher; also if some load holds with the change and none does at present.
    Higher,
    /// Not different beyond the tolerance, no load holds before and after, or the new ceiling cannot be determined.
    #[default]
    Equal,
    /// Lower.
    Lower,
    /// Not known: no ceiling was found without the change, and none below the highest load that was tried with it.
    Unknown,
}

/// What a change requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Another setting of the client.
    Client,
    /// More quota: an account, a tier, a provider, another model.
    Quota,
    /// Different traffic: shorter prompts, another `max_tokens`, another time of day.
    Traffic,
    /// A what-if that the scenario itself describes.
    Own,
    /// An ablation: a policy in force is left out, to measure its worth. Never bought, never paired.
    #[serde(rename = "without")]
    Ablation,
}
