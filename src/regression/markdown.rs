//! The outcome as Markdown, for a pull request or the summary of a GitHub job: what fails and what changed
//! on top, every number below.

use super::compare::{Change, Verdict};
use super::outcome::{Checked, Outcome, Rule, Status};

const HEAD: &str = "| scenario | what | old | new | change | verdict |\n|---|---|--:|--:|--:|---|\n";

/// The outcome as Markdown.
#[must_use]
pub fn markdown(outcome: &Outcome) -> String {
    let mut text = format!("### quotalab test: {}\n\n", outcome.tally());
    let told: String = outcome.scenarios.iter().map(|checked| rows(checked, RowFilter::Told)).collect();
    if told.is_empty() {
        text.push_str("Every rule holds, and nothing changed beyond the noise.\n\n");
    } else {
        text.push_str(&format!("{HEAD}{told}\n"));
    }
    let commands: Vec<&str> = outcome.scenarios.iter().flat_map(commands).collect();
    if !commands.is_empty() {
        text.push_str(&format!("Again with:\n\n```sh\n{}\n```\n\n", commands.join("\n")));
    }
    for checked in outcome.scenarios.iter().filter(|checked| checked.status == Status::Skipped) {
        text.push_str(&format!("Skipped: {}, {}.\n\n", cell(&checked.name), checked.notes.join(", ")));
    }
    let all: String = outcome.scenarios.iter().map(|checked| rows(checked, RowFilter::All)).collect();
    if !all.is_empty() {
        text.push_str(&format!("<details><summary>Every number</summary>\n\n{HEAD}{all}\n</details>\n"));
    }
    text
}

/// Which rows a table has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowFilter {
    /// What fails or changed.
    Told,
    All,
}

fn rows(checked: &Checked, shown: RowFilter) -> String {
    let rules = checked.expect.iter().filter(|rule| shown == RowFilter::All || !rule.pass);
    let changes =
        checked.compared.iter().filter(|change| shown == RowFilter::All || change.verdict != Verdict::Same);
    let name = cell(&checked.name);
    let rules = rules.map(|rule| rule_row(&name, rule));
    rules.chain(changes.map(|change| change_row(&name, change))).collect()
}

fn rule_row(name: &str, rule: &Rule) -> String {
    let verdict = if rule.pass { "holds" } else { "**missed**" };
    format!(
        "| {name} | {} | | {} | {} | {verdict} |\n",
        cell(&rule.rule),
        rule.actual_text(),
        rule.missed_by()
    )
}

fn change_row(name: &str, change: &Change) -> String {
    let (old, new, difference) = (change.old_text(), change.new_text(), change.difference());
    let verdict = match change.verdict {
        Verdict::Worse => "**worse**",
        verdict => verdict.name(),
    };
    format!("| {name} | {} | {old} | {new} | {difference} | {verdict} |\n", change.measure)
}

/// The commands that show what fails, each once.
fn commands(checked: &Checked) -> Vec<&str> {
    let missed = checked.missed().map(|rule| rule.reproduce.as_str());
    let shown = checked.changed(Verdict::Worse).filter_map(|change| change.shown_by.as_ref());
    let mut commands: Vec<&str> = missed.chain(shown.map(|shown| shown.reproduce.as_str())).collect();
    commands.sort_unstable();
    commands.dedup();
    commands
}

/// Text that stays in its cell, and stays text.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => safe.extend(['\\', letter]),
            other if other.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}
