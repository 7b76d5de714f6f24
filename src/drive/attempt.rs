//! One attempt over HTTP: one request and one reply. It is not retried here: only the engine retries.

use super::clock::Clock;
use super::connections::{BoundedConnector, local_failure};
use super::live::Waiting;
use super::request_body::RequestBody;
use super::sse::EventReader;
use crate::engine::Reply;
use crate::engine::parse::{self, Dialect};
use crate::event::AttemptFailure;
use crate::job::Job;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use provider::wire::truth;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Sends attempts over HTTP/1.1 and reuses connections.
#[derive(Clone, Debug)]
pub(super) struct AttemptClient {
    client: Client<BoundedConnector, RequestBody>,
    clock: Clock,
    /// Every prompt is the fingerprint of its job and a prefix of this text.
    filler: Arc<str>,
}

/// The request of an attempt.
#[derive(Clone, Debug)]
pub(super) struct OutboundRequest {
    pub(super) to: SocketAddr,
    /// The path of the endpoint.
    pub(super) path: Arc<str>,
    pub(super) key: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) job: Job,
    pub(super) stream: bool,
    /// The dialect that the provider replies in.
    pub(super) dialect: Dialect,
    /// Sent in a header that the mock reads. A live run sends to mocks only.
    pub(super) truth_header: truth::TruthHeader,
}

impl AttemptClient {
    /// Creates a client that holds at most `connections` connections at once, to `providers` providers.
    pub(super) fn new(clock: Clock, connections: usize, providers: usize) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host((connections / providers.max(1)).max(1))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(BoundedConnector::new(connector, connections));
        Self { client, clock, filler: "word ".repeat(MAX_PROMPT_BYTES / 5 + 1).into() }
    }

    /// Sends the request, for which `waiting` waits, and waits for the end of the reply.
    pub(super) async fn send(&self, request: &OutboundRequest, waiting: Waiting) -> Reply {
        let response = match self.client.request(self.http_request(request, waiting)).await {
            Ok(response) => response,
            Err(error) => {
                let failure = local_failure(&error).map_or(AttemptFailure::Connection, AttemptFailure::Local);
                return Reply::failed(self.clock.now(), failure);
            }
        };
        let reply = self.read(request.dialect, response).await;
        reply.unwrap_or_else(|| Reply::failed(self.clock.now(), AttemptFailure::Connection))
    }

    fn http_request(&self, request: &OutboundRequest, waiting: Waiting) -> Request<RequestBody> {
        let OutboundRequest { to, path, key, model, job, stream, dialect, truth_header } = request;
        let prompt = &self.filler[..(job.prompt_tokens as usize * 4).min(MAX_PROMPT_BYTES)];
        let max_tokens = job.max_tokens.map(|max| format!(r#","max_tokens":{max}"#)).unwrap_or_default();
        // Groq reports the usage of every stream, and Mistral rejects the option.
        let requests_usage = *stream && !matches!(dialect, Dialect::Groq | Dialect::Mistral);
        let usage = if requests_usage { r#","stream_options":{"include_usage":true}"# } else { "" };
        // The model name is free text of the scenario, so it is escaped.
        let model = serde_json::to_string(&**model).expect("invariant: a string serialises");
        let fingerprint = job.fingerprint;
        let body = format!(
            r#"{{"model":{model},"stream":{stream}{usage}{max_tokens},"messages":[{{"role":"user","content":"{fingerprint:016x} {prompt}"}}]}}"#
        );
        Request::post(format!("http://{to}{path}"))
            .header(AUTHORIZATION, format!("Bearer {key}"))
            .header(CONTENT_TYPE, "application/json")
            .header(truth::HEADER, truth_header.to_string())
            .body(RequestBody::new(Bytes::from(body), waiting, self.clock))
            .expect("invariant: keys and paths were checked when the scenario was read")
    }

    /// Reads a reply, streamed or not; `None` if it breaks off before its end, or is longer than [`MAX_BODY_BYTES`].
    async fn read<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &self,
        dialect: Dialect,
        response: Response<B>,
    ) -> Option<Reply> {
        // A response with an error status is never streamed. Some providers append a charset to the media type.
        let content_type = response.headers().get(CONTENT_TYPE).filter(|_| response.status().is_success());
        if content_type.is_some_and(|value| value.as_bytes().starts_with(EVENT_STREAM)) {
            self.read_stream(dialect, response).await
        } else {
            self.read_whole(dialect, response).await
        }
    }

    /// Reads a reply that is not streamed; `None` as for [`Self::read`].
    async fn read_whole<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &self,
        dialect: Dialect,
        response: Response<B>,
    ) -> Option<Reply> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.ok()?.to_bytes();
        let (status, headers) = (head.status.as_u16(), &HeaderView(&head.headers));
        let response = parse::Response { status, headers, body: &body };
        Some(parse::reply(Some(dialect), self.clock.now(), &response))
    }

    /// Reads a streamed reply; `None` as for [`Self::read`], or if one of its lines is too long.
    async fn read_stream<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &self,
        dialect: Dialect,
        response: Response<B>,
    ) -> Option<Reply> {
        let (head, body) = response.into_parts();
        let mut body = std::pin::pin!(Limited::new(body, MAX_BODY_BYTES));
        let (mut reader, mut stream) = (EventReader::default(), parse::Stream::default());
        while !stream.is_done() {
            let frame = body.as_mut().frame().await?.ok()?;
            let Ok(bytes) = frame.into_data() else { continue };
            let now = self.clock.now();
            reader.feed(&bytes, |data| stream.take(now, data.payload, data.error)).ok()?;
        }
        Some(stream.reply(Some(dialect), self.clock.now(), &HeaderView(&head.headers)))
    }
}

/// Response headers as the parser reads them.
struct HeaderView<'a>(&'a HeaderMap);

impl parse::Headers for HeaderView<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }
}

/// An idle connection is closed after this time, so that one to another provider can be opened.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const EVENT_STREAM: &[u8] = b"text/event-stream";
/// Longer prompts are cut to this length: the mock counts tokens by the truth header, not by bytes.
const MAX_PROMPT_BYTES: usize = 64 << 10;
/// Longer bodies are treated as broken: no chat completion is this long.
const MAX_BODY_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AttemptOutcome;
    use http_body_util::Full;
    use provider::Usage;

    /// Reads a response with a body of one frame.
    async fn read(dialect: Dialect, content_type: &str, body: &'static str) -> Option<Reply> {
        let response =
            Response::builder().header(CONTENT_TYPE, content_type).body(Full::new(Bytes::from(body)));
        AttemptClient::new(Clock::start(), 1, 1).read(dialect, response.expect("a response")).await
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
