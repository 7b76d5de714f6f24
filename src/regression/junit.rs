//! The outcome as JUnit XML, which CI servers show: a suite per scenario, a case per rule and per measure.

use super::compare::{Change, Verdict};
use super::outcome::{Checked, Outcome, Rule};

/// The outcome as a document.
#[must_use]
pub fn junit(outcome: &Outcome) -> String {
    let suites: Vec<Suite> = outcome.scenarios.iter().map(Suite::of).collect();
    let sum = |count: fn(&Suite) -> usize| suites.iter().map(count).sum::<usize>();
    let (tests, failures, skipped) =
        (sum(|suite| suite.tests), sum(|suite| suite.failures), sum(|suite| suite.skipped));
    let bodies: String = suites.iter().map(|suite| &*suite.text).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"quotalab test\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\" errors=\"0\">\n\
         {bodies}</testsuites>\n"
    )
}

struct Suite {
    tests: usize,
    failures: usize,
    skipped: usize,
    text: String,
}

impl Suite {
    fn of(checked: &Checked) -> Self {
        let mut cases = String::new();
        for rule in &checked.expect {
            cases.push_str(&case(checked, &rule.rule, &rule_result(rule)));
        }
        for change in &checked.compared {
            let name = format!("{} against the baseline", change.measure);
            cases.push_str(&case(checked, &name, &change_result(change)));
        }
        for note in &checked.notes {
            let skipped = format!("<skipped message=\"{}\"/>", escaped(note));
            cases.push_str(&case(checked, note, &skipped));
        }
        let failures = checked.missed().count() + checked.changed(Verdict::Worse).count();
        let skipped = checked.notes.len();
        let tests = checked.expect.len() + checked.compared.len() + skipped;
        let text = format!(
            "<testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\" errors=\"0\">\n\
             {cases}</testsuite>\n",
            escaped(&checked.name)
        );
        Self { tests, failures, skipped, text }
    }
}

fn case(checked: &Checked, name: &str, result: &str) -> String {
    format!(
        "<testcase classname=\"{}\" name=\"{}\" file=\"{}\">{result}</testcase>\n",
        escaped(&checked.name),
        escaped(name),
        escaped(&checked.file)
    )
}

fn rule_result(rule: &Rule) -> String {
    if rule.pass {
        return format!("<system-out>{}</system-out>", escaped(&rule.actual_text()));
    }
    failure(&rule.sentence(), &rule.reproduce)
}

fn change_result(change: &Change) -> String {
    if change.verdict != Verdict::Worse {
        return format!("<system-out>{}</system-out>", escaped(&change.sentence()));
    }
    let again = change.shown_by.as_ref().map_or("", |shown| &shown.reproduce);
    failure(&change.sentence(), again)
}

fn failure(message: &str, reproduce: &str) -> String {
    format!("<failure message=\"{}\">again with: {}</failure>", escaped(message), escaped(reproduce))
}

/// Text that is text in XML 1.0, which knows no control characters, not even escaped, nor these two.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => safe.push(' '),
            other if other.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}
