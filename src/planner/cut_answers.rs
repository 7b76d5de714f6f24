//! Whether a change cuts more answers than are cut at present. A cheaper or faster run of incomplete answers is no
//! improvement, so such a change is proposed only if a rule on the share of cut answers judges it.

use super::rules::Rules;
use crate::formatting::rounded;
use crate::scenario::{Metric, Scenario};
use serde::{Deserialize, Serialize};

/// Shares that differ by less are equal.
const ROUNDING: f64 = 1e-6;

/// A workload of which a change cuts more answers, computed from the lengths of its answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CutIncrease {
    /// The name of the workload.
    pub workload: String,
    /// The share of its answers that is cut with the change, from 0 to 1.
    #[serde(rename = "share")]
    pub share_after: f64,
    /// The share that is cut at present; `None` if arithmetic does not give it.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "before")]
    pub share_before: Option<f64>,
    /// Whether a rule on the share of cut answers judges the workload.
    pub is_judged: bool,
}

/// Returns the workloads of which `changed` cuts more answers than `present`. The share of a workload that `present` does not
/// have, or that arithmetic does not give, counts as 0 there.
pub(super) fn more_cut(present: &Scenario, changed: &Scenario, rules: &Rules) -> Vec<CutIncrease> {
    let each = changed.workloads.iter().enumerate().filter_map(|(index, workload)| {
        let share = changed.cut_share(workload)?;
        let same = present.workloads.iter().find(|other| other.name == workload.name);
        let before = same.map_or(Some(0.0), |same| present.cut_share(same));
        (share > before.unwrap_or(0.0) + ROUNDING).then(|| CutIncrease {
            workload: workload.name.clone(),
            share_after: rounded(share, 6),
            share_before: before.map(|before| rounded(before, 6)),
            is_judged: is_judged(index, rules),
        })
    });
    each.collect()
}

fn is_judged(workload: usize, rules: &Rules) -> bool {
    rules.kept.iter().any(|rule| rule.metric == Metric::CutShare && rule.judges(workload))
}
