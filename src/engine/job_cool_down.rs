//! The cool-downs of single jobs, for a client whose jobs do not know of each other's refusals ([`CoolDown::PerJob`]): a job
//! is not sent to a target for as long as the reply to its own attempt stated.
//!
//! They are stored apart from the jobs, because most clients have none. Rows are used again with their slots, so
//! that memory is proportional to the jobs in flight.

use crate::event::RefusalCause;
use crate::ids::Slot;
use crate::scenario::{CoolDown, Scenario};
use provider::{Axis, Instant};

/// The cool-down of a target for one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JobCoolDown {
    /// The job is not sent to the target before this instant.
    pub(super) until: Instant,
    /// The cause and, if a limit refused, its axis.
    pub(super) cause: (RefusalCause, Option<Axis>),
}

impl JobCoolDown {
    /// No cool-down: its end is not later than the arrival of any job.
    const NONE: Self = Self { until: Instant::ZERO, cause: (RefusalCause::Other, None) };
}

/// The cool-downs of all jobs in flight: a row per slot, a column per position in the route.
#[derive(Debug)]
pub(super) struct JobCoolDowns {
    /// The number of targets of the longest route; 0 if cool-downs are shared by all jobs.
    width: usize,
    cells: Vec<JobCoolDown>,
}

impl JobCoolDowns {
    /// Creates an empty table, which stays empty unless the cool-downs of the client are per job.
    pub(super) fn new(scenario: &Scenario, cool_down: CoolDown) -> Self {
        let targets =
            scenario.routes.iter().map(|route| route.steps.iter().map(|step| step.targets.len()).sum());
        let width = match cool_down {
            CoolDown::PerTarget => 0,
            CoolDown::PerJob => targets.max().unwrap_or(0),
        };
        Self { width, cells: Vec::new() }
    }

    /// Begins the row of a job that arrives.
    #[inline]
    pub(super) fn begin(&mut self, slot: Slot) {
        if self.width > 0 {
            let first = slot.index() * self.width;
            self.cells.resize(self.cells.len().max(first + self.width), JobCoolDown::NONE);
            self.cells[first..first + self.width].fill(JobCoolDown::NONE);
        }
    }

    /// Returns `true` if cool-downs are per job.
    pub(super) const fn are_kept(&self) -> bool {
        self.width > 0
    }

    /// Returns the cool-downs of a job by the position of the target in its route; empty if cool-downs are shared.
    #[inline]
    pub(super) fn of(&self, slot: Slot) -> &[JobCoolDown] {
        let first = slot.index() * self.width;
        &self.cells[first..first + self.width]
    }

    /// Sets the cool-down of one job for the target at `position` in its route.
    pub(super) fn set(&mut self, slot: Slot, position: u8, cool_down: JobCoolDown) {
        self.cells[slot.index() * self.width + usize::from(position)] = cool_down;
    }
}
