//! The headers of a rendered reply as hyper's map, copied from a template.
//!
//! Filling a map hashes every name and checks every value; copying one does not. All replies of a kind have the same names
//! and mostly the same constant values, so each kind's map is built once and a reply gets a copy with its own values. Measured
//! with `mock/benches` on one core (2026-11-28), before constant values were copied too: 3 % more requests per second for
//! replies with limit headers than a map that is filled for every reply.

use crate::wire::{FieldValue, Headers};
use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use std::sync::OnceLock;

/// The templates, each set once: maps with the constant values, the others empty. There is room for all kinds of replies that
/// a dialect usually has, and they are few enough for a linear search; the map of a further kind is built for every reply.
#[derive(Debug, Default)]
pub(super) struct HeaderTemplates([OnceLock<Template>; 16]);

#[derive(Debug)]
struct Template {
    names: Vec<&'static str>,
    map: HeaderMap,
}

impl HeaderTemplates {
    /// Converts rendered headers to hyper's map, in the same order.
    ///
    /// # Panics
    /// If a value has a control character: rendered values never have one.
    pub(super) fn header_map(&self, headers: Headers) -> HeaderMap {
        let mut map = self.copy_template(&headers);
        debug_assert_eq!(map.len(), headers.iter().len(), "invariant: header names are unique");
        let (values, text) = headers.into_parts();
        let text = Bytes::from(text);
        for (slot, (_, value)) in map.values_mut().zip(values) {
            *slot = match value {
                FieldValue::Constant(value) if is_same(slot.as_bytes(), value.as_bytes()) => continue,
                FieldValue::Constant(value) => HeaderValue::from_static(value),
                FieldValue::Rendered(range) => HeaderValue::from_maybe_shared(text.slice(range))
                    .expect("invariant: rendered header values have no control characters"),
            };
        }
        map
    }

    /// Returns a map with these names, whose values are constant or empty.
    fn copy_template(&self, headers: &Headers) -> HeaderMap {
        let mut templates = self.0.iter().map(|slot| slot.get_or_init(|| Template::new(headers)));
        match templates.find(|template| template.has_names(headers)) {
            Some(template) => template.map.clone(),
            None => Template::new(headers).map,
        }
    }
}

/// Returns `true` if the texts are equal. In most cases both are the same constant, whose bytes then need not be compared.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    std::ptr::eq(one, other) || one == other
}

impl Template {
    fn has_names(&self, headers: &Headers) -> bool {
        let names = headers.names();
        self.names.len() == names.len()
            && self.names.iter().zip(names).all(|(known, name)| is_same(known.as_bytes(), name.as_bytes()))
    }

    fn new(headers: &Headers) -> Self {
        let names = headers.names().collect();
        let constant_or_empty = |(name, value)| {
            let value = if let FieldValue::Constant(value) = value { value } else { "" };
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Self { names, map: headers.clone().into_parts().0.into_iter().map(constant_or_empty).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Epoch;
    use crate::config::Dialect;
    use crate::wire::{self, Head, MediaType};
    use crate::{Instant, Nanos};

    #[test]
    fn a_map_has_the_headers_of_its_reply_whatever_the_templates() {
        let templates = HeaderTemplates::default();
        let dialects = [Dialect::Groq, Dialect::OpenAi, Dialect::Azure, Dialect::Anthropic, Dialect::Mistral];
        let kinds = [
            (200, MediaType::Json),
            (200, MediaType::EventStream),
            (429, MediaType::Json),
            (503, MediaType::Html),
        ];
        for number in 0..3 {
            for format in dialects.into_iter().flat_map(wire::formats) {
                for (status, media_type) in kinds {
                    let wait = (status == 429).then_some(Nanos::from_secs(number));
                    let head = Head::new(status, None, number, (Instant::ZERO, Epoch::RUN));
                    let headers = format.headers(&Head { wait, media_type, ..head });
                    let map = templates.header_map(headers.clone());
                    let mapped = map.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
                    let rendered: Vec<(&str, &str)> = headers.iter().collect();
                    assert_eq!(mapped.collect::<Vec<_>>(), rendered, "{format:?}, {status}, {media_type:?}");
                }
            }
        }
    }
}
