//! The outcome as Markdown, for a pull request or the summary of a GitHub job: first what failed or changed, then
//! every number.

use super::compare::{MeasureChange, Verdict};
use super::outcome::{Outcome, RuleOutcome, ScenarioOutcome, Status};
use crate::xml::escape;

const HEAD: &str = "| scenario | what | old | new | change | verdict |\n|---|---|--:|--:|--:|---|\n";

/// Returns the outcome as Markdown.
#[must_use]
pub fn markdown(outcome: &Outcome) -> String {
    let mut text = format!("### quotalab test: {}\n\n", outcome.counts());
    let notable: String =
        outcome.scenarios.iter().map(|scenario| rows(scenario, RowFilter::Notable)).collect();
    if !notable.is_empty() {
        text.push_str(&format!("{HEAD}{notable}\n"));
    } else if outcome.passed > 0 {
        text.push_str("Every rule that was judged holds, and no measure changed beyond its margin.\n\n");
    }
    let commands: Vec<&str> = outcome.scenarios.iter().flat_map(commands).collect();
    if !commands.is_empty() {
        text.push_str(&format!("Reproduce with:\n\n```sh\n{}\n```\n\n", commands.join("\n")));
    }
    for scenario in outcome.scenarios.iter().filter(|scenario| scenario.status == Status::Skipped) {
        text.push_str(&format!("Skipped: {}, {}.\n\n", cell(&scenario.name), scenario.notes.join(", ")));
    }
    let all: String = outcome.scenarios.iter().map(|scenario| rows(scenario, RowFilter::All)).collect();
    if !all.is_empty() {
        text.push_str(&format!("<details><summary>Every number</summary>\n\n{HEAD}{all}\n</details>\n"));
    }
    text
}

/// Which rows a table has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowFilter {
    /// Rules that do not hold and measures that changed beyond their margin.
    Notable,
    All,
}

fn rows(scenario: &ScenarioOutcome, filter: RowFilter) -> String {
    let rules = scenario.expect.iter().filter(|rule| filter == RowFilter::All || !rule.pass);
    let changes =
        scenario.compared.iter().filter(|change| filter == RowFilter::All || change.verdict != Verdict::Same);
    let name = cell(&scenario.name);
    let rules = rules.map(|rule| rule_row(&name, rule));
    rules.chain(changes.map(|change| change_row(&name, change))).collect()
}

fn rule_row(name: &str, rule: &RuleOutcome) -> String {
    let verdict = match rule.pass {
        true => "holds",
        false if rule.not_judged.is_some() => "**cannot be judged**",
        false => "**broken**",
    };
    format!(
        "| {name} | {} | | {} | {} | {verdict} |\n",
        cell(&rule.rule),
        rule.actual_text(),
        rule.broken_by()
    )
}

fn change_row(name: &str, change: &MeasureChange) -> String {
    let (old, new, difference) = (change.old_text(), change.new_text(), change.difference());
    let verdict = match change.verdict {
        Verdict::Worse => "**worse**",
        verdict => verdict.name(),
    };
    format!("| {name} | {} | {old} | {new} | {difference} | {verdict} |\n", change.label)
}

/// Returns the commands that reproduce the failures, each once, sorted.
fn commands(scenario: &ScenarioOutcome) -> Vec<&str> {
    let rules = scenario.failing_rules().map(|rule| rule.reproduce.as_str());
    let examples = scenario.with_verdict(Verdict::Worse).filter_map(|change| change.shown_by.as_ref());
    let mut commands: Vec<&str> = rules.chain(examples.map(|example| example.reproduce.as_str())).collect();
    commands.sort_unstable();
    commands.dedup();
    commands
}

/// Escapes text for a table cell: neither HTML nor Markdown in it has an effect, and it stays on one line.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for c in escape(text).chars() {
        match c {
            // An empty comment after these prevents mentions, links and references to issues.
            '@' | ':' | '#' => cell.extend([&c.to_string(), "<!-- -->"]),
            '|' | '\\' | '`' | '*' | '_' | '~' | '[' | ']' => cell.extend(['\\', c]),
            c if c.is_control() => cell.push(' '),
            c => cell.push(c),
        }
    }
    cell
}
