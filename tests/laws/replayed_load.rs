//! The arrivals of a run, generated a second time beside its events: what the provider knows of each job.

use quotalab::event::{Event, EventKind, TaskEvent};
use quotalab::ids::JobId;
use quotalab::job::Arrival;
use quotalab::load::Load;
use quotalab::scenario::Scenario;
use std::collections::BTreeMap;

/// A load that follows the events of a run.
pub(super) struct ReplayedLoad {
    load: Load,
    /// See [`Arrival::origin`].
    origins: BTreeMap<JobId, u32>,
}

impl ReplayedLoad {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self { load: Load::new(scenario), origins: BTreeMap::new() }
    }

    /// Follows an event. Returns the arrival if it is one.
    pub(super) fn event(&mut self, event: &Event) -> Option<Arrival> {
        match event.kind {
            EventKind::Arrived { .. } => {
                let arrival = self.load.next().expect("every job comes from the load");
                assert_eq!(arrival.job.id, event.job, "jobs are numbered in order of arrival");
                self.origins.insert(event.job, arrival.origin);
                return Some(arrival);
            }
            EventKind::Done(end) => {
                let origin = self.origins.remove(&event.job).expect("the job has arrived");
                self.load.finished(event.at, end.workload, origin, end.outcome);
            }
            EventKind::Task(TaskEvent::Ended(end)) => loop {
                match self.load.pop_task_event(end.workload) {
                    Some((_, TaskEvent::Ended(known))) => {
                        assert_eq!(known, end, "the task ends as the load says");
                        break;
                    }
                    Some((_, TaskEvent::Began(_))) => {}
                    // It ends while a tool runs.
                    None => {
                        assert!(self.load.next().is_none(), "no job arrives in place of the end of a task")
                    }
                }
            },
            _ => {}
        }
        None
    }
}
