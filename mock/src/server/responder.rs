//! Renders the response to a decision, and sends its head and body when they are due.

use super::Mock;
use super::TIMEOUT_FAULT_DURATION;
use super::aborted_reply::{self, Abort};
use super::admission::{Admission, Answered, ServiceTier};
use super::answers;
use super::context::{JournalDraft, RequestContext};
use super::model::Model;
use super::reply_body::{self, ReplyBody, Response};
use super::reply_content::ReplyContent;
use super::shape::{RequestApi, Shape, UsageChunk};
use super::stream;
use crate::call::Call;
use crate::config::Fault;
use crate::decision::{Decision, DecisionReport, Denial, Service};
use crate::fault::{BodyFault, ResponseFault};
use crate::journal::{End, EntryId, JournalOutcome};
use crate::time::{Instant, Nanos};
use crate::wire::{Chunks, Content, Context, Finish, LimitsSnapshot, Reply};

/// Renders and sends the response to one call. The fields are what the response depends on besides the decision.
#[derive(Debug)]
pub(super) struct Responder<'a> {
    pub(super) context: &'a RequestContext<'a>,
    pub(super) call: Call,
    /// The content of the completion.
    pub(super) content: ReplyContent,
    /// The usage chunk at the end of the stream; `None` if the client requested no stream.
    pub(super) stream: Option<UsageChunk>,
    pub(super) tier: ServiceTier,
    /// The API of the request, and the options that change the shape of the reply.
    pub(super) shape: Shape,
    /// The limits after the decision, as the reply can report them.
    pub(super) snapshot: LimitsSnapshot,
    /// The changes that a fault makes to the reply.
    pub(super) fault: ResponseFault,
    /// The network delay to the client.
    pub(super) downlink: Nanos,
}

