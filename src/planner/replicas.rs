//! The simulated ceiling over several seeds: its mean with a confidence interval, and the ceiling to plan with, the load
//! that most runs hold.
//!
//! The ceilings of the seeds are a sample. The ceiling to plan with is a lower tolerance bound of normal theory for their
//! logarithms: `mean - k · deviation`, with the `k` for which this lies below the 5th percentile with a confidence of 90 %
//! (`stats::tolerance_factor`). The sample is the highest load that held on each seed. The deviation is at least that of an
//! error as wide as the tolerance of a search, which cannot tell closer ceilings apart. Where normal theory is doubtful the
//! bound is checked on fresh seeds, see [`super::verification`].

use super::plan::TooFewJobs;
use super::run_count::RunCount;
use super::runner::{Run, Runner};
use super::search::{CeilingEstimate, Search};
use super::verification::{Verified, verify, verify_present};
use crate::scenario::Scenario;
use crate::stats::{Moments, critical_t, tolerance_factor};
use rayon::prelude::*;
use std::ops::Range;

/// The relative tolerance of the first replica's search.
pub(super) const TOLERANCE: f64 = 0.004;
/// The relative tolerance of the other replicas' searches: coarser, since each is one of several.
pub(super) const OTHER_SEEDS_TOLERANCE: f64 = 0.012;
/// The largest first step of the other replicas' searches, away from the first replica's ceiling, as a ratio.
const OTHER_SEEDS_STEP: f64 = 1.0 + OTHER_SEEDS_TOLERANCE;
/// The fewest replicas if no number is given and the first has a ceiling, and the number that is added at a time.
const MIN_REPLICAS: u32 = 4;
/// The most replicas if no number is given.
const MAX_REPLICAS: u32 = 16;
/// The interval is narrow enough if neither end is farther from the mean than this share of it.
const NARROW: f64 = 0.015;
/// The confidence level of the interval of the mean.
pub(super) const CONFIDENCE: f64 = 0.95;
/// The least share of runs that hold the ceiling to plan with.
pub(super) const COVERAGE: f64 = 0.95;
/// The confidence with which they do.
pub(super) const COVERAGE_CONFIDENCE: f64 = 0.9;
/// The ceiling to plan with is known well enough if it lies at most this share below its estimate from infinitely many seeds.
const NARROW_BOUND: f64 = 0.02;
/// The quantile of the normal distribution that [`COVERAGE`] of all values exceed, with the sign reversed.
const COVERAGE_Z: f64 = 1.644_853_626_951_472_7;

/// The ceilings of several replicas.
#[derive(Clone, Debug)]
pub(super) struct Replicas {
    /// The scenario's own seed first; never empty.
    pub(super) estimates: Vec<CeilingEstimate>,
    /// The runs of the search on the scenario's own seed.
    pub(super) runs: Vec<Run>,
    /// The check of the ceiling to plan with; `None` if there was none.
    pub(super) verified: Option<Verified>,
    /// Whether that check was begun but did not end: then there is no ceiling to plan with.
    is_unverified: bool,
}

