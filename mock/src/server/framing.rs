//! Refuses requests without exactly one Host header, or with transfer codings other than one `chunked`, which two servers could
//! read differently (RFC 9112, sections 3.2 and 6.1): hyper accepts them. Of a request with a length and a coding, hyper ignores
//! the length.

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Request, Response, StatusCode, Version};

/// Returns the reply to a request whose framing is not accepted; `None` if it is. The connection is closed after the reply.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Some(reply(StatusCode::BAD_REQUEST, "a request needs exactly one Host header"));
    }
    let codings = request.headers().get_all(TRANSFER_ENCODING);
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if codings.iter().count() > 1 || !codings.iter().all(is_chunked) {
        let message = "the only transfer coding that is supported is chunked, once";
        return Some(reply(StatusCode::NOT_IMPLEMENTED, message));
    }
    None
}

fn reply(status: StatusCode, message: &str) -> Response<Body> {
    let body = format!("{{\"error\":{{\"message\":\"{message}\",\"type\":\"invalid_request_error\"}}}}\n");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
