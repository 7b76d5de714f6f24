//! Executes the engine's actions over HTTP: what the driver of a live run does between two inputs of the engine.

use super::backlog::{Unbegun, Undecided};
use super::transport::Transport;
use super::{FirstToken, Message};
use crate::drive::clock::Clock;
use crate::engine::{Answer, Attempt, Driver, Handover, Reply};
use crate::event::{
    AttemptFailure, AttemptOutcome, EndReason, Event, EventKind, JobEnd, JobOutcome, ProviderDecision,
};
use crate::ids::{AttemptId, EngineId, JobId, Slot, Tag, TargetId, WorkloadId};
use crate::job::{Arrival, Job, MAX_JOBS_IN_FLIGHT};
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::Scenario;
use provider::{Instant, Nanos, Truth, Usage};
use rustc_hash::FxHashMap;
use slab::Slab;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

/// Executes the engine's actions.
pub(super) struct LiveDriver<'a, F, T> {
    scenario: &'a Scenario,
    load: Load,
    /// `true` once the transport admits no further job.
    load_has_ended: bool,
    clock: Clock,
    unbegun: Unbegun,
    undecided: Undecided,
    sender: UnboundedSender<Message>,
    /// By tag.
    jobs: Slab<LiveJob>,
    flights: FxHashMap<AttemptId, Flight>,
    /// Attempts for which a mock has yet to report a decision or a settlement.
    pending_reports: FxHashMap<AttemptId, PendingReport>,
    /// `true` if a client hedges, and is to know when the first token of a streamed answer arrives.
    reports_first_tokens: bool,
    fold: &'a mut F,
    transport: T,
}

/// A job in flight.
#[derive(Debug)]
struct LiveJob {
    truth: Truth,
    /// See [`Arrival::origin`].
    origin: u32,
    /// Its attempt in flight.
    attempt: Option<AttemptId>,
    /// The other one, if it has two.
    beside: Option<AttemptId>,
}

impl LiveJob {
    /// Records that an attempt is in flight for the job no more.
    fn end(&mut self, attempt: AttemptId) {
        let ended = [&mut self.attempt, &mut self.beside].map(|sent| sent.take_if(|sent| *sent == attempt));
        assert_ne!(ended, [None; 2], "invariant: an attempt that ends is in flight for its job");
    }
}

/// An attempt for which a mock has yet to report something.
#[derive(Clone, Copy, Debug)]
struct PendingReport {
    job: JobId,
    workload: WorkloadId,
    target: TargetId,
    /// `true` if it was admitted: only its settlement is pending.
    admitted: bool,
}

/// An attempt in flight.
#[derive(Debug)]
struct Flight {
    engine: EngineId,
    slot: Slot,
    tag: Tag,
    task: AbortHandle,
}

impl<'a, F: Fold, T: Transport> LiveDriver<'a, F, T> {
    pub(super) fn new(
        scenario: &'a Scenario,
        fold: &'a mut F,
        transport: T,
        clock: Clock,
        sender: UnboundedSender<Message>,
    ) -> Self {
        Self {
            scenario,
            load: Load::new(scenario),
            load_has_ended: false,
            clock,
            unbegun: Unbegun::default(),
            undecided: Undecided::default(),
            sender,
            jobs: Slab::new(),
            flights: FxHashMap::default(),
            pending_reports: FxHashMap::default(),
            reports_first_tokens: scenario.clients_in_use().any(|(_, client)| client.hedge.is_some()),
            fold,
            transport,
        }
    }

    /// Returns the instant at which [`Self::arrive`] is due; [`Instant::MAX`] if no arrival is scheduled. While this
    /// machine is behind with requests that were sent, an arrival that is due at `now` waits as well, at most until it is
    /// shed: more connections would make the machine slower still.
    pub(super) fn next_arrival(&mut self, now: Instant) -> Instant {
        let scheduled = self.load.peek().filter(|_| !self.load_has_ended).unwrap_or(Instant::MAX);
        if scheduled > now || !(self.unbegun.len() >= MAX_UNBEGUN || self.is_mock_late(now)) {
            return scheduled;
        }
        (now + RECHECK_INTERVAL).min(scheduled + MAX_LAG + Nanos(1))
    }

    /// Returns `true` if the mocks are behind with so many requests that further ones wait.
    fn is_mock_late(&mut self, now: Instant) -> bool {
        // `mock_lag` comes first: it removes the attempts before the oldest undecided one, from which `len` counts.
        self.mock_lag(now) > MAX_MOCK_LAG && self.undecided.len() >= MAX_UNBEGUN
    }

    /// Returns how late the oldest decision is that has not arrived; zero if none is late.
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

