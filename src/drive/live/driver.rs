//! Executes the engine's actions over HTTP: what the driver of a live run does between two inputs of the engine.

use super::backlog::{Unbegun, Undecided};
use super::{LiveProviders, Message};
use crate::drive::attempt::{AttemptClient, Endpoint, OutboundRequest};
use crate::drive::attempt_truth::{attempt_truth, header_tag};
use crate::drive::clock::Clock;
use crate::drive::connections::max_connections;
use crate::drive::connections::pool::ConnectionPool;
use crate::engine::{Answer, Attempt, Driver, Handover, Reply};
use crate::event::{
    AttemptFailure, AttemptOutcome, EndReason, Event, EventKind, JobEnd, JobOutcome, RecordedDecision,
};
use crate::ids::{AttemptId, JobId, Slot, Tag, TargetId};
use crate::job::{Arrival, Job, MAX_JOBS_IN_FLIGHT};
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::{Scenario, Target};
use hyper::Uri;
use hyper::header::HeaderValue;
use provider::wire::{self, truth::TruthHeader};
use provider::{Instant, Nanos, Truth, Usage};
use rustc_hash::FxHashMap;
use slab::Slab;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

/// Executes the engine's actions.
pub(super) struct LiveDriver<'a, F, P> {
    scenario: &'a Scenario,
    load: Load,
    /// By target.
    endpoints: Vec<Arc<Endpoint>>,
    client: AttemptClient,
    clock: Clock,
    unbegun: Unbegun,
    undecided: Undecided,
    sender: UnboundedSender<Message>,
    /// By tag.
    jobs: Slab<LiveJob>,
    flights: FxHashMap<AttemptId, Flight>,
    /// Attempts for which a mock has yet to report a decision or a settlement.
    pending_reports: FxHashMap<AttemptId, PendingReport>,
    fold: &'a mut F,
    providers: &'a P,
}

/// Returns the endpoint of a target.
fn endpoint(scenario: &Scenario, target: &Target, address: SocketAddr) -> Endpoint {
    let provider = &scenario.providers[usize::from(target.provider)];
    let keys = &provider.accounts[usize::from(target.account)].keys;
    let model = provider.models[usize::from(target.model)].name.as_str();
    let header = |value: String| {
        HeaderValue::try_from(value)
            .expect("invariant: addresses are text, and keys were checked when the scenario was read")
    };
    let path = wire::format(provider.dialect).path(model);
    Endpoint {
        provider: usize::from(target.provider),
        host: header(address.to_string()),
        path: Uri::try_from(path).expect("invariant: paths were checked when the scenario was read"),
        authorizations: keys.iter().map(|key| header(format!("Bearer {key}"))).collect(),
        model: serde_json::to_string(model).expect("invariant: a string serialises"),
        dialect: provider.dialect.into(),
    }
}

/// A job in flight.
#[derive(Debug)]
struct LiveJob {
    truth: Truth,
    /// Its attempt in flight.
    attempt: Option<AttemptId>,
}

/// An attempt for which a mock has yet to report something.
#[derive(Clone, Copy, Debug)]
struct PendingReport {
    job: JobId,
    target: TargetId,
    /// `true` if it was admitted: only its settlement is pending.
    admitted: bool,
}

/// An attempt in flight.
#[derive(Debug)]
struct Flight {
    slot: Slot,
    tag: Tag,
    task: AbortHandle,
}

impl<'a, F: Fold, P: LiveProviders> LiveDriver<'a, F, P> {
    pub(super) fn new(
        scenario: &'a Scenario,
        fold: &'a mut F,
        providers: &'a P,
        clock: Clock,
        sender: UnboundedSender<Message>,
    ) -> Self {
        let addresses: Vec<_> =
            (0..).zip(&scenario.providers).map(|(number, _)| providers.address(number)).collect();
        let address = |target: &Target| addresses[usize::from(target.provider)];
        let endpoints =
            scenario.targets.iter().map(|target| endpoint(scenario, target, address(target)).into());
        let connections = max_connections(addresses.len(), providers.are_in_process());
        Self {
            scenario,
            load: Load::new(scenario),
            endpoints: endpoints.collect(),
            client: AttemptClient::new(clock, ConnectionPool::new(addresses, connections)),
            clock,
            unbegun: Unbegun::default(),
            undecided: Undecided::default(),
            sender,
            jobs: Slab::new(),
            flights: FxHashMap::default(),
            pending_reports: FxHashMap::default(),
            fold,
            providers,
        }
    }

    /// Returns the instant at which [`Self::arrive`] is due; [`Instant::MAX`] if no arrival is scheduled. While this machine is
    /// behind with requests that were sent, an arrival that is due at `now` waits as well, until it is shed: more connections would
    /// make it slower still.
    pub(super) fn next_arrival(&mut self, now: Instant) -> Instant {
        let scheduled = self.load.peek().unwrap_or(Instant::MAX);
        if scheduled > now || !(self.unbegun.len() >= MAX_UNBEGUN || self.is_mock_late(now)) {
            return scheduled;
        }
        (now + RETRY).min(scheduled + MAX_LAG + Nanos(1))
    }

