//! The live driver: the virtual loop with a channel in place of the event queue, and the wall clock in place of the
//! next event's instant.
//!
//! One thread owns the engine and blocks only on the channel, until the next deadline: it wakes within tens of
//! microseconds, whereas the timers of the async runtime are accurate to a millisecond. Attempts run on the async
//! runtime and report through the channel; bodies do not pass through here.
//!
//! Latency counts from the *scheduled* arrival, and every arrival event records its schedule: a load generator that
//! falls behind is visible as lag and does not shorten latencies (no coordinated omission).

use super::attempt::{AttemptClient, OutboundRequest};
use super::attempt_truth::{attempt_truth, header_tag};
use super::clock::Clock;
use super::connections::max_connections;
use crate::engine::parse::Dialect;
use crate::engine::{Answer, Attempt, Driver, Engine, Handover, Reply};
use crate::event::{AttemptFailure, AttemptOutcome, Event, EventKind, JobEnd, RecordedDecision};
use crate::ids::{AttemptId, JobId, Slot, Tag, TargetId};
use crate::job::{Arrival, MAX_JOBS_IN_FLIGHT};
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::Scenario;
use provider::meter::LimitLevel;
use provider::wire::{self, truth::TruthHeader};
use provider::{Instant, Nanos, Truth, Usage};
use rustc_hash::FxHashMap;
use slab::Slab;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// What attempts and mocks report to the driver.
#[derive(Debug)]
pub enum Message {
    /// The reply to an attempt has arrived.
    Replied {
        /// The attempt.
        attempt: AttemptId,
        /// Its reply.
        reply: Reply,
    },
    /// A mock decided on an attempt.
    Decided {
        /// The attempt.
        attempt: AttemptId,
        /// The decision.
        decision: RecordedDecision,
    },
    /// A mock settled an admitted attempt.
    Settled {
        /// The attempt.
        attempt: AttemptId,
        /// The tokens that it used.
        usage: Usage,
    },
}

/// The providers of a live run.
pub trait LiveProviders {
    /// Returns the address of a provider of the scenario.
    fn address(&self, provider: u16) -> SocketAddr;

    /// Returns the random number that marks the truth headers of this run.
    fn run_tag(&self) -> u64;

    /// Calls `each` with the used share, from 0 to 1, of every limit of a target at `now`. Does not call it if the
    /// levels are unknown.
    fn levels(&self, now: Instant, target: TargetId, each: &mut dyn FnMut(LimitLevel));
}

/// Runs a scenario over HTTP against `providers` and passes every event to `fold`. Attempts run on `runtime` and report
/// through the channel, as do the mocks through clones of its sender.
///
/// Blocks until all jobs have ended, the fold ends the run, or [`MAX_JOBS_IN_FLIGHT`] jobs are in flight. Returns the instant of
/// the end.
pub fn run<F: Fold>(
    scenario: &Scenario,
    fold: &mut F,
    providers: &impl LiveProviders,
    clock: Clock,
    runtime: &Handle,
    (sender, inbox): (Sender<Message>, Receiver<Message>),
) -> Instant {
    let driver = LiveDriver {
        scenario,
        load: Load::new(scenario),
        endpoints: scenario.targets.iter().map(|target| TargetEndpoint::of(scenario, target)).collect(),
        client: AttemptClient::new(
            clock,
            max_connections(scenario.providers.len()),
            scenario.providers.len(),
        ),
        runtime,
        sender,
        jobs: Slab::new(),
        flights: FxHashMap::default(),
        pending_reports: FxHashMap::default(),
        fold,
        providers,
    };
    Live { engine: Engine::new(scenario), driver, clock, inbox }.run()
}

struct Live<'a, F, P> {
    engine: Engine,
    driver: LiveDriver<'a, F, P>,
    clock: Clock,
    inbox: Receiver<Message>,
}

/// Executes the engine's actions.
struct LiveDriver<'a, F, P> {
    scenario: &'a Scenario,
    load: Load,
    /// By target.
    endpoints: Vec<TargetEndpoint>,
    client: AttemptClient,
    runtime: &'a Handle,
    sender: Sender<Message>,
    /// By tag.
    jobs: Slab<LiveJob>,
    flights: FxHashMap<AttemptId, Flight>,
    /// Attempts for which a mock has yet to report a decision or a settlement.
    pending_reports: FxHashMap<AttemptId, (JobId, TargetId)>,
    fold: &'a mut F,
    providers: &'a P,
}

/// The parts of a request that depend on its target only.
#[derive(Clone, Debug)]
struct TargetEndpoint {
    model: Arc<str>,
    keys: Vec<Arc<str>>,
    path: Arc<str>,
    dialect: Dialect,
}

impl TargetEndpoint {
    fn of(scenario: &Scenario, target: &crate::scenario::Target) -> Self {
        let provider = &scenario.providers[usize::from(target.provider)];
        let keys = &provider.accounts[usize::from(target.account)].keys;
        let model = provider.models[usize::from(target.model)].name.as_str();
        Self {
            model: model.into(),
            path: wire::format(provider.dialect).path(model).into(),
            keys: keys.iter().map(|key| key.as_str().into()).collect(),
            dialect: provider.dialect.into(),
        }
    }
}

/// A job in flight.
#[derive(Debug)]
struct LiveJob {
    truth: Truth,
    /// Its attempt in flight.
    attempt: Option<AttemptId>,
}

/// An attempt in flight.
#[derive(Debug)]
struct Flight {
    slot: Slot,
    tag: Tag,
    task: AbortHandle,
}

