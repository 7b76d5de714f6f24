//! Runs that were ended before their schedule: because as many jobs were in flight as a run may hold in memory, by a bound on what
//! a run through an endpoint may send, or by an interruption.

use super::endpoint::EndpointStop;
use super::findings::Finding;
use super::summary::{Jobs, Summary};
use crate::job::MAX_JOBS_IN_FLIGHT;

impl Jobs {
    /// Returns `true` if the run was ended because [`MAX_JOBS_IN_FLIGHT`] jobs were in flight: the summary covers the time
    /// until then, and says nothing of the rest.
    #[must_use]
    pub const fn are_too_many(&self) -> bool {
        self.in_flight >= MAX_JOBS_IN_FLIGHT as u64
    }
}

/// Returns the finding on a run that was ended before its schedule; `None` if it was not.
pub(super) fn finding(summary: &Summary) -> Option<Finding> {
    if summary.jobs.are_too_many() {
        let planned_s = summary.planned_s.unwrap_or(summary.duration_s);
        return Some(Finding::TooManyJobs { at_s: summary.ended_s, planned_s, jobs: summary.jobs.in_flight });
    }
    let stopped = summary.endpoint.as_ref().and_then(|endpoint| endpoint.stopped.as_ref());
    if let Some(EndpointStop { at_s, bound }) = stopped {
        let planned_s = summary.planned_s.unwrap_or(summary.duration_s);
        return Some(Finding::EndpointStopped { at_s: *at_s, planned_s, bound: *bound });
    }
    let interrupted = |planned_s| Finding::Interrupted { at_s: summary.duration_s, planned_s };
    summary.planned_s.map(interrupted)
}