/// A mean and its interval at the level [`CONFIDENCE`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Replicas {
    /// Searches for the ceiling on `wanted` seeds, or on as many as the interval and the ceiling to plan with need. The
    /// scenario's own seed uses `search` and its run at the present load, the others search around its ceiling; if it has none, they
    /// are left out. If the measurements are stopped before that, the ceilings found until then count. Returns `None` if that of
    /// the scenario's own seed was not found.
    pub(super) fn run(
        runner: &Runner<'_>,
        (scenario, present): (&Scenario, &Run),
        search: Search,
        wanted: Option<u32>,
    ) -> Option<Self> {
        assert!(wanted != Some(0), "invariant: at least one replica");
        let (first, runs) = search.run_from(runner, scenario, present)?;
        let (guess, steepness) = (first.at_least(), first.steepness());
        let tolerance = OTHER_SEEDS_TOLERANCE;
        let near = Search {
            guess,
            width: 1.0 + tolerance,
            step: OTHER_SEEDS_STEP,
            steepness,
            tolerance,
            at_once: 2,
            ..search
        };
        let has_ceiling = first.ceiling().is_some_and(|ceiling| ceiling > 0.0);
        let mut replicas = Self { estimates: vec![first], runs, verified: None, is_unverified: false };
        let max_replicas = wanted.unwrap_or(MAX_REPLICAS);
        let mut guess = guess;
        while has_ceiling && (replicas.estimates.len() as u32) < max_replicas && !runner.count.is_incomplete()
        {
            let done = replicas.estimates.len() as u32;
            // A few more, until they are enough, see [`Replicas::are_enough`].
            let next = if done < MIN_REPLICAS { MIN_REPLICAS } else { done + MIN_REPLICAS };
            let next = wanted.unwrap_or(next).min(max_replicas);
            if done == MIN_REPLICAS {
                guess = replicas.mean().filter(|mean| *mean > 0.0).unwrap_or(guess);
            }
            let more: Vec<Option<CeilingEstimate>> = (done..next)
                .into_par_iter()
                .map(|replica| Search { replica, guess, ..near }.run(runner, scenario))
                .collect();
            let is_cut = more.iter().any(Option::is_none);
            replicas.estimates.extend(more.into_iter().flatten());
            if is_cut && done >= MIN_REPLICAS {
                announce(runner, scenario, next..max_replicas, Search { guess, ..near });
            }
            if is_cut || wanted.is_none() && replicas.are_enough() {
                break;
            }
        }
        if runner.count.is_waiting() {
            return Some(replicas);
        }
        if let Some(bound) = replicas.bound().filter(|bound| *bound > 0.0) {
            let jobs = replicas.first().high.as_ref().map_or(0, |run| run.summary.jobs.offered);
            let verified = verify(runner, scenario, bound, (replicas.spread(), jobs));
            replicas.is_unverified = verified.is_none();
            replicas.verified = verified.flatten();
            if replicas.is_present_load_open() {
                replicas.verify_present(runner, scenario, jobs);
            }
        }
        Some(replicas)
    }

    /// Returns `true` if the present load lies above the ceiling to plan with, and below every load that is known to break a
    /// rule: then the searches do not show whether it holds.
    fn is_present_load_open(&self) -> bool {
        let verified = self.verified.as_ref();
        let is_judged = verified.is_none_or(|verified| verified.undecided.is_none());
        let broken = self.estimates.iter().filter_map(|estimate| Some(estimate.high.as_ref()?.multiple));
        let on_fresh_seeds = verified.and_then(|verified| Some(verified.broken_above.as_ref()?.1));
        is_judged
            && self.planning_ceiling().is_some_and(|ceiling| ceiling < 1.0)
            && broken.chain(on_fresh_seeds).all(|multiple| multiple > 1.0)
    }

    /// Makes the present load the ceiling to plan with if fresh seeds prove that most seeds hold it. `jobs` is the number of jobs
    /// of a run.
    fn verify_present(&mut self, runner: &Runner<'_>, scenario: &Scenario, jobs: u64) {
        // The curve shows the present load on the scenario's own seed.
        if !runner.run(scenario, 1.0, 0).is_some_and(|run| run.holds()) {
            return;
        }
        if let Some(proved) = verify_present(runner, scenario, jobs) {
            let broken_above = self.verified.take().and_then(|verified| verified.broken_above);
            self.verified = Some(Verified { broken_above, ..proved });
        }
    }

    /// Returns `true` if the interval is narrow, and more replicas would hardly raise the ceiling to plan with.
    fn are_enough(&self) -> bool {
        // `None` also if the measurements ended before a second one was found.
        let Some(interval) = self.interval() else { return false };
        let excess = tolerance_factor(self.estimates.len(), COVERAGE, COVERAGE_CONFIDENCE) - COVERAGE_Z;
        let is_bounded = self.log_moments().is_some_and(|logs| excess * deviation(logs) <= NARROW_BOUND);
        is_bounded && interval.is_narrow()
    }

    /// Returns the estimate on the scenario's own seed.
    pub(super) fn first(&self) -> &CeilingEstimate {
        self.estimates.first().expect("invariant: at least one replica")
    }

    /// Returns why the ceiling cannot be determined because of a rule that cannot be judged, for example because its
    /// windows have too few jobs: on some seed no load that can be judged holds, or the ceiling to plan with could not be
    /// checked. `None` if it can be determined.
    pub(super) fn undecided(&self) -> Option<&TooFewJobs> {
        let unchecked =
            self.verified.as_ref().and_then(|verified| verified.undecided.as_ref()).map(|(few, _)| few);
        self.estimates.iter().find_map(CeilingEstimate::undecided).or(unchecked)
    }

    /// Returns the mean ceiling as a multiple; `None` if no rule broke.
    pub(super) fn mean(&self) -> Option<f64> {
        self.first().ceiling()?;
        Moments::of(&self.ceilings()).map(|moments| moments.mean)
    }

    /// Returns the interval of the mean ceiling. `None` if no rule broke, or if there is one replica, which does not show
    /// how much ceilings vary.
    pub(super) fn interval(&self) -> Option<Interval> {
        self.first().ceiling()?;
        (self.estimates.len() > 1).then(|| Interval::of(&self.ceilings()))
    }

    /// Returns the ceiling to plan with: the multiple that the share [`COVERAGE`] of all seeds hold, with
    /// [`COVERAGE_CONFIDENCE`]. 0 if some replica held no load, or if no load passed the check; `None` if no rule broke, with
    /// one replica, or if the check did not end.
    pub(super) fn planning_ceiling(&self) -> Option<f64> {
        let bound = || self.bound().filter(|_| !self.is_unverified);
        self.verified.as_ref().map(|verified| verified.multiple).or_else(bound)
    }

    /// Returns the one-sided tolerance bound of the highest loads that held. 0 if some replica held none; `None` if no rule
    /// broke, or with one replica.
    fn bound(&self) -> Option<f64> {
        self.first().ceiling()?;
        if self.estimates.len() < 2 {
            return None;
        }
        let factor = tolerance_factor(self.estimates.len(), COVERAGE, COVERAGE_CONFIDENCE);
        let bound = self.log_moments().map_or(0.0, |logs| libm::exp(logs.mean - factor * deviation(logs)));
        assert!(bound >= 0.0 && bound.is_finite(), "invariant: a ceiling is finite, found {bound}");
        Some(bound)
    }

    /// Returns the standard deviation of the ceilings of several seeds, relative to their mean: by how much the ceilings of two
    /// scenarios on one seed may differ without a difference in the mean. 0 with one seed, or if no load held on some seed.
    pub(super) fn spread(&self) -> f64 {
        self.log_moments().map_or(0.0, |logs| if logs.count > 1.0 { libm::sqrt(logs.variance) } else { 0.0 })
    }

    /// Returns the moments of the logarithms of the highest loads that held; `None` if some replica held none.
    fn log_moments(&self) -> Option<Moments> {
        let logs =
            self.estimates.iter().map(|estimate| (estimate.low > 0.0).then(|| libm::log(estimate.low)));
        Moments::of(&logs.collect::<Option<Vec<f64>>>()?)
    }

    /// Returns the ceiling of each replica as a multiple; the highest multiple that held if no rule broke.
    pub(super) fn ceilings(&self) -> Vec<f64> {
        self.estimates.iter().map(CeilingEstimate::at_least).collect()
    }
}

