//! What the replies of an endpoint state about the attempts behind it.

use crate::engine::Reply;
use crate::event::AttemptOutcome;
use crate::formatting::printable;
use crate::ids::AttemptId;
use hyper::HeaderMap;
use provider::Nanos;
use rustc_hash::FxHashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one reply states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statement {
    /// The target of the last attempt.
    pub(super) target: Option<String>,
    /// The number of attempts.
    pub(super) attempts: Option<u32>,
    /// The wait before the last attempt.
    pub(super) waited: Option<Nanos>,
    /// The wait that the reply states, if it is a refusal.
    pub(super) retry_after: Option<Nanos>,
}

impl Statement {
    /// Reads the headers of a response.
    pub(super) fn of_headers(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let number = |name: &str| text(name)?.parse::<u32>().ok();
        let target = text("x-quotalab-target").filter(|name| !name.is_empty());
        Self {
            target: target.map(|name| printable(name).chars().take(MAX_NAME).collect()),
            attempts: number("x-quotalab-attempts"),
            waited: number("x-quotalab-waited-ms").map(|millis| Nanos::from_millis(millis.into())),
            retry_after: None,
        }
    }

    /// Adds what the reply itself states.
    pub(super) fn with_reply(self, reply: &Reply) -> Self {
        let is_refusal = matches!(reply.outcome, AttemptOutcome::Refused { .. });
        let wait = reply.header_wait.or(reply.wait.map(|wait| wait.length));
        Self { retry_after: wait.filter(|_| is_refusal), ..self }
    }
}

/// The number of characters to which the name of a target is cut.
const MAX_NAME: usize = 200;

/// The statements of replies that have arrived and that the observer has not taken.
#[derive(Debug, Default)]
pub(super) struct Statements(Mutex<FxHashMap<AttemptId, Statement>>);

impl Statements {
    pub(super) fn put(&self, attempt: AttemptId, statement: Statement) {
        self.lock().insert(attempt, statement);
    }

    /// Removes and returns the statement of a reply; an empty one if there is none.
    pub(super) fn take(&self, attempt: AttemptId) -> Statement {
        self.lock().remove(&attempt).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<AttemptId, Statement>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn headers_that_are_missing_or_malformed_state_nothing() {
        let mut headers = HeaderMap::new();
        assert_eq!(Statement::of_headers(&headers), Statement::default());
        headers.insert("x-quotalab-target", HeaderValue::from_static("groq/acme/m"));
        headers.insert("x-quotalab-attempts", HeaderValue::from_static("2"));
        headers.insert("x-quotalab-waited-ms", HeaderValue::from_static("-1"));
        let expected = Statement {
            target: Some("groq/acme/m".to_owned()),
            attempts: Some(2),
            waited: None,
            retry_after: None,
        };
        assert_eq!(Statement::of_headers(&headers), expected);
        let long = "x".repeat(5_000);
        headers.insert("x-quotalab-target", HeaderValue::try_from(long).expect("a value"));
        assert_eq!(Statement::of_headers(&headers).target.map(|name| name.len()), Some(MAX_NAME));
    }
}
