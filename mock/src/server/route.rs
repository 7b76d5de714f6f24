//! From a request to the endpoint that answers it: path, key, and the shape of every plain answer.

use super::body::{Abort, Body};
use super::idle_timeout::IdleTimeout;
use super::journal_draft::JournalDraft;
use super::{Mock, audio, chat, control};
use crate::journal::JournalOutcome;
use crate::wire::{Endpoint, Error, Key, Reply, WireFormat};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// Answers one request. [`Abort`] makes hyper close the connection without a reply.
pub(super) async fn answer(
    mock: &Arc<Mock>,
    patience: &Arc<IdleTimeout>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Abort> {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method.as_str(), head.uri.path());
    if mock.is_controlled() && control::is_for(path) {
        return Ok(control::answer(mock, &head, body).await);
    }
    let number = mock.number();
    if (&head.method, path) == (&Method::GET, "/health") {
        let mut reply = Response::new(Body::Whole(Some(Bytes::from_static(b"{\"status\":\"ok\"}\n"))));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(reply);
    }
    let (voice, endpoint) = find(mock.voices(), method, path);
    let refuse = |account: Option<u16>, sent: &str, error: Error<'_>| {
        let fingerprint = mock.fingerprint(account, sent.as_bytes());
        Ok(reject(mock, voice, JournalDraft { fingerprint, ..JournalDraft::new(number, account) }, &error))
    };
    let key = key(voice.keys(), &head.headers);
    let Some(account) = key.and_then(|key| mock.account(key)) else {
        return refuse(None, key.unwrap_or_default(), Error::InvalidKey);
    };
    match endpoint {
        None => refuse(Some(account), path, Error::UnknownPath(method, path)),
        Some(Endpoint::Models) => {
            Ok(response(mock, voice.models(mock.model_names(), number, mock.now()), Body::whole))
        }
        Some(Endpoint::Model(name)) => {
            let name = percent_decode_str(name).decode_utf8_lossy();
            match mock.model(&name) {
                Some(_) => Ok(response(mock, voice.model_detail(&name, number, mock.now()), Body::whole)),
                None => refuse(Some(account), path, Error::UnknownModel(&name)),
            }
        }
        Some(endpoint @ Endpoint::Audio(task)) => {
            let asked = RequestContext { voice, endpoint, account, number, patience };
            // Boxed, for it takes much room, and every request would move that about.
            Box::pin(audio::answer(mock, asked, task, &head.headers, body)).await
        }
        Some(endpoint) => {
            let asked = RequestContext { voice, endpoint, account, number, patience };
            chat::answer(mock, asked, &head.headers, body).await
        }
    }
}

/// Answers a request that nothing can be decided on, and notes it.
pub(super) fn reject(
    mock: &Mock,
    voice: &dyn WireFormat,
    slip: JournalDraft,
    error: &Error<'_>,
) -> Response<Body> {
    let now = mock.now();
    let reply = voice.request_error(error, slip.number, now);
    mock.note(now, slip, JournalOutcome::Rejected, Some(reply.status), None);
    response(mock, reply, Body::whole)
}

/// Where a request for a completion came in, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestContext<'a> {
    pub(super) voice: &'static dyn WireFormat,
    pub(super) endpoint: Endpoint<'a>,
    pub(super) account: u16,
    /// The number of the request.
    pub(super) number: u64,
    /// With whoever sends it.
    pub(super) patience: &'a Arc<IdleTimeout>,
}

/// The voice that knows a path; the first one where none does.
fn find<'p>(
    voices: &'static [&'static dyn WireFormat],
    method: &str,
    path: &'p str,
) -> (&'static dyn WireFormat, Option<Endpoint<'p>>) {
    let known = voices.iter().find_map(|voice| Some((*voice, Some(voice.endpoint(method, path)?))));
    known.unwrap_or((voices[0], None))
}

/// The key of the first of these headers that is there.
fn key<'h>(keys: &[Key], headers: &'h HeaderMap) -> Option<&'h str> {
    keys.iter().find_map(|key| match key {
        Key::Bearer => bearer(headers),
        Key::Named(name) => headers.get(*name)?.to_str().ok(),
    })
}

/// The key of `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim_start())
}

/// A rendered reply as hyper sends it, its text made into a body.
pub(super) fn response(mock: &Mock, reply: Reply, body: impl FnOnce(String) -> Body) -> Response<Body> {
    let mut response = Response::new(body(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = mock.heads().map(reply.headers);
    response
}
