//! The outcome of a test: per scenario, which rules hold and what changed since the baseline. Every output (text, JSON,
//! JUnit, Markdown, annotations) is a function of it.

use super::baseline::Baseline;
use super::compare::{FALSE_ALARM_PROBABILITY, MeasureChange, Verdict, changes};
use super::measures::format_change;
use super::runs::{Case, ScenarioRuns};
use crate::formatting::{count, number, plural, quantity, quantity_beside, rounded};
use crate::record::{NotJudged, RuleResult, Unit};
use crate::scenario::Rule;
use serde::Serialize;

/// The name and version of the schema of `quotalab test --json`.
const SCHEMA: &str = "quotalab/test/1";

/// The outcome of all scenarios.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    schema: &'static str,
    /// The number of scenarios in which every rule holds and no measure got worse.
    pub passed: usize,
    /// The number of scenarios with a rule that is broken or cannot be judged, or with a measure that got worse.
    pub failed: usize,
    /// The number of scenarios that were not judged.
    pub skipped: usize,
    /// In the order in which they were given.
    pub scenarios: Vec<ScenarioOutcome>,
}

/// The outcome of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScenarioOutcome {
    /// The scenario's name.
    pub name: String,
    /// Its file, as the user named it.
    pub file: String,
    /// Whether it passed, failed or was skipped.
    pub status: Status,
    /// Why nothing was judged or compared: not all runs were completed, or the baseline that was given does not contain the
    /// scenario.
    pub notes: Vec<&'static str>,
    /// Its rules.
    pub expect: Vec<RuleOutcome>,
    /// Its measures compared with the baseline; empty without one.
    pub compared: Vec<MeasureChange>,
}

/// Whether a scenario passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every rule holds and no measure got worse.
    Passed,
    /// A rule is broken or cannot be judged, or a measure got worse.
    Failed,
    /// Nothing of it was judged: not all of its runs were completed.
    Skipped,
}

/// The outcome of one rule of `expect:`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleOutcome {
    /// The text of the rule, after the workload's name and a colon if it is judged per workload; the default rule if the
    /// scenario states none on success.
    pub rule: String,
    /// The line of the file, counted from 1; `None` if the file does not contain the rule.
    pub line: Option<usize>,
    /// Whether it holds.
    pub pass: bool,
    /// Why the rule cannot be judged, so that it neither holds nor is broken; it fails the test. `None` if it can be judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<NotJudged>,
    /// The measured value; `None` if there was nothing to measure, or if the rule holds because headroom is unlimited.
    pub actual: Option<f64>,
    /// Of a rule on headroom, the estimate for the order of the routes, see [`RuleResult::in_route_order`]; `None` if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_route_order: Option<f64>,
    /// The unit of `actual` and `bound`.
    pub unit: Unit,
    /// The value that the rule compares with.
    pub bound: f64,
    /// Of a rule on the end of a batch, the measured value as text.
    #[serde(skip)]
    end_of_batch: Option<String>,
    /// The command that reproduces the run.
    pub reproduce: String,
}

/// Judges runs by the rules of their cases and, if there is one, by a baseline, which must match the cases (see
/// [`Baseline::mismatches`]). `runs` has one entry per case, in the same order.
#[must_use]
pub fn judge(cases: &[Case], runs: &[ScenarioRuns], baseline: Option<&Baseline>) -> Outcome {
    let baseline_of = |case: &Case| baseline?.scenario(&case.scenario().name);
    assert_eq!(cases.len(), runs.len(), "invariant: every case was run");
    let comparisons: usize =
        cases.iter().filter_map(baseline_of).map(|baseline| baseline.measures.len()).sum();
    #[expect(clippy::cast_precision_loss, reason = "measures and scenarios are few")]
    let false_alarm_per_comparison = FALSE_ALARM_PROBABILITY / comparisons.max(1) as f64;
    let judged = |(case, runs): (&Case, &ScenarioRuns)| {
        let compared = baseline_of(case)
            .filter(|_| !runs.replicas.is_empty())
            .map(|baseline| changes(case, runs, baseline, false_alarm_per_comparison));
        ScenarioOutcome::new(case, runs, baseline.is_some(), compared)
    };
    let scenarios: Vec<ScenarioOutcome> = cases.iter().zip(runs).map(judged).collect();
    let count = |status| scenarios.iter().filter(|scenario| scenario.status == status).count();
    Outcome {
        schema: SCHEMA,
        passed: count(Status::Passed),
        failed: count(Status::Failed),
        skipped: count(Status::Skipped),
        scenarios,
    }
}

impl Outcome {
    /// Returns `true` if no scenario failed.
    #[must_use]
    pub fn none_failed(&self) -> bool {
        self.failed == 0
    }

    /// Formats the counts: `3 passed, 1 failed, 0 skipped`.
    #[must_use]
    pub fn counts(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }

    /// Returns the outcome as JSON, schema `quotalab/test/1`.
    ///
    /// # Panics
    /// Does not panic: every field is serialisable.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("invariant: every field is serialisable")
    }
}

