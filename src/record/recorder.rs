//! The fold that becomes the summary: counters in arrays, a few histograms and the series.
//!
//! It stands in the hot path of virtual time, where every job brings half a dozen events, so it allocates
//! nothing, looks nothing up by name and remembers nothing of a job: what must be known when a job ends is
//! said by the event that ends it. Sums that need both ends of an attempt (what is still reserved, how long
//! it was in flight) are differences of two sums, which needs no memory of the attempt.

use super::Fold;
use super::histogram::Histogram;
use super::names::{AXES, REASONS, REFUSALS};
use super::series::TimeBuckets;
use super::summary::Mode;
use crate::ceiling::Ceiling;
use crate::event::{
    AttemptFailure, AttemptOutcome, Event, EventKind, JobEnd, JobOutcome, LimitCause, RecordedDecision,
};
use crate::ids::{ClassId, TargetId};
use crate::scenario::{Note, Scenario, Target};
use provider::{Axis, Instant, Nanos, Usage, config::CachedTokens};

/// One more than the largest status that is told apart; larger ones count as the last.
pub(super) const STATUSES: usize = 1_000;

/// Folds a run into a [`super::Summary`], in constant memory.
#[derive(Clone, Debug)]
pub struct Recorder {
    pub(super) scenario: Scenario,
    pub(super) steps: TimeBuckets,
    pub(super) classes: Vec<Class>,
    pub(super) targets: Vec<Traffic>,
    pub(super) first_token: Histogram,
    /// Only of jobs that stood in line at all.
    pub(super) queue: Histogram,
    pub(super) service: Histogram,
    /// Only of jobs that came late.
    pub(super) lag: Histogram,
    pub(super) spent: Spent,
    pub(super) failures: Failures,
    pub(super) cached: u64,
    /// Who follows, and whoever was served so: one less where one takes over.
    pub(super) joined: u64,
    pub(super) fell_back: u64,
    pub(super) first_refusal: Option<Refusal>,
    pub(super) last_ruled: Instant,
    pub(super) last: Instant,
}

/// How a run ended: what only its driver knows.
#[derive(Clone, Debug)]
pub struct RunEnd {
    /// The last instant of the run.
    pub at: Instant,
    /// How it was driven.
    pub mode: Mode,
    /// How many jobs the schedule wanted in this time, where a live driver may have delivered fewer.
    pub scheduled: Option<u64>,
    /// What the limits of the scenario allow.
    pub ceiling: Ceiling,
    /// The command that makes this result again; empty where there is none.
    pub reproduce: String,
    /// What the reader should know besides.
    pub notes: Vec<Note>,
}

/// The jobs of one workload.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) offered: u64,
    pub(super) succeeded: u64,
    pub(super) failed: [u64; REASONS.len()],
    pub(super) shed: [u64; REASONS.len()],
    pub(super) in_flight: u64,
    /// Of jobs whose latency is the service alone, because they were sent as they came and served by that attempt.
    /// Most are, so one record serves two histograms until [`Recorder::gather`].
    straight: Histogram,
    /// Of all others.
    pub(super) latency: Histogram,
}

/// What went to one target and came back.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) sent: u64,
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) limited_by: [u64; REFUSALS],
    pub(super) cool_downs: u64,
    /// By the client's reckoning: the replies.
    pub(super) replied: Used,
    /// By the provider's reckoning, where the world tells of it.
    pub(super) settled: Used,
    pub(super) ruled: u64,
    pub(super) admitted: u64,
    /// The sums of the instants at which calls were admitted and settled.
    pub(super) admitted_at: u128,
    pub(super) settled_at: u128,
    pub(super) peak: [f64; AXES],
    /// What cached tokens of a prompt count here.
    pub(super) cached: CachedTokens,
}

/// Calls and their tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    pub(super) calls: u64,
    pub(super) prompt: u64,
    /// Of the prompts, what was cached.
    pub(super) cached: u64,
    pub(super) completion: u64,
}

/// Where the time of the jobs that succeeded went, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) queue: u128,
    pub(super) wait: u128,
    pub(super) lost: u128,
    pub(super) first_token: u128,
    pub(super) output: u128,
}

/// Attempts that no limit explains.
#[derive(Clone, Debug)]
pub(super) struct Failures {
    pub(super) status: Vec<u64>,
    pub(super) connection: u64,
    pub(super) timeout: u64,
    pub(super) garbage: u64,
    pub(super) abandoned: u64,
}

