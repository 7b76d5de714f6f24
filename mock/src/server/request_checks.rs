//! What servers check of the head of a request before they do what it asks: the mock's control plane and the gateway.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};

/// Returns why two servers could read a request differently, with the status of the refusal; `None` if they could not. A request has
/// exactly one Host header, and no transfer coding but one `chunked` (RFC 9112, sections 3.2 and 6.1): hyper accepts others. Of a
/// request with a length and a coding, hyper ignores the length.
///
/// `hosts` and `codings` are the numbers of headers `host` and `transfer-encoding`, and `coding` is the first of the latter.
#[must_use]
pub fn framing_problem(
    hosts: usize,
    (codings, coding): (usize, Option<&HeaderValue>),
    version: Version,
) -> Option<(StatusCode, &'static str)> {
    if hosts > 1 || (hosts == 0 && version == Version::HTTP_11) {
        return Some((StatusCode::BAD_REQUEST, "a request needs exactly one Host header"));
    }
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if codings > 1 || !coding.is_none_or(is_chunked) {
        let message = "the only transfer coding that is supported is chunked, once";
        return Some((StatusCode::NOT_IMPLEMENTED, message));
    }
    None
}

/// Returns the host of `host:port`, without the brackets of an IPv6 address.
#[must_use]
pub fn host_name(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Compares two texts in a time that depends on their lengths only.
#[must_use]
pub fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && difference == 0
}

/// Returns `true` if the content type is JSON, with any parameters: a form of a page cannot send it.
#[must_use]
pub fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}
