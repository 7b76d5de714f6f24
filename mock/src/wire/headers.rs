//! The headers of a reply. The values that differ from reply to reply stand in one text, one behind the other: however
//! many there are, they take one allocation, and a server sends pieces of that text.

use super::format::Content;
use super::json;
use super::pieces::Piece;
use std::fmt;
use std::ops::Range;

/// Header names in lower case with their values, in the order in which they are sent; no name is there twice.
#[derive(Clone, Default)]
pub struct Headers {
    written: String,
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
    /// The same in every reply that has this line.
    Fixed(&'static str),
    /// Written for this reply: where it stands in the text.
    Written(Range<usize>),
}

impl Headers {
    /// Those that every reply begins with.
    pub(super) fn of(content: Content) -> Self {
        let mut headers = Self { written: String::with_capacity(128), lines: Vec::with_capacity(16) };
        headers.text("content-type", content.media_type());
        headers
    }

    /// Adds a header that always has this value.
    pub(super) fn text(&mut self, name: &'static str, value: &'static str) {
        self.add(name, Value::Fixed(value));
    }

    /// Adds a number.
    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        self.piece(name, &value);
    }

    /// Adds whatever can be printed.
    pub(super) fn print(&mut self, name: &'static str, value: impl fmt::Display) {
        let value = self.append(|values| json::put(values, format_args!("{value}")));
        self.add(name, value);
    }

    /// Adds what is appended to a text.
    pub(super) fn piece(&mut self, name: &'static str, value: &dyn Piece) {
        let value = self.append(|values| value.append(values));
        self.add(name, value);
    }

    /// Sets a header, in its place where it is there already.
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        let value = self.append(|values| values.push_str(value));
        match self.lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.value = value,
            None => self.add(name, value),
        }
    }

    /// Drops the headers whose name is not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.lines.retain(|line| keep(line.name));
    }

    /// The value of a header.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        self.lines.iter().map(|line| match &line.value {
            Value::Fixed(text) => (line.name, *text),
            Value::Written(place) => (line.name, &self.written[place.clone()]),
        })
    }

    /// The text that has the values that were written, and all lines.
    #[cfg(feature = "server")]
    pub(crate) fn into_parts(self) -> (String, Vec<Line>) {
        (self.written, self.lines)
    }

    fn add(&mut self, name: &'static str, value: Value) {
        debug_assert!(self.value(name).is_none(), "{name} is there already");
        self.lines.push(Line { name, value });
    }

    /// Writes one value.
    fn append(&mut self, value: impl FnOnce(&mut String)) -> Value {
        let start = self.written.len();
        value(&mut self.written);
        Value::Written(start..self.written.len())
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
    fn what_is_set_keeps_its_place_and_what_is_dropped_is_gone() {
        let mut headers = Headers::of(Content::Json);
        headers.number("retry-after", 3);
        headers.text("vary", "Origin");
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
    fn headers_are_the_same_however_they_came_about() {
        let mut set = Headers::of(Content::Html);
        set.set("content-type", Content::Json.media_type());
        assert_eq!(set, Headers::of(Content::Json));
        assert_ne!(set, Headers::of(Content::Html));
    }
}
