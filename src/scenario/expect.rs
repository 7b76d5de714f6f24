//! The rules of `expect:` as they are judged: for each workload, and with the default on success.

use super::diagnostics::{Diagnostics, Location};
use super::language::Rule;
use super::resolved::{Expectation, Metric, Op, Scenario, Workload};
use crate::ids::WorkloadId;
use crate::problem::did_you_mean;

/// The share of jobs that must succeed if no rule says anything of success.
const DEFAULT_SUCCESS: f64 = 0.99;
/// The most windows of one rule: a week of five minutes.
const MAX_WINDOWS: u64 = 2_016;

/// Returns the rules of a scenario whose workloads are known, those without a workload once for each of them.
pub(super) fn expectations(
    rules: Vec<(Location, Rule)>,
    scenario: &Scenario,
    diagnostics: &Diagnostics,
) -> Vec<Expectation> {
    let says_success = rules.iter().any(|(_, rule)| rule.metric == Metric::Success);
    let mut all: Vec<Expectation> =
        rules.into_iter().flat_map(|(at, rule)| expectation(&at, rule, scenario, diagnostics)).collect();
    if !says_success {
        all.extend(for_each_workload(&Expectation::default_success(), scenario));
    }
    all
}

fn expectation(
    at: &Location,
    rule: Rule,
    scenario: &Scenario,
    diagnostics: &Diagnostics,
) -> Vec<Expectation> {
    if let Some(window) = rule.window {
        let windows = scenario.duration.0.div_ceil(window.0.max(1));
        if windows > MAX_WINDOWS {
            let what =
                format!("the run has {windows} windows of this length, and a rule has at most {MAX_WINDOWS}");
            diagnostics.report_at(at, what, "use longer windows, such as `in every hour`");
            return Vec::new();
        }
    }
    let Rule { text, workload, metric, op, value, window } = rule;
    let rule = Expectation { rule: text, workload: None, window, is_default: false, metric, op, value };
    let Some(name) = &workload else { return for_each_workload(&rule, scenario) };
    let named = (0..).zip(&scenario.workloads).find(|(_, workload)| workload.name == *name);
    let Some((id, _)) = named else {
        let names = scenario.workloads.iter().map(|workload| &*workload.name);
        diagnostics.report_at(at, format!("no workload is named `{name}`"), did_you_mean(name, names));
        return Vec::new();
    };
    vec![Expectation { workload: Some(WorkloadId(id)), ..rule }]
}

/// Returns a rule that names no workload once for each workload, if it is about jobs and there are several. A rate is of
/// all jobs together.
fn for_each_workload(rule: &Expectation, scenario: &Scenario) -> Vec<Expectation> {
    let separate = rule.metric.is_of_jobs() && rule.metric != Metric::Goodput;
    if scenario.workloads.len() < 2 || !separate {
        return vec![rule.clone()];
    }
    let one = |(id, workload): (u16, &Workload)| Expectation {
        rule: format!("{}: {}", workload.name, rule.rule),
        workload: Some(WorkloadId(id)),
        ..rule.clone()
    };
    (0..).zip(&scenario.workloads).map(one).collect()
}

impl Expectation {
    /// Returns the rule on success of a scenario that has none.
    pub(crate) fn default_success() -> Self {
        Self {
            rule: format!("success >= {} %", DEFAULT_SUCCESS * 100.0),
            workload: None,
            window: None,
            is_default: true,
            metric: Metric::Success,
            op: Op::AtLeast,
            value: DEFAULT_SUCCESS,
        }
    }

    /// Returns the share of jobs that may miss what the rule asks of each; `None` if it is not about single jobs.
    pub(crate) fn allowed_share(&self) -> Option<f64> {
        match self.metric {
            Metric::Success => Some(1.0 - self.value),
            Metric::Percentile(percent, _) => Some(1.0 - f64::from(percent) / 100.0),
            Metric::FallbackShare | Metric::CutShare | Metric::LimitedShare => Some(self.value.min(1.0)),
            Metric::Goodput | Metric::AttemptsPerJob | Metric::Cost | Metric::Headroom => None,
        }
    }
}
