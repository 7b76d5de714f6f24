//! The outcome as workflow commands of GitHub Actions, which GitHub shows beside the lines of a pull request.
//!
//! Format and escapes: "Workflow commands for GitHub Actions", and `@actions/core`, `command.ts`.

use super::compare::Verdict;
use super::outcome::{Outcome, ScenarioOutcome};

/// Returns one `::error` command per line for every rule that is broken or cannot be judged and every measure that got worse.
#[must_use]
pub fn annotations(outcome: &Outcome) -> String {
    outcome.scenarios.iter().map(scenario_annotations).collect()
}

fn scenario_annotations(scenario: &ScenarioOutcome) -> String {
    let failing_rules = scenario.failing_rules().map(|rule| {
        let message = format!("{}\nreproduce: {}", rule.sentence(), rule.reproduce);
        let is_judged = rule.not_judged.is_none();
        let title = if is_judged { "expectation not met" } else { "expectation cannot be judged" };
        error(scenario, rule.line, title, &message)
    });
    let worse = scenario.with_verdict(Verdict::Worse).map(|change| {
        let reproduce = change.shown_by.as_ref().map(|example| format!("\nreproduce: {}", example.reproduce));
        let message = change.sentence() + &reproduce.unwrap_or_default();
        error(scenario, None, "worse than the baseline", &message)
    });
    failing_rules.chain(worse).collect()
}

fn error(scenario: &ScenarioOutcome, line: Option<usize>, title: &str, message: &str) -> String {
    let line = line.map(|line| format!(",line={line}")).unwrap_or_default();
    let (file, title) =
        (escaped_property(&scenario.file), escaped_property(&format!("{}: {title}", scenario.name)));
    format!("::error file={file}{line},title={title}::{}\n", escaped_message(message))
}

/// Escapes the message of a command.
fn escaped_message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a command, which must not contain its separators either.
fn escaped_property(text: &str) -> String {
    escaped_message(text).replace(':', "%3A").replace(',', "%2C")
}
