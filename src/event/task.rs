//! The beginnings and the ends of tasks, which the driver logs for the load. A task is one turn of a session: what its user
//! waits for.

use crate::ids::{TaskId, WorkloadId};
use provider::Instant;
use serde::{Deserialize, Serialize};

/// The beginning of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskStart {
    /// Unique within the run.
    pub task: TaskId,
    /// Its workload.
    pub workload: WorkloadId,
    /// When its first call is scheduled, from which its latency is measured.
    pub scheduled: Instant,
    /// When its user leaves; `None` if the user waits as long as it takes.
    pub deadline: Option<Instant>,
}

/// How a task ended. The instant of its end is that of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskEnd {
    /// As of its [`TaskStart`].
    pub task: TaskId,
    /// Its workload.
    pub workload: WorkloadId,
    /// When its first call was scheduled.
    pub scheduled: Instant,
    /// Succeeded or not.
    pub outcome: TaskOutcome,
    /// The steps that it has if it succeeds: calls one after another.
    pub steps: u32,
    /// The calls made.
    pub calls: u32,
}

/// How a task ended; serialised by its name in the event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskOutcome {
    /// Every call succeeded, and none ended after the deadline of the task.
    Succeeded,
    /// A call was given up before the deadline of the task.
    Failed,
    /// Its deadline was reached first: its user has left.
    Abandoned,
}

impl TaskOutcome {
    /// Every outcome; `outcome as usize` is its index.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Abandoned];
}

/// The beginning or the end of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEvent {
    /// A task begins: its first call follows.
    Began(TaskStart),
    /// A task ends: no call of it is in flight, and none follows.
    Ended(TaskEnd),
}
