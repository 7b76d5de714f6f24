//! The driver of the input laws: it keeps a simple model of every job and attempt, and plays a provider that admits
//! every attempt.

use super::super::SeenVariants;
use provider::{Instant, Usage};
use quotalab::engine::{Answer, Attempt, Driver, Handover};
use quotalab::event::{Event, EventKind, JobEnd, JobOutcome, Obstacle, ProviderDecision, WaitReason};
use quotalab::ids::{AttemptId, JobId, Slot, Tag, TargetId, WorkloadId};
use quotalab::job::Priority;
use quotalab::record::{Audit, Fold};
use std::collections::BTreeMap;

pub(super) const USAGE: Usage = Usage { prompt_tokens: 100, completion_tokens: 50, cached_tokens: 0 };

/// A job as the model knows it.
#[derive(Debug)]
pub(super) struct JobModel {
    pub(super) id: JobId,
    pub(super) priority: Priority,
    pub(super) fingerprint: u64,
    /// What it waits for.
    pub(super) waits: Option<WaitsFor>,
    /// `None` before `submit` returns, and for jobs that ended inside it.
    pub(super) slot: Option<Slot>,
    /// Its attempts in flight, in the order in which they were sent.
    pub(super) attempts: Vec<AttemptId>,
    pub(super) first_byte_received: bool,
    pub(super) cancelled: bool,
    pub(super) end: Option<JobEnd>,
}

/// What several jobs may wait for at the same time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum WaitsFor {
    /// A permit of the concurrency limit.
    Permit,
    /// The end of the cool-down of a target.
    CoolDown(TargetId),
    /// Its send on a paced target, at an instant.
    Pace(TargetId, Instant),
}

/// An attempt in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptModel {
    pub(super) tag: Tag,
    pub(super) slot: Slot,
    pub(super) target: TargetId,
}

/// The driver. An attempt stays in flight until the test replies to it or the engine cancels it.
pub(super) struct Model {
    pub(super) coalesces: bool,
    /// Targets are in cool-down for single jobs, and remain open to others.
    pub(super) cools_down_per_job: bool,
    /// Timers may fire later than they are due.
    pub(super) is_late: bool,
    pub(super) now: Instant,
    pub(super) jobs: Vec<JobModel>,
    pub(super) attempts: BTreeMap<AttemptId, AttemptModel>,
    /// The attempt whose reply was passed to the engine last, and the job that it served; `None` if it failed.
    pub(super) served: Option<(AttemptId, Tag)>,
    pub(super) folds: (Audit, SeenVariants),
    /// The hedge that is sent next.
    pub(super) hedge: Option<AttemptId>,
    pub(super) violations: Vec<String>,
}

impl Model {
    pub(super) fn check(&mut self, holds: bool, violation: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(format!("{}: {}", self.now, violation()));
        }
    }

    /// Records what a job waits for, and checks that no batch job is sent while an interactive one waits for the same thing and could
    /// be sent.
    fn check_priority(&mut self, event: &Event) {
        let number = usize::try_from(event.job.0).expect("a small number");
        self.jobs[number].waits = match event.kind {
            EventKind::Queued { .. } => Some(WaitsFor::Permit),
            EventKind::Waiting { obstacle: Obstacle { target, why, .. }, until, .. } => match why {
                WaitReason::CoolDown => (!self.cools_down_per_job).then_some(WaitsFor::CoolDown(target)),
                WaitReason::Pace => Some(WaitsFor::Pace(target, until)),
                WaitReason::BackOff | WaitReason::Probe | WaitReason::ClientBudget => None,
            },
            _ => None,
        };
        let EventKind::Sent { target: sent, .. } = event.kind else { return };
        if self.jobs[number].priority == Priority::Interactive {
            return;
        }
        let now = self.now;
        let could_be_sent = |job: &&JobModel| match job.waits {
            Some(WaitsFor::Permit) => true,
            Some(WaitsFor::CoolDown(target)) => target == sent,
            Some(WaitsFor::Pace(target, until)) => target == sent && until <= now && !self.is_late,
            None => false,
        };
        let interactive = self.jobs.iter().filter(|job| job.priority == Priority::Interactive);
        let first = interactive.filter(could_be_sent).find(|job| job.end.is_none());
        let first = first.map(|job| (job.id, job.waits));
        self.check(first.is_none(), || format!("law 18: {} is sent before {first:?}", event.job));
    }

    /// Records an event of the provider about the job with this tag.
    fn record_provider_event(&mut self, tag: Tag, kind: EventKind) {
        let event = Event { at: self.now, job: self.jobs[tag.0].id, kind };
        self.folds.event(&event);
    }

    /// Ends an attempt: the provider settles it, and its job has no attempt any more. Returns `None`, and records a violation,
    /// if it is not in flight.
    pub(super) fn end_attempt(&mut self, attempt: AttemptId) -> Option<AttemptModel> {
        let ended = self.attempts.remove(&attempt);
        self.check(ended.is_some(), || format!("law 2: {attempt:?} ends and is not in flight"));
        if let Some(AttemptModel { tag, target, .. }) = ended {
            self.jobs[tag.0].attempts.retain(|other| *other != attempt);
            self.record_provider_event(
                tag,
                EventKind::Settled { attempt, target, workload: WorkloadId(0), usage: USAGE },
            );
        }
        ended
    }

    /// Returns `true` if the source of the answer exists: the attempt that was just served, that of an identical leader, or an
    /// identical job that succeeded before.
    fn has_source(&self, tag: Tag, answer: Option<Answer>) -> bool {
        let fingerprint = self.jobs[tag.0].fingerprint;
        match answer {
            None => true,
            Some(Answer::Attempt(attempt)) => self.served == Some((attempt, tag)),
            Some(Answer::Leader { tag: leader, attempt }) => {
                self.served == Some((attempt, leader)) && self.jobs[leader.0].fingerprint == fingerprint
            }
            Some(Answer::Cache) => self.jobs.iter().any(|job| {
                job.fingerprint == fingerprint
                    && job.end.is_some_and(|end| end.outcome == JobOutcome::Succeeded)
            }),
        }
    }
}

