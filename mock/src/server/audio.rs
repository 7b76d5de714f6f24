//! Audio endpoints: reads the multipart form of a request for a transcript.
//!
//! Limits depend only on the duration of the file, so only its first bytes are kept and its size is counted. A WAV file
//! states its duration; for any other format it is estimated from the size.

use super::MAX_AUDIO_FORM_BYTES;
use super::admission::ParsedRequest;
use super::coding;
use super::context::{Rejection, RequestContext};
use super::reply_content::ReplyContent;
use super::request::invalid;
use crate::time::Nanos;
use crate::wire::{Error, Task, Transcript, TranscriptFormat};
use axum::body::{Body, HttpBody as _};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use multer::{Constraints, Field, Multipart, SizeLimit};
use percent_encoding::percent_decode_str;

/// Reads and parses a request for a transcript.
///
/// # Errors
/// [`Error::BodyTooLarge`], [`Error::Invalid`] (also if the connection ends before the body), or [`Error::Status`] 415 for a
/// body with a content coding.
pub(super) async fn parse(
    context: &mut RequestContext<'_>,
    task: Task,
    model_in_path: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Result<ParsedRequest, Rejection<'static>> {
    // Kept if the form cannot be read, otherwise replaced below.
    context.set_head_fingerprint("");
    coding::refuse(headers.get(CONTENT_ENCODING))?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let AudioForm { model, format, bytes, duration } =
        AudioForm::read(content_type, model_in_path, body).await?;
    context.set_fingerprint(format!("{model} {bytes} {duration:?}").as_bytes());
    context.origin.request_bytes = context.origin.request_bytes.max(bytes);
    Ok(ParsedRequest {
        prompt_tokens: 0,
        max_tokens: Some(0),
        audio_seconds: duration.as_secs_ceil(),
        content: ReplyContent::Transcript(Transcript { task, format, duration }),
        ..ParsedRequest::new(model)
    })
}

/// The parsed fields of a form. Others are ignored.
#[derive(Debug)]
struct AudioForm {
    model: String,
    format: TranscriptFormat,
    /// Size of the file in bytes.
    bytes: u64,
    /// The duration of its audio.
    duration: Nanos,
}

impl AudioForm {
    /// Reads a form of at most [`MAX_AUDIO_FORM_BYTES`], keeping at most [`MAX_FIELD_BYTES`] of each field.
    async fn read(
        content_type: &str,
        model_in_path: Option<&str>,
        body: Body,
    ) -> Result<Self, Error<'static>> {
        if body.size_hint().lower() > MAX_AUDIO_FORM_BYTES as u64 {
            return Err(Error::BodyTooLarge);
        }
        let boundary = multer::parse_boundary(content_type).map_err(form_error)?;
        let limits =
            Constraints::new().size_limit(SizeLimit::new().whole_stream(MAX_AUDIO_FORM_BYTES as u64));
        let mut form = Multipart::with_constraints(body.into_data_stream(), boundary, limits);
        let (mut model, mut format, mut file) = (None, TranscriptFormat::default(), None);
        while let Some(field) = form.next_field().await.map_err(form_error)? {
            match field.name() {
                Some("model") => model = Some(read_text(field).await?),
                Some("response_format") => {
                    format = match read_text(field).await?.as_str() {
                        "json" => TranscriptFormat::Json,
                        "verbose_json" => TranscriptFormat::VerboseJson,
                        "text" => TranscriptFormat::Text,
                        _ => return Err(invalid("response_format must be one of json, text, verbose_json")),
                    }
                }
                Some("file") => file = Some(read_start(field).await?),
                Some("url") => return Err(invalid("'url' is not supported: send a 'file'")),
                _ => {}
            }
        }
        // If the path names a deployment, the form needs no model.
        let model =
            model_in_path.map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned()).or(model);
        let model = model.ok_or_else(|| invalid("'model' is a required property"))?;
        match file {
            None => Err(invalid("'file' is a required property")),
            Some((_, 0)) => Err(invalid("file is empty.")),
            Some((start, bytes)) => {
                Ok(Self { model, format, bytes, duration: audio_duration(&start, bytes) })
            }
        }
    }
}