impl ScenarioOutcome {
    /// Creates the outcome of a case. `compared` is `None` if the baseline does not contain the scenario, or if there is none.
    fn new(
        case: &Case,
        runs: &ScenarioRuns,
        has_baseline: bool,
        compared: Option<Vec<MeasureChange>>,
    ) -> Self {
        let scenario = case.scenario();
        let results = runs.replicas.first().map_or(&[][..], |replica| &replica.expect);
        let rules = scenario.expect.iter().zip(results);
        let expect: Vec<RuleOutcome> =
            rules.map(|(rule, result)| RuleOutcome::new(case, rule, result)).collect();
        let mut notes = Vec::new();
        if runs.replicas.is_empty() {
            notes.push("not all of its runs were completed");
        }
        if has_baseline && compared.is_none() && !runs.replicas.is_empty() {
            notes.push("it is not in the baseline");
        }
        let is_judged = !expect.is_empty() || compared.is_some();
        let compared = compared.unwrap_or_default();
        let has_failing_rule = expect.iter().any(|rule| !rule.pass);
        let worse = compared.iter().any(|change| change.verdict == Verdict::Worse);
        let status = match is_judged {
            false => Status::Skipped,
            true if has_failing_rule || worse => Status::Failed,
            true => Status::Passed,
        };
        Self { name: scenario.name.clone(), file: case.file.clone(), status, notes, expect, compared }
    }

    /// Iterates over the measures with this verdict.
    pub(super) fn with_verdict(&self, verdict: Verdict) -> impl Iterator<Item = &MeasureChange> {
        self.compared.iter().filter(move |change| change.verdict == verdict)
    }

    /// Iterates over the rules that fail the test: those that are broken, and those that cannot be judged.
    pub(super) fn failing_rules(&self) -> impl Iterator<Item = &RuleOutcome> {
        self.expect.iter().filter(|rule| !rule.pass)
    }
}

impl RuleOutcome {
    fn new(case: &Case, rule: &Rule, result: &RuleResult) -> Self {
        Self {
            rule: result.rule.clone(),
            line: line_of(&case.text, &result.rule),
            pass: result.pass,
            not_judged: result.not_judged,
            actual: result.actual,
            in_route_order: result.in_route_order,
            unit: result.unit,
            bound: rounded(rule.value, 6),
            end_of_batch: result.end_of_batch(&case.run_time()),
            reproduce: case.reproduce(case.scenario().seed),
        }
    }

    /// Formats the measured value.
    pub(super) fn actual_text(&self) -> String {
        if let Some(end) = &self.end_of_batch {
            return end.clone();
        }
        match self.actual {
            Some(actual) => self.in_route_order.map_or_else(
                || match self.pass {
                    true => quantity(self.unit, actual),
                    false => quantity_beside(self.unit, actual, self.bound),
                },
                |low| {
                    let most = quantity(self.unit, actual);
                    format!("about {} in the order of the routes, at most {most}", number(low))
                },
            ),
            None if self.pass => "unlimited".to_owned(),
            None if self.not_judged.is_some_and(|few| few.needed > 1) => "too few jobs".to_owned(),
            None => "nothing to measure".to_owned(),
        }
    }

    /// Formats by how much the rule is broken: `3 % too low`. Empty if it holds, if nothing was measured, or if the value
    /// equals the bound; also for a rule on the end of a batch, which states an instant of the run.
    pub(super) fn broken_by(&self) -> String {
        let is_broken = !self.pass && self.not_judged.is_none() && self.end_of_batch.is_none();
        let Some(actual) = self.actual.filter(|actual| is_broken && *actual != self.bound) else {
            return String::new();
        };
        let side = if actual < self.bound { "too low" } else { "too high" };
        format!("{} {side}", format_change(self.unit, self.bound, (actual - self.bound).abs()))
    }

    /// Returns a sentence with a rule that does not hold: the measured value and the difference, or why it cannot be judged.
    pub(super) fn sentence(&self) -> String {
        if let Some(few) = self.not_judged.filter(|few| few.needed > 1 && !few.is_bound) {
            let (rule, needed) = (&self.rule, plural(few.needed, "job"));
            let jobs = count(few.jobs);
            return format!(
                "`{rule}` cannot be judged: no window has the {needed} that a verdict needs, the fullest has {jobs}"
            );
        }
        if self.not_judged.is_some() {
            return format!("`{}` cannot be judged: {}", self.rule, self.actual_text());
        }
        let by = self.broken_by();
        let by = if by.is_empty() { by } else { format!(", {by}") };
        format!("`{}` is not met: {}{by}", self.rule, self.actual_text())
    }
}

/// Returns the line of a rule, counted from 1: the first at or after `expect:` that contains its text.
fn line_of(text: &str, rule: &str) -> Option<usize> {
    let lines = || text.lines().enumerate();
    let (expect, _) = lines().find(|(_, line)| line.starts_with("expect:"))?;
    // A rule without a workload may be judged once per workload. Its text then begins with the name of the workload,
    // which the file does not contain.
    let as_written = || rule.split_once(": ").map(|(_, rule)| rule);
    let find = |rule: &str| lines().skip(expect).find(|(_, line)| line.contains(rule));
    find(rule).or_else(|| find(as_written()?)).map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn the_line_of_a_rule_is_searched_after_expect() {
        let text = "# success >= 99%\nname: x\nexpect:\n  - p95 latency <= 8s\n  - \"success >= 99%\"\n";
        assert_eq!(line_of(text, "success >= 99%"), Some(5));
        assert_eq!(line_of(text, "p95 latency <= 8s"), Some(4));
        assert_eq!(line_of("name: x\nexpect: [\"cost <= 1 USD\"]", "cost <= 1 USD"), Some(2));
        assert_eq!(line_of(text, "cost <= 1 USD"), None, "a rule from the command line has no line");
        assert_eq!(line_of("", "cost <= 1 USD"), None);
    }
}