    /// Returns `true` if the mocks are behind with so many requests that further ones wait.
    fn is_mock_late(&mut self, now: Instant) -> bool {
        // The lag drops the attempts before the oldest that is undecided.
        self.mock_lag(now) > MAX_MOCK_LAG && self.undecided.len() >= MAX_UNBEGUN
    }

    /// Returns how late the decision on the oldest attempt without one is.
    fn mock_lag(&mut self, now: Instant) -> Nanos {
        let (flights, pending_reports) = (&self.flights, &self.pending_reports);
        let is_undecided = |attempt: AttemptId| {
            let pending = pending_reports.get(&attempt);
            flights.contains_key(&attempt) && pending.is_some_and(|pending| !pending.admitted)
        };
        self.undecided.lag(now, is_undecided)
    }

    /// Returns the instant of the next sample of the limits.
    pub(super) fn next_sample(&self) -> Instant {
        self.fold.next_sample()
    }

    /// Returns `true` if the fold ends the run, or if [`MAX_JOBS_IN_FLIGHT`] jobs are in flight.
    pub(super) fn is_run_over(&self) -> bool {
        self.fold.is_done() || self.jobs.len() >= MAX_JOBS_IN_FLIGHT
    }

    /// Returns `true` if a mock has yet to report on an attempt.
    pub(super) fn awaits_reports(&self) -> bool {
        !self.pending_reports.is_empty()
    }

    /// Takes the next arrival and returns the job to submit; `None` if there is none, or if it is shed because the generator is
    /// too far behind its schedule.
    pub(super) fn arrive(&mut self, now: Instant) -> Option<(Job, Tag)> {
        let Arrival { job, truth } = self.load.next()?;
        let lag = now.since(job.scheduled).max(self.mock_lag(now));
        let max_lag = if self.undecided.len() < MANY { MAX_LAG_OF_FEW } else { MAX_LAG };
        if lag > max_lag {
            self.shed(now, &job);
            return None;
        }
        Some((job, Tag(self.jobs.insert(LiveJob { truth, attempt: None }))))
    }

    /// Records how long an attempt waited before its request began. One that was not sent is not reported on.
    pub(super) fn record_begin(&mut self, attempt: AttemptId, waited: Nanos, reply: &Reply) {
        self.fold.begun(waited);
        if let AttemptOutcome::Failed(AttemptFailure::Local(_)) = reply.outcome {
            self.pending_reports.remove(&attempt);
        }
    }

    /// Ends the flight of an attempt whose reply is handled. Returns the slot of its job; `None` if it was cancelled.
    pub(super) fn land(&mut self, attempt: AttemptId) -> Option<Slot> {
        let Flight { slot, tag, .. } = self.flights.remove(&attempt)?;
        self.jobs[tag.0].attempt = None;
        Some(slot)
    }
}

impl<F: Fold, P: LiveProviders> Driver for LiveDriver<'_, F, P> {
    fn log(&mut self, event: &Event) {
        self.fold.event(event);
    }

    fn send(&mut self, now: Instant, &Attempt { id: attempt, slot, tag, number, target, job }: &Attempt) {
        let live = &mut self.jobs[tag.0];
        let truth = attempt_truth(live.truth, number);
        debug_assert!(live.attempt.is_none(), "invariant: {} has one attempt in flight at most", job.id);
        let request = OutboundRequest {
            endpoint: Arc::clone(&self.endpoints[target.index()]),
            // The keys of an account share its quota, so they are used in turn.
            turn: attempt.0,
            job,
            stream: self.scenario.workloads[job.workload.index()].stream,
            truth_header: TruthHeader { truth, tag: header_tag(self.providers.run_tag(), attempt) },
        };
        let (client, sender, clock) = (self.client.clone(), self.sender.clone(), self.clock);
        let (waiting, begun) = self.unbegun.add();
        let task = tokio::spawn(async move {
            let (reply, decision) = client.send(&request, waiting).await;
            let waited = begun.get().copied().unwrap_or_else(|| clock.now()).since(now);
            // Sending fails only if the run has ended and dropped the receiver.
            let _ = sender.send(Message::Replied { attempt, waited, decision, reply });
        });
        let Target { provider, model, .. } = self.scenario.targets[target.index()];
        let latency = &self.scenario.providers[usize::from(provider)].models[usize::from(model)].latency;
        let (uplink, _) = latency.network_delays(truth);
        self.undecided.add(attempt, now + uplink);
        live.attempt = Some(attempt);
        self.flights.insert(attempt, Flight { slot, tag, task: task.abort_handle() });
        self.pending_reports.insert(attempt, PendingReport { job: job.id, target, admitted: false });
    }

    fn cancel(&mut self, _: Instant, tag: Tag, attempt: AttemptId) {
        assert_eq!(
            self.jobs[tag.0].attempt.take(),
            Some(attempt),
            "invariant: a cancelled attempt is in flight"
        );
        self.abort(attempt);
    }

    fn reassign(&mut self, _: Instant, &Handover { attempt, from, to, slot, job }: &Handover) {
        assert_eq!(
            self.jobs[from.0].attempt.take(),
            Some(attempt),
            "invariant: a reassigned attempt is in flight"
        );
        self.jobs[to.0].attempt = Some(attempt);
        if let Some(flight) = self.flights.get_mut(&attempt) {
            (flight.slot, flight.tag) = (slot, to);
        }
        if let Some(pending) = self.pending_reports.get_mut(&attempt) {
            pending.job = job;
        }
    }

    fn done(&mut self, now: Instant, tag: Tag, end: &JobEnd, _: Option<Answer>) {
        // Only a job that is in flight when the run ends still has an attempt here.
        if let Some(attempt) = self.jobs.remove(tag.0).attempt {
            self.abort(attempt);
        }
        self.load.finished(now, end.workload);
    }
}

