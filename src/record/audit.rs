//! The laws, checked from the events alone, independently of the engine.
//!
//! The fold checks laws 1 (jobs end once), 2 (attempts end once), 3 (causes before effects), 4 (time never goes
//! back), 8 (no attempt before a cool-down ends), 9 (reservations are settled once), 14 (attempts, queue and waiting
//! stay within their bounds), 15 (a follower ends with its leader or is promoted), 16 (no attempt after the first
//! byte of an answer), 21 (tasks end once, after their calls) and 23 (one attempt in flight, or two with a hedge). It keeps
//! jobs and attempts only while they are in flight. Ids only rise, so an id that is not kept is
//! either new or that of a job or an attempt that has ended.

use super::Fold;
use super::coalescing::CoalescingAudit;
use super::engine_audit::EngineAudit;
use super::hedge_audit::HedgeAudit;
use super::law_violation::Violation;
use super::task_audit::TaskAudit;
use crate::event::{AttemptFailure, AttemptOutcome, Event, EventKind, JobEnd, JobOutcome, ProviderDecision};
use crate::ids::{AttemptId, EngineId, JobId, TargetId};
use crate::scenario::Scenario;
use provider::{Instant, Nanos};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// The largest number of violations kept; further ones are only counted.
const MAX_KEPT: usize = 100;

/// Checks the laws on the events of a run.
#[derive(Clone, Debug)]
pub struct Audit {
    /// By engine.
    engines: Vec<EngineAudit>,
    /// How much later than its deadline a job may end.
    slack: Nanos,
    now: Instant,
    /// `true` once the stream has had a decision of the provider.
    has_decisions: bool,
    next_job: u64,
    jobs: FxHashMap<JobId, TrackedJob>,
    coalescing: CoalescingAudit,
    hedging: HedgeAudit,
    tasks: TaskAudit,
    attempts: FxHashMap<AttemptId, TrackedAttempt>,
    violations: Vec<Violation>,
    /// The number of all violations, those that are not kept included.
    violation_count: u64,
}

#[derive(Clone, Copy, Debug)]
struct TrackedJob {
    engine: EngineId,
    scheduled: Instant,
    /// The latest instant at which it may end.
    ends_by: Instant,
    sent: u8,
    /// Attempts neither replied to nor cancelled.
    in_flight: u8,
    served: bool,
    /// `true` if it needs no attempt of its own: it is a cache hit or a follower.
    needs_no_attempt: bool,
    /// `true` if the first byte of an answer has reached its caller.
    first_byte: bool,
}

#[derive(Clone, Copy, Debug)]
struct TrackedAttempt {
    job: JobId,
    target: TargetId,
    client: ClientState,
    provider: ProviderState,
}

/// The client's state of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientState {
    Waiting,
    Replied,
    Abandoned,
}

/// The provider's state of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProviderState {
    Undecided,
    Admitted,
    Over,
}

impl Audit {
    /// Creates an audit of a run of `scenario`. `slack` is how much later than its deadline a job may end: zero in
    /// virtual time, the lateness of timers in real time.
    #[must_use]
    pub fn new(scenario: &Scenario, slack: Nanos) -> Self {
        Self {
            engines: EngineAudit::all(scenario),
            slack,
            now: Instant::ZERO,
            has_decisions: false,
            next_job: 0,
            jobs: FxHashMap::default(),
            coalescing: CoalescingAudit::default(),
            hedging: HedgeAudit::default(),
            tasks: TaskAudit::new(scenario, slack),
            attempts: FxHashMap::default(),
            violations: Vec::new(),
            violation_count: 0,
        }
    }

