//! A small model of client and provider that makes plausible events for the tests of reports.
//!
//! It draws arrivals whose rate rises and falls once over the run, keeps a token bucket per limit, retries with exponential
//! back-off, falls back, and has an incident. It shares no code with the engine, and with the crate of the provider model
//! only times, axes, usage and random streams.

use provider::{Axis, Instant, Nanos, RandomStream, Usage};
use quotalab::event::{
    AttemptFailure, AttemptOutcome, EndReason, Event, EventKind, JobEnd, JobOutcome, ProviderDecision,
    RefusalCause, WaitReason,
};
use quotalab::ids::{AttemptId, EngineId, JobId, TargetId, WorkloadId};
use quotalab::record::Fold;
use quotalab::scenario::Scenario;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// The longest prefill.
const MAX_PREFILL_S: f64 = 5.0;
/// No call is longer: [`MAX_PREFILL_S`] and 1,024 tokens at 300 per second. No retry begins so late that its call could end after the
/// deadline.
const MAX_CALL: Nanos = Nanos(9_000_000_000);

/// The load and the incident of a run.
pub(super) struct RunConditions {
    /// Mean jobs per minute.
    pub(super) per_min: f64,
    /// The amplitude of the rate around its mean over the run, in `0..1`.
    pub(super) swing: f64,
    /// When the first target answers 503, in seconds.
    pub(super) incident: std::ops::Range<f64>,
}

/// An event that is due, with the number of its attempt or job. Events at one instant happen in the order of the variants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pending {
    Replied(u64),
    Settled(u64),
    Retry(u64),
    Arrive(u64),
}

struct JobState {
    scheduled: Instant,
    attempts: u8,
    /// The step of the route.
    step: u8,
    /// When its last attempt was sent.
    sent: Instant,
    /// The sum of its waits.
    wait: Nanos,
    /// The time in attempts that failed.
    lost: Nanos,
    usage: Usage,
    first_token: Nanos,
}

struct ToyModel<'a, F> {
    scenario: &'a Scenario,
    fold: F,
    queue: BinaryHeap<Reverse<(u64, Pending)>>,
    jobs: BTreeMap<u64, JobState>,
    /// By attempt: its job, its target and its outcome.
    in_flight: BTreeMap<u64, (u64, TargetId, AttemptOutcome)>,
    /// By target and axis: the level and the instant of its last refill in nanoseconds.
    buckets: BTreeMap<(u16, Axis), (f64, u64)>,
    incident: std::ops::Range<f64>,
    random: RandomStream,
    attempts: u64,
    arrived: u64,
}

/// Feeds the events of a run of `scenario` to `fold` and returns the last instant.
pub(super) fn simulate(scenario: &Scenario, conditions: &RunConditions, fold: impl Fold) -> Instant {
    let mut toy_model = ToyModel {
        scenario,
        fold,
        queue: BinaryHeap::new(),
        jobs: BTreeMap::new(),
        in_flight: BTreeMap::new(),
        buckets: BTreeMap::new(),
        incident: conditions.incident.clone(),
        random: RandomStream::new(scenario.seed, "toy model", 0),
        attempts: 0,
        arrived: 0,
    };
    let mut arrivals = RandomStream::new(scenario.seed, "arrivals", 0);
    let mut at = 0.0;
    let end = scenario.duration.as_secs_f64();
    loop {
        at -= libm::log(arrivals.open_unit()) * 60.0 / (conditions.per_min * (1.0 + conditions.swing));
        if at >= end {
            break;
        }
        let shape = 1.0 - conditions.swing * libm::cos(at / end * std::f64::consts::TAU);
        if arrivals.unit() * (1.0 + conditions.swing) < shape {
            toy_model.queue.push(Reverse(((at * 1e9) as u64, Pending::Arrive(toy_model.arrived))));
            toy_model.arrived += 1;
        }
    }
    toy_model.run()
}

