//! A request to hear a file of audio: from its form fields to a ruling.
//!
//! Of the file only the first bytes are kept, and how many there were: a limit needs to know how long it lasts, and
//! nothing else. A WAV file says so; of any other kind the length is estimated from its size.

use super::MOST_AUDIO_BYTES;
use super::Mock;
use super::chat::{self, Request};
use super::journal_draft::JournalDraft;
use super::reply_options::ReplyKind;
use super::request::{ServiceTier, invalid};
use super::route::{RequestContext, reject};
use super::{PATIENCE, body};
use crate::time::Nanos;
use crate::wire::{Error, Task, Transcript, Written};
use http_body_util::BodyDataStream;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Response};
use multer::{Constraints, Field, Multipart, SizeLimit};
use std::sync::Arc;

/// Answers a request of an account.
pub(super) async fn answer(
    mock: &Arc<Mock>,
    asked: RequestContext<'_>,
    task: Task,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Response<body::Body>, body::Abort> {
    let RequestContext { voice, account, number, .. } = asked;
    let mut slip = JournalDraft::new(number, Some(account));
    let refuse = |slip: JournalDraft, error: Error<'_>| Ok(reject(mock, voice, slip, &error));
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let read = tokio::time::timeout(PATIENCE, Upload::read(content_type, body)).await;
    let upload = match read.map_err(|_| body::Abort)? {
        Ok(upload) => upload,
        Err(error) => return refuse(slip, error),
    };
    let said = format!("{} {} {:?}", upload.model, upload.bytes, upload.duration);
    slip.fingerprint = mock.fingerprint(Some(account), said.as_bytes());
    slip.model = mock.model(&upload.model);
    let Some(model) = slip.model else {
        return refuse(slip, Error::UnknownModel(&upload.model));
    };
    let transcript = Transcript { task, written: upload.written, duration: upload.duration };
    let request = Request {
        model,
        max_tokens: Some(0),
        audio_seconds: upload.duration.as_secs_ceil(),
        truth: mock.draw(number, model, 0),
        tag: None,
        form: ReplyKind::Transcript(transcript),
        tier: ServiceTier::OnDemand,
        stream: None,
    };
    chat::call(mock, asked, slip, request).await
}

/// The fields of a form that count.
#[derive(Debug)]
struct Upload {
    model: String,
    written: Written,
    /// The size of the file.
    bytes: u64,
    /// How long it lasts.
    duration: Nanos,
}

impl Upload {
    /// Reads a form, keeping no more than [`HEAD_BYTES`] of any field.
    async fn read(content_type: &str, body: Incoming) -> Result<Self, Error<'static>> {
        if body.size_hint().lower() > MOST_AUDIO_BYTES {
            return Err(Error::BodyTooLarge);
        }
        let boundary = multer::parse_boundary(content_type).map_err(wrong)?;
        let limits = Constraints::new().size_limit(SizeLimit::new().whole_stream(MOST_AUDIO_BYTES));
        let mut form = Multipart::with_constraints(BodyDataStream::new(body), boundary, limits);
        let (mut model, mut written, mut file) = (None, Written::default(), None);
        while let Some(field) = form.next_field().await.map_err(wrong)? {
            match field.name() {
                Some("model") => model = Some(text(field).await?),
                Some("response_format") => {
                    written = match text(field).await?.as_str() {
                        "json" => Written::Json,
                        "verbose_json" => Written::VerboseJson,
                        "text" => Written::Text,
                        _ => return Err(invalid("response_format must be one of json, text, verbose_json")),
                    }
                }
                Some("file") => file = Some(head(field).await?),
                Some("url") => return Err(invalid("'url' is not fetched here: send a 'file'")),
                _ => {}
            }
        }
        let model = model.ok_or_else(|| invalid("'model' is a required property"))?;
        match file {
            None => Err(invalid("'file' is a required property")),
            Some((_, 0)) => Err(invalid("file is empty.")),
            Some((head, bytes)) => Ok(Self { model, written, bytes, duration: duration(&head, bytes) }),
        }
    }
}

