//! The context of one request to a dialect's endpoint: the wire format of its reply, and the fields of its journal entry.
//!
//! The router creates it; authentication, parsing and admission set its fields. A request is added to the journal when it
//! is decided on or rejected. Requests that are answered without a call (lists of models, counts of tokens, health, `OPTIONS`),
//! and those whose JSON body is incomplete, are not added.

use super::Mock;
use super::aborted_reply::Abort;
use super::answers::AnswerEffect;
use super::mock::ApiKey;
use super::origin::Origin;
use super::paths;
use super::reply_body::{self, ReplyBody, Response};
use crate::config::Fault;
use crate::journal::{End, EntryId, JournalOutcome};
use crate::time::{Instant, Nanos};
use crate::wire::{Error, Reply, WireFormat};
use axum::http::StatusCode;
use bytes::Bytes;
use std::sync::Arc;

/// One request to a dialect's endpoint.
#[derive(Debug)]
pub(super) struct RequestContext<'r> {
    pub(super) mock: &'r Arc<Mock>,
    /// The wire format of the endpoint.
    pub(super) format: &'static dyn WireFormat,
    /// Sequence number of the request, from zero. Seeds the request's random values and the ids in its reply.
    pub(super) request_number: u64,
    /// `None` until the key is found to belong to an account.
    pub(super) account: Option<u16>,
    /// `None` until the model is found.
    pub(super) model: Option<u16>,
    /// `true` if the client asked for a stream; `false` until the request is parsed.
    pub(super) wants_stream: bool,
    /// Hash of the request's content, or of its head if its body is not read. The client check recognises retries by it. Zero if
    /// there is no journal.
    pub(super) fingerprint: u64,
    /// `true` once the body is read.
    pub(super) is_body_read: bool,
    pub(super) origin: Origin<'r>,
    /// What an answer that was set changes in the reply, besides its content.
    pub(super) answer_effect: AnswerEffect,
}

/// The part of a journal entry that is known when the provider has decided on a request, or when it is rejected.
#[derive(Clone, Copy, Debug)]
pub(super) struct JournalDraft {
    /// The instant of the decision or the rejection.
    pub(super) at: Instant,
    pub(super) outcome: JournalOutcome,
    /// `None` if no reply is sent.
    pub(super) status: Option<u16>,
    /// The wait that the reply announces; `None` if it announces none.
    pub(super) wait: Option<Nanos>,
    pub(super) end: End,
    pub(super) reserved_tokens: u64,
}

impl JournalDraft {
    /// Returns the draft of a request that is answered at once and was not admitted.
    pub(super) const fn replied(at: Instant, outcome: JournalOutcome, status: u16) -> Self {
        Self { at, outcome, status: Some(status), wait: None, end: End::Replied(at), reserved_tokens: 0 }
    }
}

/// The reason why a request is rejected before the simulated provider decides on it.
#[derive(Debug)]
pub(super) enum Rejection<'a> {
    /// The request is answered with this error.
    Error(Error<'a>),
    /// The connection ended before the body was complete: it is closed without a reply.
    BodyIncomplete,
}

impl<'a> From<Error<'a>> for Rejection<'a> {
    fn from(error: Error<'a>) -> Self {
        Self::Error(error)
    }
}

impl<'r> RequestContext<'r> {
    /// Starts the context of a new request and assigns its number.
    pub(super) fn new(mock: &'r Arc<Mock>, format: &'static dyn WireFormat, origin: Origin<'r>) -> Self {
        let request_number = mock.next_request_number();
        let (account, model) = (None, None);
        Self {
            mock,
            format,
            request_number,
            account,
            model,
            wants_stream: false,
            fingerprint: 0,
            is_body_read: false,
            origin,
            answer_effect: AnswerEffect::default(),
        }
    }

    /// Sets and returns the account of an API key; `None` if no account has the key.
    pub(super) fn authenticate(&mut self, api_key: &str) -> Option<u16> {
        if let Some(ApiKey { account, number }) = self.mock.find_key(api_key) {
            (self.account, self.origin.key) = (Some(account), Some(number));
        }
        self.account
    }

    /// Returns the path of the request.
    pub(super) fn path(&self) -> &str {
        self.origin.method_and_uri.as_ref().map_or("", |(_, uri)| uri.path())
    }

