//! Resolves the rules of `expect:`: looks up their workloads, repeats a rule for each workload where that is needed, and
//! adds the default rule on success.

use super::diagnostics::{Diagnostics, Location};
use super::language::RuleSpec;
use super::resolved::{Arrivals, Metric, Op, Rule, Scenario, Workload};
use crate::ids::WorkloadId;
use crate::problem::did_you_mean;
use provider::units::print_duration;
use provider::{Instant, Nanos};

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
    let unbounded = |rule: &Rule| {
        !all.iter().any(|other| other.metric == Metric::FinishedBy && other.workload == rule.workload)
    };
    let by_the_end = for_each_workload(&Rule::finished_by_the_end(scenario.duration), scenario);
    let by_the_end: Vec<Rule> = by_the_end.into_iter().filter(unbounded).collect();
    all.extend(by_the_end);
    all
}

/// Returns the default rules on success: of tasks for workloads with sessions, of jobs for the others.
fn default_rules(scenario: &Scenario) -> Vec<Rule> {
    let has_sessions = |rule: &Rule| {
        let mut judged = scenario.workloads.iter().enumerate().filter(|(index, _)| rule.judges(*index));
        judged.any(|(_, workload)| workload.sessions.is_some())
    };
    let jobs = Rule::default_success();
    let tasks = Rule { metric: Metric::TaskSuccess, text: format!("task {}", jobs.text), ..jobs.clone() };
    let of_jobs = for_each_workload(&jobs, scenario).into_iter().filter(|rule| !has_sessions(rule));
    of_jobs.chain(for_each_workload(&tasks, scenario)).collect()
}

/// Returns what is wrong with a rule on this metric if the scenario has no workload that it could be about, and the remedy.
fn no_workload_for(metric: Metric) -> (String, &'static str) {
    if metric.is_of_tasks() {
        let what = format!("`{metric}` is of tasks, and no workload has `sessions`");
        (what, "write a rule on jobs, such as `success >= 99%`")
    } else {
        let what = "no workload of this scenario is a `batch`, so nothing is ever finished".to_owned();
        (what, "leave the rule out, or write `batch: {jobs: 1000, workers: 4}` in place of `arrivals`")
    }
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
    let Some(name) = &workload else {
        let rules = for_each_workload(&rule, scenario);
        if rules.is_empty() && has_all_workloads {
            let (what, help) = no_workload_for(metric);
            diagnostics.report_at(at, what, help);
        }
        return rules.into_iter().filter_map(|rule| in_the_run(rule, at, scenario, diagnostics)).collect();
    };
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
    let rule = Rule { workload: Some(WorkloadId(id)), ..rule };
    if rule.metric == Metric::FinishedBy && batch_of(scenario, &rule).is_none() {
        let what = format!("`{name}` is not a `batch`, so it is never finished");
        diagnostics.report_at(at, what, "name a workload with `batch`");
        return Vec::new();
    }
    in_the_run(rule, at, scenario, diagnostics).into_iter().collect()
}

/// Returns the beginning of the batch that a rule is judged for; `None` if its workload is not a batch.
fn batch_of(scenario: &Scenario, rule: &Rule) -> Option<Instant> {
    match scenario.workloads.get(rule.workload?.index())?.arrivals {
        Arrivals::Batch { from, .. } => Some(from),
        _ => None,
    }
}

/// Returns a rule, with the time by which a batch must be finished on the first day on which that is after its beginning. Reports a
/// time after the run, at which nothing is known.
fn in_the_run(rule: Rule, at: &Location, scenario: &Scenario, diagnostics: &Diagnostics) -> Option<Rule> {
    let Some(from) = batch_of(scenario, &rule).filter(|_| rule.metric == Metric::FinishedBy) else {
        return Some(rule);
    };
    let written = Nanos::from_secs_f64(rule.value);
    let mut by = written;
    while by.0 <= from.0 {
        by += Nanos::DAY;
    }
    if by > scenario.duration {
        let [due, from, end] = [by, Nanos(from.0), scenario.duration].map(print_duration);
        let begins = if by == written { String::new() } else { format!("the batch begins at {from}, so ") };
        let what = format!("{begins}this is {due} after the start of the run, which ends after {end}");
        let help = format!(
            "write `duration: {due}`, or a time after {from}, when the batch begins, and up to {end}"
        );
        diagnostics.report_at(at, what, help);
        return None;
    }
    Some(Rule { value: by.as_secs_f64(), ..rule })
}

/// Returns a copy of a rule for each workload, if the rule names no workload, its metric is measured on jobs, and there are
/// several workloads; otherwise the rule itself. A rule on tasks is copied for each workload with sessions, one on the end of batches for
/// each batch. Goodput is a rate of all jobs together, so its rule is not copied.
fn for_each_workload(rule: &Rule, scenario: &Scenario) -> Vec<Rule> {
    if rule.metric == Metric::FinishedBy {
        return copy_for(rule, scenario, |workload| matches!(workload.arrivals, Arrivals::Batch { .. }));
    }
    if rule.metric.is_of_tasks() {
        return copy_for(rule, scenario, |workload| workload.sessions.is_some());
    }
    let is_per_workload = rule.metric.is_measured_per_job() && rule.metric != Metric::Goodput;
    if scenario.workloads.len() < 2 || !is_per_workload {
        return vec![rule.clone()];
    }
    copy_for(rule, scenario, |_| true)
}

/// Returns a copy of a rule for each workload that it is about.
fn copy_for(rule: &Rule, scenario: &Scenario, is_about: impl Fn(&Workload) -> bool) -> Vec<Rule> {
    let is_single = scenario.workloads.len() == 1;
    let judged = (0..).zip(&scenario.workloads).filter(|(_, workload)| is_about(workload));
    let one = |(id, workload): (u16, &Workload)| Rule {
        text: if is_single { rule.text.clone() } else { format!("{}: {}", workload.name, rule.text) },
        workload: Some(WorkloadId(id)),
        ..rule.clone()
    };
    judged.map(one).collect()
}

impl Rule {
    /// Returns the rule that a batch is finished by the end of the run, which applies to a batch on whose end there is no rule.
    fn finished_by_the_end(duration: Nanos) -> Self {
        Self {
            text: format!("finished by {}", print_duration(duration)),
            metric: Metric::FinishedBy,
            op: Op::AtMost,
            value: duration.as_secs_f64(),
            ..Self::default_success()
        }
    }

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
            Metric::Goodput
            | Metric::AttemptsPerJob
            | Metric::Cost
            | Metric::Headroom
            | Metric::FinishedBy => None,
        }
    }
}
