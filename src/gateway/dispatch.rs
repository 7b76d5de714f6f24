//! One request from its arrival to its response: does what the engine decides until the job ends, or its answer begins to stream.

use super::Gateway;
use super::actions::Action;
use super::answer::{Answer, Origin, Reused};
use super::attempt::{self, AttemptEnd, Charged, OpenStream, WholeReply};
use super::caller_metrics::OVER_BUDGET;
use super::callers::Caller;
use super::carried::{self, CarriedEnd, InFlight, RequestContext, SharedAttempt, StreamRest};
use super::job_handle::{JobHandle, Submission};
use super::reply::{self, Failure};
use super::request_key::Identity;
use super::request_record::{BYPASS, MISS, RequestRecord, SHARED_HIT};
use super::sharing::FoundAnswer;
use super::spending::{self, OverBudget, Reservation};
use super::stream::{State, StreamBody};
use super::upstream::KeyNumber;
use crate::engine::Attempt;
use crate::event::{AttemptFailure, AttemptOutcome, EndReason, JobEnd, JobOutcome, RefusalCause};
use crate::ids::{FlowId, TargetId};
use crate::job::{Job, Priority};
use axum::body::Body;
use axum::response::Response;
use std::sync::Arc;

/// Serves a request that was read. `caller` is its sender; `None` if the scenario names no callers.
pub(super) async fn serve(
    gateway: Arc<Gateway>,
    context: RequestContext,
    caller: Option<Arc<Caller>>,
) -> Response {
    let RequestContext { request, identity, .. } = &context;
    let Some(route) = gateway.routes.find(&request.model) else {
        return reply::unknown_model(&request.model, &gateway.routes.instead_of(&request.model));
    };
    let identity = identity.as_ref();
    let mut is_cached = identity.is_some_and(|identity| gateway.engine.has_answer(identity));
    let found = if is_cached { None } else { gateway.find_answer(identity).await };
    is_cached |= found.is_some();
    // A cached answer costs nothing.
    let over = if is_cached { None } else { spending::check(&gateway, caller.as_ref(), route, request) };
    if let Some(over) = over {
        gateway.metrics.callers.request(&over.caller.name, OVER_BUDGET);
        return reply::over_budget(&over);
    }
    let corrected = gateway.ratios.corrected(gateway.routes.first_target(route), request.prompt_tokens);
    let priority = caller.as_ref().map_or(Priority::default(), |caller| caller.priority);
    let tokens = (corrected, request.max_tokens);
    gateway.forget_answer(identity).await;
    let flow = caller.as_ref().map_or(FlowId::default(), |caller| caller.flow);
    let submission = Submission { identity, found, deadline: None, flow };
    let job = JobHandle::submit(&gateway.engine, (route, priority), tokens, submission);
    let mut record = RequestRecord::new(
        &gateway,
        (request.endpoint, route, caller),
        (job.job.id, job.job.scheduled),
        request.prompt_tokens,
    );
    if gateway.key_hasher.is_some() {
        record.reuse = Some(if identity.is_some() { MISS } else { BYPASS });
    }
    let mut exchange = Exchange {
        gateway,
        context: Arc::new(context),
        job,
        record,
        failures: Vec::new(),
        last: None,
        own_mistake: None,
    };
    loop {
        match exchange.job.next().await {
            Action::Send(attempt) => match exchange.attempt(&attempt).await {
                Ok(Some(begun)) => return exchange.stream(&attempt, begun),
                Ok(None) => {}
                Err(over) => return exchange.over_budget(&attempt, &over),
            },
            // The reply of the attempt came at the same time, and was dropped.
            Action::Cancel => {}
            Action::Carried(end) => exchange.record_carried(*end),
            Action::Done(end) => return exchange.finish(&end),
            Action::Reused(end, Some(reused)) => return exchange.reuse(&end, &reused),
            Action::Reused(_, None) => exchange.submit_alone(),
        }
    }
}

