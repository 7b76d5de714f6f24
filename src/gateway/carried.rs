//! Attempts that outlive the request that sent them: if its caller leaves while identical requests wait for the answer, the engine
//! hands the attempt over to the first of them (law 15), and a task of its own carries it to its end.
//!
//! Callers do not share answers, so the attempt stays on the budget of the caller that sent it.

use super::Gateway;
use super::actions::{Action, ActionSignal};
use super::answer::{self, Answer, RecordedStream};
use super::attempt::{self, AttemptEnd, Charged, OpenStream, StreamReader, WholeReply};
use super::body::MemoryPermit;
use super::caller_request::{Bound, CallerRequest};
use super::headers::PassedHeaders;
use super::job_handle::JobHandle;
use super::request_key::Identity;
use super::shared_engine::SharedEngine;
use super::sharing::Lease;
use super::spending::Reservation;
use super::upstream::KeyNumber;
use crate::drive::clock::Clock;
use crate::engine::{Attempt, Reply};
use crate::event::{AttemptFailure, AttemptOutcome};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Incoming;
use provider::{Instant, Usage};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use tokio::runtime::Handle;

/// A request as its attempts send it.
#[derive(Debug)]
pub(super) struct RequestContext {
    pub(super) request: CallerRequest,
    pub(super) headers: PassedHeaders,
    /// `None` if its answer is not shared.
    pub(super) identity: Option<Identity>,
    /// The memory of its body.
    pub(super) _held: MemoryPermit,
}

/// An attempt that was sent for a request whose answer is shared.
#[derive(Clone, Debug)]
pub(super) struct SharedAttempt {
    pub(super) gateway: Arc<Gateway>,
    pub(super) context: Arc<RequestContext>,
    pub(super) attempt: Attempt,
    pub(super) key: KeyNumber,
    pub(super) sent: Instant,
    /// The bound on the completion, if it is not the caller's.
    pub(super) bound: Option<Bound>,
}

/// The rest of a stream, and what is reserved for it. If it is dropped, what has arrived is charged.
#[derive(Debug)]
pub(super) struct StreamRest {
    pub(super) reader: StreamReader,
    /// `None` once the provider's stream has ended.
    pub(super) rest: Option<Incoming>,
    /// What has arrived; `None` if no other request may get it.
    pub(super) recorded: Option<RecordedStream>,
    /// What is reserved of its caller's budget; `None` once it was settled.
    pub(super) reservation: Option<Reservation>,
    pub(super) clock: Clock,
}

/// The end of an attempt, for the job that it was handed over to.
#[derive(Debug)]
pub(super) struct CarriedEnd {
    pub(super) attempt: Attempt,
    pub(super) outcome: AttemptOutcome,
    /// The reply, if it was read whole and is not an answer.
    pub(super) whole: Option<Box<WholeReply>>,
}

/// An attempt in flight that is carried to its end.
pub(super) struct CarriedAttempt {
    pub(super) shared: SharedAttempt,
    pub(super) work: Work,
}

/// What is under way.
pub(super) enum Work {
    /// The provider has not answered, or its reply is being read.
    Sent(Pin<Box<dyn Future<Output = AttemptEnd> + Send>>, Option<Reservation>),
    /// It streams.
    Streaming(Box<StreamRest>),
}

/// An attempt in flight while its request waits for it. If the request is dropped, the job that has the attempt from then on gets its end.
pub(super) struct InFlight<'a> {
    job: &'a mut JobHandle,
    /// `None` once it has ended.
    carried: Option<CarriedAttempt>,
}

/// Carries an attempt that was handed over.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) engine: Arc<SharedEngine>,
    /// Shows an action once the attempt is cancelled.
    pub(super) cancelled: Arc<ActionSignal>,
    /// What the attempt has reserved of a shared quota.
    pub(super) lease: Option<Lease>,
}

/// What a carried attempt came to.
struct Ended {
    reply: Reply,
    answer: Option<Arc<Answer>>,
    end: CarriedEnd,
}

impl<'a> InFlight<'a> {
    /// Sends an attempt of `job`.
    pub(super) fn send(
        job: &'a mut JobHandle,
        shared: &SharedAttempt,
        reservation: Option<Reservation>,
    ) -> Self {
        let sent = shared.clone();
        let work = Box::pin(async move {
            let SharedAttempt { gateway, context, attempt, key, bound, .. } = &sent;
            let request = (&context.request, *bound, &context.headers);
            attempt::perform(&gateway.upstreams, (attempt, *key), request, &gateway.memory, gateway.clock)
                .await
        });
        job.set_sent(shared.attempt.id);
        let carried = CarriedAttempt { shared: shared.clone(), work: Work::Sent(work, reservation) };
        Self { job, carried: Some(carried) }
    }