    /// Returns the first hundred violations in order, and the number of all. To be called when the run is over.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Violation>, u64) {
        let jobs: BTreeMap<_, _> = std::mem::take(&mut self.jobs).into_iter().collect();
        for job in jobs.keys() {
            self.violation(1, None, format!("{job} never ends"));
        }
        let attempts: BTreeMap<_, _> = std::mem::take(&mut self.attempts).into_iter().collect();
        for (attempt, tracked) in attempts {
            // An attempt in flight when the run was cut off may stay open, and so may its reservation.
            if tracked.provider == ProviderState::Admitted && tracked.client != ClientState::Waiting {
                self.violation(9, None, format!("the reservation of attempt {} is never settled", attempt.0));
            }
        }
        if let Some(what) = self.tasks.finish() {
            self.violation(21, None, what);
        }
        (self.violations, self.violation_count)
    }

    fn violation(&mut self, law: u8, event: Option<&Event>, what: impl Into<String>) {
        self.violation_count += 1;
        if self.violations.len() < MAX_KEPT {
            self.violations.push(Violation { law, event: event.copied(), what: what.into() });
        }
    }

    /// Records a violation unless `holds`.
    fn check(&mut self, holds: bool, law: u8, event: &Event, what: &str) {
        if !holds {
            self.violation(law, Some(event), what);
        }
    }

    /// Returns the engine of a job in flight; of any other job the only engine, or `None` if there are several.
    fn engine_of(&mut self, job: JobId) -> Option<&mut EngineAudit> {
        let engine = self.jobs.get(&job).map(|job| job.engine.index());
        let index = engine.or_else(|| (self.engines.len() == 1).then_some(0))?;
        self.engines.get_mut(index)
    }

    fn arrived(
        &mut self,
        event: &Event,
        engine: EngineId,
        (scheduled, deadline): (Instant, Option<Instant>),
    ) {
        let Some(default_deadline) = self.engines.get(engine.index()).map(|engine| engine.deadline) else {
            return self.violation(1, Some(event), "the job goes to an engine that does not exist");
        };
        self.check(event.job.0 >= self.next_job, 1, event, "the job has arrived before");
        self.next_job = self.next_job.max(event.job.0 + 1);
        self.check(scheduled <= event.at, 3, event, "the job arrives before its schedule");
        // A job that arrives after its deadline ends at once.
        let ends_by = deadline.unwrap_or(scheduled + default_deadline).max(event.at) + self.slack;
        let tracked = TrackedJob {
            engine,
            scheduled,
            ends_by,
            sent: 0,
            in_flight: 0,
            served: false,
            needs_no_attempt: false,
            first_byte: false,
        };
        self.jobs.insert(event.job, tracked);
    }

    fn sent(&mut self, event: &Event, attempt: AttemptId, target: TargetId, number: u8) {
        if let Some(engine) = self.engine_of(event.job) {
            engine.sent(event.at, attempt, (target, number)).into_iter().for_each(|(law, what)| {
                self.violation(law, Some(event), what);
            });
        }
        if let Some(job) = self.jobs.get_mut(&event.job) {
            job.sent = job.sent.saturating_add(1);
            job.in_flight = job.in_flight.saturating_add(1);
            let (counted, first_byte) = (job.sent == number, job.first_byte);
            self.check(counted, 2, event, "the attempt's number is not the count of the job's attempts");
            self.check(!first_byte, 16, event, "an attempt is sent after the first byte of an answer");
        }
        let (client, provider) = (ClientState::Waiting, ProviderState::Undecided);
        self.attempts.insert(attempt, TrackedAttempt { job: event.job, target, client, provider });
    }

    fn first_byte(&mut self, event: &Event, attempt: AttemptId, target: TargetId) {
        let Some(tracked) = self.tracked_attempt(event, attempt, target) else { return };
        let waiting = tracked.client == ClientState::Waiting;
        self.check(waiting, 16, event, "the attempt that answers has ended");
        if let Some(job) = self.jobs.get_mut(&event.job) {
            let again = std::mem::replace(&mut job.first_byte, true);
            self.check(!again, 16, event, "the job has two first bytes");
        }
    }

    /// Makes a follower the leader. It takes over the attempt in flight of a leader that was cancelled.
    fn promoted(&mut self, event: &Event, leader: JobId, attempt: Option<AttemptId>) {
        self.set_needs_no_attempt(event.job, false);
        let Some(attempt) = attempt else { return };
        let Some(tracked) = self.attempts.get_mut(&attempt).filter(|tracked| tracked.job == leader) else {
            return self.violation(15, Some(event), "the attempt is not the leader's");
        };
        tracked.job = event.job;
        let waiting = tracked.client == ClientState::Waiting;
        self.check(waiting, 15, event, "the attempt that is taken over has ended");
        if let Some(job) = self.jobs.get_mut(&leader) {
            job.in_flight = job.in_flight.saturating_sub(1);
        }
        if let Some(job) = self.jobs.get_mut(&event.job) {
            (job.sent, job.in_flight) = (1, 1);
        }
    }

    fn decided(&mut self, event: &Event, attempt: AttemptId, target: TargetId, decision: ProviderDecision) {
        self.has_decisions = true;
        let Some(mut tracked) = self.tracked_attempt(event, attempt, target) else { return };
        let undecided = tracked.provider == ProviderState::Undecided;
        self.check(undecided, 2, event, "the attempt was decided on before");
        tracked.provider = match decision {
            ProviderDecision::Admitted { .. } => ProviderState::Admitted,
            _ => ProviderState::Over,
        };
        self.keep(attempt, tracked);
    }

    fn settled(&mut self, event: &Event, attempt: AttemptId, target: TargetId) {
        let Some(mut tracked) = self.attempts.get(&attempt).copied() else {
            return self.violation(9, Some(event), "nothing is reserved for the attempt");
        };
        self.check_owner(event, tracked, target);
        let admitted = tracked.provider == ProviderState::Admitted;
        self.check(admitted, 9, event, "nothing is reserved for the attempt");
        tracked.provider = ProviderState::Over;
        self.keep(attempt, tracked);
    }

    /// Ends an attempt for the client. `outcome` is `None` if the client cancelled it.
    fn ended(
        &mut self,
        event: &Event,
        attempt: AttemptId,
        target: TargetId,
        outcome: Option<AttemptOutcome>,
    ) {
        let Some(mut tracked) = self.tracked_attempt(event, attempt, target) else { return };
        self.check(tracked.client == ClientState::Waiting, 2, event, "the attempt has ended before");
        let from_provider = matches!(outcome, Some(AttemptOutcome::Ok | AttemptOutcome::Refused { .. }));
        let undecided = self.has_decisions && tracked.provider == ProviderState::Undecided;
        self.check(!(from_provider && undecided), 3, event, "the reply comes before the decision");
        // The client cancels an attempt that times out; the provider may decide on it later.
        let cancelled = matches!(outcome, None | Some(AttemptOutcome::Failed(AttemptFailure::Timeout)));
        tracked.client = if cancelled { ClientState::Abandoned } else { ClientState::Replied };
        self.keep(attempt, tracked);
        if let Some(job) = self.jobs.get_mut(&event.job) {
            job.in_flight = job.in_flight.saturating_sub(1);
            job.served |= outcome == Some(AttemptOutcome::Ok);
        }
    }

    /// Returns the state of an attempt that has not ended on both sides. If there is none, records a violation and returns `None`.
    fn tracked_attempt(
        &mut self,
        event: &Event,
        attempt: AttemptId,
        target: TargetId,
    ) -> Option<TrackedAttempt> {
        let Some(tracked) = self.attempts.get(&attempt).copied() else {
            let known = self.engines.iter().any(|engine| attempt.0 < engine.next_attempt);
            let (law, what) =
                if known { (2, "the attempt is over") } else { (3, "the attempt was never sent") };
            self.violation(law, Some(event), what);
            return None;
        };
        self.check_owner(event, tracked, target);
        Some(tracked)
    }

    fn check_owner(&mut self, event: &Event, tracked: TrackedAttempt, target: TargetId) {
        let same = tracked.target == target && tracked.job == event.job;
        self.check(same, 2, event, "the attempt belongs to another job or target");
    }

    /// Keeps an attempt until client and provider are done with it. If the stream has no decisions (a real provider),
    /// the client's end is enough.
    fn keep(&mut self, attempt: AttemptId, tracked: TrackedAttempt) {
        let over = match (tracked.client, tracked.provider) {
            (ClientState::Waiting, _) | (_, ProviderState::Admitted) => false,
            (_, ProviderState::Over) | (ClientState::Replied, ProviderState::Undecided) => true,
            (ClientState::Abandoned, ProviderState::Undecided) => !self.has_decisions,
        };
        if over {
            self.attempts.remove(&attempt);
        } else {
            self.attempts.insert(attempt, tracked);
        }
    }

    fn done(&mut self, event: &Event, end: &JobEnd) {
        let Some(job) = self.jobs.remove(&event.job) else { return };
        self.check(end.scheduled == job.scheduled, 3, event, "the schedule differs from the arrival's");
        self.check(end.attempts == job.sent, 2, event, "the number of attempts differs from those sent");
        let fits = match end.outcome {
            JobOutcome::InFlight => return,
            JobOutcome::Succeeded => job.served || job.needs_no_attempt,
            JobOutcome::Failed(_) => job.sent > 0 && !job.served,
            JobOutcome::Shed(_) => job.sent == 0 && !job.needs_no_attempt,
        };
        self.check(fits, 1, event, "the outcome does not follow from the job's attempts");
        self.check(job.in_flight == 0, 2, event, "an attempt of the job has not ended");
        let latency = event.at.since(job.scheduled);
        let parts = end.queue + end.wait + end.service + end.failed_attempts;
        self.check(parts == latency, 3, event, "the parts do not add up to the latency");
        let in_order = end.first_token.is_none_or(|first| first <= latency);
        self.check(in_order, 3, event, "the first token comes after the last");
        self.check(event.at <= job.ends_by, 14, event, "the job ends after its deadline");
    }

    /// Sets whether the job needs no attempt of its own.
    fn set_needs_no_attempt(&mut self, job: JobId, needs_no_attempt: bool) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.needs_no_attempt = needs_no_attempt;
        }
    }

    fn waiting(&mut self, event: &Event, until: Instant) {
        let ends_by = self.jobs.get(&event.job).map_or(Instant::MAX, |job| job.ends_by);
        self.check(until <= ends_by, 14, event, "the job waits beyond its deadline");
    }
}

