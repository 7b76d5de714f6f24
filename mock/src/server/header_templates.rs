//! The heads of replies as hyper takes them. A map of headers is dear to fill, name by name, and cheap to copy, and all
//! replies of a kind have the same names: so the maps that were built are kept, and a reply gets a copy of one, with its
//! own values in the places of those that differ.

use crate::wire::{Headers, Line, Value};
use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use std::ptr;
use std::sync::OnceLock;

/// The maps that were built, each once and for good, so that no reply waits for another. There is room for the kinds that
/// a dialect usually has, and they are few enough to be searched; a reply of one more has its map built.
#[derive(Debug, Default)]
pub(super) struct HeaderTemplates([OnceLock<Form>; 16]);

/// One kind of head.
#[derive(Debug)]
struct Form {
    /// Its names, each with its value where that is always the same.
    lines: Vec<(&'static str, Option<&'static str>)>,
    /// The same as a map, in this order; what differs from reply to reply is empty.
    map: HeaderMap,
}

impl HeaderTemplates {
    /// A map of these headers, in their order.
    pub(super) fn map(&self, headers: Headers) -> HeaderMap {
        let (written, lines) = headers.into_parts();
        let written = Bytes::from(written);
        let mut map = self.empty(&lines);
        for (value, line) in map.values_mut().zip(lines) {
            if let Value::Rendered(place) = line.value {
                let text = HeaderValue::from_maybe_shared(written.slice(place));
                *value = text.expect("rendered headers have no control characters");
            }
        }
        map
    }

    /// The map of these lines, its places for what was written empty.
    fn empty(&self, lines: &[Line]) -> HeaderMap {
        let mut forms = self.0.iter().map(|place| place.get_or_init(|| Form::of(lines)));
        match forms.find(|form| form.is_of(lines)) {
            Some(form) => form.map.clone(),
            None => Form::of(lines).map,
        }
    }
}

impl Form {
    fn of(lines: &[Line]) -> Self {
        let lines: Vec<_> = lines.iter().map(Line::fixed).collect();
        let entry = |(name, fixed): &(&'static str, Option<&'static str>)| {
            (HeaderName::from_static(name), HeaderValue::from_static(fixed.unwrap_or_default()))
        };
        let map = lines.iter().map(entry).collect();
        Self { lines, map }
    }

    fn is_of(&self, lines: &[Line]) -> bool {
        // That they stand in the same place is seen sooner than that they are the same, and nearly always so.
        let same = |(one, other): (&str, &str)| ptr::eq(one, other) || one == other;
        let mut pairs = self.lines.iter().zip(lines.iter().map(Line::fixed));
        self.lines.len() == lines.len()
            && pairs.all(|((name, value), (other, fixed))| {
                same((name, other)) && value.is_some() == fixed.is_some() && value.zip(fixed).is_none_or(same)
            })
    }
}

impl Line {
    /// The name, with the value where it is always the same.
    const fn fixed(&self) -> (&'static str, Option<&'static str>) {
        match self.value {
            Value::Fixed(text) => (self.name, Some(text)),
            Value::Rendered(_) => (self.name, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dialect;
    use crate::wire::{self, Head, MediaType};
    use crate::{Instant, Nanos};

    #[test]
    fn a_map_has_the_names_and_values_of_its_reply_whichever_were_built_before() {
        let heads = HeaderTemplates::default();
        let dialects = [Dialect::Groq, Dialect::OpenAi, Dialect::Azure, Dialect::Anthropic, Dialect::Mistral];
        for number in 0..3 {
            for voice in dialects.into_iter().flat_map(wire::formats) {
                for (status, media_type) in [
                    (200, MediaType::Json),
                    (200, MediaType::EventStream),
                    (429, MediaType::Json),
                    (503, MediaType::Html),
                ] {
                    let wait = (status == 429).then_some(Nanos::from_secs(number));
                    let head = Head::new(status, None, number, Instant::ZERO);
                    let headers = voice.headers(&Head { wait, media_type, ..head });
                    let map = heads.map(headers.clone());
                    let mapped = map.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
                    let rendered: Vec<(&str, &str)> = headers.iter().collect();
                    assert_eq!(mapped.collect::<Vec<_>>(), rendered, "{voice:?}, {status}, {media_type:?}");
                }
            }
        }
        assert!(heads.0.iter().all(|place| place.get().is_some()), "there were more kinds than places");
    }
}