    /// Takes the next arrival and returns the job to submit; `None` if there is none, if a task ended instead, if it is shed because the generator is too far
    /// behind its schedule, or if the transport admits no further job.
    pub(super) fn arrive(&mut self, now: Instant) -> Option<(Job, Tag)> {
        let workload = self.load.next_workload()?;
        let arrival = self.load.next();
        self.log_tasks(now, workload);
        let Arrival { job, truth, origin } = arrival?;
        let lag = now.since(job.scheduled).max(self.mock_lag(now));
        let max_lag = if self.undecided.len() < MANY_UNDECIDED { MAX_LAG_OF_FEW } else { MAX_LAG };
        if lag > max_lag {
            self.shed(now, &job, origin);
            return None;
        }
        if !self.transport.admits(now, &job) {
            self.load_has_ended = true;
            return None;
        }
        Some((job, Tag(self.jobs.insert(LiveJob { truth, origin, attempt: None, beside: None }))))
    }

    /// Records how long an attempt waited before its request began. Mocks do not report on an attempt that was not sent.
    pub(super) fn record_begin(&mut self, attempt: AttemptId, waited: Nanos, reply: &Reply) {
        self.fold.request_began(waited);
        if let AttemptOutcome::Failed(AttemptFailure::Local(_)) = reply.outcome {
            self.pending_reports.remove(&attempt);
        }
    }

    /// Ends the flight of an attempt whose reply is handled. Returns its engine and the slot of its job there; `None` if it was
    /// cancelled.
    pub(super) fn land(&mut self, attempt: AttemptId) -> Option<(EngineId, Slot)> {
        let Flight { engine, slot, tag, .. } = self.flights.remove(&attempt)?;
        self.jobs[tag.0].end(attempt);
        Some((engine, slot))
    }

    /// Returns the engine of an attempt in flight and the slot of its job there; `None` if it has ended.
    pub(super) fn engine_of(&self, attempt: AttemptId) -> Option<(EngineId, Slot)> {
        self.flights.get(&attempt).map(|flight| (flight.engine, flight.slot))
    }

    /// Returns the number of jobs that were submitted and have not ended.
    pub(super) fn jobs_in_flight(&self) -> usize {
        self.jobs.len()
    }
}

impl<F: Fold, T: Transport> Driver for LiveDriver<'_, F, T> {
    fn log(&mut self, event: &Event) {
        self.fold.event(event);
    }

    fn send(&mut self, now: Instant, attempt: &Attempt) {
        let Attempt { id, slot, tag, target, job, .. } = *attempt;
        let live = &mut self.jobs[tag.0];
        let (waiting, begun) = self.unbegun.add();
        let first_token = if self.reports_first_tokens {
            FirstToken::reported(self.sender.clone(), id)
        } else {
            FirstToken::unreported()
        };
        let sent = self.transport.send(attempt, live.truth, (waiting, first_token));
        let (sender, clock) = (self.sender.clone(), self.clock);
        let task = tokio::spawn(async move {
            let (reply, decision) = sent.await;
            let waited = begun.get().copied().unwrap_or_else(|| clock.now()).since(now);
            // Sending fails only if the run has ended and dropped the receiver.
            let _ = sender.send(Message::Replied { attempt: id, waited, decision, reply });
        });
        if let Some(at) = self.transport.decided_at(now, attempt, live.truth) {
            self.undecided.add(id, at);
            self.pending_reports
                .insert(id, PendingReport { job: job.id, workload: job.workload, target, admitted: false });
        }
        let place = if live.attempt.is_none() { &mut live.attempt } else { &mut live.beside };
        let other = place.replace(id);
        debug_assert!(other.is_none(), "invariant: {} has two attempts in flight at most", job.id);
        self.flights.insert(id, Flight { engine: job.engine, slot, tag, task: task.abort_handle() });
    }

    fn cancel(&mut self, _: Instant, tag: Tag, attempt: AttemptId) {
        self.jobs[tag.0].end(attempt);
        self.abort(attempt);
    }

    fn reassign(&mut self, _: Instant, &Handover { attempt, from, to, slot, job }: &Handover) {
        self.jobs[from.0].end(attempt);
        self.jobs[to.0].attempt = Some(attempt);
        if let Some(flight) = self.flights.get_mut(&attempt) {
            (flight.slot, flight.tag) = (slot, to);
        }
        if let Some(pending) = self.pending_reports.get_mut(&attempt) {
            pending.job = job;
        }
    }

    fn done(&mut self, now: Instant, tag: Tag, end: &JobEnd, _: Option<Answer>) {
        // Only a job that is in flight when the run ends still has attempts here.
        let LiveJob { attempt, beside, origin, .. } = self.jobs.remove(tag.0);
        [attempt, beside].into_iter().flatten().for_each(|attempt| self.abort(attempt));
        self.load.finished(now, end.workload, origin, end.outcome);
        self.log_tasks(now, end.workload);
    }
}

