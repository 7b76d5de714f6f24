//! The headers of a reply. Their values stand in one text, one behind the other: however many there are, they take one
//! allocation, and a server sends pieces of that text.

use super::json;
use super::voice::Content;
use std::fmt;
use std::ops::Range;

/// Header names in lower case with their values, in the order in which they are sent.
#[derive(Clone, Default)]
pub struct Headers {
    values: String,
    lines: Vec<Line>,
}

/// A name, and where its value stands.
pub(crate) type Line = (&'static str, Range<usize>);

impl Headers {
    /// Those that every reply begins with.
    pub(super) fn of(content: Content) -> Self {
        let mut headers = Self { values: String::with_capacity(256), lines: Vec::with_capacity(16) };
        headers.text("content-type", content.media_type());
        headers
    }

    /// Adds a header.
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        let place = self.write(|values| values.push_str(value));
        self.lines.push((name, place));
    }

    /// The same of a number.
    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        let place = self.write(|values| json::number(values, value));
        self.lines.push((name, place));
    }

    /// The same of whatever can be printed.
    pub(super) fn print(&mut self, name: &'static str, value: impl fmt::Display) {
        let place = self.write(|values| json::put(values, format_args!("{value}")));
        self.lines.push((name, place));
    }

    /// Sets a header, in its place where it is there already.
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        match self.lines.iter().position(|(known, _)| *known == name) {
            Some(index) => self.lines[index].1 = self.write(|values| values.push_str(value)),
            None => self.text(name, value),
        }
    }

    /// Drops the headers whose name is not to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.lines.retain(|(name, _)| keep(name));
    }

    /// The value of a header.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        self.lines.iter().map(|(name, place)| (*name, &self.values[place.clone()]))
    }

    /// The text that has all values, and where in it each stands.
    #[cfg(feature = "server")]
    pub(crate) fn into_parts(self) -> (String, Vec<Line>) {
        (self.values, self.lines)
    }

    /// Writes one value, and tells where it stands.
    fn write(&mut self, value: impl FnOnce(&mut String)) -> Range<usize> {
        let start = self.values.len();
        value(&mut self.values);
        start..self.values.len()
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