impl<'a> Responder<'a> {
    /// Answers an admitted call: with a stream, with a whole completion, or with the part of it that a fault leaves.
    pub(super) fn serve(mut self, report: DecisionReport, mut admission: Admission) -> Answered<'a> {
        let outcome = if admission.service().is_readable() {
            JournalOutcome::Served
        } else {
            JournalOutcome::Unreadable
        };
        admission.entry = self.context.add_to_journal(JournalDraft {
            end: End::InProgress,
            reserved_tokens: admission.service().ticket.reserved().total(),
            ..JournalDraft::replied(self.snapshot.at, outcome, 200)
        });
        let is_streamed = self.stream.is_some() && self.is_sent_token_by_token(admission.service());
        let is_done = admission.service().done_at().is_some_and(|done_at| done_at <= self.snapshot.at);
        if is_done && !is_streamed && self.downlink == Nanos::ZERO {
            let service = *admission.service();
            self.shorten_content(&service);
            // Settling has usually read the clock.
            let sent_at = self.settle(&mut admission).unwrap_or_else(|| self.context.mock.now());
            return Answered::AtOnce(self.whole_response(&report, &service, sent_at));
        }
        Answered::Waiting(Box::pin(async move {
            let (service, done_at) = admission.started().await;
            self.shorten_content(&service);
            if is_streamed {
                let chunks = self.chunks(&service, self.finish_reason(&service));
                let head = self.stream_start(String::new());
                self.context.mock.sleep(self.downlink).await;
                let body = stream::body(admission, chunks, self.downlink);
                return self.context.response(head, |_| body);
            }
            if done_at > self.snapshot.at {
                self.context.mock.sleep_until(done_at).await;
            }
            let settled_at = self.settle(&mut admission);
            self.context.mock.sleep(self.downlink).await;
            let sent_at = settled_at.filter(|_| self.downlink == Nanos::ZERO);
            let report = DecisionReport { decision: Decision::Admitted(service), ..report };
            self.whole_response(&report, &service, sent_at.unwrap_or_else(|| self.context.mock.now()))
        }))
    }

    /// Shortens the content that was set or recorded to the tokens of the completion.
    fn shorten_content(&mut self, service: &Service) {
        let tokens = service.usage.completion_tokens / self.shape.choices;
        match &mut self.content {
            ReplyContent::Text(text) => {
                let reasoning = self.shape.reasoning.map_or(0, |reasoning| reasoning.tokens(tokens));
                answers::shorten(text, tokens - reasoning);
            }
            ReplyContent::Recorded(recording) => recording.shorten(tokens),
            _ => {}
        }
    }

    /// Settles a call that has been served. Returns the present instant if it was read.
    fn settle(&mut self, admission: &mut Admission) -> Option<Instant> {
        let settled_at = admission.settle();
        if !self.context.format.reports_limits_after_settling() {
            return settled_at;
        }
        self.snapshot = self.context.mock.limits_snapshot(self.call);
        Some(self.snapshot.at)
    }

    /// Answers a call that is not served: a limit refused it, it is too long for the model, or a fault replaces its reply.
    pub(super) fn refuse(self, mut report: DecisionReport) -> Answered<'a> {
        let outcome = match report.decision {
            Decision::Refused(Denial { axis, oversize, .. }) => {
                if let (ServiceTier::Flex, Some(status), false) =
                    (self.tier, self.context.format.flex_refusal(), oversize)
                {
                    report.decision = Decision::Faulted(Fault::Status(status));
                }
                JournalOutcome::RateLimited { axis, oversize }
            }
            Decision::TooLong(_) => JournalOutcome::InvalidRequest,
            Decision::Faulted(fault) => JournalOutcome::Faulted(fault),
            Decision::Admitted(service) => unreachable!("invariant: not admitted, found {service:?}"),
        };
        if let Decision::Faulted(fault @ (Fault::Reset | Fault::Timeout)) = report.decision {
            let draft = JournalDraft { status: None, ..JournalDraft::replied(self.snapshot.at, outcome, 0) };
            if fault == Fault::Reset {
                self.context.add_to_journal(draft);
                return Answered::AtOnce(Abort.into_response());
            }
            let entry = self.context.add_to_journal(JournalDraft { end: End::InProgress, ..draft });
            let ends_when_dropped = TimeoutGuard { mock: self.context.mock, entry };
            return Answered::Waiting(Box::pin(async move {
                tokio::time::sleep(TIMEOUT_FAULT_DURATION).await;
                drop(ends_when_dropped);
                Abort.into_response()
            }));
        }
        let mut reply = self.render(&report, Finish::Stop, self.snapshot.at);
        if self.stream.is_some() && reply.status == 200 {
            reply = reply.into_event();
        }
        let wait = announced_wait(&report, &reply);
        self.context.add_to_journal(JournalDraft {
            wait,
            ..JournalDraft::replied(self.snapshot.at, outcome, reply.status)
        });
        if self.downlink == Nanos::ZERO {
            return Answered::AtOnce(self.context.response(reply, reply_body::whole));
        }
        Answered::Waiting(Box::pin(async move {
            self.context.mock.sleep(self.downlink).await;
            self.context.response(reply, reply_body::whole)
        }))
    }

    /// Returns the response of a served call that is not sent token by token: whole, or the part that a fault leaves. `at` is the
    /// present instant.
    fn whole_response(&self, report: &DecisionReport, service: &Service, at: Instant) -> Response {
        let reply = if self.stream.is_some() && self.fault.body.is_some() {
            // At most the first event of the stream is sent.
            let mut first_event = String::new();
            self.chunks(service, Finish::Stop).append_role(&mut first_event);
            self.stream_start(first_event)
        } else {
            self.render(report, self.finish_reason(service), at)
        };
        let into_body: fn(String) -> ReplyBody = match self.fault.body {
            Some(BodyFault::ResetAfterHead | BodyFault::AbortBeforeToken) => aborted_reply::head_only,
            _ if service.aborted => aborted_reply::first_half,
            _ => reply_body::whole,
        };
        self.context.response(reply, into_body)
    }

    /// Renders a whole reply with the changes of the fault.
    fn render(&self, report: &DecisionReport, finish: Finish, at: Instant) -> Reply {
        let report = self.fault.decision_to_render(report);
        let reply = self.context.format.reply(&report, &self.snapshot, &self.wire_context(finish, at));
        let reply =
            reply.expect("invariant: only timeouts and resets have no reply, and both are handled before");
        self.fault.apply(reply, report.wait(), at, self.context.mock.epoch())
    }

    fn chunks(&self, service: &Service, finish: Finish) -> Chunks {
        self.context.format.events(service, &self.wire_context(finish, self.context.mock.now()))
    }

    /// Renders the head of a stream and the start of its body, with the changes of the fault.
    fn stream_start(&self, body: String) -> Reply {
        let at = self.context.mock.now();
        let headers =
            self.context.format.stream_headers(&self.snapshot, &self.wire_context(Finish::Stop, at));
        self.fault.apply(Reply { status: 200, headers, body }, None, at, self.context.mock.epoch())
    }

    /// Returns `true` if a stream is sent token by token, possibly until a fault cuts it; `false` if a fault cuts the reply after
    /// its head, truncates it or replaces its body, so that the rest is sent at once.
    const fn is_sent_token_by_token(&self, service: &Service) -> bool {
        match self.fault.body {
            Some(BodyFault::AbortBeforeToken | BodyFault::WrongType) => true,
            Some(BodyFault::ResetAfterHead | BodyFault::Truncated) => false,
            None => !service.corrupt_body,
        }
    }

    /// Returns the finish reason of a completion: [`Finish::Length`] if [`Service::at_max_tokens`] is set for a text that is
    /// not aborted. JSON, tool calls and transcripts are never shortened, because a part of them could not be parsed.
    const fn finish_reason(&self, service: &Service) -> Finish {
        match self.content {
            // Embeddings have no text that could be too long.
            _ if matches!(self.shape.api, RequestApi::Embeddings(_)) => Finish::Stop,
            ReplyContent::ToolCall { .. } => Finish::ToolCalls,
            ReplyContent::Recorded(ref recording) if recording.is_cut && !service.aborted => Finish::Length,
            ReplyContent::Filler | ReplyContent::Text(_) if service.at_max_tokens && !service.aborted => {
                Finish::Length
            }
            ReplyContent::Filler
            | ReplyContent::Text(_)
            | ReplyContent::Json(_)
            | ReplyContent::Recorded(_)
            | ReplyContent::Transcript(_) => Finish::Stop,
        }
    }

    fn wire_context(&self, finish: Finish, at: Instant) -> Context<'_> {
        let mock = self.context.mock;
        let Model { name, system_fingerprint, .. } = mock.model(self.call.model);
        Context {
            model: name,
            system_fingerprint,
            account: mock.account_name(self.call.account),
            tier: mock.tier(),
            number: self.context.request_number,
            at,
            epoch: mock.epoch(),
            finish,
            content: match &self.content {
                ReplyContent::Filler => Content::Filler,
                ReplyContent::Json(text) | ReplyContent::Text(text) => Content::Text(text),
                ReplyContent::ToolCall { name, arguments } => Content::ToolCall { name, arguments },
                ReplyContent::Recorded(recording) => Content::Recorded(&recording.reply),
                ReplyContent::Transcript(transcript) => Content::Transcript(*transcript),
            },
            shape: self.shape.borrowed(self.stream == Some(UsageChunk::Included)),
        }
    }
}

