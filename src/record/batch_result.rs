//! The progress of a batch: how many of its jobs have ended, and when each hundredth of them had.

use crate::event::{JobEnd, JobOutcome};
use crate::formatting::rounded;
use crate::scenario::{Arrivals, Workload};
use provider::{Instant, Nanos};
use serde::{Deserialize, Serialize};

/// The parts of a batch whose ends are kept.
const PARTS: u64 = 100;

/// A batch in a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchResult {
    /// Its jobs.
    pub jobs: u64,
    /// Its workers: the jobs in flight at once.
    pub workers: u32,
    /// When it begins, in seconds.
    pub from_s: f64,
    /// Of its jobs, those that have ended: succeeded or given up.
    pub ended: u64,
    /// Of those, the ones that ended by the end of the run: a job that a worker began before it may end after it. `None` in results
    /// of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_in_run: Option<u64>,
    /// When the last of its jobs ended, in seconds; `None` if not all of them have.
    pub finished_s: Option<f64>,
    /// When each hundredth of the jobs had ended, in seconds: as many entries as hundredths have.
    pub progress_s: Vec<f64>,
}

impl BatchResult {
    /// Returns how many of its jobs ended by the end of the run; in results of earlier versions, how many ended at all.
    #[must_use]
    pub fn ended_by_end(&self) -> u64 {
        self.ended_in_run.unwrap_or(self.ended)
    }
}

/// Follows a batch during a run.
#[derive(Clone, Debug)]
pub(super) struct BatchProgress {
    jobs: u64,
    workers: u32,
    from: Instant,
    /// The end of the run.
    end: Instant,
    ended: u64,
    /// Of those, the ones that ended by the end of the run.
    ended_in_run: u64,
    /// When each hundredth of the jobs had ended.
    parts: Vec<Instant>,
}

impl BatchProgress {
    /// Returns the progress of a workload before a run of `duration`; `None` if it is not a batch.
    pub(super) fn of(workload: &Workload, duration: Nanos) -> Option<Self> {
        let Arrivals::Batch { jobs, from, workers } = workload.arrivals else { return None };
        let parts = Vec::with_capacity(PARTS as usize);
        let (jobs, end) = (u64::from(jobs), Instant::ZERO + duration);
        Some(Self { jobs, workers, from, end, ended: 0, ended_in_run: 0, parts })
    }

    /// Counts a job that ended at `at`.
    pub(super) fn done(&mut self, at: Instant, end: &JobEnd) {
        if end.outcome == JobOutcome::InFlight {
            return;
        }
        self.ended += 1;
        self.ended_in_run += u64::from(at <= self.end);
        // Of a batch of fewer than a hundred jobs, one job ends several parts.
        while (self.parts.len() as u64 + 1) * self.jobs <= self.ended * PARTS {
            self.parts.push(at);
        }
    }

    pub(super) fn result(&self) -> BatchResult {
        let seconds = |at: &Instant| rounded(at.as_secs_f64(), 6);
        BatchResult {
            jobs: self.jobs,
            workers: self.workers,
            from_s: seconds(&self.from),
            ended: self.ended,
            ended_in_run: Some(self.ended_in_run),
            finished_s: self.parts.last().filter(|_| self.ended == self.jobs).map(seconds),
            progress_s: self.parts.iter().map(seconds).collect(),
        }
    }
}
