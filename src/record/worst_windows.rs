//! The worst window of each workload: counts of its jobs in windows of one length, and the refusals of every limit.
//!
//! A job belongs to the window in which it was scheduled to arrive, a refusal to the one in which it happens. Memory is
//! constant over a run: a job ends by the client's deadline, so that few windows are open at once and need a histogram.

use super::histogram::Histogram;
use super::names::{REFUSALS, refusal_name};
use crate::event::{JobEnd, JobOutcome};
use crate::formatting::{at_seconds, rounded, share_of};
use crate::ids::TargetId;
use crate::scenario::Scenario;
use provider::{Instant, Nanos};
use serde::{Deserialize, Serialize};

/// The length of the windows, by the longest run that they divide.
const LENGTHS: [(Nanos, Nanos); 5] = [
    (Nanos(30 * Nanos::MINUTE.0), Nanos::MINUTE),
    (Nanos::DAY, Nanos(5 * Nanos::MINUTE.0)),
    (Nanos(14 * Nanos::DAY.0), Nanos::HOUR),
    (Nanos(400 * Nanos::DAY.0), Nanos::DAY),
    (Nanos(12_000 * Nanos::DAY.0), Nanos(30 * Nanos::DAY.0)),
];
/// The fewest jobs of which a share is told.
const MIN_JOBS: u64 = 20;
/// The smallest share of jobs that a window loses more than the run does, and the smallest ratio of its 95th percentile of
/// the latency to that of the run, that are told.
const MIN_LOSS: f64 = 0.01;
const MIN_SLOWER: f64 = 1.5;

/// The window in which a workload did worst.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorstWindow {
    /// The start of the window, in seconds.
    pub from_s: f64,
    /// Its end, in seconds, exclusive; at most the end of the run.
    pub to_s: f64,
    /// The jobs that were scheduled to arrive in it and ended.
    pub jobs: u64,
    /// Of these, the ones that were served.
    pub succeeded: u64,
    /// The 95th percentile of their latency, in seconds; `None` if none was served.
    pub p95_s: Option<f64>,
    /// The limit that refused the most attempts in it, of the targets of the workload's route; `None` if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<RefusingLimit>,
}

/// A limit, and the attempts that it refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusingLimit {
    /// `provider/account/model`.
    pub target: String,
    /// The axis of the limit; the cause if the reply named no axis.
    pub axis: String,
    /// The attempts of all workloads that it refused.
    pub attempts: u64,
}

/// The windows of a run.
#[derive(Clone, Debug)]
pub(super) struct WorstWindows {
    length: Nanos,
    count: usize,
    /// Per workload.
    workloads: Vec<Windows>,
    /// Refused attempts by target, then by cause, then by window.
    refused: Vec<u32>,
}

/// The windows of a workload.
#[derive(Clone, Debug)]
struct Windows {
    windows: Vec<Window>,
    /// The latencies of the windows that may still get some, by the index of the window modulo their number.
    open: Vec<(usize, Histogram)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    ended: u64,
    succeeded: u64,
    p95_s: Option<f64>,
}

impl WorstWindows {
    /// Creates the windows of a run; `None` if it is no longer than one window.
    pub(super) fn of(scenario: &Scenario) -> Option<Self> {
        let run = scenario.duration;
        let (_, length) = LENGTHS.into_iter().find(|(longest, _)| run <= *longest)?;
        let count = (run > length).then(|| run.0.div_ceil(length.0) as usize)?;
        let open = (scenario.client.deadline.0 / length.0).saturating_add(2).min(count as u64);
        let windows = Windows {
            windows: vec![Window::default(); count],
            open: (0..open as usize).map(|index| (index, Histogram::of_bucket())).collect(),
        };
        Some(Self {
            length,
            count,
            workloads: vec![windows; scenario.workloads.len()],
            refused: vec![0; scenario.targets.len() * REFUSALS * count],
        })
    }

    fn index(&self, at: Instant) -> usize {
        usize::try_from(at.0 / self.length.0).unwrap_or(usize::MAX).min(self.count - 1)
    }

    /// Counts an attempt that a limit refused, or any other 429.
    pub(super) fn refused(&mut self, at: Instant, target: TargetId, by: usize) {
        let window = self.index(at);
        self.refused[(target.index() * REFUSALS + by) * self.count + window] += 1;
    }

