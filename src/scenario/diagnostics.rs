//! Collects the problems of a scenario while it is read. Every step reports through a shared reference and continues; at
//! the end [`Diagnostics::problems`] returns all of them.
//!
//! A scenario has several sources: the file, each `--set` of the command line, each preset, the imitated client. A
//! [`Place`] names its source, so a wrong `--set` is reported at the command line and not in the file.

use crate::api_keys::masked;
use crate::formatting::printable;
use crate::problem::{Problem, Problems};
use std::cell::RefCell;
use std::sync::Arc;

/// A range of characters in one line of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The source, as numbered by [`Diagnostics::add_source`].
    pub(super) source: usize,
    /// The line, from 1.
    pub(super) line: usize,
    /// The column in characters, from 1.
    pub(super) column: usize,
    /// The length in characters, at least 1.
    pub(super) width: usize,
}

/// Where a value is, in the text and in the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// Where it is in the text.
    pub(super) place: Place,
    /// Its path in the scenario, such as `client.retry.attempts`; empty for the whole scenario.
    pub(super) path: String,
}

impl Location {
    /// Returns the path of the value under `key`.
    pub(super) fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A name that the author chose or that refers to something, with its location.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// The name.
    pub(super) text: String,
    /// Where it is written.
    pub(super) at: Location,
}

/// The maximum length of a problem's sentence in characters. Longer ones are cut: a sentence quotes values, and a value may
/// be a megabyte long.
const MAX_SENTENCE: usize = 400;

/// Returns the text on one line, cut to `max` characters.
pub(super) fn shortened(text: &str, max: usize) -> String {
    let shown: String = text.chars().take(max).collect();
    let shown = printable(&shown);
    if text.chars().nth(max).is_some() { shown + "…" } else { shown }
}

/// The sources read so far and the problems found in them.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    sources: RefCell<Vec<Source>>,
    problems: RefCell<Vec<Problem>>,
}

#[derive(Debug)]
struct Source {
    /// The name in messages: a path, an option such as `--set client.queue`, `preset groq-free` or `client like article`.
    name: String,
    lines: Vec<Arc<str>>,
}

impl Diagnostics {
    /// Adds a source. Returns its number for [`Place::source`].
    pub(super) fn add_source(&self, name: &str, text: &str) -> usize {
        let mut sources = self.sources.borrow_mut();
        let lines = text.lines().map(|line| Arc::from(line.trim_end())).collect();
        sources.push(Source { name: name.to_owned(), lines });
        sources.len() - 1
    }

    /// Reports a problem with a value.
    pub(super) fn report_at(&self, at: &Location, what: impl Into<String>, help: impl Into<String>) {
        self.report(at.place, &at.path, what, help);
    }

    /// Reports a problem. A place beyond the end of its source is moved to the last line.
    pub(super) fn report(&self, place: Place, path: &str, what: impl Into<String>, help: impl Into<String>) {
        let sources = self.sources.borrow();
        let Source { name, lines } = &sources[place.source];
        let line = place.line.clamp(1, lines.len().max(1));
        let text = lines.get(line - 1).cloned().unwrap_or_default();
        let column = if line == place.line { place.column } else { text.chars().count() + 1 };
        // `masked` does not recognise every key, since keys may have any form. A line with accounts may contain keys, and
        // so may an address with a user or a query: such lines are not shown.
        let has_address = path.ends_with(".base_url") || text.contains("base_url");
        let has_keys = path.contains(".accounts.") || has_address && text.contains(['@', '?']);
        let source = if has_keys { Arc::default() } else { masked(&text).into() };
        let what = what.into();
        let what = if has_keys { what.split(", found `").next().unwrap_or(&what) } else { &what };
        self.problems.borrow_mut().push(Problem {
            file: name.clone(),
            line,
            column,
            path: printable(path),
            what: shortened(&masked(what), MAX_SENTENCE),
            help: shortened(&masked(&help.into()), MAX_SENTENCE),
            source,
            width: place.width,
        });
    }

    /// Returns the lines of a source that have problems, with repetitions.
    pub(super) fn lines_with_problems(&self, source: usize) -> Vec<usize> {
        let name = &self.sources.borrow()[source].name;
        let problems = self.problems.borrow();
        problems.iter().filter(|problem| problem.file == *name).map(|problem| problem.line).collect()
    }

    /// Returns `true` if so many problems were found that loops over many values should end early.
    pub(super) fn is_full(&self) -> bool {
        self.problems.borrow().len() >= Problems::MAX_SOUGHT
    }

    /// Returns the problems found; `None` if there are none.
    pub(super) fn problems(&self) -> Option<Problems> {
        Problems::found(self.problems.borrow().clone())
    }
}
