//! Where problems are gathered while a scenario is read: readers report through a shared reference and go
//! on, and the one who asked for the reading looks at the end whether anything was found.
//!
//! A scenario has several sources: the file, each `--set` of the command line, each preset. A [`Place`]
//! remembers its source, so a wrong `--set` is blamed on the command line and not on the file.

use crate::problem::{Problem, Problems};
use std::cell::RefCell;
use std::sync::Arc;

/// A stretch of one line of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which source, in the order in which [`Diagnostics::source`] was told of them.
    pub(super) source: usize,
    /// The line, from 1.
    pub(super) line: usize,
    /// The column in characters, from 1.
    pub(super) column: usize,
    /// Characters meant, at least 1.
    pub(super) width: usize,
}

/// The longest sentence of a problem: a value may be a megabyte.
const MOST_SAID: usize = 400;

/// The text on one line, cut where it is too long.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = text.chars().take(most).map(plain).collect();
    if text.chars().nth(most).is_some() { shown + "…" } else { shown }
}

/// The sources read so far and the problems found in them.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    sources: RefCell<Vec<Source>>,
    problems: RefCell<Vec<Problem>>,
}

#[derive(Debug)]
struct Source {
    name: String,
    lines: Vec<Arc<str>>,
}

impl Diagnostics {
    /// Takes note of a source; the number is for [`Place::source`].
    pub(super) fn source(&self, name: &str, text: &str) -> usize {
        let mut sources = self.sources.borrow_mut();
        let lines = text.lines().map(|line| Arc::from(line.trim_end())).collect();
        sources.push(Source { name: name.to_owned(), lines });
        sources.len() - 1
    }

    /// Reports a problem. A place behind the end of its source is moved to the last line.
    pub(super) fn report(&self, place: Place, path: &str, what: impl Into<String>, help: impl Into<String>) {
        let sources = self.sources.borrow();
        let Source { name, lines } = &sources[place.source];
        let line = place.line.clamp(1, lines.len().max(1));
        let source = lines.get(line - 1).cloned().unwrap_or_default();
        let column = if line == place.line { place.column } else { source.chars().count() + 1 };
        self.problems.borrow_mut().push(Problem {
            file: name.clone(),
            line,
            column,
            path: path.to_owned(),
            what: shortened(&what.into(), MOST_SAID),
            help: shortened(&help.into(), MOST_SAID),
            source,
            width: place.width,
        });
    }

    /// Whether so much was found that looking for more is a waste: long loops ask.
    pub(super) fn enough(&self) -> bool {
        self.problems.borrow().len() >= Problems::ENOUGH
    }

    /// What was found, if anything.
    pub(super) fn problems(&self) -> Option<Problems> {
        Problems::found(self.problems.borrow().clone())
    }
}
