//! A problem with an input: where it is, what is wrong, and what to write instead.
//!
//! Readers collect problems instead of stopping at the first. They are printed like a compiler's:
//!
//! ```text
//! error: scenarios/x.yaml:12:19: unknown word `rmp` in `limits`
//!    12 |         limits: { rmp: 1000, tpm: 400k }
//!       |                   ^^^
//!   help: did you mean `rpm`?
//! ```

use std::fmt;
use std::sync::Arc;

/// One problem with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the option of the command line, as the user named it.
    pub file: String,
    /// The line, from 1; 0 if the problem is with the file as a whole.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The path in the scenario, such as `providers.groq.models.x.limits.rpm`; may be empty.
    pub path: String,
    /// What is wrong, with the value quoted.
    pub what: String,
    /// What to write instead.
    pub help: String,
    /// The line as written; may be empty.
    pub source: Arc<str>,
    /// The number of characters from the column on that are wrong, at least 1.
    pub width: usize,
}

impl Problem {
    /// Returns a problem with a file as a whole.
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
            let (shown, indent) = excerpt(&self.source, self.column - 1);
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

/// Returns the part of a long line around a column, and the offset of the column in that part. Tabs and other control
/// characters become blanks, so that the caret is in the right column.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    const SHOWN: usize = 100;
    let skipped = if column < SHOWN * 3 / 4 { 0 } else { column - SHOWN / 4 };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    (line.chars().skip(skipped).take(SHOWN).map(plain).collect(), column - skipped)
}

/// All problems with one input or several, in the order of their files and lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The number of problems at which a reader may end its search for more.
    pub const MAX_SOUGHT: usize = 1_000;

    /// Sorts by file, line and column, and drops a problem that equals the one before it. Returns `None` if `problems` is
    /// empty.
    #[must_use]
    pub fn found(mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        problems.dedup();
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// Returns the problems, in order.
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

/// Problems beyond this number are counted, not printed.
const MAX_PRINTED: usize = 200;

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.0.iter().take(MAX_PRINTED) {
            writeln!(f, "{problem}")?;
        }
        if let Some(more) = self.0.len().checked_sub(MAX_PRINTED + 1) {
            writeln!(f, "… and {} more\n", more + 1)?;
        }
        match self.0.len() {
            1 => write!(f, "1 problem; nothing was started"),
            Self::MAX_SOUGHT.. => write!(f, "at least {} problems; nothing was started", Self::MAX_SOUGHT),
            many => write!(f, "{many} problems; nothing was started"),
        }
    }
}

/// Returns the only candidate that begins with `word` (of at least three characters), or else the one with the smallest edit
/// distance from it (insert, delete, replace, swap neighbours). Case is ignored; of two at the same distance, the earlier one
/// counts. Returns `None` if every distance exceeds both one edit and a third of the length of the longer word.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).take(MAX_COMPARED).collect::<String>();
    let word = lower(word);
    let length = word.chars().count();
    let distance = |candidate: &str| {
        let candidate = lower(candidate);
        let other = candidate.chars().count();
        let max = (other.max(length) / 3).max(1);
        (other.abs_diff(length) <= max)
            .then(|| strsim::osa_distance(&word, &candidate))
            .filter(|edits| *edits <= max)
    };
    let candidates: Vec<&str> = candidates.into_iter().take(MAX_CANDIDATES).collect();
    let begins = |candidate: &&&str| length >= MIN_BEGINNING && lower(candidate).starts_with(&word);
    let mut longer = candidates.iter().filter(begins);
    if let (Some(only), None) = (longer.next(), longer.next()) {
        return Some(only);
    }
    let near = candidates.iter().filter_map(|candidate| Some((distance(candidate)?, *candidate)));
    near.min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate)
}

/// A word of at least this many characters with which exactly one candidate begins means that candidate: `groq-dev` is
/// `groq-developer`, although `groq-free` has fewer edits.
const MIN_BEGINNING: usize = 3;

/// Words are compared up to this number of characters.
const MAX_COMPARED: usize = 60;
/// Candidates beyond this number are not compared.
const MAX_CANDIDATES: usize = 500;

/// Returns the remedy for an unknown word: "did you mean" the nearest known word, or a list of the known words.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use {}", alternatives(&known.collect::<Vec<_>>())),
    }
}

/// Lists words, each in backticks: `a`, `b` or `c`. Words after the 24th are left out.
pub(crate) fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().take(24).map(|word| format!("`{word}`")).collect();
    if words.len() > quoted.len() { format!("{}, …", quoted.join(", ")) } else { either(&quoted) }
}

/// Joins words: "a, b or c".
pub(crate) fn either(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing: this map accepts no keys".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_a_misspelt_word_and_nothing_far_away() {
        let axes = ["rpm", "rpd", "tpm", "tpd", "concurrency"];
        assert_eq!(nearest("rmp", axes), Some("rpm"));
        assert_eq!(nearest("RPM", axes), Some("rpm"));
        assert_eq!(nearest("concurency", axes), Some("concurrency"));
        assert_eq!(nearest("conc", axes), Some("concurrency"));
        assert_eq!(nearest("groq-dev", ["groq-free", "groq-developer"]), Some("groq-developer"));
        assert_eq!(nearest("banana", axes), None);
        assert_eq!(nearest("", axes), None);
    }

    #[test]
    fn a_caret_in_a_far_column_is_under_its_word() {
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
}