/// Announces the runs of the searches on further seeds, which the plan will probably need if the first ones were not enough.
fn announce(runner: &Runner<'_>, scenario: &Scenario, replicas: Range<u32>, near: Search) {
    let Some(known) = runner.count.known else { return };
    // The plan counts these runs where it uses them.
    let count = RunCount::new(&()).from(known);
    let runner = Runner { count: &count, ..*runner };
    replicas.into_par_iter().for_each(|replica| drop(Search { replica, ..near }.run(&runner, scenario)));
}

/// Returns the standard deviation of logarithms of ceilings, at least that of a uniform error as wide as the tolerance of a
/// search.
fn deviation(logs: Moments) -> f64 {
    libm::sqrt(logs.variance).max(OTHER_SEEDS_TOLERANCE / libm::sqrt(12.0))
}

impl Interval {
    /// Returns the interval of the mean of at least two values, at least as wide as the tolerance of a search.
    pub(super) fn of(values: &[f64]) -> Self {
        assert!(values.len() > 1, "invariant: an interval is computed from several values, found {values:?}");
        let moments = Moments::of(values).expect("invariant: at least one replica");
        let mean = moments.mean;
        let t = critical_t(moments.count - 1.0, (1.0 - CONFIDENCE) / 2.0);
        let reach = (t * libm::sqrt(moments.variance_of_mean())).max(mean * TOLERANCE / 2.0);
        let interval = Self { mean, low: mean - reach, high: mean + reach };
        assert!(interval.low <= mean && mean <= interval.high, "invariant: contains its mean, {interval:?}");
        interval
    }

    fn is_narrow(&self) -> bool {
        self.high - self.mean <= self.mean * NARROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provider::RandomStream;

    #[test]
    fn the_interval_contains_the_mean_with_its_confidence_level() {
        for count in [2usize, 4, 16, 40] {
            let hits = (0..4_000).filter(|trial| {
                let mut stream = RandomStream::new(9, "interval", *trial);
                let dist = provider::dist::Dist::LogNormal { mu: 0.0, sigma: 0.05 };
                let values: Vec<f64> = (0..count).map(|_| dist.sample(&mut stream)).collect();
                let interval = Interval::of(&values);
                interval.low <= dist.mean() && dist.mean() <= interval.high
            });
            // The standard error of a share of 95 % over 4,000 trials is 0.35 %.
            let share = hits.count() as f64 / 4e3;
            assert!((share - CONFIDENCE).abs() < 0.0125, "{count}: {share}");
        }
    }
}
