//! Runs a scenario and returns the summary of the run.

use super::start_levels::with_start_levels;
use super::virtual_time::{simulate, simulate_load};
use crate::job::MAX_JOBS_IN_FLIGHT;
use crate::load::Load;
use crate::record::{Fold, Mode, Recorder, RunEnd, Summary};
use crate::scenario::Scenario;
use provider::Instant;

/// Runs `scenario` in virtual time.
#[must_use]
pub fn summarize(scenario: &Scenario) -> Summary {
    let scenario = &with_start_levels(scenario.clone());
    record(Recorder::new(scenario), Mode::Virtual, &mut (), |folds| simulate(scenario, folds))
}

/// Runs `scenario` in virtual time with the arrivals that `load` generates, and passes every event to `fold`. The summary
/// has quantiles but no distributions, for callers that make thousands of runs.
#[must_use]
pub fn summarize_without_distributions(scenario: &Scenario, load: Load, fold: &mut impl Fold) -> Summary {
    let scenario = &with_start_levels(scenario.clone());
    let recorder = Recorder::without_distributions(scenario);
    record(recorder, Mode::Virtual, fold, |folds| simulate_load(scenario, load, folds))
}

/// Calls `drive` to make the run, and returns the summary of its events, which go to `fold` as well. `drive` returns
/// the run's last instant.
pub fn record<F: Fold>(
    recorder: Recorder,
    mode: Mode,
    fold: &mut F,
    drive: impl FnOnce(&mut (Recorder, &mut F)) -> Instant,
) -> Summary {
    let mut folds = (recorder, fold);
    let last_instant = drive(&mut folds);
    let interrupted = folds.1.is_done() || folds.0.jobs_in_flight() >= MAX_JOBS_IN_FLIGHT as u64;
    folds.0.finish(RunEnd { at: last_instant, mode, scheduled: None, interrupted })
}
