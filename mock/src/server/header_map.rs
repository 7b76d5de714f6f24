//! The headers of a rendered reply as hyper's map.

use crate::wire::Headers;
use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use std::borrow::Cow;

/// Converts headers, in their order.
///
/// # Panics
/// If a value has a control character: rendered values never do.
pub(super) fn header_map(headers: Headers) -> HeaderMap {
    let headers = headers.into_iter();
    let mut map = HeaderMap::with_capacity(headers.len() + 2);
    for (name, value) in headers {
        let value = match value {
            Cow::Borrowed(text) => HeaderValue::from_static(text),
            Cow::Owned(text) => HeaderValue::from_maybe_shared(Bytes::from(text))
                .expect("invariant: rendered header values have no control characters"),
        };
        map.insert(HeaderName::from_static(name), value);
    }
    map
}
