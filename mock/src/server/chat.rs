//! A request for a completion: from its body to a ruling, and from the ruling to what is sent when.

use super::body::{Abort, Body};
use super::idle_timeout::{IdleTimeout, UnderWay};
use super::in_flight::InFlightGuard;
use super::journal_draft::JournalDraft;
use super::mock::Admission;
use super::reply_options::ReplyKind;
use super::request::{Chat, ServiceTier};
use super::route::{RequestContext, reject, response};
use super::stream::{Stream, UsageChunk};
use super::{MOST_BYTES, Mock, PATIENCE};
use crate::call::{Call, Truth};
use crate::config::Fault;
use crate::decision::{Decision, DecisionReport, Denial, Service};
use crate::fault::{BodyFault, ResponseFault};
use crate::journal::JournalOutcome;
use crate::time::{Instant, Nanos};
use crate::wire::truth::{self, Note};
use crate::wire::{Context, Error, Finish, LimitsSnapshot, Reply, Said, WireFormat};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::{HeaderMap, Response};
use std::sync::Arc;

/// Answers a request of an account. Calls are numbered: the number is the seed of what the world draws for this one.
pub(super) async fn answer(
    mock: &Arc<Mock>,
    asked: RequestContext<'_>,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Response<Body>, Abort> {
    let RequestContext { voice, endpoint, account, number, patience } = asked;
    let note = headers.get(truth::HEADER).and_then(|value| Note::parse(value.to_str().ok()?));
    let mut slip = JournalDraft::new(number, Some(account));
    let refuse = |slip: JournalDraft, error: Error<'_>| Ok(reject(mock, voice, slip, &error));
    let length = body.size_hint().lower();
    let body = match read(body, patience).await? {
        Ok(body) => body,
        Err(error) => {
            slip.fingerprint = mock.fingerprint(Some(account), &length.to_be_bytes());
            return refuse(slip, error);
        }
    };
    slip.fingerprint = mock.fingerprint(Some(account), &body);
    let chat = match Chat::parse(&body, endpoint).and_then(|chat| chat.of_at_most(voice.most_choices())) {
        Ok(chat) => chat,
        Err(error) => return refuse(slip, error),
    };
    slip.stream = chat.stream;
    slip.model = mock.model(&chat.model);
    let Some(model) = slip.model else {
        return refuse(slip, Error::UnknownModel(&chat.model));
    };
    let (truth, tag) = note.map_or_else(
        || (mock.draw(number, model, chat.prompt_tokens), None),
        |note| (note.truth, Some(note.tag)),
    );
    let usage_chunk = if chat.include_usage { UsageChunk::Included } else { UsageChunk::Omitted };
    let request = Request {
        model,
        max_tokens: chat.max_tokens,
        audio_seconds: 0,
        truth,
        tag,
        form: chat.form,
        tier: chat.tier,
        stream: chat.stream.then_some(usage_chunk),
    };
    call(mock, asked, slip, request).await
}

/// A request that is well formed, for a model that there is.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) model: u16,
    pub(super) max_tokens: Option<u32>,
    pub(super) audio_seconds: u64,
    pub(super) truth: Truth,
    pub(super) tag: Option<u64>,
    pub(super) form: ReplyKind,
    pub(super) tier: ServiceTier,
    /// How it is streamed, if it is.
    pub(super) stream: Option<UsageChunk>,
}