    /// Awaits the end of the attempt, `None` if it is cancelled. Returns what is reserved for it as well.
    pub(super) async fn end(mut self) -> (Option<AttemptEnd>, Option<Reservation>) {
        let Self { job, carried } = &mut self;
        let ended = poll_fn(|cx| {
            if let Some(CarriedAttempt { work: Work::Sent(work, _), .. }) = carried
                && let Poll::Ready(end) = work.as_mut().poll(cx)
            {
                return Poll::Ready(Some(end));
            }
            job.poll_next(cx).map(|action| {
                assert!(
                    matches!(action, Action::Cancel),
                    "invariant: an attempt in flight is cancelled first"
                );
                None
            })
        });
        let ended = ended.await;
        let reservation = match self.carried.take().map(|carried| carried.work) {
            Some(Work::Sent(_, reservation)) => reservation,
            _ => None,
        };
        (ended, reservation)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(carried) = self.carried.take()
            && let Some(carrier) = self.job.leave()
        {
            carrier.carry(carried);
        }
    }
}

impl Carrier {
    /// Carries an attempt to its end.
    pub(super) fn carry(self, carried: CarriedAttempt) {
        // Without a runtime the gateway itself ends.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.run(carried));
        }
    }

    async fn run(self, carried: CarriedAttempt) {
        let attempt = carried.shared.attempt.id;
        let ended = {
            let mut ended = pin!(carried.end());
            let either = poll_fn(|cx| {
                if self.cancelled.is_waiting(cx.waker()) {
                    Poll::Ready(None)
                } else {
                    ended.as_mut().poll(cx).map(Some)
                }
            });
            either.await
        };
        let Some(Ended { reply, answer, end }) = ended else { return };
        if let Some(lease) = self.lease {
            lease.settle((reply.outcome == AttemptOutcome::Ok).then_some(reply.usage));
        }
        self.engine.input(|engine, actions, now| {
            if let Some(slot) = actions.end_carried(attempt, end) {
                actions.with_answer(answer, &reply, |actions, reply| {
                    engine.handle_reply(actions, now, slot, attempt, reply);
                });
            }
        });
    }
}

impl CarriedAttempt {
    /// Awaits the end of the attempt, and records it.
    async fn end(self) -> Ended {
        let Self { shared, work } = self;
        // A stream was counted at its first token.
        let is_counted = matches!(work, Work::Streaming(_));
        let (reply, answer, whole) = match work {
            Work::Streaming(rest) => shared.drain(*rest).await,
            Work::Sent(work, reservation) => match work.await {
                AttemptEnd::Failed(reply, charged) => {
                    if charged == Charged::Nothing {
                        reservation.into_iter().for_each(Reservation::release);
                    }
                    (reply, None, None)
                }
                AttemptEnd::Whole(mut whole) => {
                    shared.settle(&mut whole, reservation);
                    let answer = shared.answer(&mut whole);
                    (
                        whole.reply,
                        answer,
                        Some(whole).filter(|whole| whole.reply.outcome != AttemptOutcome::Ok),
                    )
                }
                AttemptEnd::Open(open) => {
                    let OpenStream { status, headers, begun, reader, rest } = *open;
                    let mut recorded = shared.record_stream(status, &headers);
                    recorded.iter_mut().for_each(|recorded| recorded.add(&begun));
                    let clock = shared.gateway.clock;
                    shared.drain(StreamRest { reader, rest, recorded, reservation, clock }).await
                }
            },
        };
        let outcome = reply.outcome;
        if !is_counted {
            let took = shared.gateway.clock.now().since(shared.sent);
            let names = shared.gateway.upstreams.names(shared.attempt.target);
            shared.gateway.metrics.attempt(shared.context.request.endpoint, names, outcome, took);
        }
        Ended { reply, answer, end: CarriedEnd { attempt: shared.attempt, outcome, whole } }
    }
}

impl SharedAttempt {
    /// Records what a whole reply has cost and what it says of the key.
    pub(super) fn settle(&self, whole: &mut WholeReply, reservation: Option<Reservation>) {
        settle(&self.gateway, (&self.attempt, self.key), whole, reservation);
        self.learn(whole.stated_usage);
    }

