//! One attempt over HTTP: one request and one reply. It is not retried here: only the engine retries.

use super::clock::Clock;
use super::connections::local_failure;
use super::connections::pool::{ConnectionError, ConnectionPool, Lease};
use super::live::{FirstToken, Waiting};
use super::mock_process::protocol::Decision;
use super::reply_reader::ReplyReader;
use super::request_body::RequestBody;
use crate::engine::Reply;
use crate::engine::parse::Dialect;
use crate::event::{AttemptFailure, ProviderDecision};
use crate::job::Job;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use provider::server::DECISION_HEADER;
use provider::wire::truth;
use std::fmt::Write as _;
use std::sync::Arc;

/// Sends attempts over HTTP/1.1 and reuses connections.
#[derive(Clone, Debug)]
pub(super) struct AttemptClient {
    pool: ConnectionPool,
    clock: Clock,
    /// Every prompt is the fingerprint of its job and a prefix of this text.
    filler: Arc<str>,
}

/// The parts of a request that depend on its target only.
#[derive(Clone, Debug)]
pub(super) struct RequestTemplate {
    /// The index of its provider.
    pub(super) provider: usize,
    /// Its host and port.
    pub(super) host: HeaderValue,
    /// The path of the request.
    pub(super) path: Uri,
    /// The values of the `authorization` header that are used in turn.
    pub(super) authorizations: Vec<HeaderValue>,
    /// The name of the model as a JSON string: it is free text of the scenario.
    pub(super) model: String,
    /// The dialect that the provider replies in.
    pub(super) dialect: Dialect,
}

/// The request of an attempt.
#[derive(Clone, Debug)]
pub(super) struct OutboundRequest {
    pub(super) template: Arc<RequestTemplate>,
    /// Selects the `authorization` value: the one at index `turn` modulo the number of values.
    pub(super) turn: u64,
    pub(super) job: Job,
    pub(super) stream: bool,
    /// Sent in a header that the mock reads. A live run sends to mocks only.
    pub(super) truth_header: truth::TruthHeader,
}

impl RequestTemplate {
    fn authorization(&self, turn: u64) -> &HeaderValue {
        &self.authorizations[usize::try_from(turn).unwrap_or(0) % self.authorizations.len()]
    }
}

impl AttemptClient {
    /// Creates a client that sends over the connections of `pool`.
    pub(super) fn new(clock: Clock, pool: ConnectionPool) -> Self {
        Self { pool, clock, filler: "word ".repeat(MAX_PROMPT_BYTES / 5 + 1).into() }
    }

    /// Sends the request and waits for the end of the reply. Returns the decision as well if the reply states it. The
    /// attempt counts as waiting until `waiting` is consumed, when the request begins; `first_token` reports the first token.
    pub(super) async fn send(
        &self,
        request: &OutboundRequest,
        (waiting, first_token): (Waiting, FirstToken),
    ) -> (Reply, Option<ProviderDecision>) {
        let (response, lease) = match self.response(request, waiting).await {
            Ok(response) => response,
            Err(error) => {
                let failure =
                    local_failure(&*error).map_or(AttemptFailure::Connection, AttemptFailure::Local);
                return (Reply::failed(self.clock.now(), failure), None);
            }
        };
        let stated = response.headers().get(DECISION_HEADER);
        let decision = stated.and_then(|value| Decision::from_header(value.as_bytes())?.recorded());
        let reader = ReplyReader::new(self.clock);
        let reply = reader.read(Some(request.template.dialect), response, first_token).await;
        self.pool.give_back(lease);
        (reply.unwrap_or_else(|| Reply::failed(self.clock.now(), AttemptFailure::Connection)), decision)
    }

    /// Sends the request and waits for the head of its response. If a reused connection turns out to be closed before the
    /// request was sent on it, takes another one.
    async fn response(
        &self,
        request: &OutboundRequest,
        waiting: Waiting,
    ) -> Result<(Response<Incoming>, Lease), ConnectionError> {
        let mut http_request = self.http_request(request, waiting);
        loop {
            let mut lease = self.pool.take(request.template.provider).await?;
            match lease.send(http_request).await {
                Ok(response) => return Ok((response, lease)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if lease.is_reused => http_request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    fn http_request(&self, request: &OutboundRequest, waiting: Waiting) -> Request<RequestBody> {
        let OutboundRequest { template, turn, job, stream, truth_header } = request;
        let prompt = &self.filler[..(job.prompt_tokens as usize * 4).min(MAX_PROMPT_BYTES)];
        // Groq reports the usage of every stream, and Mistral rejects the option.
        let requests_usage = *stream && !matches!(template.dialect, Dialect::Groq | Dialect::Mistral);
        let usage = if requests_usage { r#","stream_options":{"include_usage":true}"# } else { "" };
        let (model, fingerprint) = (&template.model, job.fingerprint);
        let mut body = String::with_capacity(MAX_BODY_FRAME + model.len() + prompt.len());
        let mut write = || {
            write!(body, r#"{{"model":{model},"stream":{stream}{usage}"#)?;
            if let Some(max) = job.max_tokens {
                write!(body, r#","max_tokens":{max}"#)?;
            }
            write!(body, r#","messages":[{{"role":"user","content":"{fingerprint:016x} {prompt}"}}]}}"#)
        };
        write().expect("invariant: a string accepts all text");
        let truth = HeaderValue::try_from(truth_header.to_string());
        let mut http_request = Request::new(RequestBody::new(Bytes::from(body), waiting, self.clock));
        *http_request.method_mut() = Method::POST;
        *http_request.uri_mut() = template.path.clone();
        let headers = http_request.headers_mut();
        headers.insert(HOST, template.host.clone());
        headers.insert(AUTHORIZATION, template.authorization(*turn).clone());
        headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
        headers.insert(truth::HEADER, truth.expect("invariant: the header consists of digits and letters"));
        http_request
    }
}

/// Longer prompts are cut to this length: the mock counts tokens by the truth header, not by bytes.
const MAX_PROMPT_BYTES: usize = 64 << 10;
/// The most bytes of a request's body besides the name of the model and the prompt.
const MAX_BODY_FRAME: usize = 192;
