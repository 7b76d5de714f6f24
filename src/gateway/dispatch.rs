//! One request from its arrival to its response: does what the engine decides until the job ends, or its answer begins to stream.

use super::Gateway;
use super::attempt::{self, AttemptEnd, Charged, OpenStream, WholeReply};
use super::caller_metrics::OVER_BUDGET;
use super::caller_request::CallerRequest;
use super::callers::Caller;
use super::headers::PassedHeaders;
use super::job_handle::JobHandle;
use super::reply::{self, Failure};
use super::request_record::RequestRecord;
use super::shared_engine::Action;
use super::spending::{self, OverBudget, Reservation};
use super::stream::{State, StreamBody};
use crate::engine::Attempt;
use crate::event::{AttemptFailure, AttemptOutcome, EndReason, JobEnd, JobOutcome, LimitCause};
use crate::ids::TargetId;
use crate::job::Priority;
use axum::body::Body;
use axum::response::Response;
use hyper::StatusCode;
use std::sync::Arc;

/// Serves a request that was read. `caller` is its sender; `None` if the scenario names no callers.
pub(super) async fn serve(
    gateway: Arc<Gateway>,
    request: CallerRequest,
    headers: PassedHeaders,
    caller: Option<Arc<Caller>>,
) -> Response {
    let Some(route) = gateway.routes.find(&request.model) else {
        return reply::unknown_model(&request.model, &gateway.routes.instead_of(&request.model));
    };
    if let Some(over) = spending::check(&gateway, caller.as_ref(), route, &request) {
        gateway.metrics.callers.request(&over.account.name, OVER_BUDGET);
        return reply::over_budget(&over);
    }
    let corrected = gateway.ratios.corrected(gateway.routes.first_target(route), request.prompt_tokens);
    let priority = caller.as_ref().map_or(Priority::default(), |caller| caller.priority);
    let job = JobHandle::submit(&gateway.engine, (route, priority), corrected, request.max_tokens);
    let record = RequestRecord::new(
        &gateway,
        (request.endpoint, route, caller),
        (job.job.id, job.job.scheduled),
        request.prompt_tokens,
    );
    let mut exchange = Exchange {
        gateway,
        request,
        headers,
        job,
        record,
        failures: Vec::new(),
        last: None,
        own_mistake: None,
    };
    loop {
        match exchange.job.next().await {
            Action::Send(attempt) => match exchange.attempt(&attempt).await {
                Ok(Some((open, reservation))) => return exchange.stream(&attempt, open, reservation),
                Ok(None) => {}
                Err(over) => return exchange.over_budget(&attempt, &over),
            },
            // The reply of the attempt came at the same time, and was dropped.
            Action::Cancel => {}
            Action::Done(end) => return exchange.finish(&end),
        }
    }
}

/// A stream whose answer has begun, and what is reserved for it.
type Begun = (OpenStream, Option<Reservation>);