    fn learn(&self, stated: Option<Usage>) {
        if let Some(usage) = stated {
            let request = &self.context.request;
            self.gateway.learn(request.endpoint, self.attempt.target, request.prompt_tokens, usage);
        }
    }

    /// Returns the answer in a whole reply; `None` if it is no answer.
    pub(super) fn answer(&self, whole: &mut WholeReply) -> Option<Arc<Answer>> {
        if whole.reply.outcome != AttemptOutcome::Ok || whole.status != StatusCode::OK {
            return None;
        }
        let may_be_stored = self.may_be_stored(&whole.reply)
            && answer::may_be_stored(self.context.request.endpoint, &whole.body);
        let target = self.attempt.target;
        let answer = Answer::whole(target, &whole.headers, &whole.body, (&mut whole.held, may_be_stored));
        whole.shared = Some(Arc::clone(&answer));
        Some(answer)
    }

    /// Begins to record a stream; `None` if it is no answer.
    pub(super) fn record_stream(
        &self,
        status: StatusCode,
        headers: &hyper::HeaderMap,
    ) -> Option<RecordedStream> {
        (status == StatusCode::OK)
            .then(|| RecordedStream::new(&self.gateway.memory, self.attempt.target, headers))
    }

    /// Returns `true` if the scenario has a response cache, and the answer was not cut by the lower bound that the budget of its caller
    /// demanded.
    pub(super) fn may_be_stored(&self, reply: &Reply) -> bool {
        self.gateway.scenario.default_client().cache.is_some() && !(reply.cut && self.bound.is_some())
    }

    /// Reads a stream to its end.
    async fn drain(&self, mut stream: StreamRest) -> (Reply, Option<Arc<Answer>>, Option<Box<WholeReply>>) {
        let failed = |clock: Clock| (Reply::failed(clock.now(), AttemptFailure::Connection), None, None);
        while !stream.reader.is_complete() {
            let Some(rest) = &mut stream.rest else { break };
            match rest.frame().await {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let lines = stream.reader.feed(stream.clock, data);
                    stream.record(&lines);
                }
                Some(Err(_)) => return failed(stream.clock),
                None => {
                    stream.rest = None;
                    let last = stream.reader.last_line();
                    stream.record(&last);
                }
            }
        }
        let (reply, answer, stated) = stream.finish(Some(self));
        self.learn(stated);
        (reply, answer, None)
    }
}

impl StreamRest {
    /// Records bytes that have arrived.
    pub(super) fn record(&mut self, bytes: &Bytes) {
        self.recorded.iter_mut().for_each(|recorded| recorded.add(bytes));
    }

    /// Returns the reply of the stream that has ended, its answer, if other requests may get it, and the usage that it states.
    pub(super) fn finish(
        &mut self,
        shared: Option<&SharedAttempt>,
    ) -> (Reply, Option<Arc<Answer>>, Option<Usage>) {
        let (reply, stated) = self.reader.reply(self.clock);
        let recorded = self.recorded.take();
        if reply.outcome != AttemptOutcome::Ok {
            return (reply, None, stated);
        }
        if let Some(reservation) = self.reservation.take() {
            reservation.settle(reply.usage);
        }
        let answer = recorded.zip(shared).and_then(|(recorded, shared)| {
            recorded.into_answer(shared.may_be_stored(&reply) && self.reader.is_read())
        });
        (reply, answer, stated)
    }

    /// Returns the stream, and leaves one that has ended in its place.
    pub(super) fn take(&mut self) -> Self {
        Self {
            reader: self.reader.take(),
            rest: self.rest.take(),
            recorded: self.recorded.take(),
            reservation: self.reservation.take(),
            clock: self.clock,
        }
    }

    /// Charges the caller for what has arrived, if nothing was charged before.
    pub(super) fn settle(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            reservation.settle(self.reader.observed(self.clock));
        }
    }
}

impl Drop for StreamRest {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Records what a whole reply has cost and what it says of the key, and masks the keys in an error.
pub(super) fn settle(
    gateway: &Gateway,
    (attempt, key): (&Attempt, KeyNumber),
    whole: &mut WholeReply,
    reservation: Option<Reservation>,
) {
    if !whole.status.is_success() {
        whole.body = gateway.upstreams.without_keys(attempt.target, std::mem::take(&mut whole.body));
    }
    if let Some(reservation) = reservation {
        reservation.settle_whole(&whole.reply);
    }
    if whole.status == StatusCode::UNAUTHORIZED {
        gateway.upstreams.avoid_key(attempt.target, key, gateway.clock.now());
    }
}
