//! Refuses requests whose framing two servers could interpret differently, as in request smuggling.

use super::reply_body::{self, Response};
use super::request_checks::framing_problem;
use super::request_headers::RequestHeaders;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode, Version};

/// Returns the reply to a request whose framing is not accepted; `None` if it is. The connection is closed after the reply.
pub(super) fn refusal(headers: &RequestHeaders<'_>, version: Version) -> Option<Response> {
    let codings = (headers.transfer_encodings, headers.transfer_encoding);
    let (status, message) = framing_problem(headers.hosts, codings, version)?;
    Some(reply(status, message))
}

fn reply(status: StatusCode, message: &str) -> Response {
    let body = format!("{{\"error\":{{\"message\":\"{message}\",\"type\":\"invalid_request_error\"}}}}\n");
    let mut response = Response::new(reply_body::whole(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