/// A request, its job, and what its attempts came to.
struct Exchange {
    gateway: Arc<Gateway>,
    request: CallerRequest,
    headers: PassedHeaders,
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
        let Some(shares) = &gateway.shares else { return true };
        match shares.reserve(attempt).await {
            Ok(_) if self.job.has_action() => false,
            Ok(mut lease) => {
                lease.set_sent();
                self.job.keep_lease(lease);
                true
            }
            Err(refusal) => {
                let reply = refusal.reply(gateway.clock.now());
                self.job.reply(attempt.id, &reply);
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
        let Self { request, job, record, .. } = self;
        // The budget first: a request that exceeds it uses nothing of a shared quota.
        let reserved = spending::reserve(&gateway, record.caller.as_ref(), attempt, request);
        let Some(reservation) = unless_cancelled(job, reserved).await.transpose()? else { return Ok(None) };
        if !self.reserve_quota(&gateway, attempt).await {
            reservation.into_iter().for_each(Reservation::release);
            return Ok(None);
        }
        let sent = gateway.clock.now();
        let Self { request, headers, job, record, .. } = self;
        let scheduled = job.job.scheduled;
        let key = gateway.upstreams.key_for(attempt, sent);
        record.last = Some((attempt.target, attempt.number));
        record.waited = sent.since(scheduled);
        record.bound = reservation.as_ref().and_then(|reservation| reservation.bound);
        let asked = (&*request, record.bound, &*headers);
        let performed =
            attempt::perform(&gateway.upstreams, (attempt, key), asked, &gateway.memory, gateway.clock);
        let ended = unless_cancelled(job, performed).await;
        let took = gateway.clock.now().since(sent);
        let (outcome, stream) = match ended {
            None => (AttemptOutcome::Failed(AttemptFailure::Timeout), None),
            Some(AttemptEnd::Failed(reply, charged)) => {
                if let Some(reservation) = reservation.filter(|_| charged == Charged::Nothing) {
                    reservation.release();
                }
                self.job.reply(attempt.id, &reply);
                (reply.outcome, None)
            }
            Some(AttemptEnd::Whole(mut whole)) => {
                if !whole.status.is_success() {
                    whole.body = gateway.upstreams.without_keys(attempt.target, whole.body);
                }
                let outcome = whole.reply.outcome;
                if let Some(reservation) = reservation {
                    reservation.settle_whole(&whole.reply);
                }
                self.record.learn(whole.stated_usage);
                if whole.status == StatusCode::UNAUTHORIZED {
                    gateway.upstreams.avoid_key(attempt.target, key, gateway.clock.now());
                }
                self.job.reply(attempt.id, &whole.reply);
                if is_own_mistake(outcome) {
                    self.own_mistake = Some(whole);
                } else {
                    self.last = Some(whole);
                }
                (outcome, None)
            }
            Some(AttemptEnd::Open(open)) if self.job.first_byte(attempt.id) => {
                (AttemptOutcome::Ok, Some((*open, reservation)))
            }
            // It was cancelled at the same time.
            Some(AttemptEnd::Open(_)) => (AttemptOutcome::Failed(AttemptFailure::Timeout), None),
        };
        let names = gateway.upstreams.names(attempt.target);
        gateway.metrics.attempt(self.request.endpoint, names, outcome, took);
        if outcome != AttemptOutcome::Ok {
            self.failures.push((attempt.target, outcome));
        }
        Ok(stream)
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
    fn stream(self, attempt: &Attempt, open: OpenStream, reservation: Option<Reservation>) -> Response {
        let Self { gateway, job, mut record, .. } = self;
        let OpenStream { status, headers, begun, reader, rest } = open;
        record.status = status.as_u16();
        record.first_token();
        let mut response = reply::passed_on(status, headers);
        reply::add_own_headers(response.headers_mut(), &gateway, &record);
        let clock = gateway.clock;
        let (attempt, state) = (attempt.id, State::Open);
        let body = StreamBody { job, attempt, clock, reader, begun, rest, state, record, reservation };
        *response.body_mut() = Body::new(body);
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
                let WholeReply { status, headers, body, held, .. } = *whole;
                let mut response = reply::passed_on(status, headers);
                *response.body_mut() = reply::held_body(body, held);
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
            assert_eq!(action, Action::Cancel, "invariant: an attempt in flight is cancelled first");
            None
        }
    }
}

/// Returns `true` if a reply blames the request itself, so that its caller is to see it as it is: the request is malformed, or
/// too large.
fn is_own_mistake(outcome: AttemptOutcome) -> bool {
    match outcome {
        AttemptOutcome::Limited { cause, .. } => cause == LimitCause::TooLarge,
        AttemptOutcome::Failed(AttemptFailure::Status(status)) => {
            matches!(status, 400 | 405 | 406 | 409..=418 | 422 | 431)
        }
        _ => false,
    }
}