/// The first refusal by a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) at: Instant,
    pub(super) target: TargetId,
    /// Into the names of refusals: an axis, or behind the axes a cause.
    pub(super) by: usize,
}

impl Recorder {
    /// A recorder of a run of `scenario`. All memory it will ever need is taken here.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            steps: TimeBuckets::new(scenario),
            classes: vec![Class::new(); scenario.workloads.len()],
            targets: scenario.targets.iter().map(Traffic::new).collect(),
            first_token: Histogram::of_run(),
            queue: Histogram::of_run(),
            service: Histogram::of_run(),
            lag: Histogram::of_run(),
            spent: Spent::default(),
            failures: Failures {
                status: vec![0; STATUSES],
                connection: 0,
                timeout: 0,
                garbage: 0,
                abandoned: 0,
            },
            cached: 0,
            joined: 0,
            fell_back: 0,
            first_refusal: None,
            last_ruled: Instant::ZERO,
            last: Instant::ZERO,
            scenario: scenario.clone(),
        }
    }

    fn arrived(&mut self, at: Instant, class: ClassId, scheduled: Instant) {
        self.classes[class.index()].offered += 1;
        self.steps.at(at).offered += 1;
        if at > scheduled {
            self.lag.record(at.since(scheduled));
        }
    }

    fn sent(&mut self, at: Instant, target: TargetId) {
        self.targets[target.index()].sent += 1;
        self.steps.at(at).sent += 1;
    }

    fn settled(&mut self, at: Instant, target: TargetId, usage: Usage) {
        let traffic = &mut self.targets[target.index()];
        traffic.settled.add(usage);
        traffic.settled_at += u128::from(at.0);
        self.steps.settled(at, target.index(), traffic.cached.counted(usage));
    }

    fn replied(&mut self, at: Instant, target: TargetId, outcome: AttemptOutcome, usage: Usage) {
        let traffic = &mut self.targets[target.index()];
        match outcome {
            AttemptOutcome::Ok => {
                traffic.ok += 1;
                traffic.replied.add(usage);
                if traffic.ruled == 0 {
                    self.steps.served(at, target.index(), usage);
                }
            }
            AttemptOutcome::Limited { axis, cause } => {
                let by = axis.map_or(AXES + cause as usize, |axis| axis as usize);
                traffic.limited_by[by] += 1;
                self.steps.refused(at, target.index(), axis);
                self.refused(at, target, by);
            }
            AttemptOutcome::Failed(failure) => {
                traffic.failed += 1;
                self.failures.count(failure);
            }
        }
    }

    fn ruled(&mut self, at: Instant, target: TargetId, ruled: RecordedDecision) {
        self.last_ruled = at;
        let traffic = &mut self.targets[target.index()];
        traffic.ruled += 1;
        match ruled {
            RecordedDecision::Admitted { .. } => {
                traffic.admitted += 1;
                traffic.admitted_at += u128::from(at.0);
                self.steps.admitted(at, target.index());
            }
            RecordedDecision::Refused { axis, .. } => self.refused(at, target, axis as usize),
            RecordedDecision::TooLong | RecordedDecision::Faulted => {}
        }
    }

    fn refused(&mut self, at: Instant, target: TargetId, by: usize) {
        let by_limit = by != AXES + LimitCause::TooLarge as usize; // No limit refuses what a model cannot take.
        self.first_refusal = self.first_refusal.or(by_limit.then_some(Refusal { at, target, by }));
    }

    fn done(&mut self, at: Instant, ending: &JobEnd) {
        let class = &mut self.classes[usize::from(ending.class.0)];
        let step = self.steps.at(at);
        match ending.outcome {
            JobOutcome::Succeeded => {
                class.succeeded += 1;
                step.succeeded += 1;
                self.succeeded(at, ending);
            }
            JobOutcome::Failed(reason) => {
                class.failed[reason as usize] += 1;
                step.failed += 1;
            }
            JobOutcome::Shed(reason) => {
                class.shed[reason as usize] += 1;
                step.shed += 1;
            }
            JobOutcome::InFlight => class.in_flight += 1,
        }
    }

    fn succeeded(&mut self, at: Instant, ending: &JobEnd) {
        let latency = at.since(ending.scheduled);
        let first_token = ending.first_token.unwrap_or(latency).min(latency);
        let class = &mut self.classes[usize::from(ending.class.0)];
        let served = if ending.service == latency {
            class.straight.record(latency);
            first_token
        } else {
            class.latency.record(latency);
            self.detained(ending);
            first_token.saturating_sub(latency.saturating_sub(ending.service))
        };
        self.first_token.record(first_token);
        self.steps.latency(latency);
        self.spent.first_token += u128::from(served.0);
        self.spent.output += u128::from(ending.service.saturating_sub(served).0);
        self.fell_back += u64::from(ending.step.is_some_and(|step| step > 0));
    }

    /// Where the time of a job went that stood in line, waited or was tried again.
    fn detained(&mut self, ending: &JobEnd) {
        if ending.queue > Nanos::ZERO {
            self.queue.record(ending.queue);
        }
        self.service.record(ending.service);
        self.spent.queue += u128::from(ending.queue.0);
        self.spent.wait += u128::from(ending.wait.0);
        self.spent.lost += u128::from(ending.lost.0);
    }

    /// Adds what was recorded once for two histograms to each of them: once, when the books are closed.
    pub(super) fn gather(&mut self) {
        for class in &mut self.classes {
            class.latency.add(&class.straight);
            self.service.add(&class.straight);
        }
    }
}

