//! The outcome for the terminal and the log of a CI job: a line per scenario, more where something changed.

use super::compare::Verdict;
use super::outcome::{Checked, Outcome, Status};

/// The outcome as text, ending in a line feed.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    let mut text: String = outcome.scenarios.iter().map(scenario).collect();
    text.push_str(&outcome.tally());
    text.push('\n');
    text
}

fn scenario(checked: &Checked) -> String {
    let word = match checked.status {
        Status::Passed => "pass",
        Status::Failed => "FAIL",
        Status::Skipped => "skip",
    };
    let mut text = format!("{word}  {}: {}\n", checked.file, judged(checked));
    for rule in checked.missed() {
        let line = rule.line.map(|line| format!(" ({}:{line})", checked.file)).unwrap_or_default();
        text.push_str(&format!("      missed  {}{line}\n", rule.sentence()));
        text.push_str(&format!("              again with: {}\n", rule.reproduce));
    }
    for change in checked.changed(Verdict::Worse) {
        text.push_str(&format!("      worse   {}\n", change.sentence()));
        if let Some(shown) = &change.shown_by {
            text.push_str(&format!("              {}\n", shown.sentence(change.unit)));
            text.push_str(&format!("              again with: {}\n", shown.reproduce));
        }
    }
    for change in checked.changed(Verdict::Better) {
        text.push_str(&format!("      better  {}\n", change.sentence()));
    }
    text
}

/// What was judged, and what not.
fn judged(checked: &Checked) -> String {
    let mut parts = Vec::new();
    let rules = checked.expect.len();
    if rules > 0 {
        let held = rules - checked.missed().count();
        parts.push(format!("{held} of {rules} expectations hold"));
    }
    if !checked.compared.is_empty() {
        let counts = [(Verdict::Same, "as before"), (Verdict::Worse, "worse"), (Verdict::Better, "better")];
        let counts = counts.into_iter().map(|(verdict, word)| (checked.changed(verdict).count(), word));
        let counts = counts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        parts.push(format!("measures {}", counts.collect::<Vec<_>>().join(", ")));
    }
    parts.extend(checked.notes.iter().map(|note| (*note).to_owned()));
    parts.join("; ")
}
