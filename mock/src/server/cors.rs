//! Cross-origin requests of pages in a browser (CORS, the Fetch standard). Every origin may use the endpoints of a dialect, which need a
//! key; the control plane may be used by none.

use super::reply_body::{self, Response};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Answers `OPTIONS` with the methods of the endpoint. For a preflight, also with the headers that the page wants to send. A
/// preflight has no key.
pub(super) fn options(methods: &'static str, request: &HeaderMap) -> Response {
    let mut response = Response::new(reply_body::empty());
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    // The wildcard does not include `authorization`, so the requested names are repeated.
    let requested = request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let allowed = requested.unwrap_or(HeaderValue::from_static("authorization, content-type"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    headers.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    response
}

/// Lets a page of any origin read a response and all its headers.
pub(super) fn expose(response: &mut Response) {
    let headers = response.headers_mut();
    let is_hidden = |name: &&HeaderName| !SAFELISTED.contains(&name.as_str());
    let names: Vec<&str> = headers.keys().filter(is_hidden).map(HeaderName::as_str).collect();
    let exposed = HeaderValue::try_from(names.join(", "));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Some(exposed) = exposed.ok().filter(|exposed| !exposed.is_empty()) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// The response headers that a page can always read, and those that it never needs to.
const SAFELISTED: [&str; 5] =
    ["cache-control", "content-type", "content-length", "vary", "access-control-allow-methods"];
