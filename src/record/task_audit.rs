//! Checks law 21 on the events of a run: a task of a workload of sessions begins before its calls and ends once, after its last
//! call; every call of such a workload belongs to a task.
//!
//! Events of calls do not name their task, so calls are counted by workload: the calls of the tasks that have ended never
//! outnumber the calls that have ended, and when no task is in flight the two are equal.

use crate::event::{Event, EventKind, JobOutcome, TaskEnd, TaskEvent, TaskOutcome, TaskStart};
use crate::ids::{TaskId, WorkloadId};
use crate::scenario::Scenario;
use provider::Nanos;
use rustc_hash::FxHashMap;

/// The tasks in flight, and counts of calls.
#[derive(Clone, Debug)]
pub(super) struct TaskAudit {
    tasks: FxHashMap<TaskId, TaskStart>,
    /// By workload.
    workloads: Vec<Calls>,
    /// How much later than its deadline a task may end.
    slack: Nanos,
}

/// The calls and tasks of one workload.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    /// `true` if its jobs are the calls of sessions.
    has_tasks: bool,
    tasks_in_flight: u64,
    arrived: u64,
    ended: u64,
    /// Calls of the tasks that have ended.
    of_ended_tasks: u64,
}

impl TaskAudit {
    /// Creates the audit of a run of `scenario`.
    pub(super) fn new(scenario: &Scenario, slack: Nanos) -> Self {
        let calls = |has_tasks| Calls { has_tasks, ..Calls::default() };
        let workloads =
            scenario.workloads.iter().map(|workload| calls(workload.sessions.is_some())).collect();
        Self { tasks: FxHashMap::default(), workloads, slack }
    }

    /// Checks an event. Returns a description of the violation, if it is one.
    pub(super) fn event(&mut self, event: &Event) -> Option<&'static str> {
        match event.kind {
            EventKind::Arrived { workload, .. } => {
                let calls = self.calls(workload)?;
                calls.arrived += 1;
                (calls.has_tasks && calls.tasks_in_flight == 0).then_some("no task is in flight for the call")
            }
            EventKind::Done(end) if end.outcome != JobOutcome::InFlight => {
                self.calls(end.workload)?.ended += 1;
                None
            }
            EventKind::Task(TaskEvent::Began(start)) => {
                self.calls(start.workload)?.tasks_in_flight += 1;
                self.tasks.insert(start.task, start).map(|_| "the task has begun before")
            }
            EventKind::Task(TaskEvent::Ended(end)) => self.ended(event, &end),
            _ => None,
        }
    }

    /// Returns a description of what is missing at the end of the run, if anything is.
    pub(super) fn finish(&self) -> Option<&'static str> {
        let lacks = |calls: &Calls| {
            calls.has_tasks && calls.tasks_in_flight == 0 && calls.of_ended_tasks != calls.arrived
        };
        self.workloads.iter().any(lacks).then_some("calls belong to no task")
    }

    fn ended(&mut self, event: &Event, end: &TaskEnd) -> Option<&'static str> {
        let Some(start) = self.tasks.remove(&end.task) else { return Some("the task is not in flight") };
        let slack = self.slack;
        let calls = self.calls(end.workload)?;
        calls.tasks_in_flight = calls.tasks_in_flight.saturating_sub(1);
        calls.of_ended_tasks += u64::from(end.calls);
        let has_early_call = calls.of_ended_tasks > calls.ended;
        let is_late = start.deadline.is_some_and(|deadline| event.at > deadline + slack);
        let is_early = start.deadline.is_none_or(|deadline| event.at < deadline);
        match end.outcome {
            _ if (start.workload, start.scheduled) != (end.workload, end.scheduled) => {
                Some("the task ends as another than it began")
            }
            _ if end.calls == 0 || has_early_call => Some("the task ends before its last call"),
            TaskOutcome::Succeeded if end.calls < end.steps => Some("the task succeeds before its last step"),
            TaskOutcome::Abandoned if is_early => Some("the user leaves before the deadline of the task"),
            _ if is_late => Some("the task ends after its deadline"),
            _ => None,
        }
    }

    fn calls(&mut self, workload: WorkloadId) -> Option<&mut Calls> {
        self.workloads.get_mut(workload.index())
    }
}
