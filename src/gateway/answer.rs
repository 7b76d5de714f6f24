//! An answer that more than one request gets: its bytes as the provider sent them, from the response cache or for the followers of
//! a request.

use super::body::{Memory, MemoryPermit};
use super::endpoint::Endpoint;
use crate::ids::TargetId;
use bytes::{Bytes, BytesMut};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use provider::{Instant, Nanos};
use std::sync::Arc;

/// A larger answer is not stored, and a larger stream is not given to the followers of its request, in bytes.
pub(super) const MAX_ANSWER_BYTES: usize = 4 << 20;

/// What an entry of the cache takes besides the bytes of its answer, in bytes.
const ENTRY_BYTES: usize = 1_024;

/// The headers of a provider that an answer keeps; the others belong to the reply to one request.
const KEPT: [HeaderName; 2] = [CONTENT_TYPE, HeaderName::from_static("x-request-id")];

/// An answer of status 200.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The target that gave it.
    pub(super) target: TargetId,
    /// Its size in the response cache, in bytes; `None` if it may not be stored.
    pub(super) stored_bytes: Option<u32>,
    /// The memory of the body; `None` if it is that of the cache.
    _held: Option<MemoryPermit>,
}

/// How old an answer is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    /// An instant, and its age then.
    pub(super) at: Instant,
    pub(super) then: Nanos,
}

impl Age {
    /// Returns the age at `now`.
    pub(super) fn at(self, now: Instant) -> Nanos {
        now.since(self.at) + self.then
    }
}

/// An answer that was not given to this request.
#[derive(Clone, Debug)]
pub(super) struct Reused {
    pub(super) answer: Arc<Answer>,
    pub(super) origin: Origin,
}

/// Where an answer comes from that was not given to this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The response cache has had it for this long.
    Cache(Nanos),
    /// An identical request got it, at this instant.
    Leader,
}

impl Origin {
    /// Returns the name in headers, metrics and the log.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cache(_) => "hit",
            Self::Leader => "coalesced",
        }
    }
}

impl Answer {
    /// Returns the answer in a whole reply, whose memory `held` it takes over unless it may be stored: then it is copied, so that the
    /// cache keeps nothing else alive.
    pub(super) fn whole(
        target: TargetId,
        headers: &HeaderMap,
        body: &Bytes,
        (held, may_be_stored): (&mut Option<MemoryPermit>, bool),
    ) -> Arc<Self> {
        let is_stored = may_be_stored && body.len() <= MAX_ANSWER_BYTES;
        Arc::new(if is_stored {
            Self::stored(target, headers, body)
        } else {
            let headers = kept(headers);
            Self { headers, body: body.clone(), target, stored_bytes: None, _held: held.take() }
        })
    }

    /// Returns an answer that was found in Redis, with these headers; `None` if it is larger than an answer may be, or has other headers than
    /// an answer keeps.
    pub(super) fn found(target: TargetId, headers: &HeaderMap, body: &[u8]) -> Option<Arc<Self>> {
        let is_kept = body.len() <= MAX_ANSWER_BYTES && headers.keys().all(|name| KEPT.contains(name));
        is_kept.then(|| Arc::new(Self::stored(target, headers, body)))
    }

    /// Returns what it takes of the response cache, in bytes; 0 if it may not be stored.
    pub(super) fn cached_bytes(&self) -> u64 {
        u64::from(self.stored_bytes.unwrap_or_default())
    }

    fn stored(target: TargetId, headers: &HeaderMap, body: &[u8]) -> Self {
        let headers = kept(headers);
        let of_headers: usize = headers.values().map(HeaderValue::len).sum();
        let bytes = body.len() + of_headers + ENTRY_BYTES;
        Self {
            headers,
            body: Bytes::copy_from_slice(body),
            target,
            stored_bytes: Some(u32::try_from(bytes).unwrap_or(u32::MAX)),
            _held: None,
        }
    }
}

/// Returns copies of the headers that an answer keeps.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let copy = |name: HeaderName| {
        let value = HeaderValue::from_bytes(headers.get(&name)?.as_bytes()).ok()?;
        Some((name, value))
    };
    KEPT.into_iter().filter_map(copy).collect()
}

/// A copy of a stream that grows while the stream passes, up to [`MAX_ANSWER_BYTES`].
#[derive(Debug)]
pub(super) struct RecordedStream {
    bytes: BytesMut,
    memory: Memory,
    /// `None` once it holds no memory: the stream was too long, or there was none left.
    held: Option<MemoryPermit>,
    target: TargetId,
    headers: HeaderMap,
}

impl RecordedStream {
    /// Begins to record a stream of `target`.
    pub(super) fn new(memory: &Memory, target: TargetId, headers: &HeaderMap) -> Self {
        let (memory, held) = (memory.clone(), memory.hold(0));
        Self { bytes: BytesMut::new(), memory, held, target, headers: kept(headers) }
    }

