//! One attempt over HTTP: one request, one reply, no retry of its own. Only the engine tries again.

use super::clock::Clock;
use super::sse::Events;
use crate::engine::Reply;
use crate::engine::parse::{self, Dialect};
use crate::event::AttemptFailure;
use crate::job::Job;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use provider::wire::truth;
use std::net::SocketAddr;
use std::sync::Arc;

/// Sends attempts to providers over HTTP/1.1, reusing connections.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    clock: Clock,
    /// NetworkEvent prompts are made of.
    filler: Arc<str>,
}

/// Where an attempt goes and what it says.
#[derive(Clone, Debug)]
pub(super) struct OutboundRequest {
    pub(super) to: SocketAddr,
    /// Of the endpoint.
    pub(super) path: Arc<str>,
    pub(super) key: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) job: Job,
    pub(super) stream: bool,
    /// How the provider answers.
    pub(super) dialect: Dialect,
    /// For our own mock only; real providers ignore the header.
    pub(super) note: truth::TruthHeader,
}

impl Sender {
    pub(super) fn new(clock: Clock) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, clock, filler: "word ".repeat(PROMPT_BYTES_MAX / 5 + 1).into() }
    }

    /// Sends once and waits for the whole reply.
    pub(super) async fn send(&self, letter: &OutboundRequest) -> Reply {
        let response = match self.client.request(self.request(letter)).await {
            Ok(response) => response,
            Err(_) => return Reply::broken(self.clock.now(), AttemptFailure::Connection),
        };
        let reply = self.read(letter.dialect, response).await;
        reply.unwrap_or_else(|| Reply::broken(self.clock.now(), AttemptFailure::Connection))
    }

    fn request(&self, letter: &OutboundRequest) -> Request<Full<Bytes>> {
        let OutboundRequest { to, path, key, model, job, stream, dialect, note } = letter;
        let prompt = &self.filler[..(job.prompt_tokens as usize * 4).min(PROMPT_BYTES_MAX)];
        let max_tokens = job.max_tokens.map(|max| format!(r#","max_tokens":{max}"#)).unwrap_or_default();
        // Groq tells the usage of a stream unasked, and Mistral refuses to be asked.
        let asks = *stream && !matches!(dialect, Dialect::Groq | Dialect::Mistral);
        let usage = if asks { r#","stream_options":{"include_usage":true}"# } else { "" };
        // A model's name is the scenario's own text: it is quoted as JSON quotes it.
        let model = serde_json::to_string(&**model).expect("text is always JSON");
        let fingerprint = job.fingerprint;
        let body = format!(
            r#"{{"model":{model},"stream":{stream}{usage}{max_tokens},"messages":[{{"role":"user","content":"{fingerprint:016x} {prompt}"}}]}}"#
        );
        Request::post(format!("http://{to}{path}"))
            .header(AUTHORIZATION, format!("Bearer {key}"))
            .header(CONTENT_TYPE, "application/json")
            .header(truth::HEADER, note.to_string())
            .body(Full::new(Bytes::from(body)))
            .expect("an address and checked keys make a valid request")
    }

    /// Reads a reply in either form; `None` where it broke off before its end.
    async fn read<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &self,
        dialect: Dialect,
        response: Response<B>,
    ) -> Option<Reply> {
        // A refusal is never a stream, and some name a charset behind the type.
        let kind = response.headers().get(CONTENT_TYPE).filter(|_| response.status().is_success());
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(EVENT_STREAM)) {
            self.read_stream(dialect, response).await
        } else {
            self.read_whole(dialect, response).await
        }
    }

    /// A reply that comes in one piece; `None` where the connection broke.
    async fn read_whole<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &self,
        dialect: Dialect,
        response: Response<B>,
    ) -> Option<Reply> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await.ok()?.to_bytes();
        let (status, headers) = (head.status.as_u16(), &HeaderView(&head.headers));
        let response = parse::Response { status, headers, body: &body };
        Some(parse::reply(Some(dialect), self.clock.now(), &response))
    }

    /// A reply that comes token by token; `None` where it broke off before its end.
    async fn read_stream<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>>(
        &self,
        dialect: Dialect,
        response: Response<B>,
    ) -> Option<Reply> {
        let (head, body) = response.into_parts();
        let mut body = std::pin::pin!(Limited::new(body, BODY_BYTES_MAX));
        let (mut events, mut stream) = (Events::default(), parse::Stream::default());
        while !stream.is_done() {
            let frame = body.as_mut().frame().await?.ok()?;
            let Ok(data) = frame.into_data() else { continue };
            let now = self.clock.now();
            events.feed(&data, |data| stream.take(now, data.payload, data.error)).ok()?;
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

const EVENT_STREAM: &[u8] = b"text/event-stream";
/// A prompt of more than 16,000 tokens is sent as 16,000: the mock counts by the truth header, not by bytes.
const PROMPT_BYTES_MAX: usize = 64 << 10;
/// No reply of a chat model is longer.
const BODY_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::AttemptOutcome;
    use provider::Usage;

    /// NetworkEvent the sender makes of a response whose body comes in one frame.
    async fn read(dialect: Dialect, kind: &str, body: &'static str) -> Option<Reply> {
        let response = Response::builder().header(CONTENT_TYPE, kind).body(Full::new(Bytes::from(body)));
        Sender::new(Clock::start()).read(dialect, response.expect("a response")).await
    }

    const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";

    #[tokio::test]
    async fn an_error_event_fails_the_attempt() {
        const BROKEN: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\
            \"output_tokens\":1}}}\n\n: ping\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
        let reply = read(Dialect::Anthropic, "text/event-stream; charset=utf-8", BROKEN).await;
        assert_eq!(
            reply.map(|reply| reply.outcome),
            Some(AttemptOutcome::Failed(AttemptFailure::Status(529)))
        );
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
    async fn a_stream_that_breaks_off_is_no_reply() {
        assert_eq!(read(Dialect::OpenAi, "text/event-stream", TOKEN).await, None);
    }

    #[tokio::test]
    async fn the_usage_on_the_last_chunk_is_found() {
        const STREAM: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}],\
            \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n";
        let reply = read(Dialect::Together, "text/event-stream", STREAM).await.expect("a reply");
        assert_eq!(
            (reply.outcome, reply.usage),
            (AttemptOutcome::Ok, Usage { prompt_tokens: 3, completion_tokens: 1, cached_tokens: 0 })
        );
    }
}
