//! Batches: when each is done, with how many workers it is done in time, and with how many every other rule holds.
//!
//! More workers finish a batch sooner until a limit binds, and leave less of the limits to other workloads. The planner doubles the workers
//! until more of them change nothing, then bisects for the fewest that finish the batch in time, and for the most with which every other
//! rule holds. All runs are on the scenario's own seed, with the other workloads at their present load.

use super::plan::{BatchPlan, BatchTry};
use super::runner::{Run, Runner};
use crate::formatting::rounded;
use crate::ids::WorkloadId;
use crate::scenario::{Arrivals, Metric, Rule, Scenario};
use provider::Instant;

/// More workers are tried until twice as many end the batch sooner by less than this share, two times in a row.
const MIN_GAIN: f64 = 0.01;
/// The most workers that are tried.
const MAX_WORKERS: u32 = 1 << 14;

/// Returns the batches of a scenario, in its order; without those whose runs were stopped. `present` is the run at the present load.
pub(super) fn batches(runner: &Runner<'_>, scenario: &Scenario, present: &Run) -> Vec<BatchPlan> {
    let each = (0..).zip(&scenario.workloads).filter_map(|(id, workload)| match workload.arrivals {
        Arrivals::Batch { jobs, from, workers } => {
            Some((Batch { runner, scenario, id: WorkloadId(id), from }, jobs, workers))
        }
        _ => None,
    });
    runner.count.stage("batches");
    each.filter_map(|(batch, jobs, workers)| batch.plan(present, jobs, workers)).collect()
}

/// The batch of one workload.
struct Batch<'a> {
    runner: &'a Runner<'a>,
    scenario: &'a Scenario,
    id: WorkloadId,
    from: Instant,
}

impl Batch<'_> {
    fn plan(&self, present: &Run, jobs: u32, workers: u32) -> Option<BatchPlan> {
        let by_s = self.due_s();
        let mut tries = self.doubled(self.tried(workers, present)?, jobs)?;
        let in_time = |one: &BatchTry| one.finished_s.is_some_and(|at| at <= by_s);
        self.bisect(&mut tries, |one| !in_time(one))?;
        self.bisect(&mut tries, |one| one.broken.is_empty())?;
        let bearable = tries.iter().take_while(|one| one.broken.is_empty()).map(|one| one.workers).last();
        Some(BatchPlan {
            workload: self.scenario.workloads[self.id.index()].name.clone(),
            jobs: u64::from(jobs),
            from_s: rounded(self.from.as_secs_f64(), 6),
            by_s,
            workers,
            enough: tries.iter().find(|one| in_time(one)).map(|one| one.workers),
            bears_all_tried: tries.iter().all(|one| one.broken.is_empty()),
            bearable,
            tries,
        })
    }

    /// Returns the time by which the batch must be finished, in seconds.
    fn due_s(&self) -> f64 {
        let is_due = |rule: &&Rule| rule.metric == Metric::FinishedBy && rule.workload == Some(self.id);
        let due = self.scenario.expect.iter().filter(is_due).map(|rule| rule.value).reduce(f64::min);
        rounded(due.unwrap_or_else(|| self.scenario.duration.as_secs_f64()), 6)
    }

    /// Tries one worker, twice as many, and so on, besides the present number. `None` if a run was stopped.
    fn doubled(&self, present: BatchTry, jobs: u32) -> Option<Vec<BatchTry>> {
        let most = jobs.min(MAX_WORKERS).max(present.workers);
        let mut tries = vec![present];
        let (mut workers, mut idle, mut last) = (1, 0, None);
        while workers <= most && idle < 2 {
            if tries[0].workers != workers {
                tries.push(self.run(workers)?);
            }
            let one = tries.iter().find(|one| one.workers == workers)?;
            // Jobs per second of the batch, whether it is finished or not.
            let end = one.finished_s.unwrap_or_else(|| self.scenario.duration.as_secs_f64());
            let rate = one.ended as f64 / (end - rounded(self.from.as_secs_f64(), 6)).max(1e-9);
            idle = if last.is_some_and(|last: f64| rate < last * (1.0 + MIN_GAIN)) { idle + 1 } else { 0 };
            last = Some(rate);
            workers = workers.saturating_mul(2);
        }
        tries.sort_by_key(|one| one.workers);
        Some(tries)
    }

    /// Tries numbers of workers between the last that `is_low` and the next one that was tried, until they are neighbours. `None` if a run was
    /// stopped.
    fn bisect(&self, tries: &mut Vec<BatchTry>, is_low: impl Fn(&BatchTry) -> bool) -> Option<()> {
        loop {
            let place = tries.iter().take_while(|one| is_low(one)).count();
            let (low, high) = (place.checked_sub(1).map_or(0, |low| tries[low].workers), tries.get(place));
            let Some(high) = high.map(|one| one.workers).filter(|high| high - low > 1) else {
                return Some(());
            };
            tries.insert(place, self.run(u32::midpoint(low, high))?);
        }
    }

    fn run(&self, workers: u32) -> Option<BatchTry> {
        let mut scenario = self.scenario.clone();
        if let Arrivals::Batch { workers: now, .. } = &mut scenario.workloads[self.id.index()].arrivals {
            *now = workers;
        }
        self.tried(workers, &self.runner.run(&scenario, 1.0, 0)?)
    }

    /// Returns what a run with this number of workers shows.
    fn tried(&self, workers: u32, run: &Run) -> Option<BatchTry> {
        let batch = run.summary.workloads[self.id.index()].batch.as_ref()?;
        let broken = self.broken_others(run);
        Some(BatchTry { workers, ended: batch.ended_by_end(), finished_s: batch.finished_s, broken })
    }

    /// Returns the broken rules that are not on the end of this batch.
    fn broken_others(&self, run: &Run) -> Vec<String> {
        let is_end = |text: &str| {
            let is_of_batch =
                |rule: &Rule| rule.metric == Metric::FinishedBy && rule.workload == Some(self.id);
            self.scenario.expect.iter().any(|rule| rule.text == text && is_of_batch(rule))
        };
        run.broken.iter().map(|rule| rule.rule.clone()).filter(|rule| !is_end(rule)).collect()
    }
}