/// Has the provider decide on a request, and answers it.
pub(super) async fn call(
    mock: &Arc<Mock>,
    asked: RequestContext<'_>,
    slip: JournalDraft,
    request: Request,
) -> Result<Response<Body>, Abort> {
    let RequestContext { voice, account, number, patience, .. } = asked;
    let Request { model, max_tokens, audio_seconds, truth, tag, form, tier, stream } = request;
    let call = Call { account, model, max_tokens };
    let (way_in, way_back) = mock.network(model, truth);
    mock.sleep(way_in).await;
    let Admission { mut ruling, told, bend, era } = mock.arrive(call, audio_seconds, truth, tag);
    let (at, streamed) = (told.at, stream.is_some());
    let mut sending =
        Responder { mock, patience, voice, number, call, truth, form, told, bend, streamed, way_back };
    match ruling.decision {
        Decision::Admitted(service) => {
            let seat = InFlightGuard::new(Arc::clone(mock), era, call, tag, service);
            let spoiled = service.cut || service.garbage;
            let decision = if spoiled { JournalOutcome::Spoiled } else { JournalOutcome::Served };
            mock.note(at, slip, decision, Some(200), None);
            match stream {
                Some(usage) if sending.comes_token_by_token(&service) => {
                    sending.stream(&service, seat, usage).await
                }
                _ => sending.serve(&ruling, &service, seat).await,
            }
        }
        Decision::Faulted(fault @ Fault::Reset) => {
            mock.note(at, slip, JournalOutcome::Faulted(fault), None, None);
            Err(Abort)
        }
        Decision::Faulted(fault @ Fault::Timeout) => {
            mock.note(at, slip, JournalOutcome::Faulted(fault), None, None);
            tokio::time::sleep(PATIENCE).await;
            Err(Abort)
        }
        Decision::Refused(Denial { axis, oversize, .. }) => {
            if let (ServiceTier::Flex, Some(status), false) = (tier, voice.flex_refusal(), oversize) {
                ruling.decision = Decision::Faulted(Fault::Status(status));
            }
            sending.refuse(&ruling, slip, JournalOutcome::Refused { axis, oversize }).await
        }
        Decision::TooLong(_) => sending.refuse(&ruling, slip, JournalOutcome::Rejected).await,
        Decision::Faulted(fault) => sending.refuse(&ruling, slip, JournalOutcome::Faulted(fault)).await,
    }
}

/// Reads a whole body, within bounds of size and time: whoever takes too long loses the connection.
async fn read(body: Incoming, patience: &IdleTimeout) -> Result<Result<Bytes, Error<'static>>, Abort> {
    if body.size_hint().lower() > MOST_BYTES as u64 {
        return Ok(Err(Error::BodyTooLarge));
    }
    patience.begin();
    let whole = whole(body).await;
    patience.end();
    match whole {
        Ok(body) => Ok(Ok(body)),
        Err(error) if error.is::<LengthLimitError>() => Ok(Err(Error::BodyTooLarge)),
        Err(_) => Err(Abort),
    }
}

/// All of a body. Nearly every one comes in one piece, and nothing needs to be put together.
async fn whole(mut body: Incoming) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let first = body.frame().await.transpose()?;
    let first = first.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
    if body.is_end_stream() {
        return Ok(first);
    }
    let rest = Limited::new(body, MOST_BYTES.saturating_sub(first.len())).collect().await?;
    Ok([first, rest.to_bytes()].concat().into())
}

/// The wait that a reply names: in its headers or, at Gemini, in its body alone. A wait that cannot help is none.
fn announced(ruling: &DecisionReport, reply: &Reply) -> Option<Nanos> {
    if matches!(ruling.decision, Decision::Refused(Denial { oversize: true, .. })) {
        return None;
    }
    let named = reply.headers.value("retry-after").is_some();
    ruling.wait().filter(|_| named || reply.body.contains("retryDelay"))
}

/// A ruling on its way back.
struct Responder<'a> {
    mock: &'a Mock,
    patience: &'a Arc<IdleTimeout>,
    voice: &'static dyn WireFormat,
    number: u64,
    call: Call,
    truth: Truth,
    form: ReplyKind,
    /// The limits after the ruling.
    told: LimitsSnapshot,
    bend: ResponseFault,
    /// Whether its client asked for a stream.
    streamed: bool,
    way_back: Nanos,
}

