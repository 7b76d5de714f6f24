//! What came of a test: per scenario, which rules hold and what changed since the baseline. Every output
//! (text, JSON, JUnit, Markdown, annotations) is a function of this.

use super::baseline::Baseline;
use super::compare::{Change, FAMILY, Verdict, changes};
use super::measure::amount;
use super::runs::{Case, ScenarioRuns};
use crate::formatting::{quantity, rounded};
use crate::record::{Expected, Unit};
use crate::scenario::Expectation;
use serde::Serialize;

/// The name and version of the schema of `quotalab test --json`.
const SCHEMA: &str = "quotalab/test/1";

/// What came of all scenarios.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    schema: &'static str,
    /// Scenarios whose rules all hold and of which nothing got worse.
    pub passed: usize,
    /// Scenarios with a rule missed or a measure that got worse.
    pub failed: usize,
    /// Scenarios of which nothing could be judged.
    pub skipped: usize,
    /// In the order given.
    pub scenarios: Vec<Checked>,
}

/// What came of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// The scenario's name.
    pub name: String,
    /// Its file, as the user named it.
    pub file: String,
    /// Whether it passed.
    pub status: Status,
    /// What was not judged, and why.
    pub notes: Vec<&'static str>,
    /// Its rules.
    pub expect: Vec<Rule>,
    /// Its measures, against the baseline; empty where there is none.
    pub compared: Vec<Change>,
}

/// What came of a scenario, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All that was judged holds.
    Passed,
    /// Something does not.
    Failed,
    /// Nothing was judged.
    Skipped,
}

/// One rule of `expect:`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// As written.
    pub rule: String,
    /// The line of the file it stands on, where it was found.
    pub line: Option<usize>,
    /// Whether it holds.
    pub pass: bool,
    /// What was measured; `None` where there was nothing to measure.
    pub actual: Option<f64>,
    /// What it counts in.
    pub unit: Unit,
    /// What the rule compares with.
    pub bound: f64,
    /// The command that shows it again.
    pub reproduce: String,
}

/// Judges trials by the rules of their cases and, where there is one, by a baseline that fits them (see
/// [`Baseline::misfits`]).
#[must_use]
pub fn judge(cases: &[Case], trials: &[ScenarioRuns], baseline: Option<&Baseline>) -> Outcome {
    let reference = |case: &Case| baseline?.get(&case.scenario().name);
    let comparisons: usize = cases.iter().filter_map(reference).map(|known| known.measures.len()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a handful of measures by a handful of scenarios")]
    let tail = FAMILY / comparisons.max(1) as f64;
    let checked = |(case, trial): (&Case, &ScenarioRuns)| {
        let compared = reference(case).map(|reference| changes(case, trial, reference, tail));
        Checked::new(case, trial, baseline.is_some(), compared)
    };
    let scenarios: Vec<Checked> = cases.iter().zip(trials).map(checked).collect();
    let count = |status| scenarios.iter().filter(|checked| checked.status == status).count();
    Outcome {
        schema: SCHEMA,
        passed: count(Status::Passed),
        failed: count(Status::Failed),
        skipped: count(Status::Skipped),
        scenarios,
    }
}

impl Outcome {
    /// Whether nothing failed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failed == 0
    }

    /// `3 passed, 1 failed, 0 skipped`
    #[must_use]
    pub fn tally(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }

    /// The outcome as JSON, schema `quotalab/test/1`.
    ///
    /// # Panics
    /// Never: an outcome holds nothing that JSON cannot say.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("string keys and plain data")
    }
}

impl Checked {
    fn new(case: &Case, trial: &ScenarioRuns, against: bool, compared: Option<Vec<Change>>) -> Self {
        let scenario = case.scenario();
        let rules = trial.replicas.first().map_or(&[][..], |replica| &replica.expect);
        let expect: Vec<Rule> =
            scenario.expect.iter().zip(rules).map(|(asked, came)| Rule::new(case, asked, came)).collect();
        let mut notes = Vec::new();
        if expect.is_empty() {
            notes.push("it has no `expect:`");
        }
        if against && compared.is_none() {
            notes.push("it is not in the baseline");
        }
        let judged = !expect.is_empty() || compared.is_some();
        let compared = compared.unwrap_or_default();
        let missed = expect.iter().any(|rule| !rule.pass);
        let worse = compared.iter().any(|change| change.verdict == Verdict::Worse);
        let status = match judged {
            false => Status::Skipped,
            true if missed || worse => Status::Failed,
            true => Status::Passed,
        };
        Self { name: scenario.name.clone(), file: case.file.clone(), status, notes, expect, compared }
    }

    /// The changes of a verdict.
    pub(super) fn changed(&self, verdict: Verdict) -> impl Iterator<Item = &Change> {
        self.compared.iter().filter(move |change| change.verdict == verdict)
    }

    /// The rules that do not hold.
    pub(super) fn missed(&self) -> impl Iterator<Item = &Rule> {
        self.expect.iter().filter(|rule| !rule.pass)
    }
}

impl Rule {
    fn new(case: &Case, asked: &Expectation, came: &Expected) -> Self {
        Self {
            rule: came.rule.clone(),
            line: line_of(&case.text, &came.rule),
            pass: came.pass,
            actual: came.actual,
            unit: came.unit,
            bound: rounded(asked.value, 6),
            reproduce: case.reproduce(case.scenario().seed),
        }
    }

    /// What was measured, in words.
    pub(super) fn actual_text(&self) -> String {
        match self.actual {
            Some(actual) => quantity(self.unit, actual),
            None if self.pass => "unlimited".to_owned(),
            None => "nothing to measure".to_owned(),
        }
    }

    /// By how much it is missed, in words; empty where it is not, or by nothing that can be said.
    pub(super) fn missed_by(&self) -> String {
        let Some(actual) = self.actual.filter(|actual| !self.pass && *actual != self.bound) else {
            return String::new();
        };
        let side = if actual < self.bound { "too low" } else { "too high" };
        format!("{} {side}", amount(self.unit, self.bound, (actual - self.bound).abs()))
    }

    /// Which rule is missed, and by how much.
    pub(super) fn sentence(&self) -> String {
        let by = self.missed_by();
        let by = if by.is_empty() { by } else { format!(", {by}") };
        format!("`{}` is missed: {}{by}", self.rule, self.actual_text())
    }
}

/// The line on which a rule stands: the first at or behind `expect:` that has its words.
fn line_of(text: &str, rule: &str) -> Option<usize> {
    let lines = || text.lines().enumerate();
    let (expect, _) = lines().find(|(_, line)| line.starts_with("expect:"))?;
    lines().skip(expect).find(|(_, line)| line.contains(rule)).map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn a_rule_is_found_where_it_is_written() {
        let text = "# success >= 99%\nname: x\nexpect:\n  - p95 latency <= 8s\n  - \"success >= 99%\"\n";
        assert_eq!(line_of(text, "success >= 99%"), Some(5));
        assert_eq!(line_of(text, "p95 latency <= 8s"), Some(4));
        assert_eq!(line_of("name: x\nexpect: [\"cost <= 1 USD\"]", "cost <= 1 USD"), Some(2));
        assert_eq!(line_of(text, "cost <= 1 USD"), None, "it came from the command line");
        assert_eq!(line_of("", "cost <= 1 USD"), None);
    }
}
