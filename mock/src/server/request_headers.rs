//! The headers that the mock reads of every request, found in one pass. A lookup hashes the name; fourteen of them took 1,600
//! instructions of a request, 4 % (callgrind of `mock/benches`, 2026-11-29).

use crate::wire::truth;
use axum::http::{HeaderMap, HeaderValue};

/// The first value of each header; `None` if the request does not have it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestHeaders<'r> {
    pub(super) accept_encoding: Option<&'r HeaderValue>,
    pub(super) authorization: Option<&'r HeaderValue>,
    pub(super) content_encoding: Option<&'r HeaderValue>,
    pub(super) content_length: Option<&'r HeaderValue>,
    /// The number of headers `host`.
    pub(super) hosts: usize,
    /// `idempotency-key`.
    pub(super) idempotency_key: Option<&'r HeaderValue>,
    pub(super) origin: Option<&'r HeaderValue>,
    /// `x-quotalab-answer`, the answer to this request: see [`super::answers`].
    pub(super) answer: Option<&'r HeaderValue>,
    pub(super) transfer_encoding: Option<&'r HeaderValue>,
    /// The number of headers `transfer-encoding`.
    pub(super) transfer_encodings: usize,
    /// [`crate::wire::truth::HEADER`].
    pub(super) truth: Option<&'r HeaderValue>,
    pub(super) user_agent: Option<&'r HeaderValue>,
    /// `x-idempotency-key`.
    pub(super) x_idempotency_key: Option<&'r HeaderValue>,
    /// `x-stainless-retry-count`.
    pub(super) retry_count: Option<&'r HeaderValue>,
}

impl<'r> RequestHeaders<'r> {
    pub(super) fn new(headers: &'r HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let header = match name.as_str() {
                "accept-encoding" => &mut found.accept_encoding,
                "authorization" => &mut found.authorization,
                "content-encoding" => &mut found.content_encoding,
                "content-length" => &mut found.content_length,
                "host" => {
                    found.hosts += 1;
                    continue;
                }
                "idempotency-key" => &mut found.idempotency_key,
                "origin" => &mut found.origin,
                "x-quotalab-answer" => &mut found.answer,
                "transfer-encoding" => {
                    found.transfer_encodings += 1;
                    &mut found.transfer_encoding
                }
                truth::HEADER => &mut found.truth,
                "user-agent" => &mut found.user_agent,
                "x-idempotency-key" => &mut found.x_idempotency_key,
                "x-stainless-retry-count" => &mut found.retry_count,
                _ => continue,
            };
            header.get_or_insert(value);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    #[test]
    fn each_header_is_found_and_the_first_value_of_several_counts() {
        type Header = for<'a, 'r> fn(&'a RequestHeaders<'r>) -> Option<&'r HeaderValue>;
        let known: [(&'static str, Header); 12] = [
            ("accept-encoding", |headers| headers.accept_encoding),
            ("authorization", |headers| headers.authorization),
            ("content-encoding", |headers| headers.content_encoding),
            ("content-length", |headers| headers.content_length),
            ("idempotency-key", |headers| headers.idempotency_key),
            ("origin", |headers| headers.origin),
            ("x-quotalab-answer", |headers| headers.answer),
            ("transfer-encoding", |headers| headers.transfer_encoding),
            (truth::HEADER, |headers| headers.truth),
            ("user-agent", |headers| headers.user_agent),
            ("x-idempotency-key", |headers| headers.x_idempotency_key),
            ("x-stainless-retry-count", |headers| headers.retry_count),
        ];
        for (name, header) in known {
            let mut headers = HeaderMap::new();
            for value in ["first", "second"] {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
                headers.append("x-other", HeaderValue::from_static("other"));
            }
            headers.append("host", HeaderValue::from_static("localhost"));
            let found = RequestHeaders::new(&headers);
            let codings = if name == "transfer-encoding" { 2 } else { 0 };
            assert_eq!((found.hosts, found.transfer_encodings), (1, codings), "{name}");
            assert_eq!(header(&found).unwrap(), "first", "{name}");
            let others = known.iter().filter(|(other, _)| *other != name);
            assert!(others.map(|(_, header)| header(&found)).all(|found| found.is_none()), "{name}");
        }
    }
}
