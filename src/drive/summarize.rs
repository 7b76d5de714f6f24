//! From a scenario to the summary of one run.

use super::virtual_time::{simulate, simulate_load};
use crate::load::Load;
use crate::record::{Fold, Mode, Recorder, RunEnd, Summary};
use crate::scenario::Scenario;
use provider::Instant;

/// Runs `scenario` in virtual time.
#[must_use]
pub fn summarize(scenario: &Scenario) -> Summary {
    record(Recorder::new(scenario), Mode::Virtual, &mut (), |folds| simulate(scenario, folds))
}

/// Runs `scenario` with the load `load` in virtual time, for callers that make thousands of runs: the summary has
/// quantiles but no distributions.
#[must_use]
pub fn summarize_load(scenario: &Scenario, load: Load) -> Summary {
    let recorder = Recorder::without_distributions(scenario);
    record(recorder, Mode::Virtual, &mut (), |folds| simulate_load(scenario, load, folds))
}

/// Records the run that `drive` makes, which returns its last instant. Every event goes to `fold` as well.
pub fn record<F: Fold>(
    recorder: Recorder,
    mode: Mode,
    fold: &mut F,
    drive: impl FnOnce(&mut (Recorder, &mut F)) -> Instant,
) -> Summary {
    let mut folds = (recorder, fold);
    let at = drive(&mut folds);
    folds.0.finish(RunEnd { at, mode, scheduled: None })
}
