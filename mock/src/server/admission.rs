//! Passes a parsed request to the provider model, and settles the calls that it admits.
//!
//! However the connection of an admitted call ends, its [`Admission`] settles the call exactly once: as served, or as
//! cancelled if it is dropped before that, because the client disconnected or the server shut down. A call in the queue for a
//! server slot receives the instant of its start through a channel.

use super::Mock;
use super::answers::TakenRecord;
use super::context::RequestContext;
use super::embeddings_reply::ReplyMemoryHold;
use super::mock::Generation;
use super::observer::DECISION_HEADER;
use super::reply_body::Response;
use super::reply_content::ReplyContent;
use super::responder::Responder;
use super::shape::{RequestApi, Shape, UsageChunk};
use super::waiting::StartReceiver;
use crate::call::Call;
use crate::decision::{Decision, DecisionReport, Service};
use crate::fault::ResponseFault;
use crate::journal::EntryId;
use crate::time::{Instant, Nanos};
use crate::wire::truth::TruthHeader;
use crate::wire::{Error, LimitsSnapshot};
use std::pin::Pin;
use std::sync::Arc;

/// A well-formed request for a completion, a transcript or embeddings, from any endpoint.
#[derive(Debug, PartialEq)]
pub(super) struct ParsedRequest {
    /// The name of the model, which may be unknown.
    pub(super) model: String,
    /// Estimated tokens of the prompt; the truth header overrides it.
    pub(super) prompt_tokens: u32,
    /// Maximum tokens of the completion, zero for audio and embeddings; `None` if the client sets no bound.
    pub(super) max_tokens: Option<u32>,
    /// Length of the audio file in seconds, rounded up; zero if there is none.
    pub(super) audio_seconds: u64,
    /// The content of the completion.
    pub(super) content: ReplyContent,
    /// Whether the requested stream ends with a usage chunk; `None` if the client requested no stream.
    pub(super) stream: Option<UsageChunk>,
    /// The requested service tier.
    pub(super) tier: ServiceTier,
    /// The API, and the options that change the shape of the reply.
    pub(super) shape: Shape,
    /// The truth header; `None` if there is none, or if a run observes the mock and the header is not its own: the truth is then
    /// drawn.
    pub(super) truth: Option<TruthHeader>,
}

impl ParsedRequest {
    /// Returns a request for a whole completion of plain text, without a bound.
    pub(super) fn new(model: String) -> Self {
        Self {
            model,
            prompt_tokens: 1,
            max_tokens: None,
            audio_seconds: 0,
            content: ReplyContent::Filler,
            stream: None,
            tier: ServiceTier::OnDemand,
            shape: Shape::default(),
            truth: None,
        }
    }
}

/// The service tier that a request asks for (`service_tier`). Only Groq's `flex` makes a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ServiceTier {
    /// `on_demand`, and every other value except `flex`.
    #[default]
    OnDemand,
    /// Refused with another status than 429 if a limit is reached.
    Flex,
}

/// The provider model's decision on a call, with what the server needs to answer it.
#[derive(Debug)]
pub(super) struct Decided {
    /// The decision, as the provider model reports it.
    pub(super) report: DecisionReport,
    /// The limits after it, as the reply can report them.
    pub(super) snapshot: LimitsSnapshot,
    /// The changes that a fault makes to the reply.
    pub(super) fault: ResponseFault,
    /// The generation of the provider model that decided.
    pub(super) generation: Generation,
    /// Receives the start of an admitted call that waits for a server slot; `None` for every other call.
    pub(super) start_receiver: Option<StartReceiver>,
}

/// The answer to a request.
///
/// A request that needs no wait is answered without a future. The state of one that waits is boxed, so that it is not a part of
/// the future of every request, which hyper stores for each connection and moves with each request. Unboxed, it made that
/// future 4,112 bytes large instead of 984, and caused 4 to 25 % more misses in the first-level data cache per request
/// (callgrind of `mock/benches`, 2026-11-29).
pub(super) enum Answered<'a> {
    /// The response, which is ready.
    AtOnce(Response),
    /// The response after a wait.
    Waiting(Pin<Box<dyn Future<Output = Response> + Send + 'a>>),
}

impl<'a> Answered<'a> {
    /// Calls `change` with the response, once it is ready, and the value; does nothing if there is no value. If the client
    /// disconnects before the response is ready, the value is dropped.
    fn with<T: Send + 'a>(self, value: Option<T>, change: impl FnOnce(&mut Response, T) + Send + 'a) -> Self {
        let Some(value) = value else { return self };
        match self {
            Self::AtOnce(mut response) => {
                change(&mut response, value);
                Self::AtOnce(response)
            }
            Self::Waiting(response) => Self::Waiting(Box::pin(async move {
                let mut response = response.await;
                change(&mut response, value);
                response
            })),
        }
    }

    /// Waits for the response.
    async fn response(self) -> Response {
        match self {
            Self::AtOnce(response) => response,
            Self::Waiting(response) => response.await,
        }
    }
}

/// Holds the memory of a reply with embeddings; no other reply needs it.
///
/// # Errors
/// Status 503 if too much is held already.
fn hold_memory(
    mock: &Arc<Mock>,
    api: &RequestApi,
    model: u16,
) -> Result<Option<Arc<ReplyMemoryHold>>, Error<'static>> {
    let RequestApi::Embeddings(embeddings) = api else { return Ok(None) };
    ReplyMemoryHold::new(mock, embeddings, &mock.model(model).name).map(Some).ok_or(Error::Status(503, ""))
}

