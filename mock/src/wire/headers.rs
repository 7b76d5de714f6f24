//! The headers of a reply.
//!
//! All values that were rendered for one reply are slices of one text: however many there are, they take one allocation, and
//! the server sends slices of that text without copying them.

use super::format::MediaType;
use std::fmt::{self, Write};
use std::ops::Range;

/// Header names in lower case with their values, in the order in which they are sent. Names are unique.
#[derive(Clone, Default)]
pub struct Headers {
    rendered: String,
    lines: Vec<Line>,
}

/// One header.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) value: Value,
}

/// The value of a header.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// The same in every reply that has this header.
    Fixed(&'static str),
    /// Rendered for this reply: the range in the text of all rendered values.
    Rendered(Range<usize>),
}

impl Headers {
    /// Returns the header that every reply starts with.
    pub(super) fn of(media_type: MediaType) -> Self {
        let mut headers = Self { rendered: String::with_capacity(128), lines: Vec::with_capacity(16) };
        headers.fixed("content-type", media_type.as_str());
        headers
    }

    /// Adds a header whose value never differs.
    pub(super) fn fixed(&mut self, name: &'static str, value: &'static str) {
        self.push(name, Value::Fixed(value));
    }

    /// Adds a header.
    pub(super) fn add(&mut self, name: &'static str, value: impl fmt::Display) {
        let value = self.render(value);
        self.push(name, value);
    }

    /// Sets a header. A header that exists keeps its position.
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        let value = self.render(value);
        match self.lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.value = value,
            None => self.push(name, value),
        }
    }

    /// Removes the headers for whose names `keep` returns `false`.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.lines.retain(|line| keep(line.name));
    }

    /// Returns the value of a header; `None` if it is absent.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Iterates over names and values in the order in which they are sent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        self.lines.iter().map(|line| match &line.value {
            Value::Fixed(text) => (line.name, *text),
            Value::Rendered(range) => (line.name, &self.rendered[range.clone()]),
        })
    }

    /// Returns the text that the rendered values are ranges of, and all headers.
    #[cfg(feature = "server")]
    pub(crate) fn into_parts(self) -> (String, Vec<Line>) {
        (self.rendered, self.lines)
    }

    fn push(&mut self, name: &'static str, value: Value) {
        debug_assert!(self.value(name).is_none(), "invariant: header names are unique, found {name} twice");
        self.lines.push(Line { name, value });
    }

    fn render(&mut self, value: impl fmt::Display) -> Value {
        let start = self.rendered.len();
        write!(self.rendered, "{value}").expect("invariant: writing to a String does not fail");
        Value::Rendered(start..self.rendered.len())
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_keeps_the_position_and_retain_removes() {
        let mut headers = Headers::of(MediaType::Json);
        headers.add("retry-after", 3);
        headers.fixed("vary", "Origin");
        headers.set("retry-after", "a longer one");
        headers.set("date", "today");
        let all = [
            ("content-type", "application/json"),
            ("retry-after", "a longer one"),
            ("vary", "Origin"),
            ("date", "today"),
        ];
        assert!(headers.iter().eq(all));
        headers.retain(|name| name != "vary");
        assert_eq!((headers.value("vary"), headers.value("date")), (None, Some("today")));
    }

    #[test]
    fn headers_are_equal_if_their_names_and_values_are() {
        let mut set = Headers::of(MediaType::Html);
        set.set("content-type", MediaType::Json.as_str());
        assert_eq!(set, Headers::of(MediaType::Json));
        assert_ne!(set, Headers::of(MediaType::Html));
    }
}
