//! The headers of a rendered reply as hyper's map.

use crate::wire::{Headers, Value};
use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;

/// Converts headers, in their order.
///
/// # Panics
/// If a value has a control character: rendered values never do.
pub(super) fn header_map(headers: Headers) -> HeaderMap {
    let (rendered, lines) = headers.into_parts();
    let rendered = Bytes::from(rendered);
    let mut map = HeaderMap::with_capacity(lines.len() + 2);
    for line in lines {
        let value = match line.value {
            Value::Fixed(text) => HeaderValue::from_static(text),
            Value::Rendered(range) => HeaderValue::from_maybe_shared(rendered.slice(range))
                .expect("invariant: rendered header values have no control characters"),
        };
        map.insert(HeaderName::from_static(line.name), value);
    }
    map
}
