//! The worst window of time of each workload: the one in which the smallest share of its jobs succeeded, how long those took,
//! and which limit refused most.
//!
//! A job belongs to the window in which it was scheduled to arrive. Memory is constant over a run: at most
//! [`MAX_WINDOWS`] windows of counts, and per workload the latencies of the last [`OPEN`] windows, in which a job that has not
//! ended may have arrived.

use super::histogram::Histogram;
use super::window_index::WindowIndex;
use crate::event::{JobEnd, JobOutcome};
use crate::formatting::{rounded, seconds, share_of};
use crate::ids::TargetId;
use crate::scenario::Scenario;
use provider::{Axis, Instant, Nanos};
use serde::{Deserialize, Serialize};

/// Lengths of windows that are easy to read, in rising order.
const LENGTHS: [Nanos; 12] = [
    Nanos::MINUTE,
    Nanos::from_secs(2 * 60),
    Nanos::from_secs(5 * 60),
    Nanos::from_secs(10 * 60),
    Nanos::from_secs(15 * 60),
    Nanos::from_secs(30 * 60),
    Nanos::HOUR,
    Nanos::from_secs(2 * 3_600),
    Nanos::from_secs(4 * 3_600),
    Nanos::from_secs(6 * 3_600),
    Nanos::from_secs(12 * 3_600),
    Nanos::DAY,
];
/// The most windows of a run: five minutes each in a day.
const MAX_WINDOWS: u64 = 300;
/// The fewest whole windows of a run; a shorter run has none.
const MIN_WINDOWS: u64 = 3;
/// The number of windows of which latencies are kept. A job ends within its deadline, which spans fewer windows.
const OPEN: usize = 4;
/// The fewest jobs of a window that is called the worst.
const MIN_JOBS: u64 = 20;

/// The worst window of a workload in a result: the one in which the smallest share of its jobs succeeded, of equal ones the
/// one with the highest 95th percentile of latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorstWindow {
    /// When it begins, in seconds since the run began.
    pub from_s: f64,
    /// Its length, in seconds.
    pub length_s: f64,
    /// The jobs that were scheduled in it and have ended.
    pub jobs: u64,
    /// Of these, the jobs that succeeded.
    pub succeeded: u64,
    /// The 95th percentile of their latency; `None` if none succeeded.
    pub p95_s: Option<f64>,
    /// The limit that refused the most attempts in the window, of any workload; `None` if none refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<RefusedBy>,
}

/// A limit and the attempts that it refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedBy {
    /// `provider/account/model`.
    pub target: String,
    /// The axis of the limit.
    pub axis: String,
    /// The attempts.
    pub attempts: u64,
}

/// The windows of all workloads.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    length: Nanos,
    workloads: Vec<WorkloadWindows>,
    index: WindowIndex,
    /// Refused attempts by window, target and axis.
    refused: Vec<u32>,
    targets: usize,
}

#[derive(Clone, Debug)]
struct WorkloadWindows {
    windows: Vec<Window>,
    /// The latencies of the jobs of the newest windows; window `n` uses the histogram `n % OPEN`.
    latencies: [Histogram; OPEN],
    /// The newest window that has a histogram.
    newest: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    ended: u64,
    succeeded: u64,
    p95_s: Option<f64>,
}

impl Windows {
    /// Returns the windows of a run; `None` if it has fewer than [`MIN_WINDOWS`], or if no length is at least half of the
    /// client's deadline and gives at most [`MAX_WINDOWS`].
    pub(super) fn of(scenario: &Scenario) -> Option<Self> {
        let min_length = Nanos(scenario.longest_deadline().0 / (OPEN as u64 - 2));
        let fits =
            |length: &Nanos| scenario.duration.0.div_ceil(length.0) <= MAX_WINDOWS && *length >= min_length;
        let length = LENGTHS.into_iter().find(fits)?;
        if scenario.duration.0 / length.0 < MIN_WINDOWS {
            return None;
        }
        let count = scenario.duration.0.div_ceil(length.0) as usize;
        let workload = || WorkloadWindows {
            windows: vec![Window::default(); count],
            latencies: std::array::from_fn(|_| Histogram::of_bucket()),
            newest: 0,
        };
        let targets = scenario.targets.len();
        Some(Self {
            length,
            workloads: (0..scenario.workloads.len()).map(|_| workload()).collect(),
            index: WindowIndex::new(length, count),
            refused: vec![0; count * targets * Axis::ALL.len()],
            targets,
        })
    }

