//! The tasks of a workload of sessions: what its users wait for.

use super::findings::Finding;
use super::histogram::Histogram;
use super::recorder::Recorder;
use super::summary::{Quantiles, Summary};
use crate::event::{TaskEnd, TaskEvent, TaskOutcome};
use crate::formatting::rounded;
use provider::Instant;
use serde::{Deserialize, Serialize};

/// The steps per band of [`Tasks::by_steps`].
const BAND: u32 = 10;
/// The number of bands; the last has no upper end.
const BANDS: usize = 11;

/// The tasks of one workload: `offered = succeeded + failed + abandoned + in_flight`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tasks {
    /// Begun.
    pub offered: u64,
    /// Every call succeeded, within the deadline of the task.
    pub succeeded: u64,
    /// A call was given up before the deadline of the task.
    pub failed: u64,
    /// Their users left at the deadline.
    pub abandoned: u64,
    /// Not over when the run ended.
    pub in_flight: u64,
    /// Calls made ÷ tasks that ended; 0 if none did.
    pub calls_per_task: f64,
    /// From the first call to the end of the last reply, of tasks that succeeded.
    pub latency_s: Quantiles,
    /// The tasks that ended, by the number of steps that they have if they succeed. Bands without tasks are left out.
    pub by_steps: Vec<TaskBand>,
}

/// Tasks with similar numbers of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskBand {
    /// The fewest steps.
    pub from: u32,
    /// The most steps; `None` for the last band.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// The tasks that ended.
    pub ended: u64,
    /// Of those, the tasks that succeeded.
    pub succeeded: u64,
}

/// How the tasks of a workload ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskOutcomes {
    /// The workload.
    pub workload: String,
    /// The tasks that ended; at least one.
    pub ended: u64,
    /// Of those, the tasks that succeeded.
    pub succeeded: u64,
    /// Those of which a call was given up.
    pub failed: u64,
    /// Those whose users left.
    pub abandoned: u64,
    /// The 95th percentile of the latency of those that succeeded, in seconds; `None` if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_s: Option<f64>,
}

/// Returns the findings on tasks, in the order of the workloads.
pub(super) fn findings(summary: &Summary) -> impl Iterator<Item = Finding> {
    summary.workloads.iter().filter_map(|workload| {
        let Tasks { succeeded, failed, abandoned, latency_s, .. } = workload.tasks.as_ref()?;
        let ended = succeeded + failed + abandoned;
        (ended > 0).then(|| {
            Finding::TaskOutcomes(TaskOutcomes {
                workload: workload.name.clone(),
                ended,
                succeeded: *succeeded,
                failed: *failed,
                abandoned: *abandoned,
                p95_s: (latency_s.count > 0).then_some(latency_s.p95),
            })
        })
    })
}

/// The counters of a recorder.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskCounts {
    offered: u64,
    /// By [`TaskOutcome`].
    by_outcome: [u64; TaskOutcome::ALL.len()],
    calls: u64,
    /// Ended and succeeded.
    bands: [(u64, u64); BANDS],
    /// Of tasks that succeeded. Allocated with the first.
    latency: Option<Box<Histogram>>,
}

impl Recorder {
    /// Counts the beginning or the end of a task at `at`.
    #[cold]
    pub(super) fn task(&mut self, at: Instant, task: &TaskEvent) {
        match task {
            TaskEvent::Began(start) => self.workloads[start.workload.index()].tasks.offered += 1,
            TaskEvent::Ended(end) => {
                self.rule_windows.iter_mut().flatten().for_each(|windows| windows.task_done(at, end));
                self.workloads[end.workload.index()].tasks.ended(at, end);
            }
        }
    }
}

impl TaskCounts {
    /// Counts a task that ended at `at`.
    pub(super) fn ended(&mut self, at: Instant, end: &TaskEnd) {
        self.by_outcome[end.outcome as usize] += 1;
        self.calls += u64::from(end.calls);
        let band = (end.steps.saturating_sub(1) / BAND) as usize;
        let (ended, succeeded) = &mut self.bands[band.min(BANDS - 1)];
        *ended += 1;
        if end.outcome == TaskOutcome::Succeeded {
            *succeeded += 1;
            let latency = self.latency.get_or_insert_with(|| Box::new(Histogram::of_run()));
            latency.record(at.since(end.scheduled));
        }
    }

    /// Returns the result; `quantiles` gives the figures of a histogram.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
    pub(super) fn finish(&self, quantiles: impl Fn(&Histogram) -> Quantiles) -> Tasks {
        let [succeeded, failed, abandoned] = self.by_outcome;
        let ended = succeeded + failed + abandoned;
        let band = |(index, (ended, succeeded)): (u32, &(u64, u64))| TaskBand {
            from: index * BAND + 1,
            to: (index as usize + 1 < BANDS).then_some((index + 1) * BAND),
            ended: *ended,
            succeeded: *succeeded,
        };
        Tasks {
            offered: self.offered,
            succeeded,
            failed,
            abandoned,
            in_flight: self.offered.saturating_sub(ended),
            calls_per_task: rounded(self.calls as f64 / ended.max(1) as f64, 6),
            latency_s: self.latency.as_deref().map(quantiles).unwrap_or_default(),
            by_steps: (0..).zip(&self.bands).map(band).filter(|band| band.ended > 0).collect(),
        }
    }
}