impl<F: Fold, P: LiveProviders> LiveDriver<'_, F, P> {
    fn abort(&mut self, attempt: AttemptId) {
        if let Some(flight) = self.flights.remove(&attempt) {
            flight.task.abort();
        }
    }

    /// Ends a job that the engine never sees, because the generator is too far behind its schedule.
    fn shed(
        &mut self,
        at: Instant,
        &Job { id, workload, scheduled, deadline, prompt_tokens, max_tokens, .. }: &Job,
    ) {
        let arrived = EventKind::Arrived { workload, scheduled, deadline, prompt_tokens, max_tokens };
        self.fold.event(&Event { at, job: id, kind: arrived });
        let outcome = JobOutcome::Shed(EndReason::GeneratorLag);
        let end =
            JobEnd { queue: at.since(scheduled), ..JobEnd::without_attempt(outcome, workload, scheduled) };
        self.fold.event(&Event { at, job: id, kind: EventKind::Done(end) });
        self.load.finished(at, workload);
    }

    /// Returns `true` if the decision on an attempt may still arrive after its reply.
    pub(super) fn awaits_decision(&self, attempt: AttemptId) -> bool {
        let is_undecided = |pending: &PendingReport| !pending.admitted;
        !self.providers.are_in_process() && self.pending_reports.get(&attempt).is_some_and(is_undecided)
    }

    /// Records the decision that a mock reports, or states in its reply, once: whatever comes first counts.
    pub(super) fn record_decision(&mut self, now: Instant, attempt: AttemptId, decision: RecordedDecision) {
        let undecided = self.pending_reports.get_mut(&attempt).filter(|pending| !pending.admitted);
        let Some(pending) = undecided else { return };
        pending.admitted = true;
        let PendingReport { job, target, .. } = *pending;
        if !matches!(decision, RecordedDecision::Admitted { .. }) {
            self.pending_reports.remove(&attempt);
        }
        self.fold.event(&Event { at: now, job, kind: EventKind::Decided { attempt, target, decision } });
    }

    /// Records the settlement that a mock reports.
    pub(super) fn record_settlement(&mut self, now: Instant, attempt: AttemptId, usage: Usage) {
        let Some(PendingReport { job, target, .. }) = self.pending_reports.remove(&attempt) else { return };
        self.fold.event(&Event { at: now, job, kind: EventKind::Settled { attempt, target, usage } });
    }

    /// Takes every sample of the limits that is due at or before `now`.
    pub(super) fn sample_until(&mut self, now: Instant) {
        while self.fold.next_sample() <= now {
            let at = self.fold.next_sample();
            for target in self.scenario.target_ids() {
                let fold = &mut *self.fold;
                self.providers.levels(now, target, &mut |level| {
                    fold.sample(at, target, level.axis, level.used_fraction(), level.limit);
                });
            }
            self.fold.sampled(at);
        }
    }
}

/// The longest lag behind the schedule with which a job is sent if many requests are behind: that of its arrival, or that of the
/// decision on the oldest attempt without one. Far below the deadlines of callers.
const MAX_LAG: Nanos = Nanos::from_millis(250);
/// The same if few requests are behind: far above the pauses of a busy machine, which are reported as lag.
const MAX_LAG_OF_FEW: Nanos = Nanos::from_secs(2);
/// Many requests are behind if so many were sent since the oldest without a decision.
const MANY: usize = 256;
/// No job is submitted while so many requests wait to begin, or that many were sent since one on which the mock should have decided
/// [`MAX_MOCK_LAG`] ago: this bounds the requests that wait for a connection.
const MAX_UNBEGUN: usize = 64;
/// See [`MAX_UNBEGUN`]: above the pauses of a mock that keeps up.
const MAX_MOCK_LAG: Nanos = Nanos::from_millis(5);
/// When an arrival that waits looks again.
const RETRY: Nanos = Nanos::from_millis(1);