    /// Sets the fingerprint and the size of the request from its body, and keeps the body if the journal or an answer needs it.
    pub(super) fn set_body(&mut self, body: &Bytes) {
        self.set_fingerprint(body);
        self.origin.request_bytes = body.len() as u64;
        if self.mock.keeps_bodies() || self.origin.answer_header.is_some() || self.mock.answers.is_set() {
            self.origin.body = Some(body.clone());
        }
    }

    /// Sets the fingerprint from the content of the request. Requests of one account with equal content may be attempts of one
    /// job.
    pub(super) fn set_fingerprint(&mut self, content: &[u8]) {
        self.fingerprint = self.mock.fingerprint(self.account, content);
        self.is_body_read = true;
    }

    /// Sets the fingerprint of a request whose body is not read. It is computed from method, path, key and announced length: if
    /// one of them differs, so does the request.
    pub(super) fn set_head_fingerprint(&mut self, api_key: &str) {
        let Some((method, uri)) = self.origin.method_and_uri else { return };
        let head = format!("{method} {} {api_key} {}", uri.path(), self.origin.request_bytes);
        self.fingerprint = self.mock.fingerprint(self.account, head.as_bytes());
    }

    /// Adds the request to the journal; has no effect if there is none. `draft` holds the fields that are known since the
    /// decision or the rejection.
    pub(super) fn add_to_journal(&self, draft: JournalDraft) -> Option<EntryId> {
        self.mock.add_to_journal(self, draft)
    }

    /// Answers a request with an error and adds it to the journal; the error about an unknown path also says what the mock
    /// serves. If the body of the request is incomplete, closes the connection instead and adds nothing to the journal.
    pub(super) fn reject(&self, rejection: Rejection<'_>) -> Response {
        let error = match rejection {
            Rejection::Error(error) => error,
            Rejection::BodyIncomplete => return Abort.into_response(),
        };
        let now = self.mock.now();
        let mut reply = self.format.request_error(&error, self.request_number, now, self.mock.epoch());
        if let Error::UnknownPath(_, path) = error {
            paths::add_hint(&mut reply.body, &paths::hint(self.mock.formats(), path));
        }
        let outcome = match error {
            // Too much memory is held for other requests: the same request may be served later.
            Error::Status(status @ 500.., _) => JournalOutcome::Faulted(Fault::Status(status)),
            Error::UnknownPath(..) => JournalOutcome::UnservedPath,
            _ => JournalOutcome::InvalidRequest,
        };
        self.add_to_journal(JournalDraft::replied(now, outcome, reply.status));
        self.response(reply, reply_body::whole)
    }

    /// Returns the response with the list of all models.
    pub(super) fn model_list_response(&self) -> Response {
        self.free_response(
            self.format.models(self.mock.models().iter().map(|model| model.info(self.mock.epoch()))),
        )
    }

    /// Returns the response with the entry of one model; rejects the request if no model has this name.
    pub(super) fn model_response(&self, name: &str) -> Response {
        match self.mock.find_model(name) {
            Some(model) => {
                let info = self.mock.model(model).info(self.mock.epoch());
                self.free_response(self.format.model_detail(&info))
            }
            None => self.reject(Error::UnknownModel(name).into()),
        }
    }

    /// Returns the response with a number of tokens; rejects the request if no model has this name.
    pub(super) fn token_count_response(&self, model: &str, tokens: u32) -> Response {
        match self.mock.find_model(model) {
            Some(_) => self.free_response(self.format.token_count(tokens)),
            None => self.reject(Error::UnknownModel(model).into()),
        }
    }

    /// Returns a success that is charged to no limit.
    fn free_response(&self, body: String) -> Response {
        let reply = self.format.free_reply(body, self.request_number, self.mock.now(), self.mock.epoch());
        self.response(reply, reply_body::whole)
    }

    /// Converts a rendered reply to a response. `into_body` makes the body from the text of the reply; this body may abort, or
    /// stream other text.
    ///
    /// # Panics
    /// If the status is not within 100 to 999, which no wire format renders.
    pub(super) fn response(&self, reply: Reply, into_body: impl FnOnce(String) -> ReplyBody) -> Response {
        let mut response = Response::new(into_body(reply.body));
        *response.status_mut() =
            StatusCode::from_u16(reply.status).expect("invariant: a rendered status is within 100 to 999");
        *response.headers_mut() = self.mock.header_templates().header_map(reply.headers);
        response
    }
}
