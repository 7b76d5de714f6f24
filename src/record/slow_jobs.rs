//! The worst jobs of a run with their stories: the longest among those that succeeded, and the first that did not.
//!
//! A job is worth telling only once it is over, so the last moments of every job in flight are kept, in a ring:
//! job `n` has place `n mod RING`. Jobs are numbered in order of arrival, so two jobs meet in one place only
//! where as many others arrived in between; then the older one keeps it, since it is the one that takes long,
//! and the younger is not followed. Memory is set when the run begins, and an event costs one look at its place.

use super::Fold;
use super::names::{REASONS, failure_name};
use super::summary::{JobTrace, TraceEvent};
use crate::event::{AttemptOutcome, Event, EventKind, JobEnd, JobOutcome, WaitReason};
use crate::formatting::{at_seconds, number, seconds};
use crate::ids::{JobId, TargetId};
use crate::scenario::Scenario;
use provider::{Instant, Nanos};

/// Places for jobs in flight.
const RING: usize = 4_096;
/// Jobs told of each kind, and of those that failed for the same reason.
const TOLD: usize = 10;
const ALIKE: usize = 3;
/// Moments kept of a job: half of them its first, the rest its last.
const MOMENTS: usize = 24;

/// Keeps the stories of the worst jobs, in constant memory.
#[derive(Clone, Debug)]
pub struct SlowJobs {
    ring: Vec<Timeline>,
    /// The longest first.
    slowest: Vec<Finished>,
    /// As they came.
    failed: Vec<Finished>,
}

/// What happened to a job so far.
#[derive(Clone, Copy, Debug)]
struct Timeline {
    job: Option<JobId>,
    prompt_tokens: u32,
    moments: [(Instant, What); MOMENTS],
    kept: usize,
    /// Moments that were forgotten, from the middle.
    forgotten: u32,
}

/// A job that is over.
#[derive(Clone, Copy, Debug)]
struct Finished {
    latency: Nanos,
    at: Instant,
    ending: JobEnd,
    timeline: Timeline,
}

/// What is worth telling of a moment.
#[derive(Clone, Copy, Debug)]
enum What {
    Arrived,
    Queued(u32),
    Waiting(Instant, WaitReason),
    Sent(TargetId, u8),
    Replied(TargetId, AttemptOutcome),
    Abandoned(TargetId),
    FellBack(u8),
    CacheHit,
    Joined(JobId),
    TookOver(JobId),
}

impl SlowJobs {
    /// Stories of a run. All memory they will ever need is taken here.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ring: vec![Timeline::EMPTY; RING],
            slowest: Vec::with_capacity(TOLD + 1),
            failed: Vec::with_capacity(TOLD),
        }
    }

    /// The stories: the slowest of the jobs that succeeded, then the first of those that did not.
    #[must_use]
    pub fn stories(&self, scenario: &Scenario) -> Vec<JobTrace> {
        self.slowest.iter().chain(&self.failed).map(|told| told.story(scenario)).collect()
    }

    fn over(&mut self, at: Instant, job: JobId, ending: &JobEnd) {
        let timeline = &mut self.ring[place(job)];
        if timeline.job != Some(job) {
            return;
        }
        timeline.job = None;
        let told = |timeline: &Timeline| {
            let latency = at.since(ending.scheduled);
            Finished { latency, at, ending: *ending, timeline: Timeline { job: Some(job), ..*timeline } }
        };
        match ending.outcome {
            JobOutcome::Succeeded => {
                let latency = at.since(ending.scheduled);
                if self.slowest.len() < TOLD
                    || self.slowest.last().is_some_and(|least| least.latency < latency)
                {
                    let rank = self.slowest.partition_point(|other| other.latency >= latency);
                    self.slowest.insert(rank, told(timeline));
                    self.slowest.truncate(TOLD);
                }
            }
            JobOutcome::Failed(_) | JobOutcome::Shed(_) => {
                let alike = self.failed.iter().filter(|other| other.ending.outcome == ending.outcome).count();
                if self.failed.len() < TOLD && alike < ALIKE {
                    self.failed.push(told(timeline));
                }
            }
            JobOutcome::InFlight => {}
        }
    }
}

impl Default for SlowJobs {
    fn default() -> Self {
        Self::new()
    }
}

