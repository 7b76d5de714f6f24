//! Content codings (RFC 9110, section 8.4): decodes the gzip of request bodies, and compresses whole replies for clients that accept
//! it, as providers do.

use super::MAX_JSON_BODY_BYTES;
use super::context::Rejection;
use super::reply_body::{self, Response};
use crate::wire::Error;
use axum::body::HttpBody as _;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use http_body_util::Either;
use std::io::Read;

/// Decodes the body of a request.
///
/// # Errors
/// [`Error::Status`] 415 for another coding than gzip, [`Error::Invalid`] if the body is not gzip, and [`Error::BodyTooLarge`] if it is
/// larger than [`MAX_JSON_BODY_BYTES`] when it is decoded.
pub(super) fn decode(content_encoding: Option<&HeaderValue>, body: Bytes) -> Result<Bytes, Error<'static>> {
    match content_encoding.and_then(coding) {
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
pub(super) fn refuse(content_encoding: Option<&HeaderValue>) -> Result<(), Rejection<'static>> {
    content_encoding.and_then(coding).map_or(Ok(()), |_| Err(Error::Status(415, "").into()))
}

/// Returns the coding of a body with this header; `None` if it names none.
fn coding(content_encoding: &HeaderValue) -> Option<&[u8]> {
    let coding = content_encoding.as_bytes().trim_ascii();
    Some(coding).filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

fn is_gzip(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
}

/// Returns `true` if a client that sends this `accept-encoding` accepts gzip (RFC 9110, section 12.5.3): gzip is listed, or
/// otherwise `*`, with a weight that is not zero.
pub(super) fn accepts_gzip(accept_encoding: &HeaderValue) -> bool {
    let Ok(accepted) = accept_encoding.to_str() else { return false };
    let is_accepted = |name: &str| {
        accepted.split(',').find_map(|item| {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let is_zero = |weight: &str| weight.trim().parse::<f64>().is_ok_and(|weight| weight <= 0.0);
            let is_nonzero = parameters.trim().strip_prefix("q=").is_none_or(|weight| !is_zero(weight));
            coding.trim().eq_ignore_ascii_case(name).then_some(is_nonzero)
        })
    };
    is_accepted("gzip").or_else(|| is_accepted("*")).unwrap_or(false)
}

/// Returns `true` if the body of a reply is whole and long enough to gain from compression. Streams, and bodies that a fault
/// cuts, are not whole.
pub(super) fn is_compressible(response: &Response) -> bool {
    matches!(response.body(), Either::Left(body)
        if body.size_hint().exact().is_some_and(|length| length >= MIN_COMPRESSED_BYTES))
}

/// Compresses the body of a reply that [`is_compressible`].
#[inline(never)] // Few replies are compressed.
pub(super) fn compress(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let body = match body {
        Either::Left(body) => body.into_inner().unwrap_or_default(),
        body @ Either::Right(_) => return Response::from_parts(head, body),
    };
    let mut compressed = Vec::with_capacity(body.len() / 2);
    if GzEncoder::new(&*body, Compression::fast()).read_to_end(&mut compressed).is_err() {
        return Response::from_parts(head, reply_body::whole(body));
    }
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    Response::from_parts(head, reply_body::whole(compressed))
}

/// The minimum size of a body that is compressed, in bytes: about one network packet.
const MIN_COMPRESSED_BYTES: u64 = 1_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(text: &[u8]) -> Bytes {
        let mut bytes = Vec::new();
        GzEncoder::new(text, Compression::best()).read_to_end(&mut bytes).unwrap();
        bytes.into()
    }

    fn decoded(content_encoding: &'static str, body: Bytes) -> Result<Bytes, Error<'static>> {
        decode(Some(&HeaderValue::from_static(content_encoding)), body)
    }

    #[test]
    fn a_body_is_decoded_up_to_its_bound() {
        for coding in ["gzip", "GZIP", "x-gzip", " gzip "] {
            assert_eq!(decoded(coding, gzip(b"{\"a\":1}")).unwrap(), "{\"a\":1}", "{coding}");
        }
        for coding in ["identity", ""] {
            assert_eq!(decoded(coding, "x".into()).unwrap(), "x");
        }
        for coding in ["br", "deflate", "gzip, gzip"] {
            let refused = decoded(coding, "x".into());
            assert_eq!(refused, Err(Error::Status(415, "")), "{coding}");
        }
        assert!(decoded("gzip", gzip(&vec![b'x'; MAX_JSON_BODY_BYTES])).is_ok());
        // A short body that is one byte too large when it is decoded.
        let bomb = gzip(&vec![0; MAX_JSON_BODY_BYTES + 1]);
        assert!(bomb.len() < 10_000);
        assert_eq!(decoded("gzip", bomb), Err(Error::BodyTooLarge));
        let cut = gzip(b"text").slice(..12);
        for invalid in ["not gzip".into(), cut] {
            assert!(matches!(decoded("gzip", invalid), Err(Error::Invalid { .. })));
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
            assert_eq!(accepts_gzip(&HeaderValue::from_static(accepted)), expected, "{accepted}");
        }
    }
}