    /// Counts a job that ended at `at`.
    pub(super) fn done(&mut self, at: Instant, end: &JobEnd) {
        if end.outcome == JobOutcome::InFlight {
            return;
        }
        let index = self.index.of(end.scheduled);
        let workload = &mut self.workloads[end.workload.index()];
        workload.windows[index].ended += 1;
        if end.outcome == JobOutcome::Succeeded {
            workload.windows[index].succeeded += 1;
            workload.record(index, at.since(end.scheduled));
        }
    }

    /// Counts an attempt that a limit refused.
    pub(super) fn refused(&mut self, at: Instant, target: TargetId, axis: Axis) {
        let index = (self.index.of(at) * self.targets + target.index()) * Axis::ALL.len() + axis as usize;
        self.refused[index] = self.refused[index].saturating_add(1);
    }

    /// Returns the worst window of each workload; `None` for a workload without enough jobs in two windows.
    pub(super) fn finish(mut self, scenario: &Scenario) -> Vec<Option<WorstWindow>> {
        (0..self.workloads.len())
            .map(|workload| {
                self.workloads[workload].close_all();
                let index = self.workloads[workload].worst()?;
                let Window { ended, succeeded, p95_s } = self.workloads[workload].windows[index];
                Some(WorstWindow {
                    from_s: rounded((self.length * index as u64).as_secs_f64(), 6),
                    length_s: seconds(self.length),
                    jobs: ended,
                    succeeded,
                    p95_s,
                    refused_by: self.most_refusing(index, scenario),
                })
            })
            .collect()
    }

    /// Returns the limit that refused the most attempts in a window.
    fn most_refusing(&self, window: usize, scenario: &Scenario) -> Option<RefusedBy> {
        let per_window = self.targets * Axis::ALL.len();
        let counts = self.refused[window * per_window..][..per_window].iter().enumerate();
        let (index, &attempts) = counts.max_by_key(|(index, count)| (**count, usize::MAX - index))?;
        (attempts > 0).then(|| RefusedBy {
            target: scenario.targets[index / Axis::ALL.len()].name.clone(),
            axis: Axis::ALL[index % Axis::ALL.len()].name().to_owned(),
            attempts: attempts.into(),
        })
    }
}

impl WorkloadWindows {
    fn record(&mut self, index: usize, latency: Nanos) {
        while self.newest < index {
            self.newest += 1;
            self.close(self.newest % OPEN, self.newest.checked_sub(OPEN));
        }
        // Only a live driver that lags far behind can report a job of a window that is closed.
        if self.newest - index < OPEN {
            self.latencies[index % OPEN].record(latency);
        }
    }

    /// Keeps the percentile of a window, whose jobs have all ended, and empties its histogram for another.
    fn close(&mut self, slot: usize, window: Option<usize>) {
        let histogram = &mut self.latencies[slot];
        if let Some(window) = window.filter(|_| !histogram.is_empty()) {
            self.windows[window].p95_s = histogram.quantile_s(0.95).map(|p95| rounded(p95, 6));
        }
        histogram.clear();
    }

    fn close_all(&mut self) {
        for window in (self.newest + 1).saturating_sub(OPEN)..=self.newest {
            self.close(window % OPEN, Some(window));
        }
    }

    /// Returns the worst of the windows with enough jobs; `None` if there are fewer than two of them.
    fn worst(&self) -> Option<usize> {
        let judged: Vec<usize> =
            (0..self.windows.len()).filter(|index| self.windows[*index].ended >= MIN_JOBS).collect();
        let badness = |index: &usize| {
            let Window { ended, succeeded, p95_s } = self.windows[*index];
            (-share_of(succeeded, ended).unwrap_or(1.0), p95_s.unwrap_or(f64::INFINITY))
        };
        let worse = |worst: usize, next: usize| {
            let (one, other) = (badness(&worst), badness(&next));
            let order = other.0.total_cmp(&one.0).then(other.1.total_cmp(&one.1));
            if order.is_gt() { next } else { worst }
        };
        if judged.len() < 2 {
            return None;
        }
        judged.into_iter().reduce(worse)
    }
}