impl Driver for Model {
    fn log(&mut self, event: &Event) {
        self.check_priority(event);
        if let EventKind::Hedged { attempt, .. } = event.kind {
            self.hedge = Some(attempt);
        }
        self.folds.event(event);
    }

    fn send(&mut self, _: Instant, &Attempt { id, slot, tag, target, job, .. }: &Attempt) {
        let others = self.attempts.values().filter(|attempt| attempt.tag != tag);
        let identical =
            others.map(|attempt| attempt.tag).find(|tag| self.jobs[tag.0].fingerprint == job.fingerprint);
        let identical = identical.filter(|_| self.coalesces);
        self.check(identical.is_none(), || format!("law 15: {tag:?} is sent beside {identical:?}"));
        let is_hedge = self.hedge.take() == Some(id);
        let JobModel { attempts, first_byte_received, cancelled, end, .. } = &mut self.jobs[tag.0];
        let (busy, first_byte_received, cancelled, ended) =
            (attempts.len() != usize::from(is_hedge), *first_byte_received, *cancelled, end.is_some());
        attempts.push(id);
        self.check(!busy && !ended, || format!("law 1: {tag:?} is sent while busy or after its end"));
        self.check(!first_byte_received, || format!("law 16: {tag:?} is sent after its first byte"));
        self.check(!cancelled, || format!("law 17: {tag:?} is sent after it was cancelled"));
        self.attempts.insert(id, AttemptModel { tag, slot, target });
        let decision = ProviderDecision::Admitted { reserved: 150 };
        self.record_provider_event(tag, EventKind::Decided { attempt: id, target, decision });
    }

    fn cancel(&mut self, _: Instant, tag: Tag, attempt: AttemptId) {
        let ended = self.end_attempt(attempt);
        self.check(ended.is_none_or(|attempt| attempt.tag == tag), || {
            format!("law 2: {attempt:?} is not {tag:?}'s")
        });
    }

    fn reassign(&mut self, _: Instant, &Handover { attempt, from, to, slot, job }: &Handover) {
        let (leader, next) = (&self.jobs[from.0], &self.jobs[to.0]);
        let fits = leader.attempts == [attempt]
            && leader.cancelled
            && next.attempts.is_empty()
            && next.end.is_none()
            && next.id == job
            && next.fingerprint == leader.fingerprint;
        self.check(fits, || format!("law 15: {attempt:?} goes from {from:?} to {to:?}"));
        self.jobs[from.0].attempts.clear();
        self.jobs[to.0].attempts.push(attempt);
        if let Some(attempt) = self.attempts.get_mut(&attempt) {
            (attempt.tag, attempt.slot) = (to, slot);
        }
    }

    fn done(&mut self, _: Instant, tag: Tag, end: &JobEnd, answer: Option<Answer>) {
        self.check(self.has_source(tag, answer), || format!("law 1: {tag:?} is answered by {answer:?}"));
        let job = &mut self.jobs[tag.0];
        let again = job.end.replace(*end).is_some();
        let busy = !job.attempts.is_empty();
        self.check(!again, || format!("law 1: {tag:?} ends twice"));
        self.check(!busy, || format!("law 2: {tag:?} ends with an attempt in flight"));
        let served = end.outcome == JobOutcome::Succeeded;
        self.check(served == answer.is_some(), || format!("law 1: {tag:?}: {end:?} and {answer:?}"));
    }
}
