//! The latest decisions, for the page and the JSON of the gateway's state: why the last jobs went where they went.

use crate::event::{AttemptFailure, AttemptOutcome, Event, EventKind, JobOutcome, LimitCause};
use crate::formatting::{duration, seconds};
use crate::scenario::Scenario;
use std::collections::VecDeque;

/// The number of decisions that are kept.
const KEPT: usize = 200;

/// The latest events that decide something.
#[derive(Debug, Default)]
pub(super) struct Decisions(VecDeque<Event>);

impl Decisions {
    /// Adds an event, unless it is none that decides something.
    pub(super) fn add(&mut self, event: &Event) {
        let decides = matches!(
            event.kind,
            EventKind::Waiting { .. }
                | EventKind::Queued { .. }
                | EventKind::Sent { .. }
                | EventKind::Replied { .. }
                | EventKind::AttemptCancelled { .. }
                | EventKind::CooledDown { .. }
                | EventKind::FellBack { .. }
                | EventKind::Done(_)
        );
        if decides {
            if self.0.len() == KEPT {
                self.0.pop_front();
            }
            self.0.push_back(*event);
        }
    }

    /// Returns them, oldest first.
    pub(super) fn latest(&self) -> Vec<Event> {
        self.0.iter().copied().collect()
    }
}

/// Returns what an event decided, as a sentence without its job.
pub(super) fn sentence(event: &Event, scenario: &Scenario) -> String {
    let name = |target: crate::ids::TargetId| scenario.targets[target.index()].name.as_str();
    match event.kind {
        EventKind::Queued { waiting } => format!("waits for a free attempt, {waiting} in the queue"),
        EventKind::Waiting { until, obstacle, .. } => {
            let length = duration(seconds(until.since(event.at)));
            format!("waits {length} for {}", name(obstacle.target))
        }
        EventKind::Sent { target, number, step, .. } => {
            format!("attempt {number} goes to {} (step {})", name(target), step + 1)
        }
        EventKind::Replied { target, outcome, .. } => format!("{}: {}", name(target), outcome_text(outcome)),
        EventKind::AttemptCancelled { target, .. } => format!("the attempt at {} is cancelled", name(target)),
        EventKind::CooledDown { target, until, cause } => {
            format!(
                "{} cools down for {}: {}",
                name(target),
                duration(seconds(until.since(event.at))),
                cause.name()
            )
        }
        EventKind::FellBack { from, to } => format!("falls back from step {} to step {}", from + 1, to + 1),
        EventKind::Done(end) => match end.outcome {
            JobOutcome::Succeeded => "is answered".to_owned(),
            JobOutcome::Failed(reason) => format!("fails: {}", reason_text(reason)),
            JobOutcome::Shed(reason) => format!("is given up before any attempt: {}", reason_text(reason)),
            JobOutcome::InFlight => "is in flight at the end".to_owned(),
        },
        _ => String::new(),
    }
}

/// Returns the result of an attempt in words.
pub(super) fn outcome_text(outcome: AttemptOutcome) -> String {
    match outcome {
        AttemptOutcome::Ok => "answered".to_owned(),
        AttemptOutcome::Limited { axis, cause: LimitCause::SharedQuota } => {
            let axis = axis.map(|axis| format!(", {axis}")).unwrap_or_default();
            format!(
                "not sent, the quota that the replicas share is used up ({}{axis})",
                LimitCause::SharedQuota.name()
            )
        }
        AttemptOutcome::Limited { cause: LimitCause::SharedCoolDown, .. } => {
            format!("not sent, it cools down at another replica ({})", LimitCause::SharedCoolDown.name())
        }
        AttemptOutcome::Limited { axis: Some(axis), cause } => format!("refused ({}, {axis})", cause.name()),
        AttemptOutcome::Limited { axis: None, cause } => format!("refused ({})", cause.name()),
        AttemptOutcome::Failed(AttemptFailure::Status(status)) => format!("failed with status {status}"),
        AttemptOutcome::Failed(AttemptFailure::Connection) => "the connection failed".to_owned(),
        AttemptOutcome::Failed(AttemptFailure::Timeout) => "no reply in time".to_owned(),
        AttemptOutcome::Failed(AttemptFailure::Garbage) => "the reply could not be read".to_owned(),
        AttemptOutcome::Failed(AttemptFailure::Local(failure)) => {
            format!("not sent, because of this machine ({})", failure.name())
        }
    }
}

/// Returns why a job ended without an answer, in words.
pub(super) const fn reason_text(reason: crate::event::EndReason) -> &'static str {
    use crate::event::EndReason;
    match reason {
        EndReason::Deadline => "no target can serve it before its deadline",
        EndReason::Attempts => "all attempts that are allowed were made",
        EndReason::RetryBudget => "the retry budget is used up",
        EndReason::QueueFull => "the queue is full",
        EndReason::Rejected => "no target of the route can serve this request",
        EndReason::Cancelled => "the caller left, or may not pay for it",
        EndReason::Interrupted => "the answer broke off after it had begun",
        EndReason::GeneratorLag => "the load generator lagged",
    }
}