impl Gateway {
    /// Returns the answer to a request that is found in Redis; `None` if there is none, or Redis does not answer in time.
    async fn find_answer(&self, identity: Option<&Identity>) -> Option<FoundAnswer> {
        let identity = identity.filter(|identity| !identity.is_refresh)?;
        self.shared_answers.as_ref()?.look_up(identity.shared.as_ref()).await
    }

    /// Drops the answer in Redis to a request that accepts no earlier answer, as the response cache does when it arrives.
    async fn forget_answer(&self, identity: Option<&Identity>) {
        let key = identity.filter(|identity| identity.is_refresh).and_then(|identity| identity.shared);
        if let (Some(shared_answers), Some(key)) = (&self.shared_answers, key) {
            shared_answers.forget(&key).await;
        }
    }
}

/// A stream whose answer has begun, with its reservation, and with its attempt if the answer is shared.
struct Begun {
    open: OpenStream,
    /// What is reserved of its caller's budget.
    reservation: Option<Reservation>,
    /// `None` if its answer is not shared.
    shared: Option<SharedAttempt>,
}

/// A request, its job, and what its attempts came to.
struct Exchange {
    gateway: Arc<Gateway>,
    context: Arc<RequestContext>,
    job: JobHandle,
    record: RequestRecord,
    /// The failures so far, in order. A job has at most 255 attempts.
    failures: Vec<(TargetId, AttemptOutcome)>,
    /// The last whole reply.
    last: Option<Box<WholeReply>>,
    /// The last whole reply that blames the request itself.
    own_mistake: Option<Box<WholeReply>>,
}

impl Exchange {
    /// Reserves what an attempt may use of a shared quota. Returns `false` if it is not to be sent: the reservation was refused, which the
    /// engine then knows, or the attempt was cancelled meanwhile.
    async fn reserve_quota(&mut self, gateway: &Gateway, attempt: &Attempt) -> bool {
        let Some(shared_quotas) = &gateway.shared_quotas else { return true };
        match shared_quotas.reserve(attempt).await {
            Ok(_) if self.job.has_action() => false,
            Ok(mut lease) => {
                lease.set_sent();
                self.job.keep_lease(lease);
                true
            }
            Err(refusal) => {
                let reply = refusal.reply(gateway.clock.now());
                self.job.reply(attempt.id, &reply, None);
                self.failures.push((attempt.target, reply.outcome));
                false
            }
        }
    }

    /// Performs an attempt and passes its reply to the engine. Returns its stream if an answer begins.
    ///
    /// # Errors
    /// If its caller may not pay for it. It was not sent, and its job is still under way.
    async fn attempt(&mut self, attempt: &Attempt) -> Result<Option<Begun>, OverBudget> {
        let gateway = Arc::clone(&self.gateway);
        let Self { context, job, record, .. } = self;
        // The budget first: a request that exceeds it uses nothing of a shared quota.
        let reserved = spending::reserve(&gateway, record.caller.as_ref(), attempt, &context.request);
        let Some(reservation) = unless_cancelled(job, reserved).await.transpose()? else { return Ok(None) };
        if !self.reserve_quota(&gateway, attempt).await {
            reservation.into_iter().for_each(Reservation::release);
            return Ok(None);
        }
        let sent = gateway.clock.now();
        let Self { context, job, record, .. } = self;
        let key = gateway.upstreams.key_for(attempt, sent);
        record.last = Some((attempt.target, attempt.number));
        record.waited = sent.since(job.job.scheduled);
        record.bound = reservation.as_ref().and_then(|reservation| reservation.bound);
        let shared = job.shares_answer.then(|| SharedAttempt {
            gateway: Arc::clone(&gateway),
            context: Arc::clone(context),
            attempt: *attempt,
            key,
            sent,
            bound: record.bound,
        });
        let (ended, reservation) = match &shared {
            Some(shared) => InFlight::send(job, shared, reservation).end().await,
            None => {
                let request = (&context.request, record.bound, &context.headers);
                let performed = attempt::perform(
                    &gateway.upstreams,
                    (attempt, key),
                    request,
                    &gateway.memory,
                    gateway.clock,
                );
                (unless_cancelled(job, performed).await, reservation)
            }
        };
        let took = gateway.clock.now().since(sent);
        let (outcome, stream) = self.end_attempt((attempt, key), ended, reservation, shared);
        let names = gateway.upstreams.names(attempt.target);
        gateway.metrics.attempt(self.context.request.endpoint, names, outcome, took);
        if outcome != AttemptOutcome::Ok {
            self.failures.push((attempt.target, outcome));
        }
        Ok(stream)
    }