impl<F: Fold, T: Transport> LiveDriver<'_, F, T> {
    fn abort(&mut self, attempt: AttemptId) {
        if let Some(flight) = self.flights.remove(&attempt) {
            flight.task.abort();
        }
    }

    /// Ends a job that the engine never sees, because the generator is too far behind its schedule.
    fn shed(
        &mut self,
        at: Instant,
        &Job { id, workload, engine, scheduled, deadline, prompt_tokens, max_tokens, .. }: &Job,
        origin: u32,
    ) {
        let arrived = EventKind::Arrived { workload, engine, scheduled, deadline, prompt_tokens, max_tokens };
        self.fold.event(&Event { at, job: id, kind: arrived });
        let outcome = JobOutcome::Shed(EndReason::GeneratorLag);
        let end =
            JobEnd { queue: at.since(scheduled), ..JobEnd::without_attempt(outcome, workload, scheduled) };
        self.fold.event(&Event { at, job: id, kind: EventKind::Done(end) });
        self.load.finished(at, workload, origin, outcome);
        self.log_tasks(at, workload);
    }

    /// Logs the beginnings and ends of tasks of `workload`.
    fn log_tasks(&mut self, now: Instant, workload: WorkloadId) {
        while let Some((job, task)) = self.load.pop_task_event(workload) {
            self.fold.event(&Event { at: now, job, kind: EventKind::Task(task) });
        }
    }

    /// Returns `true` if the decision on an attempt may still arrive after its reply.
    pub(super) fn awaits_decision(&self, attempt: AttemptId) -> bool {
        let is_undecided = |pending: &PendingReport| !pending.admitted;
        self.transport.reports_late() && self.pending_reports.get(&attempt).is_some_and(is_undecided)
    }

    /// Records the decision that a mock reports, or states in its reply. Only the first of the two counts.
    pub(super) fn record_decision(&mut self, now: Instant, attempt: AttemptId, decision: ProviderDecision) {
        let undecided = self.pending_reports.get_mut(&attempt).filter(|pending| !pending.admitted);
        let Some(pending) = undecided else { return };
        pending.admitted = true;
        let PendingReport { job, target, .. } = *pending;
        if !matches!(decision, ProviderDecision::Admitted { .. }) {
            self.pending_reports.remove(&attempt);
        }
        self.fold.event(&Event { at: now, job, kind: EventKind::Decided { attempt, target, decision } });
    }

    /// Records the settlement that a mock reports.
    pub(super) fn record_settlement(&mut self, now: Instant, attempt: AttemptId, usage: Usage) {
        let Some(PendingReport { job, workload, target, .. }) = self.pending_reports.remove(&attempt) else {
            return;
        };
        let kind = EventKind::Settled { attempt, target, workload, usage };
        self.fold.event(&Event { at: now, job, kind });
    }

    /// Takes every sample of the limits that is due at or before `now`.
    pub(super) fn sample_until(&mut self, now: Instant) {
        while self.fold.next_sample() <= now {
            let at = self.fold.next_sample();
            for target in self.scenario.target_ids() {
                let fold = &mut *self.fold;
                self.transport.levels(now, target, &mut |level| {
                    fold.sample(at, target, level.axis, level.used_fraction(), level.limit);
                });
            }
            self.fold.sampled(at);
        }
    }

    /// Passes on how much of each limit was used at most, at the end of the run.
    pub(super) fn report_most_used(&mut self, now: Instant) {
        for target in self.scenario.target_ids() {
            let fold = &mut *self.fold;
            self.transport.levels(now, target, &mut |level| {
                if let Some(share) = level.most_used_fraction() {
                    fold.most_used(target, level.axis, share);
                }
            });
        }
    }
}

/// A job is shed if it lags behind the schedule by more than this while many requests are behind. The lag is that of its
/// arrival, or that of the oldest decision that has not arrived, if that is longer. Far below the deadlines of callers.
const MAX_LAG: Nanos = Nanos::from_millis(250);
/// The same if few requests are behind: far above the pauses of a busy machine, which are reported as lag.
const MAX_LAG_OF_FEW: Nanos = Nanos::from_secs(2);
/// Many requests are behind if this number were sent since the oldest one without a decision.
const MANY_UNDECIDED: usize = 256;
/// No job is submitted while this number of requests wait to begin, or while this number were sent since one whose decision
/// is more than [`MAX_MOCK_LAG`] late. This bounds the requests that wait for a connection.
const MAX_UNBEGUN: usize = 64;
/// See [`MAX_UNBEGUN`]: above the pauses of a mock that keeps up.
const MAX_MOCK_LAG: Nanos = Nanos::from_millis(5);
/// The time after which an arrival that waits is checked again.
const RECHECK_INTERVAL: Nanos = Nanos::from_millis(1);
