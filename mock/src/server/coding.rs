//! Content codings (RFC 9110, section 8.4): decodes the gzip of request bodies, and compresses whole replies for clients that accept
//! it, as providers do.

use super::MAX_JSON_BODY_BYTES;
use super::aborted_reply::Abort;
use super::context::Rejection;
use crate::wire::Error;
use axum::body::{Body, HttpBody as _};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use http_body_util::BodyExt as _;
use std::io::Read;

/// Decodes the body of a request.
///
/// # Errors
/// [`Error::Status`] 415 for another coding than gzip, [`Error::Invalid`] if the body is not gzip, and [`Error::BodyTooLarge`] if it is
/// larger than [`MAX_JSON_BODY_BYTES`] when it is decoded.
pub(super) fn decode(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Error<'static>> {
    match coding(headers) {
        None => return Ok(body),
        Some(coding) if is_gzip(coding) => {}
        Some(_) => return Err(Error::Status(415, "")),
    }
    let mut decoded = Vec::new();
    let read = MultiGzDecoder::new(&*body).take(MAX_JSON_BODY_BYTES as u64 + 1).read_to_end(&mut decoded);
    match read {
        Err(error) => Err(Error::invalid(format!("the body is not valid gzip: {error}"))),
        Ok(length) if length > MAX_JSON_BODY_BYTES => Err(Error::BodyTooLarge),
        Ok(_) => Ok(decoded.into()),
    }
}

/// Refuses a body with a content coding, for endpoints that decode none.
///
/// # Errors
/// [`Error::Status`] 415.
pub(super) fn refuse(headers: &HeaderMap) -> Result<(), Rejection<'static>> {
    coding(headers).map_or(Ok(()), |_| Err(Error::Status(415, "").into()))
}

/// Returns the coding of a body; `None` if it has none.
fn coding(headers: &HeaderMap) -> Option<&[u8]> {
    let coding = headers.get(CONTENT_ENCODING)?.as_bytes().trim_ascii();
    Some(coding).filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

fn is_gzip(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
}

/// Returns `true` if the client accepts gzip (RFC 9110, section 12.5.3): it is listed, or `*` is, and its weight is not zero.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let Some(Ok(accepted)) = headers.get(ACCEPT_ENCODING).map(HeaderValue::to_str) else { return false };
    let weight = |name: &str| {
        accepted.split(',').find_map(|item| {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let is_zero = |weight: &str| weight.trim().parse::<f64>().is_ok_and(|weight| weight <= 0.0);
            let weight = parameters.trim().strip_prefix("q=").is_none_or(|weight| !is_zero(weight));
            coding.trim().eq_ignore_ascii_case(name).then_some(weight)
        })
    };
    weight("gzip").or_else(|| weight("*")).unwrap_or(false)
}

/// Returns `true` if the body of a reply is complete and long enough to gain from a compression: not for a stream, nor for a body that
/// a fault cuts.
pub(super) fn is_compressible(response: &Response) -> bool {
    let length = response.body().size_hint().exact();
    length.is_some_and(|length| length >= MIN_COMPRESSED_BYTES)
        && response.extensions().get::<CutBody>().is_none()
        && response.extensions().get::<Abort>().is_none()
}

/// Compresses the body of a reply, which is in memory and complete.
pub(super) async fn compress(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let Ok(body) = body.collect().await else { return Response::from_parts(head, Body::empty()) };
    let body = body.to_bytes();
    let mut compressed = Vec::with_capacity(body.len() / 2);
    if GzEncoder::new(&*body, Compression::fast()).read_to_end(&mut compressed).is_err() {
        return Response::from_parts(head, Body::from(body));
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    Response::from_parts(head, Body::from(compressed))
}

/// Marks a response whose body ends before its announced length.
#[derive(Clone, Copy, Debug)]
pub(super) struct CutBody;

/// The least size of a body that is compressed, in bytes: about one packet of a network.
const MIN_COMPRESSED_BYTES: u64 = 1_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(text: &[u8]) -> Bytes {
        let mut bytes = Vec::new();
        GzEncoder::new(text, Compression::best()).read_to_end(&mut bytes).unwrap();
        bytes.into()
    }

    fn headers(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_body_is_decoded_up_to_its_bound() {
        for coding in ["gzip", "GZIP", "x-gzip", " gzip "] {
            let decoded = decode(&headers(CONTENT_ENCODING, coding), gzip(b"{\"a\":1}"));
            assert_eq!(decoded.unwrap(), "{\"a\":1}", "{coding}");
        }
        for coding in ["identity", ""] {
            assert_eq!(decode(&headers(CONTENT_ENCODING, coding), "x".into()).unwrap(), "x");
        }
        for coding in ["br", "deflate", "gzip, gzip"] {
            let refused = decode(&headers(CONTENT_ENCODING, coding), "x".into());
            assert_eq!(refused, Err(Error::Status(415, "")), "{coding}");
        }
        let gzip_header = headers(CONTENT_ENCODING, "gzip");
        assert!(decode(&gzip_header, gzip(&vec![b'x'; MAX_JSON_BODY_BYTES])).is_ok());
        // A short body that is one byte too large when it is decoded.
        let bomb = gzip(&vec![0; MAX_JSON_BODY_BYTES + 1]);
        assert!(bomb.len() < 10_000);
        assert_eq!(decode(&gzip_header, bomb), Err(Error::BodyTooLarge));
        let cut = gzip(b"text").slice(..12);
        for invalid in ["not gzip".into(), cut] {
            assert!(matches!(decode(&gzip_header, invalid), Err(Error::Invalid { .. })));
        }
    }

    #[test]
    fn gzip_is_accepted_as_the_header_says() {
        for (accepted, expected) in [
            ("gzip", true),
            ("gzip, deflate, br", true),
            ("br;q=1.0, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip;q=0.0, *", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(&headers(ACCEPT_ENCODING, accepted)), expected, "{accepted}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
