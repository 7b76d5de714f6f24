//! The simulated world: the load, the networks and the providers, as the engine's driver in virtual time.
//!
//! It keeps two records, each in a slab: one per job (what only the provider knows of it) and one per attempt in
//! flight. The index of the first is the job's tag.
//!
//! ```text
//!  send ─▶ RequestArrives ─▶ the provider decides ─▶ ReplySent ─▶ settled ─▶ ReplyArrives ─▶ Engine::handle_reply
//! ```
//!
//! `RequestArrives` is scheduled only if the uplink takes time, and `ReplySent` only for admitted calls whose downlink does.

use super::attempt_truth::{attempt_truth, recorded};
use super::event_queue::{EventQueue, NetworkEvent};
use super::flight::{Flight, FlightResult, next_event};
use super::via_wire;
use super::via_wire::goes_via_wire;
use crate::engine::{Answer, Attempt, Driver, Handover, Reply};
use crate::event::{Event, EventKind, JobEnd};
use crate::ids::{AttemptId, EngineId, Slot, Tag, WorkloadId};
use crate::job::{Arrival, Job, MAX_JOBS_IN_FLIGHT};
use crate::load::Load;
use crate::record::Fold;
use crate::scenario::Scenario;
use provider::Provider;
use provider::config::Dialect;
use provider::decision::{Decision, DecisionReport, HeaderRemaining, Service};
use provider::fault::ActiveFaults;
use provider::slots::StartedCall;
use provider::wire::LimitsSnapshot;
use provider::{Call, Instant, Nanos, Truth};
use rustc_hash::FxHashMap;
use slab::Slab;

/// The state of everything except the engine.
pub(super) struct World<'a, F> {
    scenario: &'a Scenario,
    load: Load,
    providers: Vec<Provider>,
    events: EventQueue,
    /// By tag.
    jobs: Slab<JobRecord>,
    flights: Slab<Flight>,
    /// The flights that wait for a server slot, by provider and ticket.
    waiting: FxHashMap<(u16, u64), usize>,
    /// The flights of attempts that are not in the record of their job: it has another one.
    beside: FxHashMap<AttemptId, usize>,
    /// The run ends when this number of jobs is in flight.
    pub(super) max_jobs: usize,
    /// `true` if the engine reads what replies state about limits, so that replies must state it.
    uses_limit_headers: bool,
    /// `true` if a client hedges, and is to know when the first token of a streamed answer arrives.
    announces_first_tokens: bool,
    fold: &'a mut F,
}

/// What reaches a client, with the index of its flight.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arrived {
    /// The first token of an answer.
    FirstToken(usize),
    /// The last byte of a reply.
    Reply(usize),
}

/// A job in flight.
#[derive(Clone, Copy, Debug)]
struct JobRecord {
    truth: Truth,
    /// See [`Arrival::origin`].
    origin: u32,
    /// Its attempt in flight; if there are two, the other one is in [`World::beside`].
    flight: Option<usize>,
}

impl<'a, F: Fold> World<'a, F> {
    pub(super) fn new(scenario: &'a Scenario, load: Load, uses_limit_headers: bool, fold: &'a mut F) -> Self {
        Self {
            scenario,
            load,
            providers: scenario.providers.iter().map(Provider::new).collect(),
            events: EventQueue::new(),
            jobs: Slab::new(),
            flights: Slab::new(),
            waiting: FxHashMap::default(),
            beside: FxHashMap::default(),
            announces_first_tokens: scenario.clients_in_use().any(|(_, client)| client.hedge.is_some()),
            max_jobs: MAX_JOBS_IN_FLIGHT,
            uses_limit_headers,
            fold,
        }
    }