    /// Records the next bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let Some(held) = &mut self.held else { return };
        let more = self.memory.hold(bytes.len());
        match more.filter(|_| self.bytes.len() + bytes.len() <= MAX_ANSWER_BYTES) {
            Some(more) => {
                held.add(more);
                self.bytes.extend_from_slice(bytes);
            }
            None => (self.held, self.bytes) = (None, BytesMut::new()),
        }
    }

    /// Returns the answer that was recorded; `None` if it was too long or the memory ran out. The blank line after the last event is
    /// added if the provider has not sent it yet.
    pub(super) fn into_answer(mut self, may_be_stored: bool) -> Option<Arc<Answer>> {
        self.held.as_ref()?;
        for end in [&b"\r\n\r\n"[..], b"\n\n"] {
            let (whole, half) = (end, &end[..end.len() / 2]);
            if self.bytes.ends_with(half) && !self.bytes.ends_with(whole) {
                self.bytes.extend_from_slice(half);
                break;
            }
        }
        let is_filtered = ["\"finish_reason\":\"content_filter\"", "\"finish_reason\": \"content_filter\""]
            .iter()
            .any(|word| memchr::memmem::find(&self.bytes, word.as_bytes()).is_some());
        let body = self.bytes.freeze();
        let may_be_stored = may_be_stored && !is_filtered;
        Some(Answer::whole(self.target, &self.headers, &body, (&mut self.held, may_be_stored)))
    }
}

/// Returns `true` if a whole answer of status 200 may be stored: every completion in it has ended, and for no reason that another try
/// might not have.
pub(super) fn may_be_stored(endpoint: Endpoint, body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Choice<'a> {
        #[serde(borrow)]
        finish_reason: Option<std::borrow::Cow<'a, str>>,
    }
    #[derive(serde::Deserialize)]
    struct Members<'a> {
        #[serde(borrow)]
        choices: Option<Vec<Choice<'a>>>,
        #[serde(borrow)]
        status: Option<std::borrow::Cow<'a, str>>,
    }
    if !endpoint.is_answer(None, body) {
        return false;
    }
    let Ok(members) = serde_json::from_slice::<Members<'_>>(body) else { return false };
    match endpoint {
        Endpoint::Chat | Endpoint::Completions => members.choices.is_some_and(|choices| {
            let ends = |choice: &Choice<'_>| {
                choice
                    .finish_reason
                    .as_deref()
                    .is_some_and(|reason| !matches!(reason, "error" | "content_filter"))
            };
            !choices.is_empty() && choices.iter().all(ends)
        }),
        Endpoint::Responses => {
            members.status.is_none_or(|status| matches!(&*status, "completed" | "incomplete"))
        }
        Endpoint::Embeddings => true,
        Endpoint::Transcriptions => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_whose_completions_have_ended_are_stored() {
        for (endpoint, body, expected) in [
            (
                Endpoint::Chat,
                r#"{"choices":[{"finish_reason":"stop"},{"finish_reason":"tool_calls"}]}"#,
                true,
            ),
            (Endpoint::Chat, r#"{"choices":[{"finish_reason":"length"}]}"#, true),
            (Endpoint::Chat, r#"{"choices":[{"finish_reason":"stop"},{"finish_reason":"error"}]}"#, false),
            (Endpoint::Chat, r#"{"choices":[{"finish_reason":"content_filter"}]}"#, false),
            (Endpoint::Chat, r#"{"choices":[{"finish_reason":null}]}"#, false),
            (Endpoint::Completions, r#"{"choices":[]}"#, false),
            (Endpoint::Responses, r#"{"status":"completed","output":[]}"#, true),
            (Endpoint::Responses, r#"{"status":"in_progress","output":[]}"#, false),
            (Endpoint::Embeddings, r#"{"data":[]}"#, true),
            (Endpoint::Embeddings, r#"{"choices":[{"finish_reason":"stop"}]}"#, false),
        ] {
            assert_eq!(may_be_stored(endpoint, body.as_bytes()), expected, "{endpoint:?} {body}");
        }
    }

    #[test]
    fn a_recorded_stream_has_the_bytes_and_the_end_of_the_last_event_and_is_bounded() {
        let memory = Memory::new();
        let recorded = |parts: &[&[u8]]| {
            let mut recorded = RecordedStream::new(&memory, TargetId(0), &HeaderMap::new());
            parts.iter().for_each(|part| recorded.add(part));
            recorded.into_answer(true)
        };
        for (parts, expected) in [
            (&[&b"data: 1\n\n"[..], b"data: [DONE]\n\n"][..], Some("data: 1\n\ndata: [DONE]\n\n")),
            (&[b"data: [DONE]\n"], Some("data: [DONE]\n\n")),
            (&[b"data: [DONE]\r\n"], Some("data: [DONE]\r\n\r\n")),
            (&[&vec![b'x'; MAX_ANSWER_BYTES], b"x"], None),
        ] {
            let answer = recorded(parts);
            let body = answer.as_ref().map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
            assert_eq!(body.as_deref(), expected);
        }
        let filtered = recorded(&[b"data: {\"choices\":[{\"finish_reason\":\"content_filter\"}]}\n\n"]);
        assert_eq!(filtered.map(|answer| answer.stored_bytes), Some(None));
    }
}
