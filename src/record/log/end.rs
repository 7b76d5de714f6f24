//! The end of a job as a line of the event log states it.

use super::is_default;
use super::obstacle::ObstacleFields;
use super::verdict::Verdict;
use crate::event::{EndReason, HedgeUse, JobEnd, JobOutcome, Obstacle};
use crate::ids::WorkloadId;
use provider::{Instant, Nanos};
use serde::{Deserialize, Serialize};

/// How a job ended; `O` states what it waited for last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "O: Deserialize<'de>"))]
pub(crate) struct End<O = ObstacleFields> {
    pub(crate) verdict: Verdict,
    attempts: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    refused: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    hedge: HedgeUse,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<EndReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<u8>,
    queue_ns: u64,
    wait_ns: u64,
    service_ns: u64,
    lost_ns: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_token_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    obstacle: Option<O>,
}

impl<O> End<O> {
    /// Returns the fields of the end of a job; `obstacle` converts what it waited for.
    pub(crate) fn new(end: &JobEnd, obstacle: impl FnOnce(Obstacle) -> O) -> Self {
        let (verdict, reason) = Verdict::of(end.outcome);
        Self {
            verdict,
            attempts: end.attempts,
            refused: end.refused,
            hedge: end.hedge,
            reason,
            step: end.step,
            queue_ns: end.queue.0,
            wait_ns: end.wait.0,
            service_ns: end.service.0,
            lost_ns: end.failed_attempts.0,
            first_token_ns: end.first_token.map(|first| first.0),
            cut: end.cut,
            obstacle: end.obstacle.map(obstacle),
        }
    }
}

impl End {
    /// Returns the end of a job of this workload and schedule, which the line of its arrival states.
    ///
    /// # Errors
    /// If a job that was given up has no reason, or another job has one.
    pub(super) fn into_job_end(self, workload: WorkloadId, scheduled: Instant) -> Result<JobEnd, String> {
        let outcome = match (self.verdict, self.reason) {
            (Verdict::Succeeded, None) => JobOutcome::Succeeded,
            (Verdict::Failed, Some(reason)) => JobOutcome::Failed(reason),
            (Verdict::Shed, Some(reason)) => JobOutcome::Shed(reason),
            (Verdict::InFlight, None) => JobOutcome::InFlight,
            _ => return Err("`reason` belongs to `failed` and `shed`, and only to them".to_owned()),
        };
        Ok(JobEnd {
            outcome,
            workload,
            scheduled,
            attempts: self.attempts,
            refused: self.refused,
            hedge: self.hedge,
            step: self.step,
            queue: Nanos(self.queue_ns),
            wait: Nanos(self.wait_ns),
            service: Nanos(self.service_ns),
            failed_attempts: Nanos(self.lost_ns),
            first_token: self.first_token_ns.map(Nanos),
            cut: self.cut,
            obstacle: self.obstacle.map(Into::into),
        })
    }
}
