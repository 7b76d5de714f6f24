//! The outcome as workflow commands of GitHub Actions, which it shows beside the lines of a pull request.
//!
//! Format and escapes: "Workflow commands for GitHub Actions", and `@actions/core`, `command.ts`.

use super::compare::Verdict;
use super::outcome::{Checked, Outcome};

/// A command per rule missed and per measure that got worse, each on a line.
#[must_use]
pub fn annotations(outcome: &Outcome) -> String {
    outcome.scenarios.iter().map(of_scenario).collect()
}

fn of_scenario(checked: &Checked) -> String {
    let missed = checked.missed().map(|rule| {
        let message = format!("{}\nagain with: {}", rule.sentence(), rule.reproduce);
        error(checked, rule.line, "expectation missed", &message)
    });
    let worse = checked.changed(Verdict::Worse).map(|change| {
        let again = change.shown_by.as_ref().map(|shown| format!("\nagain with: {}", shown.reproduce));
        let message = change.sentence() + &again.unwrap_or_default();
        error(checked, None, "worse than the baseline", &message)
    });
    missed.chain(worse).collect()
}

fn error(checked: &Checked, line: Option<usize>, title: &str, message: &str) -> String {
    let line = line.map(|line| format!(",line={line}")).unwrap_or_default();
    let (file, title) = (property(&checked.file), property(&format!("{}: {title}", checked.name)));
    format!("::error file={file}{line},title={title}::{}\n", data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
