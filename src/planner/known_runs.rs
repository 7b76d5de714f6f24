//! The runs of a plan that other processes made. The plan is made again from them, and states which runs are missing: those of
//! the next round.
//!
//! A search chooses its next runs by the results of the last, so a plan is made in rounds. All runs of a round are
//! independent of each other. A round ends where every search waits for a run that is not known.

use super::request::{RunId, RunKind, RunOutput, RunRequest};
use super::rules::Rules;
use super::run_count::RunCount;
use super::runner::Runner;
use crate::ceiling::Ceiling;
use crate::scenario::Scenario;
use crate::stats::replica_seed;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The results of runs by their identifiers, and the runs that are missing.
#[derive(Debug, Default)]
pub(super) struct KnownRuns {
    outputs: FxHashMap<RunId, RunOutput>,
    missing: Mutex<BTreeMap<RunId, MissingRun>>,
    /// The shards without whose runs the plan is made, which states that it is not whole; empty if it waits for missing runs.
    pub(super) missing_shards: Vec<String>,
}

/// A run that is not known yet.
#[derive(Clone, Debug)]
pub(super) struct MissingRun {
    scenario: Scenario,
    rules: Rules,
    kind: RunKind,
    replica: u32,
    /// The multiple of the load.
    pub(super) multiple: f64,
    /// The seed.
    pub(super) seed: u64,
    /// The changes to the scenario, in words.
    pub(super) changes: Vec<String>,
    /// About how many jobs it has, by which shards are given equal work.
    pub(super) jobs: f64,
}

impl KnownRuns {
    /// Returns the runs with these results, for a plan that is made without the runs of `missing_shards`, if there are any.
    pub(super) fn new(
        outputs: impl IntoIterator<Item = (RunId, RunOutput)>,
        missing_shards: Vec<String>,
    ) -> Self {
        Self { outputs: outputs.into_iter().collect(), missing: Mutex::default(), missing_shards }
    }

    /// Returns the result of a run; if it is not known, `None`, and notes that it is missing.
    pub(super) fn find(&self, request: &RunRequest<'_>) -> Option<RunOutput> {
        let id = request.id();
        if let Some(output) = self.outputs.get(&id) {
            return Some(output.clone());
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.entry(id).or_insert_with(|| MissingRun::new(request));
        None
    }

    /// Returns `true` if a run was asked for that is not known.
    pub(super) fn lacks_runs(&self) -> bool {
        !self.missing.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Returns the runs that are missing, the largest first.
    pub(super) fn into_missing(self) -> Vec<(RunId, MissingRun)> {
        let missing = self.missing.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<_> = missing.into_iter().collect();
        missing.sort_by(|(id, run), (other_id, other)| {
            other.jobs.total_cmp(&run.jobs).then_with(|| id.cmp(other_id))
        });
        missing
    }
}

impl MissingRun {
    fn new(request: &RunRequest<'_>) -> Self {
        let scenario = request.scenario;
        let per_second = Ceiling::of(scenario).offered_jobs_per_min / 60.0;
        Self {
            scenario: scenario.clone(),
            rules: request.rules.clone(),
            kind: request.kind,
            replica: request.replica,
            multiple: request.multiple,
            seed: replica_seed(scenario.seed, u64::from(request.replica)),
            changes: request.changes.to_vec(),
            jobs: libm::round(per_second * scenario.duration.as_secs_f64() * request.multiple),
        }
    }

    /// Makes the run; `count` is that of all runs of this process. Returns `None` if it is interrupted.
    pub(super) fn simulate(&self, count: &RunCount<'_>) -> Option<RunOutput> {
        let runner = Runner::new(&self.rules, count);
        let request = RunRequest {
            scenario: &self.scenario,
            multiple: self.multiple,
            replica: self.replica,
            kind: self.kind,
            rules: &self.rules,
            changes: &self.changes,
        };
        let output = runner.simulate(&request, &|| count.is_stopped())?;
        count.add(&output.summary);
        Some(output)
    }
}