    /// Returns `true` if the fold ends the run, or too many jobs are in flight.
    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.jobs.len() >= self.max_jobs || self.fold.is_done()
    }

    /// Returns the number of jobs that have arrived and not ended.
    #[inline]
    pub(super) fn jobs_in_flight(&self) -> usize {
        self.jobs.len()
    }

    /// Returns the instant of the next event; [`Instant::MAX`] if none is scheduled.
    #[inline]
    pub(super) fn next_event_at(&self) -> Instant {
        self.events.next_at()
    }

    /// Returns the instant of the next arrival; [`Instant::MAX`] if none is due before some job ends.
    #[inline]
    pub(super) fn next_arrival_at(&self) -> Instant {
        self.load.peek().unwrap_or(Instant::MAX)
    }

    /// Takes the next arrival, keeps its ground truth for the provider, and returns the job; `None` if none is
    /// scheduled, or if a task ended at `now` instead.
    #[inline]
    pub(super) fn next_arrival(&mut self, now: Instant) -> Option<(Job, Tag)> {
        let workload = self.load.next_workload()?;
        let arrival = self.load.next();
        self.log_tasks(now, workload);
        let Arrival { job, truth, origin } = arrival?;
        Some((job, Tag(self.jobs.insert(JobRecord { truth, origin, flight: None }))))
    }

    /// Logs the beginnings and ends of tasks of `workload`.
    #[inline]
    fn log_tasks(&mut self, now: Instant, workload: WorkloadId) {
        while let Some((job, task)) = self.load.pop_task_event(workload) {
            self.log(&Event { at: now, job, kind: EventKind::Task(task) });
        }
    }

    /// Processes the next event. Returns what has reached a client by it, if anything has.
    #[inline]
    pub(super) fn process_next(&mut self, now: Instant) -> Option<Arrived> {
        let entry = self.events.pop()?;
        let flight_index = entry.flight();
        let flight = self.flights.get_mut(flight_index).filter(|flight| flight.entry == entry.number())?; // None: it was cancelled.
        match entry.event() {
            NetworkEvent::RequestArrives => self.request_arrives(now, flight_index),
            NetworkEvent::FirstToken => {
                let next = flight.after_first_token();
                flight.entry = next.map_or(0, |(at, event)| self.events.schedule(at, flight_index, event));
                return Some(Arrived::FirstToken(flight_index));
            }
            NetworkEvent::ReplySent => {
                let (at, event) = flight.after_sent(now);
                flight.entry = self.events.schedule(at, flight_index, event);
                self.settle(now, flight_index);
            }
            NetworkEvent::ReplyArrives => {
                let (tag, attempt) = (flight.tag, flight.attempt);
                self.take_flight(tag, attempt);
                self.settle(now, flight_index);
                return Some(Arrived::Reply(flight_index));
            }
        }
        None
    }

    /// Removes an attempt in flight from the records of its job, and returns the index of its flight.
    #[inline]
    fn take_flight(&mut self, tag: Tag, attempt: AttemptId) -> usize {
        let flights = &self.flights;
        let first = self.jobs[tag.0].flight.take_if(|flight| flights[*flight].attempt == attempt);
        let flight = first.or_else(|| self.beside.remove(&attempt));
        flight.expect("invariant: an attempt that ends is in flight for its job")
    }

    /// Returns the engine of an attempt, and that engine's names for its job and for the attempt.
    #[inline]
    pub(super) fn sent_as(&self, flight_index: usize) -> (EngineId, Slot, AttemptId) {
        let flight = &self.flights[flight_index];
        (flight.engine, flight.slot, flight.attempt)
    }

    /// Removes an attempt whose reply arrives now, and returns the reply.
    #[inline(always)] // So that the reply is written once, where the engine reads it.
    pub(super) fn take_reply(&mut self, now: Instant, flight_index: usize) -> Reply {
        let reply = self.flights[flight_index].reply(now);
        self.flights.remove(flight_index);
        reply
    }

    /// Lets the provider decide on an attempt that reaches it, and schedules the next event of the attempt.
    fn request_arrives(&mut self, now: Instant, flight_index: usize) {
        let flight = &mut self.flights[flight_index];
        let Flight { attempt, job, target, downlink, announces, call, truth, .. } = *flight;
        let index = usize::from(flight.provider);
        let (config, provider) = (&self.scenario.providers[index], &mut self.providers[index]);
        let faults = provider.faults_at(now, truth);
        let faults = faults.as_ref().unwrap_or(&ActiveFaults::NONE);
        let decision = provider.decide_without_header_limits(now, call, 0, truth, faults);
        flight.unsettled = matches!(decision, Decision::Admitted(_));
        let (record, next) = (recorded(&decision), next_event(now, &decision, (downlink, announces)));
        flight.result = if goes_via_wire(config, &decision, &faults.response) {
            let limits = provider.header_limits(now, call.account, call.model);
            let report = DecisionReport { decision, limits };
            let snapshot = LimitsSnapshot::new(now, report.limits).with_levels(provider.levels(
                now,
                call.account,
                call.model,
            ));
            let reply = via_wire::reply(config, call, &report, &snapshot, &faults.response, now + downlink);
            reply.map_or(FlightResult::Direct(decision, HeaderRemaining::default()), FlightResult::Parsed)
        } else if self.uses_limit_headers
            && config.dialect == Dialect::Groq
            && !faults.response.no_limit_headers
        {
            FlightResult::Direct(decision, provider.header_remaining(call.account, call.model))
        } else {
            FlightResult::Direct(decision, HeaderRemaining::default())
        };
        if let Decision::Admitted(Service { started_at: None, ticket, .. }) = decision {
            self.waiting.insert((flight.provider, ticket.number), flight_index);
        }
        flight.entry = next.map_or(0, |(at, event)| self.events.schedule(at, flight_index, event));
        let kind = EventKind::Decided { attempt, target, decision: record };
        self.log(&Event { at: now, job, kind });
    }

    /// Settles an admitted attempt that has ended at the provider, unless that has been done (law 9). The call that
    /// waits for its server slot starts.
    #[inline]
    fn settle(&mut self, now: Instant, flight_index: usize) {
        let flight = &mut self.flights[flight_index];
        let (provider, Some(&service)) = (flight.provider, flight.take_unsettled()) else { return };
        let settled = flight.settled_event(now, service.usage);
        let started = self.providers[usize::from(provider)].complete(now, &service);
        self.log(&settled);
        self.start_queued(provider, started);
    }

    /// Schedules the end of the call that a free server slot has started.
    #[inline]
    fn start_queued(&mut self, provider: u16, started: Option<StartedCall>) {
        let Some(StartedCall { ticket_number: ticket, at }) = started else { return };
        let flight_index = self.waiting.remove(&(provider, ticket));
        let flight_index = flight_index.expect("invariant: a call that starts from the queue waits");
        let flight = &mut self.flights[flight_index];
        let (entry, FlightResult::Direct(decision, _)) = (flight.entry, &mut flight.result) else {
            unreachable!("invariant: an admitted call is not rendered, found {flight:?}")
        };
        let Decision::Admitted(service) = decision else {
            unreachable!("invariant: only an admitted call waits, found {decision:?}")
        };
        debug_assert!(
            entry == 0 && service.started_at.is_none(),
            "invariant: it has not started: {service:?}"
        );
        service.started_at = Some(at);
        let next = next_event(at, decision, (flight.downlink, flight.announces));
        let (ends_at, event) = next.expect("invariant: a call that has started ends");
        flight.entry = self.events.schedule(ends_at, flight_index, event);
    }

    /// Takes every sample of the limits that is due at or before `now`.
    #[inline]
    pub(super) fn sample_until(&mut self, now: Instant) {
        while self.fold.next_sample() <= now {
            self.sample();
        }
    }

    #[cold]
    fn sample(&mut self) {
        let at = self.fold.next_sample();
        for id in self.scenario.target_ids() {
            let target = &self.scenario.targets[id.index()];
            let provider = &mut self.providers[usize::from(target.provider)];
            for level in provider.levels(at, target.account, target.model) {
                self.fold.sample(at, id, level.axis, level.used_fraction(), level.limit);
            }
        }
        self.fold.sampled(at);
    }

    /// Passes on how much of each limit was used at most, at the end of the run.
    pub(super) fn report_most_used(&mut self, at: Instant) {
        for id in self.scenario.target_ids() {
            let target = &self.scenario.targets[id.index()];
            let provider = &mut self.providers[usize::from(target.provider)];
            for level in provider.levels(at, target.account, target.model) {
                if let Some(share) = level.most_used_fraction() {
                    self.fold.most_used(id, level.axis, share);
                }
            }
        }
    }
}

