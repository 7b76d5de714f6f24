//! The fold that becomes the summary: counters in arrays, a few histograms and the time buckets.
//!
//! It is on the hot path of virtual time, where every job has half a dozen events, so it looks nothing up by name and keeps
//! nothing per job: the event that ends a job carries all that is needed of it. It allocates nothing per event, except to keep
//! the decisions that refused attempts in flight.
//! Sums that need both ends of an attempt (how long it was in flight) are differences of two sums.

use super::Fold;
use super::buckets::TimeBuckets;
use super::counts::{FailureCounts, LatencySums, Refusal, TargetCounts, WorkloadCounts};
use super::histogram::Histogram;
use super::names::refusal_index;
use super::rule_windows::RuleWindows;
use super::worst_window::Windows;
use crate::event::{
    AttemptOutcome, EndReason, Event, EventKind, JobEnd, JobOutcome, Obstacle, ProviderDecision, RefusalCause,
};
use crate::ids::{AttemptId, TargetId, WorkloadId};
use crate::scenario::Scenario;
use provider::{Axis, Instant, Nanos, Usage};
use rustc_hash::FxHashMap;

/// Folds a run into a [`super::Summary`], in memory that does not grow with the length of the run.
#[derive(Clone, Debug)]
pub struct Recorder {
    pub(super) scenario: Scenario,
    /// `true` if the summary carries distributions.
    pub(super) distributions: bool,
    pub(super) buckets: TimeBuckets,
    pub(super) workloads: Vec<WorkloadCounts>,
    pub(super) targets: Vec<TargetCounts>,
    /// Times to the first token, of jobs that succeeded, without those in [`WorkloadCounts::unqueued_whole`] until
    /// [`Self::merge_parts`] adds them.
    pub(super) first_token: Histogram,
    /// Times in the queue, of jobs that succeeded and were queued at all.
    pub(super) queue: Histogram,
    /// Service times of jobs that succeeded, without those in the two histograms of [`WorkloadCounts`] for jobs that did not wait
    /// until [`Self::merge_parts`] adds them. Zero for coalesced jobs.
    pub(super) service: Histogram,
    /// Lags of the jobs that the load generator delivered late.
    pub(super) lag: Histogram,
    /// Lags of the attempts of a live run, from the send to the beginning of the request.
    pub(super) send_lag: Histogram,
    /// When the load generator first shed a job.
    pub(super) first_generator_shed: Option<Instant>,
    pub(super) latency_sums: LatencySums,
    pub(super) failures: FailureCounts,
    /// Jobs answered from the client's cache.
    pub(super) cached: u64,
    /// Of the succeeded, those that no attempt of their own served: answered from the cache, or coalesced.
    pub(super) without_own_attempt: u64,
    /// Of the succeeded, those that a later step than the first of their route served.
    pub(super) fell_back: u64,
    pub(super) first_refusal: Option<Refusal>,
    /// Attempts that a limit refused and could never admit: they are larger than it ever holds.
    pub(super) too_large: u64,
    /// The decisions that refused attempts in flight, by a limit or for their length.
    refusing_decisions: FxHashMap<AttemptId, ProviderDecision>,
    /// By rule of the scenario; `None` for a rule that is about the run as a whole.
    pub(super) rule_windows: Vec<Option<RuleWindows>>,
    /// `true` if any of `rule_windows` is not `None`.
    pub(super) has_rule_windows: bool,
    pub(super) last_decision: Instant,
    /// `None` if the run has no windows (see [`Windows::of`]), or its summary has no distributions.
    pub(super) worst_windows: Option<Windows>,
    pub(super) last_event: Instant,
}

/// An attempt and its target.
type Attempt = (AttemptId, TargetId);

