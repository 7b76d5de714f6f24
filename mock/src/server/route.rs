//! From a request to the endpoint that answers it: path, key, and the shape of every plain answer.

use super::body::{Body, Broken};
use super::{Mock, chat};
use crate::wire::Reply;
use crate::wire::groq::{self, Error};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::sync::Arc;

/// Answers one request. [`Broken`] makes hyper close the connection without a reply.
pub(super) async fn answer(mock: Arc<Mock>, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
    let number = mock.number();
    let path = request.uri().path();
    let refuse = |error: Error<'_>| Ok(response(error.reply(None, number), Body::whole));
    if (request.method(), path) == (&Method::GET, "/health") {
        let mut reply = Response::new(Body::Whole(Some(Bytes::from_static(b"{\"status\":\"ok\"}\n"))));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(reply);
    }
    let Some(account) = key(&request).and_then(|key| mock.account(key)) else {
        return refuse(Error::InvalidKey);
    };
    match (request.method(), path) {
        (&Method::POST, "/openai/v1/chat/completions") => chat::answer(mock, account, number, request).await,
        (&Method::GET, "/openai/v1/models") => {
            Ok(response(groq::models(mock.model_names(), number), Body::whole))
        }
        (method, path) => refuse(Error::UnknownPath(method.as_str(), path)),
    }
}

/// The key of `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110, section 11.1).
fn key(request: &Request<Incoming>) -> Option<&str> {
    let (scheme, key) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim_start())
}

/// A rendered reply as hyper sends it, its text made into a body.
pub(super) fn response(reply: Reply, body: impl FnOnce(String) -> Body) -> Response<Body> {
    let mut response = Response::new(body(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.reserve(reply.headers.len());
    for (name, value) in reply.headers {
        let value = HeaderValue::try_from(value).expect("rendered headers have no control characters");
        headers.append(HeaderName::from_static(name), value);
    }
    response
}
