//! The simulated ceiling over several seeds, and how sure it is.

use super::runner::Runner;
use super::search::{CeilingEstimate, Search};
use crate::scenario::Scenario;
use crate::stats::critical;
use rayon::prelude::*;

/// How near the two sides of the first replica's ceiling must come.
pub(super) const TOLERANCE: f64 = 0.004;
/// The same for the others: coarser, because their mean is nearer to the truth than each of them.
pub(super) const OTHERS: f64 = 0.012;
/// How far around the first replica's ceiling the others look first.
const NEAR: f64 = 1.008;
/// The fewest replicas that say something of their spread.
const LEAST: u32 = 4;
/// So many more at a time, until the interval is narrow enough.
const MORE: u32 = 1;
/// The most replicas of their own accord.
const MOST: u32 = 16;
/// The mean is sure enough when its interval reaches no further than this share of it to either side.
const SURE: f64 = 0.005;
/// The share of intervals that hold the mean.
pub(super) const CONFIDENCE: f64 = 0.95;
/// The ceilings of several replicas.
#[derive(Clone, Debug)]
pub(super) struct Replicas {
    /// The scenario's own seed first; never empty.
    pub(super) found: Vec<CeilingEstimate>,
}

/// A mean and the interval that holds it with [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Replicas {
    /// Looks for the ceiling on `wanted` seeds, or on as many as it takes to be sure: on the scenario's own as
    /// `search` has it, and around that on the others.
    pub(super) fn run(lab: &Runner<'_>, scenario: &Scenario, search: Search, wanted: Option<u32>) -> Self {
        let first = search.run(lab, scenario);
        let (guess, steepness) = (first.at_least(), first.steepness());
        let near = Search { guess, step: NEAR, steepness, tolerance: OTHERS, ..search };
        let mut found = vec![first];
        let most = wanted.unwrap_or(MOST);
        let open = |found: &[CeilingEstimate]| found[0].ceiling().is_none_or(|ceiling| ceiling == 0.0);
        while (found.len() as u32) < most && !open(&found) {
            let done = found.len() as u32;
            let next = wanted.unwrap_or(if done < LEAST { LEAST } else { done + MORE }).min(most);
            let more =
                (done..next).into_par_iter().map(|replica| Search { replica, ..near }.run(lab, scenario));
            found.par_extend(more);
            if wanted.is_none() && Interval::of(&ceilings(&found)).is_narrow() {
                break;
            }
        }
        Self { found }
    }

    /// The mean ceiling; `None` where nothing broke.
    pub(super) fn interval(&self) -> Option<Interval> {
        self.found[0].ceiling().map(|_| Interval::of(&self.ceilings()))
    }

    /// The ceiling of each; of the highest load tried where nothing broke.
    pub(super) fn ceilings(&self) -> Vec<f64> {
        ceilings(&self.found)
    }
}

fn ceilings(found: &[CeilingEstimate]) -> Vec<f64> {
    found.iter().map(CeilingEstimate::at_least).collect()
}

impl Interval {
    /// The interval of the mean of at least one value; a single one says nothing of its own spread, so
    /// its interval is the tolerance of its search.
    #[expect(clippy::cast_precision_loss, reason = "replicas are few")]
    pub(super) fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let spread = if values.len() > 1 {
            critical(count - 1.0, (1.0 - CONFIDENCE) / 2.0) * libm::sqrt(squares / (count - 1.0) / count)
        } else {
            0.0
        };
        let reach = spread.max(mean * TOLERANCE / 2.0);
        Self { mean, low: mean - reach, high: mean + reach }
    }

    fn is_narrow(&self) -> bool {
        self.high - self.mean <= self.mean * SURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::Stream;

    #[test]
    fn the_interval_holds_the_mean_as_often_as_it_says() {
        for count in [2usize, 4, 16, 40] {
            let held = (0..4_000).filter(|trial| {
                let mut stream = Stream::new(9, "interval", *trial);
                let dist = provider::dist::Dist::LogNormal { mu: 0.0, sigma: 0.05 };
                let values: Vec<f64> = (0..count).map(|_| dist.sample(&mut stream)).collect();
                let interval = Interval::of(&values);
                interval.low <= dist.mean() && dist.mean() <= interval.high
            });
            // The standard error of a share of 95 % over 4,000 trials is 0.35 %.
            let share = held.count() as f64 / 4e3;
            assert!((share - CONFIDENCE).abs() < 0.0125, "{count}: {share}");
        }
    }

    #[test]
    fn one_value_is_as_sure_as_its_search() {
        let interval = Interval::of(&[2.0]);
        assert!((interval.mean - 2.0).abs() < 1e-12);
        assert!((interval.high - interval.low - 2.0 * TOLERANCE).abs() < 1e-12);
    }
}