impl Fold for Recorder {
    // Inlined, so that whoever makes an event of a known kind calls the one line that concerns it.
    #[inline(always)]
    fn event(&mut self, event: &Event) {
        let at = event.at;
        self.last = at;
        match event.kind {
            EventKind::Arrived { class, scheduled, .. } => self.arrived(at, class, scheduled),
            EventKind::Sent { target, .. } => self.sent(at, target),
            EventKind::Decided { target, decision, .. } => self.ruled(at, target, decision),
            EventKind::Settled { target, usage, .. } => self.settled(at, target, usage),
            EventKind::Replied { target, outcome, usage, .. } => self.replied(at, target, outcome, usage),
            EventKind::Abandoned { target, .. } => {
                self.targets[target.index()].failed += 1;
                self.failures.abandoned += 1;
            }
            EventKind::CooledDown { target, .. } => self.targets[target.index()].cool_downs += 1,
            EventKind::CacheHit => self.cached += 1,
            EventKind::Coalesced { .. } => self.joined += 1,
            EventKind::Promoted { .. } => self.joined -= 1,
            EventKind::Done(ref ending) => self.done(at, ending),
            EventKind::Queued { .. }
            | EventKind::Waiting { .. }
            | EventKind::FirstByte { .. }
            | EventKind::FellBack { .. } => {}
        }
    }

    fn next_sample(&self) -> Instant {
        self.steps.next_sample()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the series keeps three digits")]
    fn sample(&mut self, at: Instant, target: TargetId, axis: Axis, used_share: f64) {
        // A limit of nothing has no share to use; a result can only say numbers.
        let used_share = if used_share.is_finite() { used_share } else { 1.0 };
        let peak = &mut self.targets[target.index()].peak[axis as usize];
        *peak = peak.max(used_share);
        self.steps.sample(at, target.index(), axis, used_share as f32);
    }

    fn sampled(&mut self, _: Instant) {
        self.steps.sampled();
    }
}

impl Class {
    fn new() -> Self {
        Self {
            offered: 0,
            succeeded: 0,
            failed: [0; REASONS.len()],
            shed: [0; REASONS.len()],
            in_flight: 0,
            straight: Histogram::of_run(),
            latency: Histogram::of_run(),
        }
    }
}

impl Traffic {
    fn new(target: &Target) -> Self {
        Self {
            sent: 0,
            ok: 0,
            failed: 0,
            limited_by: [0; REFUSALS],
            cool_downs: 0,
            replied: Used::default(),
            settled: Used::default(),
            ruled: 0,
            admitted: 0,
            admitted_at: 0,
            settled_at: 0,
            peak: [0.0; AXES],
            cached: target.cached,
        }
    }
}

impl Used {
    fn add(&mut self, usage: Usage) {
        self.calls += 1;
        self.prompt += u64::from(usage.prompt_tokens);
        self.cached += u64::from(usage.cached_tokens);
        self.completion += u64::from(usage.completion_tokens);
    }
}

impl Failures {
    fn count(&mut self, failure: AttemptFailure) {
        match failure {
            AttemptFailure::Status(status) => self.status[usize::from(status).min(STATUSES - 1)] += 1,
            AttemptFailure::Connection => self.connection += 1,
            AttemptFailure::Timeout => self.timeout += 1,
            AttemptFailure::Garbage => self.garbage += 1,
        }
    }
}

/// Reports speak in seconds.
pub(super) const NANOS_PER_SECOND: f64 = Nanos::SECOND.0 as f64;
