//! One attempt: one request to a provider and its response, up to the point where the engine decides what becomes of it. For a
//! whole reply that is its end, for a stream its first token: until then nothing has gone out to the caller, and another target can
//! be tried.

use super::answer::Answer;
use super::body::{BodyError, Memory, MemoryPermit, WholeBody};
use super::caller_request::{Bound, CallerRequest};
use super::endpoint::Endpoint;
use super::headers::{PassedHeaders, content_type, has_media_type};
use super::upstream::{KeyNumber, SendError, Upstreams};
use crate::drive::HeaderView;
use crate::drive::clock::Clock;
use crate::drive::sse::EventReader;
use crate::engine::parse::{self, Dialect};
use crate::engine::{Attempt, Reply};
use crate::event::{AttemptFailure, AttemptOutcome, LocalFailure};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use hyper::{Response, StatusCode};
use provider::Usage;
use std::sync::Arc;

/// The result of an attempt.
#[derive(Debug)]
pub(super) enum AttemptEnd {
    /// A whole reply, whatever its status.
    Whole(Box<WholeReply>),
    /// A stream with an answer, of which nothing has gone out yet.
    Open(Box<OpenStream>),
    /// No reply that could be passed on.
    Failed(Reply, Charged),
}

/// What the provider may charge for an attempt without a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charged {
    /// Nothing: it has refused the request, or has never received it.
    Nothing,
    /// Up to what the request allows: it has received the request, and its result is not known.
    Unknown,
}

/// A reply that was read to its end.
#[derive(Debug)]
pub(super) struct WholeReply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) reply: Reply,
    /// The usage that it states; `None` if it is not an answer, or if its usage is an estimate.
    pub(super) stated_usage: Option<Usage>,
    /// The memory of the body; `None` if `shared` has it.
    pub(super) held: Option<MemoryPermit>,
    /// The answer for other requests, which has the same body; `None` if they do not get it.
    pub(super) shared: Option<Arc<Answer>>,
}

/// A stream whose answer has begun.
#[derive(Debug)]
pub(super) struct OpenStream {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// What was read so far, in whole lines.
    pub(super) begun: Bytes,
    pub(super) reader: StreamReader,
    /// What follows; `None` if the stream has ended.
    pub(super) rest: Option<Incoming>,
}

/// Reads a stream while its bytes pass through.
#[derive(Debug)]
pub(super) struct StreamReader {
    events: EventReader,
    stream: parse::Stream,
    /// The events with data so far.
    data_events: u32,
    /// The line that is not complete, up to [`MAX_HELD_LINE_BYTES`]: a longer one is passed on in parts.
    incomplete: BytesMut,
    /// `false` once a line was too long to be parsed: from then on the stream is only passed on.
    is_read: bool,
    dialect: Dialect,
    headers: HeaderMap,
    estimated_prompt: u32,
}

/// Performs an attempt with this key of its target.
pub(super) async fn perform(
    upstreams: &Upstreams,
    (attempt, key): (&Attempt, KeyNumber),
    (request, bound, headers): (&CallerRequest, Option<Bound>, &PassedHeaders),
    memory: &Memory,
    clock: Clock,
) -> AttemptEnd {
    let failed = |failure, charged| AttemptEnd::Failed(Reply::failed(clock.now(), failure), charged);
    let response = match upstreams.send((attempt.target, key), (request, bound), headers).await {
        Ok(response) => response,
        Err(SendError { failure, is_sent: false }) => return failed(failure, Charged::Nothing),
        Err(SendError { failure, .. }) => return failed(failure, Charged::Unknown),
    };
    let dialect = upstreams.dialect(attempt.target);
    let is_stream =
        content_type(response.headers()).is_some_and(|kind| has_media_type(kind, "text/event-stream"));
    let ended = if is_stream && response.status().is_success() {
        open(response, dialect, attempt.job.prompt_tokens, clock).await
    } else {
        read_whole(response, (request.endpoint, dialect, attempt.job.prompt_tokens), memory, clock).await
    };
    ended.unwrap_or_else(|failure| failed(failure, Charged::Unknown))
}