impl Recorder {
    /// Creates a recorder for a run of `scenario` and allocates all its counters. The summary carries every distribution.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self::with(scenario, true)
    }

    /// Creates a recorder whose summary has quantiles but neither distributions nor worst windows, for callers that make
    /// thousands of runs.
    #[must_use]
    pub fn without_distributions(scenario: &Scenario) -> Self {
        Self::with(scenario, false)
    }

    fn with(scenario: &Scenario, distributions: bool) -> Self {
        let windows = |rule| RuleWindows::of(rule, scenario);
        let workload = |workload| WorkloadCounts::new(workload, scenario.targets.len(), scenario.duration);
        let rule_windows: Vec<_> = scenario.expect.iter().map(windows).collect();
        Self {
            distributions,
            buckets: TimeBuckets::new(scenario, distributions),
            workloads: scenario.workloads.iter().map(workload).collect(),
            targets: scenario.targets.iter().map(TargetCounts::new).collect(),
            first_token: Histogram::of_run(),
            queue: Histogram::of_run(),
            service: Histogram::of_run(),
            lag: Histogram::of_run(),
            send_lag: Histogram::of_run(),
            first_generator_shed: None,
            latency_sums: LatencySums::default(),
            failures: FailureCounts::new(),
            cached: 0,
            without_own_attempt: 0,
            fell_back: 0,
            first_refusal: None,
            too_large: 0,
            refusing_decisions: FxHashMap::default(),
            has_rule_windows: rule_windows.iter().any(Option::is_some),
            rule_windows,
            worst_windows: if distributions { Windows::of(scenario) } else { None },
            last_decision: Instant::ZERO,
            last_event: Instant::ZERO,
            scenario: scenario.clone(),
        }
    }

    /// Returns the number of jobs that were in flight when the run ended.
    pub(crate) fn jobs_in_flight(&self) -> u64 {
        self.workloads.iter().map(|workload| workload.in_flight).sum()
    }

    fn arrived(&mut self, at: Instant, workload: WorkloadId, scheduled: Instant) {
        self.workloads[workload.index()].offered += 1;
        self.buckets.arrived(at);
        if at > scheduled {
            self.lag.record(at.since(scheduled));
        }
    }

    fn sent(&mut self, at: Instant, target: TargetId) {
        self.targets[target.index()].sent += 1;
        self.buckets.at(at).sent += 1;
    }

    fn settled(&mut self, at: Instant, target: TargetId, workload: WorkloadId, usage: Usage) {
        self.workloads[workload.index()].settled[target.index()].add(usage);
        let counts = &mut self.targets[target.index()];
        counts.settled_at += u128::from(at.0);
        self.buckets.settled(at, target.index(), usage, counts.counting.counted(usage));
    }

    /// Counts the reply to an attempt. If the provider is known to have refused it, by a limit or for its length, that decision
    /// counts instead of the reply, which may name no limit, another one, or one that does not exist.
    fn replied(&mut self, at: Instant, (attempt, target): Attempt, outcome: AttemptOutcome, usage: Usage) {
        let refusal = self.take_refusing_decision(attempt);
        let counts = &mut self.targets[target.index()];
        match (refusal, outcome) {
            (Some(ProviderDecision::Refused { axis, .. }), _) => {
                self.limited(at, target, axis as usize, Some(axis));
            }
            (Some(ProviderDecision::TooLong), _) => {
                counts.failed += 1;
                self.failures.too_long += 1;
            }
            (_, AttemptOutcome::Ok) => {
                counts.ok += 1;
                counts.replied.add(usage);
                if counts.decided == 0 {
                    self.buckets.charge_undecided(at, target.index(), usage, counts.counting.counted(usage));
                }
            }
            // A fault that is answered like a refusal.
            (_, AttemptOutcome::Refused { cause, .. }) if counts.decided > 0 => {
                counts.failed += 1;
                self.failures.count_faulted(cause);
            }
            (_, AttemptOutcome::Refused { axis, cause }) => {
                let by = refusal_index(axis, cause);
                self.limited(at, target, by, axis);
                if cause == RefusalCause::TooLarge {
                    self.too_large += 1;
                } else {
                    self.record_first_refusal(at, target, by);
                }
            }
            (_, AttemptOutcome::Failed(failure)) => {
                counts.failed += 1;
                self.failures.count(failure);
            }
        }
    }

    /// Counts an attempt that a limit refused.
    fn limited(&mut self, at: Instant, target: TargetId, by: usize, axis: Option<Axis>) {
        self.targets[target.index()].limited_by[by] += 1;
        self.buckets.refused(at, target.index(), axis);
        if let (Some(windows), Some(axis)) = (&mut self.worst_windows, axis) {
            windows.refused(at, target, axis);
        }
    }

    /// Removes and returns the decision that refused an attempt that ends, by a limit or for its length; `None` if no such
    /// decision is known.
    fn take_refusing_decision(&mut self, attempt: AttemptId) -> Option<ProviderDecision> {
        // Most runs have none, and most attempts are admitted.
        if self.refusing_decisions.is_empty() { None } else { self.refusing_decisions.remove(&attempt) }
    }

    fn decided(&mut self, at: Instant, (attempt, target): Attempt, decision: ProviderDecision) {
        self.last_decision = at;
        if matches!(decision, ProviderDecision::Refused { .. } | ProviderDecision::TooLong) {
            self.refusing_decisions.insert(attempt, decision);
        }
        let counts = &mut self.targets[target.index()];
        counts.decided += 1;
        match decision {
            ProviderDecision::Admitted { reserved } => {
                counts.admitted += 1;
                counts.reserved += reserved;
                counts.admitted_at += u128::from(at.0);
                self.buckets.admitted(at, target.index(), reserved);
            }
            ProviderDecision::Refused { axis, requested } => {
                if self.is_too_large(target, axis, requested) {
                    self.too_large += 1;
                } else {
                    self.record_first_refusal(at, target, axis as usize);
                }
            }
            ProviderDecision::TooLong | ProviderDecision::Faulted => {}
        }
    }

    /// Returns `true` if a request exceeds what the limit can ever hold.
    #[cold]
    fn is_too_large(&self, target: TargetId, axis: Axis, requested: u64) -> bool {
        let target = &self.scenario.targets[target.index()];
        let model = &self.scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
        model.limits.iter().any(|limit| limit.axis == axis && requested > limit.capacity())
    }

    /// Records the first refusal by a limit that could have admitted the request at another time.
    fn record_first_refusal(&mut self, at: Instant, target: TargetId, by: usize) {
        self.first_refusal.get_or_insert(Refusal { at, target, by });
    }

    fn done(&mut self, at: Instant, end: &JobEnd) {
        let is_given_up = matches!(end.outcome, JobOutcome::Failed(_) | JobOutcome::Shed(_));
        if let Some(Obstacle { target, axis: Some(axis), .. }) = end.obstacle.filter(|_| is_given_up) {
            self.targets[target.index()].given_up_for[axis as usize] += 1;
        }
        if self.has_rule_windows {
            self.rule_windows.iter_mut().flatten().for_each(|windows| windows.done(at, end));
        }
        if let Some(windows) = &mut self.worst_windows {
            windows.done(at, end);
        }
        let workload = &mut self.workloads[end.workload.index()];
        workload.attempts += u64::from(end.attempts);
        workload.refused += u64::from(end.refused);
        workload.hedges.done(end.hedge);
        if let Some(batch) = &mut workload.batch {
            batch.done(at, end);
        }
        let bucket = self.buckets.at(at);
        match end.outcome {
            JobOutcome::Succeeded => {
                workload.succeeded += 1;
                workload.cut += u64::from(end.cut);
                bucket.succeeded += 1;
                self.succeeded(at, end);
            }
            JobOutcome::Failed(reason) => {
                workload.failed[reason as usize] += 1;
                bucket.failed += 1;
            }
            JobOutcome::Shed(reason) => {
                workload.shed[reason as usize] += 1;
                bucket.shed += 1;
                if reason == EndReason::GeneratorLag {
                    self.first_generator_shed.get_or_insert(at);
                }
            }
            JobOutcome::InFlight => workload.in_flight += 1,
        }
    }

    fn succeeded(&mut self, at: Instant, end: &JobEnd) {
        let latency = at.since(end.scheduled);
        let first_token = end.first_token.unwrap_or(latency).min(latency);
        let workload = &mut self.workloads[end.workload.index()];
        let first_token_of_service = if end.service != latency {
            workload.latency.record(latency);
            self.first_token.record(first_token);
            self.delayed(end);
            first_token.saturating_sub(latency.saturating_sub(end.service))
        } else if first_token == latency {
            workload.unqueued_whole.record(latency);
            first_token
        } else {
            workload.unqueued.record(latency);
            self.first_token.record(first_token);
            first_token
        };
        self.buckets.latency(latency);
        self.latency_sums.first_token += u128::from(first_token_of_service.0);
        self.latency_sums.output += u128::from(end.service.saturating_sub(first_token_of_service).0);
        if let Some(step) = end.step {
            let (bucket, fell_back) = (self.buckets.at(at), u64::from(step > 0));
            bucket.served += 1;
            bucket.fell_back += fell_back;
            self.fell_back += fell_back;
        } else {
            self.without_own_attempt += 1;
        }
    }

    /// Records the parts of the latency of a job that was queued, waited or was retried.
    fn delayed(&mut self, end: &JobEnd) {
        if end.queue > Nanos::ZERO {
            self.queue.record(end.queue);
        }
        self.service.record(end.service);
        self.workloads[end.workload.index()].waited += u128::from(end.queue.0) + u128::from(end.wait.0);
        self.latency_sums.queue += u128::from(end.queue.0);
        self.latency_sums.wait += u128::from(end.wait.0);
        self.latency_sums.failed_attempts += u128::from(end.failed_attempts.0);
    }

    /// Adds what was recorded once for several totals to each of them: durations, and usage by workload and target. Called once, when
    /// the run ends.
    pub(super) fn merge_parts(&mut self) {
        for workload in &mut self.workloads {
            workload.unqueued.add(&workload.unqueued_whole);
            self.first_token.add(&workload.unqueued_whole);
            workload.latency.add(&workload.unqueued);
            self.service.add(&workload.unqueued);
            for (target, used) in self.targets.iter_mut().zip(&workload.settled) {
                target.settled.merge(*used);
            }
        }
    }
}

