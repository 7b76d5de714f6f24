//! The headers of a reply.

use super::format::MediaType;
use std::borrow::Cow;
use std::fmt;

/// Header names in lower case with their values, in the order in which they are sent. Names are unique.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(&'static str, Cow<'static, str>)>);

impl Headers {
    /// Returns the headers of a reply with only its `content-type`, which is always the first.
    pub(super) fn with_media_type(media_type: MediaType) -> Self {
        let mut headers = Self(Vec::with_capacity(16));
        headers.add_static("content-type", media_type.as_str());
        headers
    }

    /// Adds a header with a constant value.
    pub(super) fn add_static(&mut self, name: &'static str, value: &'static str) {
        self.push(name, Cow::Borrowed(value));
    }

    /// Adds a header.
    pub(super) fn add(&mut self, name: &'static str, value: impl fmt::Display) {
        self.push(name, Cow::Owned(value.to_string()));
    }

    /// Sets a header. A header that exists keeps its position.
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        let value = Cow::Owned(value.to_owned());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.push(name, value),
        }
    }

    /// Removes the headers for whose names `keep` returns `false`.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Returns the value of a header; `None` if it is absent.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Iterates over names and values in the order in which they are sent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    fn push(&mut self, name: &'static str, value: Cow<'static, str>) {
        debug_assert!(self.value(name).is_none(), "invariant: header names are unique, found {name} twice");
        self.0.push((name, value));
    }
}

impl IntoIterator for Headers {
    type Item = (&'static str, Cow<'static, str>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

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
        headers.add("retry-after", 3);
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
