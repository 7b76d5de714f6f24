//! Turns the bytes of a paste into text: UTF-8, UTF-16 with and without a byte-order mark (PowerShell's `>` writes it), gzip.

use flate2::read::MultiGzDecoder;
use std::io::Read as _;

/// The maximum length of a body after decompression, in bytes; the rest is ignored.
const MAX_BYTES: u64 = 1 << 20;
/// How a gzip stream begins (RFC 1952, with the only compression method).
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// How a stream of Zstandard begins (RFC 8878).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A decoded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Decoded {
    pub(in super::super) text: String,
    /// `true` if a compression was undone.
    pub(in super::super) was_compressed: bool,
    /// The compression of a body that could not be read; `None` if there is none.
    pub(in super::super) unreadable: Option<&'static str>,
}

/// Decodes the bytes of a paste. Decompresses a gzip body, at the start or below headers.
pub(in super::super) fn decode(bytes: &[u8]) -> Decoded {
    let plain = |text: String| Decoded { text, was_compressed: false, unreadable: None };
    if let Some(text) = utf16(bytes) {
        return plain(text);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(start) = find(bytes, &GZIP) {
        let mut body = Vec::new();
        let _ = MultiGzDecoder::new(&bytes[start..]).take(MAX_BYTES).read_to_end(&mut body);
        // A stream that was cut, or damaged by a terminal, is decoded as far as it is readable.
        let unreadable = body.is_empty().then_some("gzip");
        let text = [text(&bytes[..start]), text(&body)].concat();
        return Decoded { text, was_compressed: unreadable.is_none(), unreadable };
    }
    if let Some(start) = find(bytes, &ZSTD) {
        return Decoded { text: text(&bytes[..start]), was_compressed: false, unreadable: Some("zstd") };
    }
    let text = text(bytes);
    let is_brotli = || {
        let lowercase = text.to_ascii_lowercase();
        lowercase.contains("content-encoding: br") && text.contains(char::REPLACEMENT_CHARACTER)
    };
    let unreadable = is_brotli().then_some("brotli");
    Decoded { text, was_compressed: false, unreadable }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Decodes UTF-16: by its byte-order mark or, since texts of this kind are mostly ASCII, by zeros in every second byte.
fn utf16(bytes: &[u8]) -> Option<String> {
    let sample = &bytes[..bytes.len().min(64) / 2 * 2];
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let is_mostly = |zeros: usize| sample.len() >= 8 && zeros * 10 >= sample.len() / 2 * 9;
    let (bytes, is_little) = match bytes {
        [0xff, 0xfe, rest @ ..] => (rest, true),
        [0xfe, 0xff, rest @ ..] => (rest, false),
        _ if is_mostly(zeros(1)) && zeros(0) == 0 => (bytes, true),
        _ if is_mostly(zeros(0)) && zeros(1) == 0 => (bytes, false),
        _ => return None,
    };
    let unit = |pair: &[u8]| {
        let pair = [pair[0], pair[1]];
        if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    };
    let units: Vec<u16> = bytes.chunks_exact(2).map(unit).collect();
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    const TEXT: &str = "HTTP/2 429\r\nretry-after: 7\r\n\r\n{\"message\":\"größer\"}";

    #[test]
    fn every_encoding_gives_the_same_text() {
        let little: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            TEXT.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", TEXT.as_bytes()].concat(),
            [b"\xff\xfe", &little[..]].concat(),
            [b"\xfe\xff", &big[..]].concat(),
            little,
            big,
        ] {
            assert_eq!(decode(&bytes).text, TEXT);
        }
        assert_eq!(decode(b"").text, "");
    }

    #[test]
    fn a_compressed_body_is_decompressed_or_named() {
        let (head, body) = TEXT.split_at(TEXT.len() - 21);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        let bytes = [head.as_bytes(), &encoder.finish().unwrap()].concat();
        let decoded = decode(&bytes);
        assert_eq!((decoded.text.as_str(), decoded.was_compressed), (TEXT, true));
        assert_eq!(decode(&bytes[..head.len() + 5]).unreadable, Some("gzip"));
        assert_eq!(decode(&[&ZSTD[..], b"x"].concat()).unreadable, Some("zstd"));
        assert_eq!(decode(b"HTTP/2 429\ncontent-encoding: br\n\n\x1b\xff\x90").unreadable, Some("brotli"));
    }
}
