//! The parts of a plan that are about a rule that does not hold.

use crate::scenario::Metric;
use serde::{Deserialize, Serialize};

/// The most important rule that is broken at the lowest load above the ceiling, and the limit that causes it. The cause is
/// the limit that refuses most at the time when the rule is worst, else the fullest one then, else the one for which the
/// most jobs were given up while they waited, else the one that refuses most over the run; during an incident, only the
/// last. If the metric has no such time, the whole run takes its place: the cause is the limit that refuses most over the
/// run, else the one for which the most jobs were given up while they waited. For a rule on success, a limit for which at
/// least half of the lost jobs were given up while they waited comes first. For a rule on headroom, the cause is the limit
/// that binds by arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstViolation {
    /// The rule, as written.
    pub rule: String,
    /// The metric that the rule is about.
    pub metric: Metric,
    /// The measured value; `None` if there was nothing to measure.
    pub actual: Option<f64>,
    /// The multiple of the load at which the rule was measured.
    pub multiple: f64,
    /// The time in the run at which the metric is worst, as reports write it; `None` if the metric is of the whole run, as cost
    /// and headroom are, or if nothing counts against it at any time.
    pub at: Option<String>,
    /// The same in seconds from the start of the run.
    pub at_s: Option<f64>,
    /// The target of the limit; `None` if none is known, or if the rule is on cost or on cut answers.
    pub target: Option<String>,
    /// The axis of the limit.
    pub axis: Option<String>,
    /// The provider that an incident hits at that time, if no limit refuses then and the incident does not last for the whole
    /// run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// Attempts that the limit refused in the time bucket at that time, or in the worst window of a rule that is judged in
    /// windows; 0 if it only refuses at other times, is only full, or is waited for.
    #[serde(default)]
    pub refused: u64,
    /// Attempts that it refused over the run, if the metric has no such time, if it refused none then and is neither full nor
    /// waited for, or if a provider has an incident then; else 0.
    #[serde(default)]
    pub refused_over_run: u64,
    /// Jobs that were given up over the run while they waited for the limit, if that is why it is named; else 0.
    #[serde(default)]
    pub given_up: u64,
    /// Jobs that were lost over the run because the client's budget in USD did not allow them in time, if no limit is the cause of
    /// the violation; else 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub over_budget: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BrokenRule {
    /// The rule, as written.
    pub rule: String,
    /// The metric that the rule is about.
    pub metric: Metric,
}
