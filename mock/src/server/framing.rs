//! Refuses requests without exactly one Host header, or with transfer codings other than one `chunked`, which two servers could
//! read differently (RFC 9112, sections 3.2 and 6.1): hyper accepts them. Of a request with a length and a coding, hyper ignores
//! the length.

use super::reply_body::{self, Response};
use super::request_headers::RequestHeaders;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode, Version};

/// Returns the reply to a request whose framing is not accepted; `None` if it is. The connection is closed after the reply.
pub(super) fn refusal(headers: &RequestHeaders<'_>, version: Version) -> Option<Response> {
    if headers.hosts > 1 || (headers.hosts == 0 && version == Version::HTTP_11) {
        return Some(reply(StatusCode::BAD_REQUEST, "a request needs exactly one Host header"));
    }
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if headers.transfer_encodings > 1 || !headers.transfer_encoding.is_none_or(is_chunked) {
        let message = "the only transfer coding that is supported is chunked, once";
        return Some(reply(StatusCode::NOT_IMPLEMENTED, message));
    }
    None
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