    /// Passes the end of an attempt to the engine; `ended` is `None` if the attempt was cancelled. Returns the outcome, and the stream
    /// if an answer begins.
    fn end_attempt(
        &mut self,
        (attempt, key): (&Attempt, KeyNumber),
        ended: Option<AttemptEnd>,
        reservation: Option<Reservation>,
        shared: Option<SharedAttempt>,
    ) -> (AttemptOutcome, Option<Begun>) {
        match ended {
            None => (AttemptOutcome::Failed(AttemptFailure::Timeout), None),
            Some(AttemptEnd::Failed(reply, charged)) => {
                if let Some(reservation) = reservation.filter(|_| charged == Charged::Nothing) {
                    reservation.release();
                }
                self.job.reply(attempt.id, &reply, None);
                (reply.outcome, None)
            }
            Some(AttemptEnd::Whole(mut whole)) => {
                carried::settle(&self.gateway, (attempt, key), &mut whole, reservation);
                self.record.learn(whole.stated_usage);
                let outcome = whole.reply.outcome;
                let answer = shared.and_then(|shared| shared.answer(&mut whole));
                self.job.reply(attempt.id, &whole.reply, answer);
                self.keep(whole);
                (outcome, None)
            }
            Some(AttemptEnd::Open(open)) if self.job.first_byte(attempt.id) => {
                (AttemptOutcome::Ok, Some(Begun { open: *open, reservation, shared }))
            }
            // It was cancelled at the same time.
            Some(AttemptEnd::Open(_)) => (AttemptOutcome::Failed(AttemptFailure::Timeout), None),
        }
    }

    /// Keeps a whole reply: its caller may get it.
    fn keep(&mut self, whole: Box<WholeReply>) {
        if is_own_mistake(whole.reply.outcome) {
            self.own_mistake = Some(whole);
        } else {
            self.last = Some(whole);
        }
    }

    /// Records the end of an attempt that an identical request had sent.
    fn record_carried(&mut self, CarriedEnd { attempt, outcome, whole }: CarriedEnd) {
        self.record.last = Some((attempt.target, 1));
        if outcome != AttemptOutcome::Ok {
            self.failures.push((attempt.target, outcome));
        }
        whole.into_iter().for_each(|whole| self.keep(whole));
    }

    /// Submits the request again, as one that shares no answer: the answer that it should get is gone, or too long to be kept. Its
    /// deadline stays.
    fn submit_alone(&mut self) {
        let Job { route, priority, flow, scheduled, deadline, prompt_tokens, max_tokens, .. } = self.job.job;
        let deadline = deadline.unwrap_or(scheduled + self.gateway.scenario.default_client().deadline);
        let tokens = (prompt_tokens, max_tokens);
        let submission = Submission { deadline: Some(deadline), flow, ..Submission::default() };
        self.job = JobHandle::submit(&self.gateway.engine, (route, priority), tokens, submission);
        self.record.reuse = Some(MISS);
    }

    /// Returns the response of a request whose attempt is not sent, because its caller may not pay for it.
    fn over_budget(mut self, attempt: &Attempt, over: &OverBudget) -> Response {
        self.job.withdraw(attempt.id);
        let mut response = reply::over_budget(over);
        self.record.status = response.status().as_u16();
        reply::add_own_headers(response.headers_mut(), &self.gateway, &self.record);
        self.record.finish_over_budget();
        response
    }