impl<F: Fold> Driver for World<'_, F> {
    #[inline(always)]
    fn log(&mut self, event: &Event) {
        self.fold.event(event);
    }

    fn send(&mut self, now: Instant, &Attempt { id, slot, tag, number, target, job }: &Attempt) {
        let resolved = &self.scenario.targets[target.index()];
        let record = &mut self.jobs[tag.0];
        let stream = self.scenario.workloads[job.workload.index()].stream;
        let truth = attempt_truth(record.truth, number);
        let (uplink, downlink) =
            self.providers[usize::from(resolved.provider)].network_delays(resolved.model, truth);
        let flight_index = self.flights.insert(Flight {
            attempt: id,
            engine: job.engine,
            slot,
            tag,
            job: job.id,
            workload: job.workload,
            target,
            entry: 0,
            provider: resolved.provider,
            call: Call { account: resolved.account, model: resolved.model, max_tokens: job.max_tokens },
            truth,
            stream,
            announces: stream && self.announces_first_tokens,
            downlink,
            unsettled: false,
            result: FlightResult::Undecided,
        });
        if record.flight.is_none() {
            record.flight = Some(flight_index);
        } else {
            let was_sent = self.beside.insert(id, flight_index).is_some();
            debug_assert!(!was_sent, "invariant: an attempt is sent once");
        }
        if uplink == Nanos::ZERO {
            self.request_arrives(now, flight_index);
        } else {
            self.flights[flight_index].entry =
                self.events.schedule(now + uplink, flight_index, NetworkEvent::RequestArrives);
        }
    }

    fn cancel(&mut self, now: Instant, tag: Tag, attempt: AttemptId) {
        let flight_index = self.take_flight(tag, attempt);
        let flight = &mut self.flights[flight_index];
        // The provider charges what it has done so far, and its server slot is free at once.
        let provider = flight.provider;
        if let Some(&service) = flight.take_unsettled() {
            self.waiting.remove(&(provider, service.ticket.number));
            let (usage, started) = self.providers[usize::from(provider)].cancel(now, &service);
            let settled = flight.settled_event(now, usage);
            self.log(&settled);
            self.start_queued(provider, started);
        }
        self.flights.remove(flight_index);
    }

    fn reassign(&mut self, _: Instant, &Handover { attempt, from, to, slot, job }: &Handover) {
        let flight_index = self.take_flight(from, attempt);
        let flight = &mut self.flights[flight_index];
        (flight.tag, flight.slot, flight.job) = (to, slot, job);
        self.jobs[to.0].flight = Some(flight_index);
    }

    fn done(&mut self, now: Instant, tag: Tag, end: &JobEnd, _: Option<Answer>) {
        let JobRecord { origin, .. } = self.jobs.remove(tag.0);
        self.load.finished(now, end.workload, origin, end.outcome);
        self.log_tasks(now, end.workload);
    }
}