/// Reads a whole reply.
async fn read_whole(
    response: Response<Incoming>,
    (endpoint, dialect, estimated_prompt): (Endpoint, Dialect, u32),
    memory: &Memory,
    clock: Clock,
) -> Result<AttemptEnd, AttemptFailure> {
    let (head, body) = response.into_parts();
    // Only the deadline of the job ends the wait for a provider.
    let read = memory.read(body, MAX_REPLY_BYTES, None).await;
    let WholeBody { bytes: body, held } = read.map_err(|error| match error {
        BodyError::TooLarge => AttemptFailure::Garbage,
        BodyError::Memory => AttemptFailure::Local(LocalFailure::Memory),
        BodyError::Slow | BodyError::Incomplete => AttemptFailure::Connection,
    })?;
    let response =
        parse::Response { status: head.status.as_u16(), headers: &HeaderView(&head.headers), body: &body };
    let reply = parse::reply(Some(dialect), clock.now(), &response);
    let is_unmetered = reply.outcome == AttemptOutcome::Failed(AttemptFailure::Garbage)
        && head.status.is_success()
        && endpoint.is_answer(content_type(&head.headers), &body);
    let stated_usage = (reply.outcome == AttemptOutcome::Ok).then_some(reply.usage);
    let reply = if is_unmetered {
        // Four bytes of an answer without usage count as a token.
        let completion_tokens = u32::try_from(body.len() / 4).unwrap_or(u32::MAX);
        answered(
            reply,
            estimated_prompt,
            if endpoint == Endpoint::Embeddings { 0 } else { completion_tokens },
        )
    } else {
        reply
    };
    let whole = WholeReply {
        status: head.status,
        headers: head.headers,
        body,
        reply,
        stated_usage,
        held: Some(held),
        shared: None,
    };
    Ok(AttemptEnd::Whole(Box::new(whole)))
}

/// Returns the reply of an answer that states no usage, with an estimate of it.
fn answered(reply: Reply, prompt_tokens: u32, completion_tokens: u32) -> Reply {
    let usage = Usage { prompt_tokens, completion_tokens, cached_tokens: 0 };
    Reply { outcome: AttemptOutcome::Ok, usage, ..reply }
}

/// Reads a stream up to its first token, its end, or [`MAX_BEGUN_BYTES`].
async fn open(
    response: Response<Incoming>,
    dialect: Dialect,
    estimated_prompt: u32,
    clock: Clock,
) -> Result<AttemptEnd, AttemptFailure> {
    let (head, mut body) = response.into_parts();
    let mut reader = StreamReader::new(dialect, head.headers.clone(), estimated_prompt);
    let mut begun = BytesMut::new();
    let mut has_ended = false;
    while !reader.has_begun() && begun.len() < MAX_BEGUN_BYTES {
        match body.frame().await {
            Some(frame) => {
                if let Ok(data) = frame.map_err(|_| AttemptFailure::Connection)?.into_data() {
                    begun.extend_from_slice(&reader.feed(clock, data));
                }
            }
            None => {
                has_ended = true;
                break;
            }
        }
    }
    if has_ended || reader.has_error() {
        let (reply, _) = reader.reply(clock);
        if reply.outcome != AttemptOutcome::Ok {
            let is_refused = reader.has_error();
            return Ok(AttemptEnd::Failed(
                reply,
                if is_refused { Charged::Nothing } else { Charged::Unknown },
            ));
        }
    }
    let (status, mut headers) = (head.status, head.headers);
    headers.remove(CONTENT_LENGTH);
    let rest = (!has_ended).then_some(body);
    Ok(AttemptEnd::Open(Box::new(OpenStream { status, headers, begun: begun.freeze(), reader, rest })))
}

impl StreamReader {
    fn new(dialect: Dialect, headers: HeaderMap, estimated_prompt: u32) -> Self {
        Self {
            events: EventReader::default(),
            stream: parse::Stream::default(),
            data_events: 0,
            incomplete: BytesMut::new(),
            is_read: true,
            dialect,
            headers,
            estimated_prompt,
        }
    }

