//! Resolves the rules of `expect:`: looks up their workloads, repeats a rule for each workload where that is needed, and
//! adds the default rule on success.

use super::diagnostics::{Diagnostics, Location};
use super::language::RuleSpec;
use super::resolved::{Metric, Op, Rule, Scenario, Workload};
use crate::ids::WorkloadId;
use crate::problem::did_you_mean;

/// The share of jobs that must succeed if no rule is on success.
const DEFAULT_SUCCESS: f64 = 0.99;
/// The maximum number of windows of one rule: as many as a week has windows of five minutes.
const MAX_WINDOWS: u64 = 2_016;

/// Resolves the rules of a scenario whose workloads are resolved. A rule that names no workload may result in one rule per
/// workload (see [`for_each_workload`]). A rule that cannot be resolved is reported and left out. `has_all_workloads` is
/// `false` if a workload was left out because of a problem of its own: then an unknown name is not reported.
pub(super) fn resolve_rules(
    rules: Vec<(Location, RuleSpec)>,
    (scenario, has_all_workloads): (&Scenario, bool),
    diagnostics: &Diagnostics,
) -> Vec<Rule> {
    let has_success_rule =
        rules.iter().any(|(_, rule)| matches!(rule.metric, Metric::Success | Metric::TaskSuccess));
    let mut all: Vec<Rule> = rules
        .into_iter()
        .flat_map(|(at, rule)| resolve_rule(&at, rule, (scenario, has_all_workloads), diagnostics))
        .collect();
    if !has_success_rule {
        all.extend(default_rules(scenario));
    }
    all
}

/// Returns the default rules on success: of tasks for workloads with sessions, of jobs for the others.
fn default_rules(scenario: &Scenario) -> Vec<Rule> {
    let has_sessions = |rule: &Rule| {
        let mut judged = scenario.workloads.iter().enumerate().filter(|(index, _)| rule.judges(*index));
        judged.any(|(_, workload)| workload.sessions.is_some())
    };
    let (of_tasks, of_jobs): (Vec<_>, Vec<_>) =
        for_each_workload(&Rule::default_success(), scenario).into_iter().partition(has_sessions);
    let of_tasks = of_tasks.first().map(|_| {
        let rule = Rule { metric: Metric::TaskSuccess, ..Rule::default_success() };
        for_each_workload(&Rule { text: format!("task {}", rule.text), ..rule }, scenario)
    });
    of_jobs.into_iter().chain(of_tasks.into_iter().flatten()).collect()
}

fn resolve_rule(
    at: &Location,
    rule: RuleSpec,
    (scenario, has_all_workloads): (&Scenario, bool),
    diagnostics: &Diagnostics,
) -> Vec<Rule> {
    if let Some(window) = rule.window {
        let windows = scenario.duration.0.div_ceil(window.0.max(1));
        if windows > MAX_WINDOWS {
            let what =
                format!("the run has {windows} windows of this length, and a rule has at most {MAX_WINDOWS}");
            diagnostics.report_at(at, what, "use longer windows, such as `in every hour`");
            return Vec::new();
        }
    }
    let RuleSpec { text, workload, metric, op, value, window } = rule;
    let rule = Rule { text, workload: None, window, is_default: false, metric, op, value };
    if metric.is_of_tasks()
        && has_all_workloads
        && scenario.workloads.iter().all(|workload| workload.sessions.is_none())
    {
        let what = format!("`{metric}` is of tasks, and no workload has `sessions`");
        diagnostics.report_at(at, what, "write a rule on jobs, such as `success >= 99%`");
        return Vec::new();
    }
    let Some(name) = &workload else { return for_each_workload(&rule, scenario) };
    let named = (0..).zip(&scenario.workloads).find(|(_, workload)| workload.name == *name);
    if let Some((_, named)) = named.filter(|(_, named)| metric.is_of_tasks() && named.sessions.is_none()) {
        let what = format!("`{metric}` is of tasks, and `{}` has no `sessions`", named.name);
        diagnostics.report_at(at, what, "name a workload with `sessions`");
        return Vec::new();
    }
    let Some((id, _)) = named else {
        if has_all_workloads {
            let names = scenario.workloads.iter().map(|workload| &*workload.name);
            diagnostics.report_at(at, format!("no workload is named `{name}`"), did_you_mean(name, names));
        }
        return Vec::new();
    };
    vec![Rule { workload: Some(WorkloadId(id)), ..rule }]
}

/// Returns a copy of a rule for each workload, if the rule names no workload, its metric is measured on jobs, and there are
/// several workloads; otherwise the rule itself. A rule on tasks is copied for each workload with sessions. Goodput is a rate of all jobs together, so its rule is not copied.
fn for_each_workload(rule: &Rule, scenario: &Scenario) -> Vec<Rule> {
    if rule.metric.is_of_tasks() {
        let with_sessions =
            (0..).zip(&scenario.workloads).filter(|(_, workload)| workload.sessions.is_some());
        let is_only = scenario.workloads.len() == 1;
        let one = |(id, workload): (u16, &Workload)| Rule {
            text: if is_only { rule.text.clone() } else { format!("{}: {}", workload.name, rule.text) },
            workload: Some(WorkloadId(id)),
            ..rule.clone()
        };
        return with_sessions.map(one).collect();
    }
    let is_per_workload = rule.metric.is_measured_per_job() && rule.metric != Metric::Goodput;
    if scenario.workloads.len() < 2 || !is_per_workload {
        return vec![rule.clone()];
    }
    let one = |(id, workload): (u16, &Workload)| Rule {
        text: format!("{}: {}", workload.name, rule.text),
        workload: Some(WorkloadId(id)),
        ..rule.clone()
    };
    (0..).zip(&scenario.workloads).map(one).collect()
}

impl Rule {
    /// Returns the rule on success that applies to a scenario that states none.
    pub(crate) fn default_success() -> Self {
        Self {
            text: format!("success >= {} %", DEFAULT_SUCCESS * 100.0),
            workload: None,
            window: None,
            is_default: true,
            metric: Metric::Success,
            op: Op::AtLeast,
            value: DEFAULT_SUCCESS,
        }
    }

    /// Returns `true` if the jobs of a workload, by index, are judged by this rule, alone or with those of the others.
    pub(crate) fn judges(&self, workload: usize) -> bool {
        self.workload.is_none_or(|id| id.index() == workload)
    }

    /// Returns the share of jobs (of attempts for the limited share) that may miss what the rule demands of each, such as
    /// to succeed or to stay within a latency; `None` if the rule demands nothing of single jobs. Assumes the usual
    /// comparison: at least for success, at most for all others.
    pub(crate) fn allowed_share(&self) -> Option<f64> {
        match self.metric {
            Metric::Success | Metric::TaskSuccess => Some(1.0 - self.value),
            Metric::Percentile(percent, _) => Some(1.0 - f64::from(percent) / 100.0),
            Metric::FallbackShare | Metric::CutShare | Metric::LimitedShare => Some(self.value.min(1.0)),
            Metric::Goodput | Metric::AttemptsPerJob | Metric::Cost | Metric::Headroom => None,
        }
    }
}