impl Fold for Audit {
    fn event(&mut self, event: &Event) {
        self.check(event.at >= self.now, 4, event, "time runs back");
        self.now = self.now.max(event.at);
        let in_flight = self.jobs.contains_key(&event.job);
        match event.kind {
            EventKind::Arrived { .. }
            | EventKind::Decided { .. }
            | EventKind::Settled { .. }
            | EventKind::CoolDownBegan { .. }
            | EventKind::Task(_) => {}
            _ => self.check(in_flight, 1, event, "the job is not in flight"),
        }
        // A follower that is shed before its leader ends gets no answer.
        let shed = matches!(event.kind, EventKind::Done(JobEnd { outcome: JobOutcome::Shed(_), .. }));
        if shed && self.coalescing.follows(event.job) {
            self.set_needs_no_attempt(event.job, false);
        }
        if let Some(what) = self.coalescing.event(event) {
            self.violation(15, Some(event), what);
        }
        if let Some(what) = self.hedging.event(event) {
            self.violation(23, Some(event), what);
        }
        if let Some(what) = self.tasks.event(event) {
            self.violation(21, Some(event), what);
        }
        match event.kind {
            EventKind::Arrived { engine, scheduled, deadline, .. } => {
                self.arrived(event, engine, (scheduled, deadline));
            }
            EventKind::Queued { waiting } => {
                let fits = self.engine_of(event.job).is_none_or(|engine| waiting <= engine.max_queue);
                self.check(fits, 14, event, "the queue is longer than the scenario allows");
            }
            EventKind::Waiting { until, .. } => self.waiting(event, until),
            EventKind::Sent { attempt, target, number, .. } => self.sent(event, attempt, target, number),
            EventKind::Decided { attempt, target, decision } => {
                self.decided(event, attempt, target, decision);
            }
            EventKind::FirstByte { attempt, target } => self.first_byte(event, attempt, target),
            EventKind::Settled { attempt, target, .. } => self.settled(event, attempt, target),
            EventKind::Replied { attempt, target, outcome, .. } => {
                self.ended(event, attempt, target, Some(outcome));
            }
            EventKind::AttemptCancelled { attempt, target } => self.ended(event, attempt, target, None),
            EventKind::CoolDownBegan { target, until, .. } => {
                if let Some(engine) = self.engine_of(event.job) {
                    engine.cool_down(target, until);
                }
            }
            EventKind::CacheHit => self.set_needs_no_attempt(event.job, true),
            EventKind::Coalesced { leader } => {
                let known = self.jobs.contains_key(&leader);
                self.check(known, 15, event, "the job follows a job that is not in flight");
                self.set_needs_no_attempt(event.job, true);
            }
            EventKind::Promoted { leader, attempt } => self.promoted(event, leader, attempt),
            EventKind::Done(ref end) => self.done(event, end),
            EventKind::Hedged { .. } | EventKind::FellBack { .. } | EventKind::Task(_) => {}
        }
    }
}