impl<F: Fold> ToyModel<'_, F> {
    fn run(mut self) -> Instant {
        let mut now = Instant::ZERO;
        while let Some(Reverse((at, next))) = self.queue.pop() {
            self.sample_until(Instant(at));
            now = Instant(at);
            match next {
                Pending::Arrive(job) => self.arrive(now, job),
                Pending::Retry(job) => self.send(now, job),
                Pending::Settled(attempt) => {
                    let (job, target, _) = self.in_flight[&attempt];
                    let usage = self.jobs[&job].usage;
                    self.settle(now, target, usage);
                    self.log(
                        now,
                        job,
                        EventKind::Settled {
                            attempt: AttemptId(attempt),
                            target,
                            workload: WorkloadId(0),
                            usage,
                        },
                    );
                }
                Pending::Replied(attempt) => self.reply(now, attempt),
            }
        }
        self.sample_until(now);
        now
    }

    fn log(&mut self, at: Instant, job: u64, kind: EventKind) {
        self.fold.event(&Event { at, job: JobId(job), kind });
    }

    fn sample_until(&mut self, until: Instant) {
        while self.fold.next_sample() <= until {
            let at = self.fold.next_sample();
            for id in 0..self.scenario.targets.len() {
                for limit in &self.scenario.providers[id].models[0].limits.clone() {
                    let level = self.level(at, id as u16, limit.axis, limit.amount);
                    let used = 1.0 - level / limit.amount as f64;
                    self.fold.sample(at, TargetId(id as u16), limit.axis, used, limit.amount);
                }
            }
            self.fold.sampled(at);
        }
    }

    /// Returns what a limit has left, refilled until `at`.
    fn level(&mut self, at: Instant, target: u16, axis: Axis, limit: u64) -> f64 {
        let bucket = self.buckets.entry((target, axis)).or_insert((limit as f64, 0));
        let window = axis.window_length().map_or(1.0, Nanos::as_secs_f64);
        let refill = (at.0 - bucket.1) as f64 / 1e9 / window * limit as f64;
        *bucket = ((bucket.0 + refill).min(limit as f64), at.0);
        bucket.0
    }

    fn arrive(&mut self, at: Instant, job: u64) {
        let prompt_tokens = (300.0 / self.random.open_unit().sqrt()).min(8_000.0) as u32;
        let completion_tokens = (120.0 / self.random.open_unit().sqrt()).min(1_024.0) as u32;
        let usage = Usage { prompt_tokens, completion_tokens, cached_tokens: 0 };
        let arrived = EventKind::Arrived {
            workload: WorkloadId(0),
            engine: EngineId::default(),
            scheduled: at,
            deadline: None,
            prompt_tokens,
            max_tokens: Some(1024),
        };
        self.log(at, job, arrived);
        let (zero, sent) = (Nanos::ZERO, at);
        let state = JobState {
            scheduled: at,
            attempts: 0,
            step: 0,
            sent,
            wait: zero,
            lost: zero,
            usage,
            first_token: zero,
        };
        self.jobs.insert(job, state);
        self.send(at, job);
    }

    fn send(&mut self, at: Instant, job: u64) {
        let attempt = self.attempts;
        self.attempts += 1;
        let state = self.jobs.get_mut(&job).expect("invariant: the job is in flight");
        state.attempts += 1;
        state.sent = at;
        let (step, number, usage) = (state.step, state.attempts, state.usage);
        let target = TargetId(u16::from(step));
        let id = AttemptId(attempt);
        self.log(at, job, EventKind::Sent { attempt: id, target, step, number });
        let (decision, outcome, after) = self.decide(at, target, usage);
        self.log(at, job, EventKind::Decided { attempt: id, target, decision });
        self.in_flight.insert(attempt, (job, target, outcome));
        let reply_at = at.0 + after.0;
        if matches!(decision, ProviderDecision::Admitted { .. }) {
            self.queue.push(Reverse((reply_at - 10_000_000, Pending::Settled(attempt))));
        }
        self.queue.push(Reverse((reply_at, Pending::Replied(attempt))));
    }

    fn decide(
        &mut self,
        at: Instant,
        target: TargetId,
        usage: Usage,
    ) -> (ProviderDecision, AttemptOutcome, Nanos) {
        let short = Nanos::from_millis(60);
        if target.0 == 0 && self.incident.contains(&at.as_secs_f64()) {
            return (ProviderDecision::Faulted, AttemptOutcome::Failed(AttemptFailure::Status(503)), short);
        }
        let reserved = u64::from(usage.prompt_tokens) + 1024;
        let limits = self.scenario.providers[target.index()].models[0].limits.clone();
        let requested = |axis: Axis| if axis.counts_tokens() { reserved } else { 1 };
        for limit in &limits {
            if self.level(at, target.0, limit.axis, limit.amount) < requested(limit.axis) as f64 {
                let (axis, requested) = (limit.axis, requested(limit.axis));
                let cause = if axis.is_daily() { RefusalCause::DayLimit } else { RefusalCause::ShortLimit };
                return (
                    ProviderDecision::Refused { axis, requested },
                    AttemptOutcome::Refused { axis: Some(axis), cause },
                    short,
                );
            }
        }
        for limit in &limits {
            self.buckets
                .get_mut(&(target.0, limit.axis))
                .expect("invariant: the bucket was read before")
                .0 -= requested(limit.axis) as f64;
        }
        let prefill = (0.15 / self.random.open_unit().sqrt()).min(MAX_PREFILL_S);
        let seconds = prefill + f64::from(usage.completion_tokens) / 300.0;
        (ProviderDecision::Admitted { reserved }, AttemptOutcome::Ok, Nanos::from_secs_f64(seconds))
    }

    fn settle(&mut self, at: Instant, target: TargetId, usage: Usage) {
        let refund = 1024.0 - f64::from(usage.completion_tokens);
        for limit in &self.scenario.providers[target.index()].models[0].limits.clone() {
            if limit.axis.counts_tokens() {
                self.level(at, target.0, limit.axis, limit.amount);
                self.buckets
                    .get_mut(&(target.0, limit.axis))
                    .expect("invariant: the bucket was read before")
                    .0 += refund;
            }
        }
    }

    fn reply(&mut self, at: Instant, attempt: u64) {
        let (job, target, outcome) =
            self.in_flight.remove(&attempt).expect("invariant: the attempt is in flight");
        let served = outcome == AttemptOutcome::Ok;
        let state = self.jobs.get_mut(&job).expect("invariant: the job is in flight");
        let took = at.since(state.sent);
        let usage = if served { state.usage } else { Usage::default() };
        self.log(at, job, EventKind::Replied { attempt: AttemptId(attempt), target, outcome, usage });
        let state = self.jobs.get_mut(&job).expect("invariant: the job is in flight");
        if served {
            // A quarter of the time of the call: any plausible value will do.
            state.first_token = state.sent.since(state.scheduled) + Nanos(took.0 / 4);
            return self.done(at, job, JobOutcome::Succeeded, took);
        }
        state.lost += took;
        if state.attempts >= self.scenario.default_client().retry.attempts {
            return self.done(at, job, JobOutcome::Failed(EndReason::Attempts), Nanos::ZERO);
        }
        let from = state.step;
        let wait = Nanos::from_secs_f64(self.random.unit() * f64::from(1u32 << state.attempts));
        let until = at + wait;
        if until.since(state.scheduled) + MAX_CALL >= self.scenario.default_client().deadline {
            return self.done(at, job, JobOutcome::Failed(EndReason::Deadline), Nanos::ZERO);
        }
        state.wait += wait;
        let last = self.scenario.routes[0].steps.len() as u8 - 1;
        if state.attempts >= 2 && from < last {
            state.step += 1;
            self.log(at, job, EventKind::FellBack { from, to: from + 1 });
        }
        self.log(
            at,
            job,
            EventKind::Waiting { until, obstacle: super::obstacle(WaitReason::BackOff), may_extend: false },
        );
        self.queue.push(Reverse((until.0, Pending::Retry(job))));
    }

    fn done(&mut self, at: Instant, job: u64, outcome: JobOutcome, service: Nanos) {
        let state = self.jobs.remove(&job).expect("invariant: the job is in flight");
        let served = outcome == JobOutcome::Succeeded;
        let ending = JobEnd {
            attempts: state.attempts,
            step: served.then_some(state.step),
            wait: state.wait,
            service,
            failed_attempts: state.lost,
            first_token: served.then_some(state.first_token),
            ..super::job_end(outcome, state.scheduled)
        };
        self.log(at, job, EventKind::Done(ending));
    }
}
