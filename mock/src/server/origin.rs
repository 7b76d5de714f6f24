//! Where a request came from and what it was sent to: the part of its journal entry that is known from its head.

use super::Mock;
use crate::journal::{Connection, RetryHeaders, fingerprint};
use crate::time::Instant;
use axum::http::header::{CONTENT_LENGTH, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use bytes::Bytes;

/// The origin of a request. If the mock keeps no journal, [`Origin::new`] leaves every member empty; the key, and the size and
/// the bytes of the body, are set later.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub(super) arrived_at: Instant,
    pub(super) target: Option<(Method, Uri)>,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) retry: RetryHeaders,
    pub(super) connection: Option<Connection>,
    /// Size of the body in bytes: what the head announces until the body is read.
    pub(super) request_bytes: u64,
    /// The number of the key within its account.
    pub(super) key: Option<u16>,
    /// The header with the answer to this request.
    pub(super) answer: Option<HeaderValue>,
    /// The body, if the journal keeps bodies or answers depend on it.
    pub(super) body: Option<Bytes>,
}

static RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");
static IDEMPOTENCY_KEYS: [HeaderName; 2] =
    [HeaderName::from_static("idempotency-key"), HeaderName::from_static("x-idempotency-key")];

/// The header with the answer to one request: see [`super::answers`].
static ANSWER: HeaderName = HeaderName::from_static("x-quotalab-answer");

impl Origin {
    /// Returns the origin of a request with this head.
    pub(super) fn new(mock: &Mock, head: &Parts, connection: Option<Connection>) -> Self {
        if !mock.has_journal() {
            return Self::default();
        }
        let headers = &head.headers;
        Self {
            arrived_at: mock.now(),
            target: Some((head.method.clone(), head.uri.clone())),
            user_agent: headers.get(USER_AGENT).cloned(),
            retry: RetryHeaders {
                count: number(headers, &RETRY_COUNT),
                idempotency_key: IDEMPOTENCY_KEYS
                    .iter()
                    .find_map(|name| headers.get(name))
                    .map(|key| fingerprint(None, key.as_bytes())),
            },
            connection,
            request_bytes: number(headers, &CONTENT_LENGTH).unwrap_or_default(),
            key: None,
            answer: headers.get(&ANSWER).cloned(),
            body: None,
        }
    }
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &HeaderName) -> Option<T> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
