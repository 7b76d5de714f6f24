//! Where a request came from and what it was sent to: the part of its journal entry that is known from its head.

use super::Mock;
use super::request_headers::RequestHeaders;
use crate::journal::{Connection, RetryHeaders, fingerprint};
use crate::time::Instant;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Uri};
use bytes::Bytes;

/// The origin of a request. If the mock keeps no journal, [`Origin::new`] sets only what answers depend on: the target and the
/// header `x-quotalab-answer`. The key, and the size and the bytes of the body, are set later.
#[derive(Debug, Default)]
pub(super) struct Origin<'r> {
    pub(super) arrived_at: Instant,
    pub(super) method_and_uri: Option<(&'r Method, &'r Uri)>,
    pub(super) user_agent: Option<&'r HeaderValue>,
    pub(super) retry: RetryHeaders,
    pub(super) connection: Option<Connection>,
    /// Size of the body in bytes: what the head announces until the body is read.
    pub(super) request_bytes: u64,
    /// The number of the key within its account.
    pub(super) key: Option<u16>,
    /// The header `x-quotalab-answer`, which sets the answer to this request.
    pub(super) answer_header: Option<&'r HeaderValue>,
    /// The body, if the journal keeps bodies or answers depend on it.
    pub(super) body: Option<Bytes>,
}

impl<'r> Origin<'r> {
    /// Returns the origin of a request. `headers` are those of `head`.
    pub(super) fn new(
        mock: &Mock,
        head: &'r Parts,
        headers: &RequestHeaders<'r>,
        connection: Option<Connection>,
    ) -> Self {
        let (method_and_uri, answer_header) = (Some((&head.method, &head.uri)), headers.answer);
        if !mock.has_journal() {
            return Self { method_and_uri, answer_header, ..Self::default() };
        }
        Self {
            arrived_at: mock.now(),
            method_and_uri,
            user_agent: headers.user_agent,
            retry: RetryHeaders {
                count: number(headers.retry_count),
                idempotency_key: headers
                    .idempotency_key
                    .or(headers.x_idempotency_key)
                    .map(|key| fingerprint(None, key.as_bytes())),
            },
            connection,
            request_bytes: number(headers.content_length).unwrap_or_default(),
            key: None,
            answer_header,
            body: None,
        }
    }
}

fn number<T: std::str::FromStr>(header: Option<&HeaderValue>) -> Option<T> {
    header?.to_str().ok()?.trim().parse().ok()
}