/// The first bytes of a field, and how many it has.
async fn head(mut field: Field<'_>) -> Result<(Vec<u8>, u64), Error<'static>> {
    let (mut head, mut bytes) = (Vec::new(), 0);
    while let Some(chunk) = field.chunk().await.map_err(wrong)? {
        bytes += chunk.len() as u64;
        head.extend_from_slice(&chunk[..chunk.len().min(HEAD_BYTES - head.len())]);
    }
    Ok((head, bytes))
}

/// The text of a short field.
async fn text(field: Field<'_>) -> Result<String, Error<'static>> {
    let (text, _) = head(field).await?;
    String::from_utf8(text).map_err(|_| invalid("a field of the form is not UTF-8"))
}

fn wrong(error: multer::Error) -> Error<'static> {
    match error {
        multer::Error::StreamSizeExceeded { .. } => Error::BodyTooLarge,
        error => invalid(error.to_string()),
    }
}

/// How long a file lasts that begins like this and has so many bytes.
fn duration(head: &[u8], bytes: u64) -> Nanos {
    let (bytes, per_second) = wav(head, bytes).unwrap_or((bytes, BYTES_PER_SECOND));
    let nanos = u128::from(bytes) * u128::from(Nanos::SECOND.0) / u128::from(per_second);
    Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How many bytes of sound a WAV file declares, and how many make a second. A writer that did not know the length
/// leaves it 0 or all ones: then it is what is there.
fn wav(head: &[u8], bytes: u64) -> Option<(u64, u64)> {
    if !head.starts_with(b"RIFF") || head.get(8..12)? != b"WAVE" {
        return None;
    }
    let (mut at, mut per_second) = (12, None);
    loop {
        let length = number(head, at + 4)?;
        match head.get(at..at + 4)? {
            b"fmt " => per_second = Some(number(head, at + 16)?).filter(|rate| *rate > 0),
            b"data" => {
                let there = bytes.saturating_sub(at as u64 + 8);
                let declared = if matches!(length, 0 | u32::MAX) { there } else { u64::from(length) };
                return Some((declared, u64::from(per_second?)));
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        at = at.checked_add(8)?.checked_add(usize::try_from(length).ok()?.checked_next_multiple_of(2)?)?;
    }
}

/// A number of four bytes, the least first.
fn number(head: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?))
}

/// How much of a field is kept: a WAV file may have a list of titles before its sound.
const HEAD_BYTES: usize = 64 << 10;

/// What a second takes where a file does not say: 64 kbit/s, common for compressed speech. Assumed.
const BYTES_PER_SECOND: u64 = 64_000 / 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A WAV file of 16,000 bytes a second up to its sound.
    fn file(before: &[u8], data: u32) -> Vec<u8> {
        let mut file =
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0".to_vec();
        file.extend_from_slice(before);
        file.extend_from_slice(b"data");
        file.extend_from_slice(&data.to_le_bytes());
        file
    }

    #[test]
    fn a_wav_file_says_how_long_it_lasts() {
        let list = b"LIST\x03\0\0\0abc\0";
        for (before, data, bytes, millis) in [
            (&b""[..], 32_000, 32_044, 2_000),
            (b"", 8_000, 44, 500),
            (list, 32_000, 99, 2_000),
            (b"", 0, 44 + 16_000, 1_000),
            (b"", u32::MAX, 44 + 4_000, 250),
        ] {
            assert_eq!(duration(&file(before, data), bytes), Nanos::from_millis(millis), "{data}");
        }
    }

    #[test]
    fn any_other_file_is_estimated() {
        assert_eq!(duration(b"ID3", 80_000), Nanos::from_secs(10));
        let still = [&file(b"", 100)[..28], &[0; 20]].concat();
        assert_eq!(duration(&still, 8_000), Nanos::from_secs(1), "no bytes a second is no rate");
    }

    proptest! {
        #[test]
        fn no_file_is_too_strange(head: Vec<u8>, bytes: u64, cut in 0..64_usize, data: u32) {
            duration(&head, bytes);
            let file = file(&head, data);
            duration(&file[..cut.min(file.len())], bytes);
        }
    }
}