/// Passes the call of a request to the provider model, and answers according to the decision.
pub(super) fn admit<'a>(
    context: &'a mut RequestContext<'_>,
    account: u16,
    request: ParsedRequest,
) -> Answered<'a> {
    context.wants_stream = request.stream.is_some();
    context.model = context.mock.find_model(&request.model);
    let record = context.answer_effect.record.take();
    let context: &RequestContext<'_> = context;
    let Some(model) = context.model else {
        return Answered::AtOnce(context.reject(Error::UnknownModel(&request.model).into()));
    };
    let mock = context.mock;
    let held = match hold_memory(mock, &request.shape.api, model) {
        Ok(held) => held,
        Err(error) => return Answered::AtOnce(context.reject(error.into())),
    };
    let (mut truth, tag) = match request.truth {
        Some(TruthHeader { truth, tag }) => (truth, Some(tag)),
        None => (mock.draw_truth(context.request_number, model, request.prompt_tokens), None),
    };
    // An answer that was set replaces the drawn length, but not that of a truth header.
    if let Some(tokens) = context.answer_effect.completion_tokens.filter(|_| tag.is_none()) {
        truth.completion_tokens = tokens;
    }
    let mut call = Call { account, model, max_tokens: request.max_tokens };
    let mut shape = request.shape;
    if shape.choices > 1 {
        mock.model(model).multiply(shape.choices, &mut call, &mut truth);
    }
    if !shape.stop_texts.is_empty() && request.content == ReplyContent::Filler {
        shape.stop(context.request_number, call.max_tokens, &mut truth);
    }
    let (uplink, downlink) = mock.network_delays(model, truth);
    let ParsedRequest { audio_seconds, content, stream, tier, .. } = request;
    let answer = move || {
        let Decided { report, snapshot, fault, generation, start_receiver } =
            mock.decide(call, audio_seconds, truth, tag, context);
        let decision_header = mock.observer_header(tag, &report);
        let is_served = TakenRecord::is_served(&report.decision);
        let (record, unserved) = if is_served { (record, None) } else { (None, record) };
        let responder = Responder { context, call, content, stream, tier, shape, snapshot, fault, downlink };
        let answered = match report.decision {
            Decision::Admitted(service) => {
                let (mock, entry) = (Arc::clone(mock), None);
                let admission = Admission {
                    mock,
                    generation,
                    call,
                    tag,
                    service,
                    start_receiver,
                    entry,
                    record,
                    open: true,
                };
                responder.serve(report, admission).with(held, |response, held| {
                    response.extensions_mut().insert(held);
                })
            }
            Decision::Refused(_) | Decision::TooLong(_) | Decision::Faulted(_) => responder.refuse(report),
        };
        let answered = answered.with(decision_header, |response, value| {
            response.headers_mut().insert(DECISION_HEADER, value);
        });
        // A record that is not served is put back before the reply is sent.
        answered.with(unserved, |_, unserved| drop(unserved))
    };
    if uplink == Nanos::ZERO {
        return answer();
    }
    Answered::Waiting(Box::pin(async move {
        mock.sleep(uplink).await;
        answer().response().await
    }))
}

/// Settles one admitted call exactly once.
#[derive(Debug)]
pub(super) struct Admission {
    mock: Arc<Mock>,
    pub(super) generation: Generation,
    pub(super) call: Call,
    /// The tag of [`ParsedRequest::truth`]; `None` if the truth was drawn.
    pub(super) tag: Option<u128>,
    service: Service,
    /// Receives the start of the service; `None` once it is known.
    start_receiver: Option<StartReceiver>,
    /// The entry of the request in the journal, once it is added.
    pub(super) entry: Option<EntryId>,
    /// The record that is served.
    record: Option<Box<TakenRecord>>,
    /// `true` until the call is settled.
    open: bool,
}

impl Admission {
    pub(super) fn mock(&self) -> &Mock {
        &self.mock
    }

    pub(super) const fn service(&self) -> &Service {
        &self.service
    }

    /// Waits until the service starts. Returns it and the instant of its end.
    pub(super) async fn started(&mut self) -> (Service, Instant) {
        if let Some(receiver) = &mut self.start_receiver {
            // A reset, or setting the clock back, empties the queue and drops the sender: the service then starts at once.
            let at = receiver.await.unwrap_or_else(|_| self.mock.now());
            self.service.started_at = Some(at);
            self.start_receiver = None;
        }
        (self.service, self.service.done_at().expect("invariant: a service that has started has an end"))
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// Settles the call as served. Returns the present instant; `None`, without another effect, if it has been settled already.
    pub(super) fn settle(&mut self) -> Option<Instant> {
        if let Some(record) = self.record.take() {
            record.leave_taken();
        }
        std::mem::take(&mut self.open).then(|| self.mock.settle(self))
    }
}

impl Drop for Admission {
    /// Settles the call as cancelled by its client, unless it has been served.
    fn drop(&mut self) {
        // The client may disconnect after the start has been sent and before it is received.
        if let Some(Ok(at)) = self.start_receiver.as_mut().map(StartReceiver::try_recv) {
            self.service.started_at = Some(at);
        }
        if self.open {
            self.mock.cancel(self);
        }
    }
}