    /// Counts a job that ended at `at`.
    pub(super) fn done(&mut self, at: Instant, end: &JobEnd) {
        if end.outcome == JobOutcome::InFlight {
            return;
        }
        let index = self.index(end.scheduled);
        let workload = &mut self.workloads[end.class.index()];
        workload.windows[index].ended += 1;
        if end.outcome == JobOutcome::Succeeded {
            workload.windows[index].succeeded += 1;
            workload.latency(index, at.since(end.scheduled));
        }
    }

    /// Returns the worst window of each workload, in their order; `None` if no window is notably worse than the run.
    pub(super) fn finish(mut self, scenario: &Scenario, p95_s: &[Option<f64>]) -> Vec<Option<WorstWindow>> {
        let mut workloads = std::mem::take(&mut self.workloads);
        workloads.iter_mut().for_each(Windows::complete);
        let each = scenario.workloads.iter().zip(&workloads).zip(p95_s);
        each.map(|((workload, windows), p95_s)| {
            let index = windows.worst(*p95_s)?;
            let Window { ended: jobs, succeeded, p95_s } = windows.windows[index];
            let edge = |index: usize| (self.length * index as u64).0.min(scenario.duration.0);
            Some(WorstWindow {
                from_s: at_seconds(Instant(edge(index))),
                to_s: at_seconds(Instant(edge(index + 1))),
                jobs,
                succeeded,
                p95_s: p95_s.map(|p95_s| rounded(p95_s, 6)),
                refused_by: self.most_refused(scenario, &scenario.targets_of(workload), index),
            })
        })
        .collect()
    }

    /// Returns the limit of `targets` that refused the most attempts in a window; of equal ones the first.
    fn most_refused(
        &self,
        scenario: &Scenario,
        targets: &[TargetId],
        window: usize,
    ) -> Option<RefusingLimit> {
        let counts = targets.iter().flat_map(|target| (0..REFUSALS).map(move |by| (*target, by)));
        let counts = counts.map(|(target, by)| {
            (target, by, self.refused[(target.index() * REFUSALS + by) * self.count + window])
        });
        let (target, by, attempts) = counts
            .reduce(|most, next| if next.2 > most.2 { next } else { most })
            .filter(|most| most.2 > 0)?;
        Some(RefusingLimit {
            target: scenario.targets[target.index()].name.clone(),
            axis: refusal_name(by).to_owned(),
            attempts: attempts.into(),
        })
    }
}

impl Windows {
    fn latency(&mut self, index: usize, latency: Nanos) {
        let slot = index % self.open.len();
        let (open, histogram) = &mut self.open[slot];
        if *open > index {
            return;
        }
        if *open < index {
            self.windows[*open].p95_s = histogram.quantile_s(0.95);
            histogram.clear();
            *open = index;
        }
        histogram.record(latency);
    }

    fn complete(&mut self) {
        for (index, histogram) in &self.open {
            self.windows[*index].p95_s = histogram.quantile_s(0.95);
        }
    }

    /// Returns the index of the window that loses most jobs, if it is notably more than the run loses, else of the slowest,
    /// if it is notably slower than the run.
    fn worst(&self, p95_s: Option<f64>) -> Option<usize> {
        let sum = |of: fn(&Window) -> u64| self.windows.iter().map(of).sum::<u64>();
        let lost = 1.0 - share_of(sum(|window| window.succeeded), sum(|window| window.ended))?;
        let enough = || self.windows.iter().enumerate().filter(|(_, window)| window.ended >= MIN_JOBS);
        let most = |values: &mut dyn Iterator<Item = (usize, f64)>| {
            values.reduce(|most, next| if next.1 > most.1 { next } else { most })
        };
        let losses = most(&mut enough().map(|(index, window)| (index, window.certain_loss())));
        if let Some((index, _)) = losses.filter(|(_, loss)| *loss >= lost + MIN_LOSS) {
            return Some(index);
        }
        let served = enough().filter(|(_, window)| window.succeeded >= MIN_JOBS);
        let slowest = most(&mut served.filter_map(|(index, window)| Some((index, window.p95_s?))));
        let (index, slowest_s) = slowest?;
        (slowest_s >= p95_s? * MIN_SLOWER).then_some(index)
    }
}

impl Window {
    /// Returns the lost share less two standard errors, so that few jobs do not make the worst window by chance.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
    fn certain_loss(&self) -> f64 {
        let jobs = self.ended.max(1) as f64;
        let lost = (self.ended - self.succeeded) as f64 / jobs;
        lost - 2.0 * libm::sqrt(lost * (1.0 - lost) / jobs)
    }
}