/// Records the end of a request that the fault `timeout` leaves without a reply when it is dropped: when the client disconnects,
/// or when the mock closes the connection.
struct TimeoutGuard<'a> {
    mock: &'a Mock,
    entry: Option<EntryId>,
}

impl Drop for TimeoutGuard<'_> {
    fn drop(&mut self) {
        self.mock.end_in_journal(self.entry, End::TimedOut(self.mock.now()), 0);
    }
}

/// Returns the wait that a reply announces, in its headers or, for Gemini, only in its body; `None` if it announces none, or if
/// no wait helps because the call exceeds the limit itself.
///
/// If the announced value is the wait of the decision rounded to a whole second, or is not a number (such as a date), returns the
/// exact wait. Otherwise returns the announced one: Cerebras announces the time until the limit is full, and Gemini the rest of
/// the minute.
fn announced_wait(report: &DecisionReport, reply: &Reply) -> Option<Nanos> {
    if matches!(report.decision, Decision::Refused(Denial { oversize: true, .. })) {
        return None;
    }
    let in_body = || Some(reply.body.split_once("\"retryDelay\":")?.1.trim_start().trim_start_matches('"'));
    let stated = reply.headers.value("retry-after").or_else(in_body)?;
    let wait = report.wait()?;
    let digits = stated.bytes().take_while(u8::is_ascii_digit).count();
    let Ok(seconds) = stated[..digits].parse::<u64>() else { return Some(wait) };
    let whole = wait.as_secs_ceil();
    let is_rounded = seconds == whole || seconds + 1 == whole;
    Some(if is_rounded { wait } else { Nanos::from_secs(seconds) })
}
