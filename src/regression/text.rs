//! The outcome as text for the terminal and the log of a CI job: a line per scenario, and more for what failed or
//! changed.

use super::compare::Verdict;
use super::outcome::{Outcome, ScenarioOutcome, Status};

/// Returns the outcome as text, ending in a line feed.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    let mut text: String = outcome.scenarios.iter().map(scenario).collect();
    text.push_str(&outcome.counts());
    text.push('\n');
    text
}

fn scenario(scenario: &ScenarioOutcome) -> String {
    let word = match scenario.status {
        Status::Passed => "pass",
        Status::Failed => "FAIL",
        Status::Skipped => "skip",
    };
    let mut text = format!("{word}  {}: {}\n", scenario.file, judged(scenario));
    for rule in scenario.failing_rules() {
        let line = rule.line.map(|line| format!(" ({}:{line})", scenario.file)).unwrap_or_default();
        let word = if rule.not_judged.is_some() { "unjudged" } else { "broken" };
        text.push_str(&format!("      {word:<7} {}{line}\n", rule.sentence()));
        text.push_str(&format!("              reproduce: {}\n", rule.reproduce));
    }
    for change in scenario.with_verdict(Verdict::Worse) {
        text.push_str(&format!("      worse   {}\n", change.sentence()));
        if let Some(example) = &change.shown_by {
            text.push_str(&format!("              {}\n", example.sentence(change.unit)));
            text.push_str(&format!("              reproduce: {}\n", example.reproduce));
        }
    }
    for change in scenario.with_verdict(Verdict::Better) {
        text.push_str(&format!("      better  {}\n", change.sentence()));
    }
    text
}

/// Returns how many rules hold, how many measures have each verdict, and why others were not judged.
fn judged(scenario: &ScenarioOutcome) -> String {
    let mut parts = Vec::new();
    let rules = scenario.expect.len();
    if rules > 0 {
        let held = rules - scenario.failing_rules().count();
        parts.push(format!("{held} of {rules} expectations hold"));
    }
    if !scenario.compared.is_empty() {
        let counts = [(Verdict::Same, "unchanged"), (Verdict::Worse, "worse"), (Verdict::Better, "better")];
        let counts = counts.into_iter().map(|(verdict, word)| (scenario.with_verdict(verdict).count(), word));
        let counts = counts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        parts.push(format!("measures {}", counts.collect::<Vec<_>>().join(", ")));
    }
    parts.extend(scenario.notes.iter().map(|note| (*note).to_owned()));
    parts.join("; ")
}