    /// Returns a reader that has read nothing and takes the place of this one.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.dialect, HeaderMap::new(), self.estimated_prompt))
    }

    /// Returns `false` if a line was too long to be read: what the stream states is not known then.
    pub(super) const fn is_read(&self) -> bool {
        self.is_read
    }

    /// Returns `true` if a token has been read or none is waited for: the stream has ended, or a line was too long to be parsed.
    fn has_begun(&self) -> bool {
        self.stream.has_token() || self.stream.is_done() || !self.is_read
    }

    /// Returns `true` if the answer is complete, though the provider may not have ended the stream.
    pub(super) fn is_complete(&self) -> bool {
        self.stream.is_done() && !self.stream.has_error()
    }

    /// Returns `true` if an event was an error, which has been passed on.
    pub(super) fn has_error(&self) -> bool {
        self.stream.has_error()
    }

    /// Reads the next bytes. Returns the lines that they complete, unchanged: half a line is of no use to the caller, and if the
    /// stream breaks off it would be read as a broken event.
    pub(super) fn feed(&mut self, clock: Clock, data: Bytes) -> Bytes {
        let Self { events, stream, data_events, incomplete, is_read, .. } = self;
        if *is_read {
            let now = clock.now();
            let fed = events.feed(&data, |event| {
                *data_events = data_events.saturating_add(1);
                stream.take(now, event.payload, event.error);
            });
            *is_read = fed.is_ok();
        }
        let mut complete = memchr::memrchr(b'\n', &data).map_or(0, |end| end + 1);
        if incomplete.len() + data.len() - complete > MAX_HELD_LINE_BYTES {
            complete = data.len();
        }
        if incomplete.is_empty() && complete == data.len() {
            return data;
        }
        let rest = data.slice(complete..);
        let mut lines = BytesMut::new();
        if complete > 0 {
            lines = std::mem::take(incomplete);
            lines.extend_from_slice(&data[..complete]);
        }
        incomplete.extend_from_slice(&rest);
        lines.freeze()
    }

    /// Returns the last line if it is not complete: providers need not end a stream with a line feed.
    pub(super) fn last_line(&mut self) -> Bytes {
        std::mem::take(&mut self.incomplete).freeze()
    }

    /// Returns the tokens that have been used so far, as far as can be seen: those that the stream states, or else the estimated prompt
    /// and a token for each event.
    pub(super) fn observed(&self, clock: Clock) -> Usage {
        let stated = self.stream.reply(Some(self.dialect), clock.now(), &HeaderView(&self.headers));
        if stated.outcome == AttemptOutcome::Ok {
            return stated.usage;
        }
        Usage { prompt_tokens: self.estimated_prompt, completion_tokens: self.data_events, cached_tokens: 0 }
    }

    /// Returns the reply of a stream that has ended, and the usage if the stream states it. Without usage, as callers get it from many
    /// providers unless they ask for it, each event counts as a token. A stream that ends without stating that its answer is complete
    /// has broken off.
    pub(super) fn reply(&self, clock: Clock) -> (Reply, Option<Usage>) {
        let now = clock.now();
        let reply = self.stream.reply(Some(self.dialect), now, &HeaderView(&self.headers));
        if self.stream.has_error() {
            return (reply, None);
        }
        if self.is_read && !self.stream.is_finished() {
            return (Reply::failed(now, AttemptFailure::Connection), None);
        }
        if reply.outcome == AttemptOutcome::Ok {
            return (reply, Some(reply.usage));
        }
        let first_token_at = self.stream.first_token_at().unwrap_or(now);
        (Reply { first_token_at, ..answered(reply, self.estimated_prompt, self.data_events) }, None)
    }
}

/// A reply that is longer is treated as broken: 2,048 embeddings of 3,072 numbers take about 70 MB as JSON.
const MAX_REPLY_BYTES: usize = 128 << 20;

/// A longer incomplete line is passed on in parts.
const MAX_HELD_LINE_BYTES: usize = 64 << 10;

/// A stream with this many bytes before its first token is passed on without waiting for it.
const MAX_BEGUN_BYTES: usize = 64 << 10;
