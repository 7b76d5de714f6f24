//! The lines of the beginnings and the ends of tasks.

use crate::event::{TaskEnd, TaskEvent, TaskOutcome, TaskStart};
use crate::ids::{TaskId, WorkloadId};
use provider::Instant;
use serde::{Deserialize, Serialize};

/// The beginning of a task.
#[derive(Serialize, Deserialize)]
pub(super) struct TaskBegan {
    task: u64,
    #[serde(rename = "class")]
    workload: u16,
    scheduled_ns: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ns: Option<u64>,
}

/// The end of a task.
#[derive(Serialize, Deserialize)]
pub(super) struct TaskEnded {
    task: u64,
    #[serde(rename = "class")]
    workload: u16,
    scheduled_ns: u64,
    verdict: TaskOutcome,
    steps: u32,
    calls: u32,
}

impl From<TaskStart> for TaskBegan {
    fn from(start: TaskStart) -> Self {
        Self {
            task: start.task.0,
            workload: start.workload.0,
            scheduled_ns: start.scheduled.0,
            deadline_ns: start.deadline.map(|at| at.0),
        }
    }
}

impl From<TaskEnd> for TaskEnded {
    fn from(end: TaskEnd) -> Self {
        Self {
            task: end.task.0,
            workload: end.workload.0,
            scheduled_ns: end.scheduled.0,
            verdict: end.outcome,
            steps: end.steps,
            calls: end.calls,
        }
    }
}

impl TaskBegan {
    /// Returns the event.
    pub(super) fn into_event(self) -> TaskEvent {
        TaskEvent::Began(TaskStart {
            task: TaskId(self.task),
            workload: WorkloadId(self.workload),
            scheduled: Instant(self.scheduled_ns),
            deadline: self.deadline_ns.map(Instant),
        })
    }
}

impl TaskEnded {
    /// Returns the event.
    pub(super) fn into_event(self) -> TaskEvent {
        TaskEvent::Ended(TaskEnd {
            task: TaskId(self.task),
            workload: WorkloadId(self.workload),
            scheduled: Instant(self.scheduled_ns),
            outcome: self.verdict,
            steps: self.steps,
            calls: self.calls,
        })
    }
}