    /// Returns the response of a stream whose first token has arrived.
    fn stream(self, attempt: &Attempt, Begun { open, reservation, shared }: Begun) -> Response {
        let Self { gateway, job, mut record, .. } = self;
        let OpenStream { status, headers, begun, reader, rest } = open;
        record.status = status.as_u16();
        record.first_token();
        let recorded = shared.as_ref().and_then(|shared| shared.record_stream(status, &headers));
        let mut stream = StreamRest { reader, rest, recorded, reservation, clock: gateway.clock };
        stream.record(&begun);
        let mut response = reply::passed_on(status, headers);
        reply::add_own_headers(response.headers_mut(), &gateway, &record);
        let (attempt, state, shared) = (attempt.id, State::Open, shared.map(Box::new));
        let body = StreamBody { stream, job, attempt, begun, state, record, shared };
        *response.body_mut() = Body::new(body);
        response
    }

    /// Returns the response of a job that has ended with an answer that was not given to it.
    ///
    /// Its body counts as held by this response: the cache may drop the answer while a slow caller still reads it.
    fn reuse(mut self, end: &JobEnd, Reused { answer, origin }: &Reused) -> Response {
        let Answer { headers, body, target, .. } = &**answer;
        let Some(held) = self.gateway.memory.hold(body.len()) else { return self.out_of_memory() };
        let mut response = Response::new(reply::held_body(body.clone(), (held, Arc::clone(answer))));
        *response.headers_mut() = headers.clone();
        self.record.status = response.status().as_u16();
        let is_found = self.job.is_found && matches!(origin, Origin::Cache(_));
        self.record.reuse = Some(if is_found { SHARED_HIT } else { origin.name() });
        self.record.first_token();
        reply::add_own_headers(response.headers_mut(), &self.gateway, &self.record);
        reply::add_reuse_headers(response.headers_mut(), &self.gateway, (*origin, *target));
        self.record.finish(end.outcome);
        response
    }

    /// Returns the response of a request whose answer there is no memory for.
    fn out_of_memory(mut self) -> Response {
        let mut response = reply::no_memory().response();
        self.record.status = response.status().as_u16();
        reply::add_own_headers(response.headers_mut(), &self.gateway, &self.record);
        self.record.finish_out_of_memory();
        response
    }

    /// Returns the response of a job that has ended.
    fn finish(mut self, end: &JobEnd) -> Response {
        let is_blamed_last = self.failures.last().is_some_and(|(_, outcome)| is_own_mistake(*outcome));
        let passed_on = match end.outcome {
            JobOutcome::Succeeded => self.last.take(),
            JobOutcome::Failed(EndReason::Rejected) => self.own_mistake.take(),
            // Another target might have served it.
            _ => self.own_mistake.take().filter(|_| is_blamed_last),
        };
        let mut response = match passed_on {
            Some(whole) => {
                let WholeReply { status, headers, body, held, shared, .. } = *whole;
                let mut response = reply::passed_on(status, headers);
                *response.body_mut() = reply::held_body(body, (held, shared));
                response
            }
            None => {
                let (now, opens_at) = self.gateway.engine.opens_at(&self.job.job);
                let failure = Failure { end, failures: &self.failures, opens_at, now };
                failure.response(&self.gateway, self.record.route)
            }
        };
        self.record.status = response.status().as_u16();
        if end.outcome == JobOutcome::Succeeded {
            self.record.first_token();
        }
        reply::add_own_headers(response.headers_mut(), &self.gateway, &self.record);
        self.record.finish(end.outcome);
        response
    }
}

/// Waits for `future`, which belongs to the attempt in flight of a job; `None` if the attempt is cancelled first.
async fn unless_cancelled<T>(job: &mut JobHandle, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        action = job.next() => {
            assert!(matches!(action, Action::Cancel), "invariant: an attempt in flight is cancelled first");
            None
        }
    }
}

/// Returns `true` if a reply blames the request itself, so that its caller is to see it as it is: the request is malformed, or
/// too large.
fn is_own_mistake(outcome: AttemptOutcome) -> bool {
    match outcome {
        AttemptOutcome::Refused { cause, .. } => cause == RefusalCause::TooLarge,
        AttemptOutcome::Failed(AttemptFailure::Status(status)) => {
            matches!(status, 400 | 405 | 406 | 409..=418 | 422 | 431)
        }
        _ => false,
    }
}
