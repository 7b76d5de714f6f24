//! Traces of the slowest jobs that succeeded, and of the first jobs that did not.
//!
//! Whether a job is worth a trace is known only at its end, so the first and the last events of the jobs in flight are kept, in
//! a ring: job `n` has slot `n mod RING`. Jobs are numbered in order of arrival, so two jobs in flight share a slot only if
//! `RING` jobs or more arrived from the older to the younger; then the older keeps it, since it is the slower one, and the
//! younger has no trace. All memory is allocated when the run begins, and an event costs one access to a slot.

use super::Fold;
use super::names::{REASONS, failure_name};
use super::trace::{JobTrace, TraceEvent, TraceEventKind};
use crate::event::{AttemptOutcome, Event, EventKind, JobEnd, JobOutcome, WaitReason};
use crate::formatting::{at_seconds, seconds};
use crate::ids::{JobId, TargetId};
use crate::scenario::Scenario;
use provider::{Instant, Nanos};

/// Slots for jobs in flight.
const RING: usize = 4_096;
/// The largest number of traces of jobs that succeeded; also of jobs that did not.
const MAX_TRACES: usize = 10;
/// The largest number of traces of jobs with one outcome, failed or shed, for one reason.
const MAX_ALIKE: usize = 3;
/// The largest number of events kept of a job: half of them its first, the rest its last.
const MAX_EVENTS: usize = 24;

/// Keeps the traces of the slowest jobs that succeeded and of the first that did not, in constant memory.
#[derive(Clone, Debug)]
pub struct SlowJobs {
    ring: Vec<Timeline>,
    /// The slowest first.
    slowest: Vec<Finished>,
    /// The first that failed or were shed, in order of their ends.
    unsuccessful: Vec<Finished>,
}

/// The events of a job so far.
#[derive(Clone, Copy, Debug)]
struct Timeline {
    /// `None` if the slot is free.
    job: Option<JobId>,
    prompt_tokens: u32,
    events: [(Instant, Kind); MAX_EVENTS],
    len: usize,
    /// Events that were dropped, from the middle.
    dropped: u32,
}

/// A job that has ended.
#[derive(Clone, Copy, Debug)]
struct Finished {
    latency: Nanos,
    at: Instant,
    end: JobEnd,
    timeline: Timeline,
}

/// The kinds of events that are traced.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Arrived,
    Queued(u32),
    Waiting { until: Instant, why: WaitReason, may_extend: bool },
    Hedged,
    Sent(TargetId, u8),
    Replied(TargetId, AttemptOutcome),
    Abandoned(TargetId),
    FellBack(u8),
    CacheHit,
    Coalesced(JobId),
    Promoted(JobId),
}

impl SlowJobs {
    /// Creates the fold with all the memory that it needs.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ring: vec![Timeline::EMPTY; RING],
            slowest: Vec::with_capacity(MAX_TRACES + 1),
            unsuccessful: Vec::with_capacity(MAX_TRACES),
        }
    }

    /// Returns the traces: the slowest of the jobs that succeeded, then the first of those that did not.
    #[must_use]
    pub fn traces(&self, scenario: &Scenario) -> Vec<JobTrace> {
        self.slowest.iter().chain(&self.unsuccessful).map(|finished| finished.trace(scenario)).collect()
    }

    fn done(&mut self, at: Instant, job: JobId, end: &JobEnd) {
        let timeline = &mut self.ring[slot(job)];
        if timeline.job != Some(job) {
            return;
        }
        let latency = at.since(end.scheduled);
        let finished = |timeline: &Timeline| Finished { latency, at, end: *end, timeline: *timeline };
        match end.outcome {
            JobOutcome::Succeeded => {
                let full = self.slowest.len() == MAX_TRACES;
                if !full || self.slowest.last().is_some_and(|fastest| fastest.latency < latency) {
                    let rank = self.slowest.partition_point(|other| other.latency >= latency);
                    self.slowest.insert(rank, finished(timeline));
                    self.slowest.truncate(MAX_TRACES);
                }
            }
            JobOutcome::Failed(_) | JobOutcome::Shed(_) => {
                let alike = self.unsuccessful.iter().filter(|other| other.end.outcome == end.outcome).count();
                if self.unsuccessful.len() < MAX_TRACES && alike < MAX_ALIKE {
                    self.unsuccessful.push(finished(timeline));
                }
            }
            JobOutcome::InFlight => {}
        }
        timeline.job = None;
    }
}

impl Default for SlowJobs {
    fn default() -> Self {
        Self::new()
    }
}

