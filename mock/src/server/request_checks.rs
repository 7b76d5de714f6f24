//! Checks of the head of a request that the mock and the gateway share.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};

/// Returns the status and reason of a refusal if two servers could interpret the framing of a request differently; `None` if they
/// could not. A request must have exactly one Host header, and no transfer coding except a single `chunked` (RFC 9112, sections
/// 3.2 and 6.1); hyper accepts others. If a request has a content length and a transfer coding, hyper ignores the length.
///
/// `hosts` and `codings` are the numbers of `host` and `transfer-encoding` headers, and `coding` is the first
/// `transfer-encoding`.
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
        let message = "the only supported transfer coding is a single `chunked`";
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

/// Returns `true` if the content type is JSON, with any parameters. An HTML form cannot send it.
#[must_use]
pub fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}