impl<F: Fold, P: LiveProviders> Live<'_, F, P> {
    fn run(mut self) -> Instant {
        loop {
            let now = self.clock.now();
            let timer = self.engine.poll_timeout();
            let arrival = self.driver.load.peek().unwrap_or(Instant::MAX);
            self.driver.sample_until(now);
            if self.driver.fold.is_done() || self.driver.jobs.len() >= MAX_JOBS_IN_FLIGHT {
                self.engine.end_run(&mut self.driver, now);
                return now;
            }
            // At one instant: timers, then replies, then arrivals.
            if timer <= now {
                self.engine.handle_timeout(&mut self.driver, now);
            } else if let Ok(message) = self.inbox.try_recv() {
                // The clock is read again, because the message may have been sent after `now`.
                self.receive(self.clock.now(), message);
            } else if arrival <= now {
                self.submit(now);
            } else {
                let next = timer.min(arrival);
                let is_over = next == Instant::MAX && self.engine.jobs_in_flight() == 0;
                if is_over && !self.await_report() {
                    return self.clock.now();
                }
                if !is_over {
                    // The fold is asked at least this often whether the run is to end.
                    let latest = now + MAX_WAIT;
                    let wait = self.clock.until(next.min(self.driver.fold.next_sample()).min(latest));
                    match self.inbox.recv_timeout(wait) {
                        Ok(message) => self.receive(self.clock.now(), message),
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                    }
                }
            }
        }
    }

    /// Waits up to [`REPORT_GRACE`] for a report of a mock after all jobs have ended. Returns `false` if none is
    /// pending or none arrived.
    fn await_report(&mut self) -> bool {
        if self.driver.pending_reports.is_empty() {
            return false;
        }
        let grace = self.clock.until(self.clock.now() + REPORT_GRACE);
        self.inbox.recv_timeout(grace).map(|message| self.receive(self.clock.now(), message)).is_ok()
    }

    fn submit(&mut self, now: Instant) {
        let Some(Arrival { job, truth }) = self.driver.load.next() else { return };
        let tag = Tag(self.driver.jobs.insert(LiveJob { truth, attempt: None }));
        self.engine.submit(&mut self.driver, now, job, tag);
    }

    fn receive(&mut self, now: Instant, message: Message) {
        match message {
            Message::Replied { attempt, reply } => {
                // A reply to an attempt that was cancelled is dropped.
                if let Some(Flight { slot, tag, .. }) = self.driver.flights.remove(&attempt) {
                    self.driver.jobs[tag.0].attempt = None;
                    if let AttemptOutcome::Failed(AttemptFailure::Local(_)) = reply.outcome {
                        self.driver.pending_reports.remove(&attempt);
                    }
                    self.engine.handle_reply(&mut self.driver, now, slot, attempt, &reply);
                }
            }
            Message::Decided { attempt, decision } => self.driver.record_decision(now, attempt, decision),
            Message::Settled { attempt, usage } => self.driver.record_settlement(now, attempt, usage),
        }
    }
}

impl<F: Fold, P: LiveProviders> Driver for LiveDriver<'_, F, P> {
    fn log(&mut self, event: &Event) {
        self.fold.event(event);
    }

    fn send(&mut self, _: Instant, &Attempt { id: attempt, slot, tag, number, target, job }: &Attempt) {
        let (endpoint, live) = (&self.endpoints[target.index()], &mut self.jobs[tag.0]);
        debug_assert!(live.attempt.is_none(), "invariant: {} has one attempt in flight at most", job.id);
        let request = OutboundRequest {
            to: self.providers.address(self.scenario.targets[target.index()].provider),
            // The keys of an account share its quota, so they are used in turn.
            key: Arc::clone(&endpoint.keys[usize::try_from(attempt.0).unwrap_or(0) % endpoint.keys.len()]),
            path: Arc::clone(&endpoint.path),
            model: Arc::clone(&endpoint.model),
            job,
            stream: self.scenario.workloads[job.workload.index()].stream,
            dialect: endpoint.dialect,
            truth_header: TruthHeader {
                truth: attempt_truth(live.truth, number),
                tag: header_tag(self.providers.run_tag(), attempt),
            },
        };
        let (client, sender) = (self.client.clone(), self.sender.clone());
        let task = self.runtime.spawn(async move {
            let reply = client.send(&request).await;
            // Sending fails only if the run has ended and dropped the receiver.
            let _ = sender.send(Message::Replied { attempt, reply });
        });
        live.attempt = Some(attempt);
        self.flights.insert(attempt, Flight { slot, tag, task: task.abort_handle() });
        self.pending_reports.insert(attempt, (job.id, target));
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
        if let Some((owner, _)) = self.pending_reports.get_mut(&attempt) {
            *owner = job;
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

    /// Records the decision that a mock reports.
    fn record_decision(&mut self, now: Instant, attempt: AttemptId, decision: RecordedDecision) {
        let Some(&(job, target)) = self.pending_reports.get(&attempt) else { return };
        if !matches!(decision, RecordedDecision::Admitted { .. }) {
            self.pending_reports.remove(&attempt);
        }
        self.fold.event(&Event { at: now, job, kind: EventKind::Decided { attempt, target, decision } });
    }

    /// Records the settlement that a mock reports.
    fn record_settlement(&mut self, now: Instant, attempt: AttemptId, usage: Usage) {
        let Some((job, target)) = self.pending_reports.remove(&attempt) else { return };
        self.fold.event(&Event { at: now, job, kind: EventKind::Settled { attempt, target, usage } });
    }

    /// Takes every sample of the limits that is due at or before `now`.
    fn sample_until(&mut self, now: Instant) {
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

/// The longest wait for a message.
const MAX_WAIT: Nanos = Nanos::from_millis(100);
/// The longest wait for a report of a mock after the last job has ended.
const REPORT_GRACE: Nanos = Nanos::from_millis(200);