impl Fold for SlowJobs {
    fn event(&mut self, event: &Event) {
        let kind = match event.kind {
            EventKind::Arrived { prompt_tokens, .. } => {
                let timeline = &mut self.ring[slot(event.job)];
                if timeline.job.is_none() {
                    *timeline = Timeline { job: Some(event.job), prompt_tokens, ..Timeline::EMPTY };
                }
                Kind::Arrived
            }
            EventKind::Queued { waiting } => Kind::Queued(waiting),
            EventKind::Waiting { until, obstacle, may_extend } => {
                Kind::Waiting { until, why: obstacle.why, may_extend }
            }
            EventKind::Hedged { .. } => Kind::Hedged,
            EventKind::Sent { target, number, .. } => Kind::Sent(target, number),
            EventKind::Replied { target, outcome, .. } => Kind::Replied(target, outcome),
            EventKind::AttemptCancelled { target, .. } => Kind::Abandoned(target),
            EventKind::FellBack { to, .. } => Kind::FellBack(to),
            EventKind::CacheHit => Kind::CacheHit,
            EventKind::Coalesced { leader } => Kind::Coalesced(leader),
            EventKind::Promoted { leader, .. } => Kind::Promoted(leader),
            EventKind::Done(ref end) => return self.done(event.at, event.job, end),
            // Not traced: the provider's side of an attempt, the first byte of an answer, the state of a target, and tasks.
            EventKind::Decided { .. }
            | EventKind::Settled { .. }
            | EventKind::FirstByte { .. }
            | EventKind::CoolDownBegan { .. }
            | EventKind::Task(_) => return,
        };
        let timeline = &mut self.ring[slot(event.job)];
        if timeline.job == Some(event.job) {
            timeline.push(event.at, kind);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is small")]
fn slot(job: JobId) -> usize {
    (job.0 % RING as u64) as usize
}

impl Timeline {
    const EMPTY: Self = Self {
        job: None,
        prompt_tokens: 0,
        events: [(Instant::ZERO, Kind::Arrived); MAX_EVENTS],
        len: 0,
        dropped: 0,
    };

    fn push(&mut self, at: Instant, kind: Kind) {
        if self.len == MAX_EVENTS {
            self.events.copy_within(MAX_EVENTS / 2 + 1.., MAX_EVENTS / 2);
            self.len -= 1;
            self.dropped += 1;
        }
        self.events[self.len] = (at, kind);
        self.len += 1;
    }
}

impl Finished {
    fn trace(&self, scenario: &Scenario) -> JobTrace {
        let JobEnd { outcome, workload, scheduled, attempts, .. } = self.end;
        let timeline = &self.timeline;
        let since = |at: Instant| seconds(at.since(scheduled));
        let mut events: Vec<_> = timeline.events[..timeline.len]
            .iter()
            .map(|(at, kind)| TraceEvent { at_s: since(*at), kind: kind.named(scenario, scheduled) })
            .collect();
        if timeline.dropped > 0 {
            let at_s = events[MAX_EVENTS / 2].at_s;
            let kind = TraceEventKind::LeftOut { events: timeline.dropped };
            events.insert(MAX_EVENTS / 2, TraceEvent { at_s, kind });
        }
        let (verdict, reason) = match outcome {
            JobOutcome::Succeeded => ("succeeded", None),
            JobOutcome::Failed(reason) => ("failed", Some(reason)),
            JobOutcome::Shed(reason) => ("shed", Some(reason)),
            JobOutcome::InFlight => ("in_flight", None),
        };
        let verdict = verdict.to_owned();
        let reason = reason.map(|reason| REASONS[reason as usize].1.to_owned());
        let done = TraceEventKind::Done { verdict: verdict.clone(), reason: reason.clone() };
        events.push(TraceEvent { at_s: since(self.at), kind: done });
        JobTrace {
            job: timeline.job.map_or(0, |job| job.0),
            workload: scenario.workloads[workload.index()].name.clone(),
            scheduled_s: at_seconds(scheduled),
            latency_s: seconds(self.latency),
            prompt_tokens: timeline.prompt_tokens,
            attempts,
            verdict,
            reason,
            events,
        }
    }
}

impl Kind {
    /// Returns the event of a result: names for numbers, and times since the job's scheduled arrival.
    fn named(self, scenario: &Scenario, scheduled: Instant) -> TraceEventKind {
        let name = |target: TargetId| scenario.targets[target.index()].name.clone();
        match self {
            Self::Arrived => TraceEventKind::Arrived,
            Self::Queued(waiting) => TraceEventKind::Queued { waiting },
            Self::Waiting { until, why, may_extend } => {
                TraceEventKind::Waiting { until_s: seconds(until.since(scheduled)), why, may_extend }
            }
            Self::Hedged => TraceEventKind::Hedged,
            Self::Sent(target, attempt) => TraceEventKind::Sent { target: name(target), attempt },
            Self::Replied(target, outcome) => match outcome {
                AttemptOutcome::Ok => TraceEventKind::Served { target: name(target) },
                AttemptOutcome::Refused { axis, cause } => TraceEventKind::Limited {
                    target: name(target),
                    by: axis.map_or_else(|| cause.name(), |axis| axis.name()).to_owned(),
                },
                AttemptOutcome::Failed(failure) => TraceEventKind::Failed {
                    target: name(target),
                    failure: failure_name(failure).into_owned(),
                },
            },
            Self::Abandoned(target) => TraceEventKind::Abandoned { target: name(target) },
            Self::FellBack(to) => TraceEventKind::FellBack { step: u16::from(to) + 1 },
            Self::CacheHit => TraceEventKind::CacheHit,
            Self::Coalesced(leader) => TraceEventKind::Coalesced { leader: leader.0 },
            Self::Promoted(leader) => TraceEventKind::Promoted { leader: leader.0 },
        }
    }
}
