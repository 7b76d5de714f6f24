//! The rules of a scenario in a result: each with its measured value, and whether it holds, is broken, or cannot be judged.

use super::findings::Finding;
use super::summary::Unit;
use crate::scenario::Metric;
use serde::{Deserialize, Serialize};

/// A rule of `expect` and its measured value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    /// The rule as written.
    pub rule: String,
    /// The metric of the rule; `None` in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// The workload that it is judged for; `None` for all jobs of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The length of the windows that it is judged in, in seconds; `None` for the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// The start of the worst window, in which `actual` was measured, in seconds; `None` without windows, or if one window
    /// covers the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_s: Option<f64>,
    /// `true` if the scenario does not state it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_default: bool,
    /// The measured value; `None` if there was nothing to measure.
    pub actual: Option<f64>,
    /// The value that the rule compares with; `None` in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// Of a rule on headroom, the estimated headroom if jobs go to the first target of their route that has room (see
    /// [`super::CeilingSummary::in_route_order`]); `actual` is then an upper bound. `None` without an estimate, and for other rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_route_order: Option<f64>,
    /// The unit of `actual`.
    pub unit: Unit,
    /// `true` if the rule holds. Without a measured value it does not, except for headroom if no limit bounds the load.
    pub pass: bool,
    /// Why the rule cannot be judged; `None` if it can, and in results of earlier versions. Such a rule neither holds nor is
    /// broken, so that [`Self::pass`] is `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<NotJudged>,
}

impl RuleResult {
    /// Returns `true` if the rule is broken: it can be judged, and it does not hold.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        !self.pass && self.not_judged.is_none()
    }

    /// Returns `true` if the rule is broken, or if it is on a headroom of which only a bound is known, and the bound does not prove
    /// that it holds.
    #[must_use]
    pub fn is_unproved(&self) -> bool {
        !self.pass && self.not_judged.is_none_or(|reason| reason.is_bound)
    }
}

/// Why a rule cannot be judged: one of the three flags, or too few jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotJudged {
    /// `true` if this machine changed the load of a live run, so that no number of jobs would be enough.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_distorted: bool,
    /// `true` if the run went through an endpoint whose replies do not state what the rule measures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_not_stated: bool,
    /// `true` if the rule is on headroom, which is only known to be between two numbers, one of which meets it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_bound: bool,
    /// The jobs of the window with the most, or of the run if the rule has no windows. All jobs count if `is_distorted`, `is_not_stated`
    /// or `is_bound`, else those that the metric can be measured on. For a fallback share, if all jobs of a window were
    /// served without an attempt of their own, only jobs that were served by an attempt count.
    pub jobs: u64,
    /// The smallest number of jobs of a window, or of the run, from which the rule is judged; equal to `jobs` if `is_distorted`,
    /// `is_not_stated` or `is_bound`.
    pub needed: u64,
}

impl NotJudged {
    /// Returns the reason for a rule that has `jobs` jobs and needs `needed`.
    pub(super) const fn few(jobs: u64, needed: u64) -> Self {
        Self { is_distorted: false, is_not_stated: false, is_bound: false, jobs, needed }
    }

    /// Returns the reason for a rule on a run of `jobs` jobs whose load this machine changed.
    pub(super) const fn distorted(jobs: u64) -> Self {
        Self { is_distorted: true, ..Self::few(jobs, jobs) }
    }

    /// Returns the reason for a rule on a run of `jobs` jobs through an endpoint that does not state what the rule measures.
    pub(super) const fn not_stated(jobs: u64) -> Self {
        Self { is_not_stated: true, ..Self::few(jobs, jobs) }
    }

    /// Returns the reason for a rule on the headroom of a run of `jobs` jobs, which is only known to be between two numbers.
    pub(super) const fn bound(jobs: u64) -> Self {
        Self { is_bound: true, ..Self::few(jobs, jobs) }
    }
}

/// A rule that cannot be judged, as a finding states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnjudgedRule {
    /// The rule as written.
    pub rule: String,
    /// The length of its windows, in seconds; `None` for the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// The estimated headroom in the order of the routes, and its upper bound, if the rule is not judged because the headroom is
    /// only known to be between these two; `None` if it is not judged for another reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom: Option<[f64; 2]>,
    /// Why it cannot be judged.
    #[serde(flatten)]
    pub jobs: NotJudged,
}

/// Returns the findings on the rules: which are broken, and which cannot be judged; if there are neither, that all hold. Empty
/// if there are no rules.
pub(super) fn findings(expect: &[RuleResult]) -> Vec<Finding> {
    let names = |rules: &mut dyn Iterator<Item = &RuleResult>| -> Vec<String> {
        rules.map(|expected| expected.rule.clone()).collect()
    };
    let missed = names(&mut expect.iter().filter(|expected| expected.is_broken()));
    let unjudged = expect.iter().filter_map(|expected| {
        let jobs = expected.not_judged?;
        let headroom = expected.in_route_order.zip(expected.actual).filter(|_| jobs.is_bound);
        let headroom = headroom.map(|(low, high)| [low, high]);
        Some(UnjudgedRule { rule: expected.rule.clone(), window_s: expected.window_s, headroom, jobs })
    });
    let (total, unjudged): (_, Vec<_>) = (expect.len() as u64, unjudged.collect());
    if total > 0 && missed.is_empty() && unjudged.is_empty() {
        return vec![Finding::ExpectationsMet { rules: names(&mut expect.iter()) }];
    }
    let missed = (!missed.is_empty()).then_some(Finding::ExpectationsMissed { total, rules: missed });
    let unjudged =
        (!unjudged.is_empty()).then_some(Finding::ExpectationsNotJudged { total, rules: unjudged });
    missed.into_iter().chain(unjudged).collect()
}
