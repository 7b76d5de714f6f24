//! The effect of the delays of a live run: compares simulations with the round trips and the wake-up lag that the run
//! measured with simulations of the same seeds without them.

use super::summarize::record;
use super::virtual_time::{simulate, simulate_with_wake_lag};
use crate::record::{DelayEffect, DelayMeter, Difference, Fold, Mode, Recorder, Summary};
use crate::scenario::Scenario;
use crate::stats::{Moments, replica_seeds};
use provider::Instant;
use provider::dist::Dist;
use rayon::prelude::*;

/// The most seeds that are simulated.
const MAX_SEEDS: usize = 16;
/// The fewest seeds that are simulated.
const MIN_SEEDS: usize = 4;
/// The maximum number of jobs, over all seeds, that are simulated without the measured delays, unless [`MIN_SEEDS`] runs
/// have more.
const MAX_JOBS: u64 = 2_000_000;

/// A scenario with the delays that a live run of it measured.
#[derive(Clone, Debug)]
pub struct WithMeasuredDelays {
    scenario: Scenario,
    /// The distribution of the wake-up lag in seconds; `None` if it was not measured.
    wake_lag: Option<Dist>,
}

impl WithMeasuredDelays {
    /// Sets the round trip of every model to the distribution that was measured, if enough round trips to one of its targets were;
    /// other models keep theirs. Returns `None` if none was measured.
    #[must_use]
    pub fn new(scenario: &Scenario, delays: &DelayMeter) -> Option<Self> {
        let mut measured = scenario.clone();
        let mut is_measured = false;
        for (id, target) in scenario.target_ids().zip(&scenario.targets) {
            if let Some(round_trips) = delays.round_trips(id) {
                let models = &mut measured.providers[usize::from(target.provider)].models;
                models[usize::from(target.model)].latency.round_trip = Some(round_trips);
                is_measured = true;
            }
        }
        is_measured.then(|| Self { scenario: measured, wake_lag: delays.wake_lag() })
    }

    /// Runs the scenario in virtual time and passes every event to `fold`. Returns the instant of the last of them.
    pub fn simulate(&self, fold: &mut impl Fold) -> Instant {
        match &self.wake_lag {
            Some(wake_lag) => simulate_with_wake_lag(&self.scenario, wake_lag, fold),
            None => simulate(&self.scenario, fold),
        }
    }

    fn with_seed(&self, seed: u64) -> Self {
        Self { scenario: Scenario { seed, ..self.scenario.clone() }, ..self.clone() }
    }
}

/// Compares simulations of `scenario`, whose start levels are set, with and without the measured delays. `offered` is the
/// number of jobs of one run. Returns `None` if there is nothing to compare: no round trip was measured, or a simulation without
/// the measured delays has no refusals, no job that succeeds, or a 95th percentile of the latency of zero (cache hits).
#[must_use]
pub fn delay_effect(scenario: &Scenario, delays: &DelayMeter, offered: u64) -> Option<DelayEffect> {
    let measured = WithMeasuredDelays::new(scenario, delays)?;
    let affordable = usize::try_from(MAX_JOBS / offered.max(1)).unwrap_or(MAX_SEEDS);
    let seeds: Vec<u64> = replica_seeds(scenario.seed, affordable.clamp(MIN_SEEDS, MAX_SEEDS)).collect();
    let pair = |&seed: &u64| {
        let (assumed, measured) = (Scenario { seed, ..scenario.clone() }, measured.with_seed(seed));
        (
            measures(&assumed, |folds| simulate(&assumed, folds)),
            measures(&measured.scenario, |folds| measured.simulate(folds)),
        )
    };
    let pairs: Vec<_> = seeds.par_iter().map(pair).collect();
    let difference = |measure: usize| {
        let relative = |(assumed, measured): &([f64; 3], [f64; 3])| {
            (assumed[measure] > 0.0).then(|| measured[measure] / assumed[measure] - 1.0)
        };
        let moments = Moments::of(&pairs.iter().map(relative).collect::<Option<Vec<f64>>>()?)?;
        Some(Difference { mean: moments.mean, two_errors: 2.0 * libm::sqrt(moments.variance_of_mean()) })
    };
    Some(DelayEffect {
        seeds: u32::try_from(seeds.len()).unwrap_or(u32::MAX),
        refusals: difference(0)?,
        succeeded: difference(1)?,
        latency_p95: difference(2)?,
    })
}

/// Returns refusals, jobs that succeeded, and the 95th percentile of the latency.
#[expect(clippy::cast_precision_loss, reason = "runs have far fewer than 2^53 jobs")]
fn measures(scenario: &Scenario, drive: impl FnOnce(&mut (Recorder, &mut ())) -> Instant) -> [f64; 3] {
    let recorder = Recorder::without_distributions(scenario);
    let Summary { attempts, jobs, latency_s, .. } = record(recorder, Mode::Virtual, &mut (), drive);
    [attempts.limited as f64, jobs.succeeded as f64, latency_s.p95]
}
