//! The rules of `expect:` as they are judged: for each workload, and with the default on success.

use super::diagnostics::{Diagnostics, Location};
use super::language::Rule;
use super::resolved::{Expectation, Metric, Op, Scenario};
use crate::ids::ClassId;
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
        let text = format!("success >= {} %", DEFAULT_SUCCESS * 100.0);
        let rule = Rule {
            text,
            workload: None,
            metric: Metric::Success,
            op: Op::AtLeast,
            value: DEFAULT_SUCCESS,
            window: None,
        };
        let default = for_each_workload(&rule, scenario).into_iter();
        all.extend(default.map(|rule| Expectation { is_default: true, ..rule }));
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
    let Some(name) = &rule.workload else { return for_each_workload(&rule, scenario) };
    let named = (0..).zip(&scenario.workloads).find(|(_, workload)| workload.name == *name);
    let Some((class, _)) = named else {
        let names = scenario.workloads.iter().map(|workload| &*workload.name);
        diagnostics.report_at(at, format!("no workload is named `{name}`"), did_you_mean(name, names));
        return Vec::new();
    };
    vec![of_workload(&rule, rule.text.clone(), Some(ClassId(class)))]
}

/// Returns a rule that names no workload once for each workload, if it is about jobs and there are several. A rate is of
/// all jobs together.
fn for_each_workload(rule: &Rule, scenario: &Scenario) -> Vec<Expectation> {
    let separate = rule.metric.is_of_jobs() && rule.metric != Metric::Goodput;
    if scenario.workloads.len() < 2 || !separate {
        return vec![of_workload(rule, rule.text.clone(), None)];
    }
    let one = |(class, name): (u16, &str)| {
        of_workload(rule, format!("{name}: {}", rule.text), Some(ClassId(class)))
    };
    (0..).zip(scenario.workloads.iter().map(|workload| &*workload.name)).map(one).collect()
}

fn of_workload(rule: &Rule, text: String, workload: Option<ClassId>) -> Expectation {
    let Rule { metric, op, value, window, .. } = *rule;
    Expectation { rule: text, workload, window, is_default: false, metric, op, value }
}