impl Fold for SlowJobs {
    fn event(&mut self, event: &Event) {
        let what = match event.kind {
            EventKind::Arrived { prompt_tokens, .. } => {
                let timeline = &mut self.ring[place(event.job)];
                if timeline.job.is_none() {
                    *timeline = Timeline { job: Some(event.job), prompt_tokens, ..Timeline::EMPTY };
                }
                What::Arrived
            }
            EventKind::Queued { waiting } => What::Queued(waiting),
            EventKind::Waiting { until, why } => What::Waiting(until, why),
            EventKind::Sent { target, number, .. } => What::Sent(target, number),
            EventKind::Replied { target, outcome, .. } => What::Replied(target, outcome),
            EventKind::Abandoned { target, .. } => What::Abandoned(target),
            EventKind::FellBack { to, .. } => What::FellBack(to),
            EventKind::CacheHit => What::CacheHit,
            EventKind::Coalesced { leader } => What::Joined(leader),
            EventKind::Promoted { leader, .. } => What::TookOver(leader),
            EventKind::Done(ref ending) => return self.over(event.at, event.job, ending),
            // The world's side, and what a target does for everyone, are not the job's own story.
            EventKind::Decided { .. }
            | EventKind::Settled { .. }
            | EventKind::FirstByte { .. }
            | EventKind::CooledDown { .. } => return,
        };
        let timeline = &mut self.ring[place(event.job)];
        if timeline.job == Some(event.job) {
            timeline.push(event.at, what);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is small")]
fn place(job: JobId) -> usize {
    (job.0 % RING as u64) as usize
}

impl Timeline {
    const EMPTY: Self = Self {
        job: None,
        prompt_tokens: 0,
        moments: [(Instant::ZERO, What::Arrived); MOMENTS],
        kept: 0,
        forgotten: 0,
    };

    fn push(&mut self, at: Instant, what: What) {
        if self.kept == MOMENTS {
            self.moments.copy_within(MOMENTS / 2 + 1.., MOMENTS / 2);
            self.kept -= 1;
            self.forgotten += 1;
        }
        self.moments[self.kept] = (at, what);
        self.kept += 1;
    }
}

impl Finished {
    fn story(&self, scenario: &Scenario) -> JobTrace {
        let JobEnd { outcome: verdict, class, scheduled, attempts, .. } = self.ending;
        let timeline = &self.timeline;
        let since = |at: Instant| seconds(at.since(scheduled));
        let mut moments: Vec<_> = timeline.moments[..timeline.kept]
            .iter()
            .map(|(at, what)| TraceEvent { at_s: since(*at), what: what.words(scenario, scheduled) })
            .collect();
        if timeline.forgotten > 0 {
            let at_s = moments[MOMENTS / 2].at_s;
            let what = format!("({} moments are left out)", timeline.forgotten);
            moments.insert(MOMENTS / 2, TraceEvent { at_s, what });
        }
        let (word, reason) = match verdict {
            JobOutcome::Succeeded => ("succeeded", None),
            JobOutcome::Failed(reason) => ("failed", Some(reason)),
            JobOutcome::Shed(reason) => ("shed", Some(reason)),
            JobOutcome::InFlight => ("in_flight", None),
        };
        let reason = reason.map(|reason| REASONS[reason as usize].1.to_owned());
        let end = reason.as_ref().map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}"));
        moments.push(TraceEvent { at_s: since(self.at), what: end });
        JobTrace {
            job: timeline.job.map_or(0, |job| job.0),
            workload: scenario.workloads[class.index()].name.clone(),
            scheduled_s: at_seconds(scheduled),
            latency_s: seconds(self.latency),
            prompt_tokens: timeline.prompt_tokens,
            attempts,
            verdict: word.to_owned(),
            reason,
            moments,
        }
    }
}

impl What {
    /// The moment in words; times count from the job's schedule.
    fn words(self, scenario: &Scenario, scheduled: Instant) -> String {
        let name = |target: TargetId| scenario.targets[target.index()].name.as_str();
        match self {
            Self::Arrived => "arrives".to_owned(),
            Self::Queued(waiting) => format!("stands in line, {waiting} waiting"),
            Self::Waiting(until, why) => {
                let why = match why {
                    WaitReason::BackOff => "backs off",
                    WaitReason::CoolDown => "waits for a cool-down",
                    WaitReason::Pace => "waits for its turn",
                };
                format!("{why} until {} s", number(seconds(until.since(scheduled))))
            }
            Self::Sent(target, attempt) => format!("attempt {attempt} goes to {}", name(target)),
            Self::Replied(target, outcome) => match outcome {
                AttemptOutcome::Ok => format!("answered by {}", name(target)),
                AttemptOutcome::Limited { axis, cause } => {
                    let by = axis.map_or_else(|| cause.name(), |axis| axis.name());
                    format!("refused by {} ({by})", name(target))
                }
                AttemptOutcome::Failed(failure) => {
                    format!("broken at {} ({})", name(target), failure_name(failure))
                }
            },
            Self::Abandoned(target) => format!("gives up the attempt at {}", name(target)),
            Self::FellBack(to) => format!("falls back to step {}", to + 1),
            Self::CacheHit => "answered from the cache".to_owned(),
            Self::Joined(leader) => format!("joins {leader}, which asks the same"),
            Self::TookOver(leader) => format!("takes over from {leader}, which was not served"),
        }
    }
}
