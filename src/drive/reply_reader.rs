//! Reads the reply to an attempt, streamed or not, within bounds.

use super::clock::Clock;
use super::live::FirstToken;
use super::sse::EventReader;
use crate::engine::Reply;
use crate::engine::parse::{self, Dialect};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Response};

/// Reads replies as they arrive.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyReader {
    clock: Clock,
}

impl ReplyReader {
    pub(super) const fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// Reads a reply, streamed or not; `None` if it breaks off before its end, or is longer than [`MAX_REPLY_BYTES`]. If
    /// the dialect is unknown (`None`), it is detected from the reply. `first_token` reports the first token of a stream.
    pub(super) async fn read<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &self,
        dialect: Option<Dialect>,
        response: Response<B>,
        first_token: FirstToken,
    ) -> Option<Reply> {
        // A response with an error status is never streamed. Some providers append a charset to the media type.
        let content_type = response.headers().get(CONTENT_TYPE).filter(|_| response.status().is_success());
        if content_type.is_some_and(|value| value.as_bytes().starts_with(EVENT_STREAM)) {
            self.read_stream(dialect, response, first_token).await
        } else {
            self.read_whole(dialect, response).await
        }
    }

    /// Reads a reply that is not streamed; `None` as for [`Self::read`].
    async fn read_whole<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &self,
        dialect: Option<Dialect>,
        response: Response<B>,
    ) -> Option<Reply> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_REPLY_BYTES).collect().await.ok()?.to_bytes();
        let (status, headers) = (head.status.as_u16(), &HeaderView(&head.headers));
        let response = parse::Response { status, headers, body: &body };
        Some(parse::reply(dialect, self.clock.now(), &response))
    }

    /// Reads a streamed reply; `None` as for [`Self::read`], or if one of its lines is too long.
    async fn read_stream<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &self,
        dialect: Option<Dialect>,
        response: Response<B>,
        mut first_token: FirstToken,
    ) -> Option<Reply> {
        let (head, body) = response.into_parts();
        let mut body = std::pin::pin!(Limited::new(body, MAX_REPLY_BYTES));
        let (mut reader, mut stream) = (EventReader::default(), parse::Stream::default());
        while !stream.is_done() {
            let frame = body.as_mut().frame().await?.ok()?;
            let Ok(bytes) = frame.into_data() else { continue };
            let now = self.clock.now();
            reader.feed(&bytes, |data| stream.take(now, data.payload, data.error)).ok()?;
            if stream.has_token() {
                first_token.report();
            }
        }
        Some(stream.reply(dialect, self.clock.now(), &HeaderView(&head.headers)))
    }
}

/// Response headers as the parser reads them.
pub(crate) struct HeaderView<'a>(pub(crate) &'a HeaderMap);

impl parse::Headers for HeaderView<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }
}

const EVENT_STREAM: &[u8] = b"text/event-stream";
/// Longer bodies are treated as broken: no chat completion is this long.
const MAX_REPLY_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AttemptFailure, AttemptOutcome};
    use http_body_util::Full;
    use provider::Usage;

    /// Reads a response with a body of one frame.
    async fn read(dialect: Dialect, content_type: &str, body: &'static str) -> Option<Reply> {
        let response =
            Response::builder().header(CONTENT_TYPE, content_type).body(Full::new(Bytes::from(body)));
        ReplyReader::new(Clock::start())
            .read(Some(dialect), response.expect("a response"), FirstToken::unreported())
            .await
    }

    const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";

    #[tokio::test]
    async fn an_error_event_fails_the_attempt() {
        const ERROR_EVENT: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\
            \"output_tokens\":1}}}\n\n: ping\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
        let reply = read(Dialect::Anthropic, "text/event-stream; charset=utf-8", ERROR_EVENT).await;
        assert_eq!(
            reply.map(|reply| reply.outcome),
            Some(AttemptOutcome::Failed(AttemptFailure::Status(529)))
        );
    }

    #[tokio::test]
    async fn an_error_in_the_body_of_a_200_fails_the_attempt() {
        let whole = read(
            Dialect::OpenRouter,
            "application/json",
            r#"{"error":{"code":502,"message":"Bad gateway"}}"#,
        )
        .await;
        assert_eq!(
            whole.map(|reply| reply.outcome),
            Some(AttemptOutcome::Failed(AttemptFailure::Status(502)))
        );
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_has_no_reply() {
        assert_eq!(read(Dialect::OpenAi, "text/event-stream", TOKEN).await, None);
    }

    #[tokio::test]
    async fn the_usage_in_the_last_chunk_is_read() {
        const STREAM: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}],\
            \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
        let reply = read(Dialect::Together, "text/event-stream", STREAM).await.expect("a reply");
        assert_eq!(
            (reply.outcome, reply.usage),
            (AttemptOutcome::Ok, Usage { prompt_tokens: 3, completion_tokens: 1, cached_tokens: 0 })
        );
    }
}