impl Responder<'_> {
    /// An answer that takes no service.
    async fn refuse(
        &self,
        ruling: &DecisionReport,
        slip: JournalDraft,
        decision: JournalOutcome,
    ) -> Result<Response<Body>, Abort> {
        let mut reply = self.reply(ruling, Finish::Stop, self.told.at);
        if self.streamed && reply.status == 200 {
            reply = reply.into_event();
        }
        self.mock.note(self.told.at, slip, decision, Some(reply.status), announced(ruling, &reply));
        self.mock.sleep(self.way_back).await;
        Ok(response(self.mock, reply, Body::whole))
    }

    /// A completion that is answered whole, or as far as it gets.
    async fn serve(
        &mut self,
        ruling: &DecisionReport,
        service: &Service,
        mut seat: InFlightGuard,
    ) -> Result<Response<Body>, Abort> {
        self.mock.sleep_until(service.done_at).await;
        seat.depart();
        if self.voice.tells_settled() {
            self.told = self.mock.told(self.call);
        }
        self.mock.sleep(self.way_back).await;
        let spoilt = self.bend.body;
        let reply = if self.streamed && spoilt.is_some() {
            self.opening(service)
        } else {
            self.reply(ruling, self.finish(service), self.mock.now())
        };
        let body = match spoilt {
            Some(BodyFault::HeadOnly | BodyFault::NoToken) => Body::none,
            _ if service.cut => Body::cut,
            _ => Body::whole,
        };
        Ok(response(self.mock, reply, body))
    }

    /// A completion that is streamed: its head leaves now.
    async fn stream(
        &self,
        service: &Service,
        seat: InFlightGuard,
        usage: UsageChunk,
    ) -> Result<Response<Body>, Abort> {
        let context = self.context(self.finish(service), self.mock.now());
        let chunks = self.voice.chunks(service, &context);
        let head = self.head_of_stream(String::new());
        self.mock.sleep(self.way_back).await;
        let stream =
            Stream::new(UnderWay::new(Arc::clone(self.patience)), seat, chunks, usage, self.way_back);
        Ok(response(self.mock, head, |_| Body::Stream(Box::new(stream))))
    }

    fn reply(&self, ruling: &DecisionReport, finish: Finish, at: Instant) -> Reply {
        let context = self.context(finish, at);
        let reply = self.voice.reply(&self.bend.whole(ruling), &self.told, &context);
        let reply = reply.expect("only timeouts and resets go unanswered");
        self.bend.applied(reply, ruling.wait(), at)
    }

    /// A stream that never gets further than its first event.
    fn opening(&self, service: &Service) -> Reply {
        let mut body = String::new();
        self.voice.chunks(service, &self.context(Finish::Stop, self.mock.now())).role(&mut body);
        self.head_of_stream(body)
    }

    fn head_of_stream(&self, body: String) -> Reply {
        let at = self.mock.now();
        let headers = self.voice.stream_headers(&self.told, self.number, at);
        self.bend.applied(Reply { status: 200, headers, body }, None, at)
    }

    /// Whether the client sees tokens as they leave.
    const fn comes_token_by_token(&self, service: &Service) -> bool {
        self.streamed
            && match self.bend.body {
                Some(BodyFault::NoToken | BodyFault::WrongType) => true,
                Some(BodyFault::HeadOnly | BodyFault::Truncated) => false,
                None => !service.garbage,
            }
    }

    /// A completion shorter than the model would have made it was cut by the client's bound. What has a form is
    /// never cut: half of it could not be read.
    const fn finish(&self, service: &Service) -> Finish {
        let cut = !service.cut && service.usage.completion_tokens < self.truth.completion_tokens;
        match self.form {
            ReplyKind::Call { .. } => Finish::ToolCalls,
            ReplyKind::Words if cut => Finish::Length,
            ReplyKind::Words | ReplyKind::Json(_) | ReplyKind::Transcript(_) => Finish::Stop,
        }
    }

    fn context(&self, finish: Finish, at: Instant) -> Context<'_> {
        Context {
            model: self.mock.model_name(self.call.model),
            account: self.mock.account_name(self.call.account),
            tier: self.mock.tier(),
            number: self.number,
            at,
            finish,
            said: match &self.form {
                ReplyKind::Words => Said::Words,
                ReplyKind::Json(text) => Said::Text(text),
                ReplyKind::Call { name, arguments } => Said::Call { name, arguments },
                ReplyKind::Transcript(transcript) => Said::Transcript(*transcript),
            },
        }
    }
}
