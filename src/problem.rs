//! What is wrong with an input, said so that it can be mended: where, what, and what to write instead.
//!
//! Readers collect problems instead of stopping at the first. Printed as rustc would, but compact:
//!
//! ```text
//! error: scenarios/x.yaml:12:19: unknown word `rmp` in `limits`
//!    12 |         limits: { rmp: 1000, tpm: 400k }
//!       |                   ^^^
//!   help: did you mean `rpm`?
//! ```

use std::fmt;
use std::sync::Arc;

/// One thing that is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the option of the command line, as the user named it.
    pub file: String,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Where in the scenario, such as `providers.groq.models.x.limits.rpm`; may be empty.
    pub path: String,
    /// What is wrong, naming the value.
    pub what: String,
    /// What to write instead.
    pub help: String,
    /// The line as written, for showing; may be empty.
    pub source: Arc<str>,
    /// How many characters from the column on are meant, at least 1.
    pub width: usize,
}

impl Problem {
    /// A problem with a file as a whole.
    #[must_use]
    pub fn with_file(file: &str, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 1,
            path: String::new(),
            what: what.into(),
            help: help.into(),
            source: Arc::default(),
            width: 1,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, path, what, help, .. } = self;
        match line {
            0 => writeln!(f, "error: {file}: {what}")?,
            _ => writeln!(f, "error: {file}:{line}:{column}: {what}")?,
        }
        if !self.source.is_empty() {
            let (shown, indent) = window(&self.source, self.column - 1);
            let width = self.width.clamp(1, shown.chars().count().saturating_sub(indent).max(1));
            writeln!(f, "{line:>5} | {shown}")?;
            writeln!(f, "      | {:indent$}{}", "", "^".repeat(width))?;
        }
        if !path.is_empty() {
            writeln!(f, "  at: {path}")?;
        }
        writeln!(f, "  help: {help}")
    }
}

/// The part of a long line around a column, and how far into the part the column is. Tabs and other
/// controls become spaces, so that the caret stands under what it means.
fn window(line: &str, column: usize) -> (String, usize) {
    const SHOWN: usize = 100;
    let skipped = if column < SHOWN * 3 / 4 { 0 } else { column - SHOWN / 4 };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    (line.chars().skip(skipped).take(SHOWN).map(plain).collect(), column - skipped)
}

/// Everything that is wrong with an input, in the order of its lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Nobody reads more: a reader that has found so many may stop looking.
    pub const ENOUGH: usize = 1_000;

    /// Sorts what was found by file, line and column, and drops what is said twice; `None` where nothing was found.
    #[must_use]
    pub fn found(mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        problems.dedup();
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// The problems, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Problems {}

/// More than this many problems are counted, not printed.
const PRINTED: usize = 200;

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.0.iter().take(PRINTED) {
            writeln!(f, "{problem}")?;
        }
        if let Some(more) = self.0.len().checked_sub(PRINTED + 1) {
            writeln!(f, "… and {} more\n", more + 1)?;
        }
        match self.0.len() {
            1 => write!(f, "1 problem; nothing was started"),
            Self::ENOUGH.. => write!(f, "{} problems or more; nothing was started", Self::ENOUGH),
            many => write!(f, "{many} problems; nothing was started"),
        }
    }
}

/// The candidate that `word` is most likely a misspelling of: the one the fewest edits away, if that is at
/// most a third of its length (at least one edit); the earlier one where two are equally near.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).take(LONGEST).collect();
    let distance = |candidate: &str| {
        let candidate: Vec<char> = candidate.chars().flat_map(char::to_lowercase).take(LONGEST).collect();
        let most = (candidate.len().max(word.len()) / 3).max(1);
        (candidate.len().abs_diff(word.len()) <= most)
            .then(|| edits(&word, &candidate))
            .filter(|&edits| edits <= most)
    };
    let near = candidates
        .into_iter()
        .take(MOST_CANDIDATES)
        .filter_map(|candidate| Some((distance(candidate)?, candidate)));
    near.min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate)
}

/// Longer words are compared by their beginning.
const LONGEST: usize = 60;
/// Only so many candidates are looked at: a message is not worth more.
const MOST_CANDIDATES: usize = 500;

/// The number of characters to insert, delete, replace, or swap with their neighbour to make `a` of `b`
/// (the optimal string alignment distance: `rmp` is one swap from `rpm`).
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_nearest_word_is_one_that_was_probably_meant() {
        let axes = ["rpm", "rpd", "tpm", "tpd", "concurrency"];
        assert_eq!(nearest("rmp", axes), Some("rpm"));
        assert_eq!(nearest("RPM", axes), Some("rpm"));
        assert_eq!(nearest("concurency", axes), Some("concurrency"));
        assert_eq!(nearest("banana", axes), None);
        assert_eq!(nearest("", axes), None);
    }

    #[test]
    fn a_far_column_is_still_shown_with_its_caret() {
        let source = format!("{}here", " ".repeat(5_000));
        let problem = Problem {
            line: 1,
            column: 5_001,
            source: source.into(),
            width: 4,
            ..Problem::with_file("x", "w", "h")
        };
        let printed = problem.to_string();
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[1].find("here"), lines[2].find("^^^^"));
        assert!(printed.len() < 500);
    }

    proptest! {
        #[test]
        fn edits_are_a_distance(a in "[ab]{0,8}", b in "[ab]{0,8}") {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            prop_assert_eq!(edits(&a, &b), edits(&b, &a));
            prop_assert_eq!(edits(&a, &b) == 0, a == b);
            prop_assert!(edits(&a, &b) <= a.len().max(b.len()));
        }
    }
}