impl Fold for Recorder {
    // Inlined, so that only the matching arm is left in a caller that makes an event of a known kind.
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        let at = event.at;
        self.last_event = at;
        match event.kind {
            EventKind::Arrived { workload, scheduled, .. } => self.arrived(at, workload, scheduled),
            EventKind::Sent { target, .. } => self.sent(at, target),
            EventKind::Decided { attempt, target, decision } => self.decided(at, (attempt, target), decision),
            EventKind::Settled { target, workload, usage, .. } => self.settled(at, target, workload, usage),
            EventKind::Replied { attempt, target, outcome, usage } => {
                self.replied(at, (attempt, target), outcome, usage);
            }
            EventKind::AttemptCancelled { attempt, target } => {
                self.take_refusing_decision(attempt);
                self.targets[target.index()].failed += 1;
                self.failures.abandoned += 1;
            }
            EventKind::CoolDownBegan { target, .. } => self.targets[target.index()].cool_downs += 1,
            EventKind::CacheHit => self.cached += 1,
            EventKind::Done(ref end) => self.done(at, end),
            EventKind::Task(ref task) => self.task(at, task),
            EventKind::Coalesced { .. }
            | EventKind::Promoted { .. }
            | EventKind::Queued { .. }
            | EventKind::Waiting { .. }
            | EventKind::FirstByte { .. }
            | EventKind::Hedged { .. }
            | EventKind::FellBack { .. } => {}
        }
    }

    fn next_sample(&self) -> Instant {
        self.buckets.next_sample()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the series keeps three digits")]
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64, limit: u64) {
        // A limit of zero has no used share, and JSON has no infinity.
        let used_share = if used_share.is_finite() { used_share } else { 1.0 };
        let counts = &mut self.targets[target.index()];
        let (peak, limits) = (&mut counts.peak[axis as usize], &mut counts.limits[axis as usize]);
        *peak = peak.max(used_share);
        *limits = (limits.0 + limit as f64, limits.1 + 1);
        self.buckets.sample(at, target.index(), axis, used_share as f32);
    }

    fn sampled(&mut self, _: Instant) {
        self.buckets.sampled();
    }

    fn most_used(&mut self, target: TargetId, axis: Axis, used_share: f64) {
        // As of samples.
        let used_share = if used_share.is_finite() { used_share } else { 1.0 };
        self.targets[target.index()].most_used[axis as usize] = Some(used_share);
    }

    fn request_began(&mut self, lag: Nanos) {
        self.send_lag.record(lag);
    }
}
