//! The latest decisions, for the page and the JSON of the gateway's state: why the last jobs went where they went.

use super::recording::{Names, event_text};
use crate::event::{AttemptFailure, AttemptOutcome, EndReason, Event, EventKind, RefusalCause};
use std::collections::VecDeque;

/// The number of decisions that are kept.
const KEPT: usize = 200;

/// The latest events that decide something.
#[derive(Debug, Default)]
pub(super) struct Decisions(VecDeque<Event>);

impl Decisions {
    /// Adds an event if it decides something.
    pub(super) fn add(&mut self, event: &Event) {
        let decides = matches!(
            event.kind,
            EventKind::Waiting { .. }
                | EventKind::Queued { .. }
                | EventKind::Sent { .. }
                | EventKind::Replied { .. }
                | EventKind::AttemptCancelled { .. }
                | EventKind::CoolDownBegan { .. }
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

/// Returns what an event decided, as a sentence that does not name the job: in the words of a replay, and for a reply its result.
pub(super) fn sentence(event: &Event, names: &Names) -> String {
    match event.kind {
        EventKind::Replied { target, outcome, .. } => {
            format!("{}: {}", names.target(target), outcome_text(outcome))
        }
        _ => event_text(event, names),
    }
}

/// Returns the result of an attempt in words.
pub(super) fn outcome_text(outcome: AttemptOutcome) -> String {
    match outcome {
        AttemptOutcome::Ok => "answered".to_owned(),
        AttemptOutcome::Refused { axis, cause: RefusalCause::SharedQuota } => {
            let axis = axis.map(|axis| format!(", {axis}")).unwrap_or_default();
            format!(
                "not sent, the quota that the replicas share is used up ({}{axis})",
                RefusalCause::SharedQuota.name()
            )
        }
        AttemptOutcome::Refused { cause: RefusalCause::SharedCoolDown, .. } => {
            format!(
                "not sent, another replica has put it in cool-down ({})",
                RefusalCause::SharedCoolDown.name()
            )
        }
        AttemptOutcome::Refused { axis: Some(axis), cause } => format!("refused ({}, {axis})", cause.name()),
        AttemptOutcome::Refused { axis: None, cause } => format!("refused ({})", cause.name()),
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
pub(super) const fn reason_text(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Deadline => "no target can serve it before its deadline",
        EndReason::Attempts => "all attempts that are allowed were made",
        EndReason::RetryBudget => "the retry budget is used up",
        EndReason::QueueFull => "the queue is full",
        EndReason::Rejected => "no target of the route can serve this request",
        EndReason::Cancelled => "the caller disconnected, or its budget does not cover the request",
        EndReason::Interrupted => "the answer broke off after it had begun",
        EndReason::GeneratorLag => "the load generator lagged",
        EndReason::ClientBudget => "the budget of the client in USD does not allow it before its deadline",
    }
}
