//! The context of one request to a dialect's endpoint: its account, the format of its reply, and what the journal
//! records of it. Created by the router, filled in while the request is parsed, and used up by the response.

use super::Mock;
use super::body::Abort;
use crate::journal::{Entry, JournalOutcome};
use crate::time::{Instant, Nanos};
use crate::wire::{Error, Reply, WireFormat};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// One request to a dialect's endpoint.
#[derive(Debug)]
pub(super) struct RequestContext {
    pub(super) mock: Arc<Mock>,
    /// The wire format of the endpoint.
    pub(super) format: &'static dyn WireFormat,
    /// Sequence number of the request, from zero. Seeds what the provider draws for it and its ids.
    pub(super) number: u64,
    /// `None` until the key is found to belong to an account.
    account: Option<u16>,
    /// `None` until the model is found.
    pub(super) model: Option<u16>,
    /// Whether the client asked for a stream.
    pub(super) stream: bool,
    /// By which the journal recognises retries; zero if there is no journal.
    fingerprint: u64,
}

/// Why a request is not decided on by the provider.
#[derive(Debug)]
pub(super) enum Rejection<'a> {
    /// It is answered with this error.
    Error(Error<'a>),
    /// Its body never arrived: the connection is closed.
    Abort,
}

impl<'a> From<Error<'a>> for Rejection<'a> {
    fn from(error: Error<'a>) -> Self {
        Self::Error(error)
    }
}

impl RequestContext {
    /// The context of the next request, before anything of it is known.
    pub(super) fn new(mock: Arc<Mock>, format: &'static dyn WireFormat) -> Self {
        let number = mock.next_number();
        Self { mock, format, number, account: None, model: None, stream: false, fingerprint: 0 }
    }

    /// Returns the account of a key, `None` if no account has it.
    pub(super) fn authenticate(&mut self, key: &str) -> Option<u16> {
        self.account = self.mock.account(key);
        if self.account.is_none() {
            self.identify(key.as_bytes());
        }
        self.account
    }

    /// Sets the fingerprint from what the client sent.
    pub(super) fn identify(&mut self, sent: &[u8]) {
        self.fingerprint = self.mock.fingerprint(self.account, sent);
    }

    /// Adds the request to the journal, if there is one: what was decided on it `at` this instant, the status of its
    /// reply (`None` if there is none), and the wait that the reply announces.
    pub(super) fn record(
        &self,
        at: Instant,
        outcome: JournalOutcome,
        status: Option<u16>,
        wait: Option<Nanos>,
    ) {
        let Self { number, account, model, stream, fingerprint, .. } = *self;
        self.mock.record(Entry { number, at, account, model, stream, fingerprint, outcome, status, wait });
    }

    /// Answers a request that the provider cannot decide on, and records it.
    pub(super) fn reject(&self, rejection: Rejection<'_>) -> Response {
        let Rejection::Error(error) = rejection else { return Abort.into_response() };
        let now = self.mock.now();
        let reply = self.format.request_error(&error, self.number, now);
        self.record(now, JournalOutcome::Rejected, Some(reply.status), None);
        self.response(reply, Body::from)
    }

    /// Answers with the list of models.
    pub(super) fn models(&self) -> Response {
        self.response(self.format.models(self.mock.model_names(), self.number, self.mock.now()), Body::from)
    }

    /// Answers with one model.
    pub(super) fn model_detail(&self, name: &str) -> Response {
        if self.mock.model(name).is_none() {
            return self.reject(Error::UnknownModel(name).into());
        }
        self.response(self.format.model_detail(name, self.number, self.mock.now()), Body::from)
    }

    /// Converts a rendered reply; `body` makes its text into a body.
    pub(super) fn response(&self, reply: Reply, body: impl FnOnce(String) -> Body) -> Response {
        let mut response = Response::new(body(reply.body));
        *response.status_mut() =
            StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = self.mock.header_templates().map(reply.headers);
        response
    }
}