/// Reads a field. Returns its first bytes, at most [`MAX_FIELD_BYTES`], and its size in bytes.
async fn read_start(mut field: Field<'_>) -> Result<(Vec<u8>, u64), Error<'static>> {
    let (mut start, mut bytes) = (Vec::new(), 0);
    while let Some(chunk) = field.chunk().await.map_err(form_error)? {
        bytes += chunk.len() as u64;
        start.extend_from_slice(&chunk[..chunk.len().min(MAX_FIELD_BYTES - start.len())]);
    }
    Ok((start, bytes))
}

/// Reads a field. Returns its text, truncated to [`MAX_FIELD_BYTES`].
async fn read_text(field: Field<'_>) -> Result<String, Error<'static>> {
    let (text, _) = read_start(field).await?;
    String::from_utf8(text).map_err(|_| invalid("a form field is not UTF-8"))
}

fn form_error(error: multer::Error) -> Error<'static> {
    match error {
        multer::Error::StreamSizeExceeded { .. } => Error::BodyTooLarge,
        error => invalid(error.to_string()),
    }
}

/// Returns the duration of a file of `bytes` bytes, the first of which are `start`.
pub(super) fn audio_duration(start: &[u8], bytes: u64) -> Nanos {
    let (bytes, per_second) = wav_size_and_rate(start, bytes).unwrap_or((bytes, DEFAULT_BYTES_PER_SECOND));
    let nanos = u128::from(bytes) * u128::from(Nanos::SECOND.0) / u128::from(per_second);
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Returns the declared size of a WAV file's audio in bytes, and its bytes per second; `None` if it is not a WAV file, or
/// if no positive byte rate precedes the start of its audio within `start`. If the declared size is zero or all ones, as
/// streaming writers leave it, the audio is the rest of the file.
fn wav_size_and_rate(start: &[u8], bytes: u64) -> Option<(u64, u64)> {
    if !start.starts_with(b"RIFF") || start.get(8..12)? != b"WAVE" {
        return None;
    }
    let (mut at, mut per_second) = (12, None);
    loop {
        let length = u32_le(start, at + 4)?;
        match start.get(at..at + 4)? {
            b"fmt " => per_second = Some(u32_le(start, at + 16)?).filter(|rate| *rate > 0),
            b"data" => {
                let rest = bytes.saturating_sub(at as u64 + 8);
                let declared = if matches!(length, 0 | u32::MAX) { rest } else { u64::from(length) };
                return Some((declared, u64::from(per_second?)));
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        at = at.checked_add(8)?.checked_add(usize::try_from(length).ok()?.checked_next_multiple_of(2)?)?;
    }
}

/// Returns the little-endian number at this offset.
fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Maximum bytes of a field that are kept. A WAV file may have metadata before its audio.
const MAX_FIELD_BYTES: usize = 64 << 10;

/// Bytes per second of a file that does not state its rate: 64 kbit/s, common for compressed speech. Assumed.
const DEFAULT_BYTES_PER_SECOND: u64 = 64_000 / 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A WAV file of 16,000 bytes per second without its audio, whose size in bytes it declares as `data`. The chunks
    /// `before` precede the audio.
    fn file(before: &[u8], data: u32) -> Vec<u8> {
        let mut file =
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0".to_vec();
        file.extend_from_slice(before);
        file.extend_from_slice(b"data");
        file.extend_from_slice(&data.to_le_bytes());
        file
    }

    #[test]
    fn the_duration_of_a_wav_file_is_read_from_its_header() {
        let list = b"LIST\x03\0\0\0abc\0";
        for (before, data, bytes, millis) in [
            (&b""[..], 32_000, 32_044, 2_000),
            (b"", 8_000, 44, 500),
            (list, 32_000, 99, 2_000),
            (b"", 0, 44 + 16_000, 1_000),
            (b"", u32::MAX, 44 + 4_000, 250),
        ] {
            assert_eq!(audio_duration(&file(before, data), bytes), Nanos::from_millis(millis), "{data}");
        }
    }

    #[test]
    fn the_duration_of_other_files_is_estimated_from_their_size() {
        assert_eq!(audio_duration(b"ID3", 80_000), Nanos::from_secs(10));
        let zero_rate = [&file(b"", 100)[..28], &[0; 20]].concat();
        assert_eq!(audio_duration(&zero_rate, 8_000), Nanos::from_secs(1), "a rate of zero is ignored");
    }

    proptest! {
        #[test]
        fn arbitrary_files_do_not_panic(head: Vec<u8>, bytes: u64, cut in 0..64_usize, data: u32) {
            audio_duration(&head, bytes);
            let file = file(&head, data);
            audio_duration(&file[..cut.min(file.len())], bytes);
        }
    }
}
