//! Probability distributions of a scenario, sampled by inverting the distribution function.
//!
//! One uniform draw gives one sample, and, apart from rounding, a larger draw gives no smaller sample. Runs that share a stream
//! therefore use common random numbers, so that two client configurations are compared on the same traffic. Most samplers of
//! `rand_distr` have neither property; the tests compare with them. All functions are computed in software from operations
//! that IEEE 754 defines to the bit, so a sample has the same bits on every machine.

use crate::numeric::{exp, normal_quantile};
use crate::random::RandomStream;

/// A distribution over non-negative numbers. The caller defines the unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Dist {
    /// Always the same value.
    Constant(f64),
    /// `exp(mu + sigma · Z)`.
    LogNormal {
        /// The mean of the logarithm.
        mu: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
    /// The exponential distribution with this mean.
    Exponential(f64),
    /// The uniform distribution between two values.
    Uniform {
        /// The smallest value.
        min: f64,
        /// The largest value.
        max: f64,
    },
    /// A list of values, each with the cumulative probability up to and including it.
    Discrete(Vec<(f64, f64)>),
}

/// The probabilities 0.90, 0.95 and 0.99, each with its quantile of the standard normal distribution.
const NORMAL_QUANTILES: [(f64, f64); 3] =
    [(0.90, 1.281_551_565_544_600_4), (0.95, 1.644_853_626_951_472_2), (0.99, 2.326_347_874_040_840_8)];

impl Dist {
    /// Creates the lognormal distribution with median `p50` whose `p`-quantile is `quantile`.
    ///
    /// # Panics
    /// If `p` is not 0.90, 0.95 or 0.99, or unless `0 < p50 <= quantile`.
    #[must_use]
    pub fn log_normal(p50: f64, p: f64, quantile: f64) -> Self {
        assert!(p50 > 0.0 && quantile >= p50, "invariant: 0 < p50 <= quantile, found {p50} and {quantile}");
        let z = NORMAL_QUANTILES
            .iter()
            .find(|(known, _)| (known - p).abs() < 1e-9)
            .expect("invariant: p is 0.90, 0.95 or 0.99")
            .1;
        let mu = libm::log(p50);
        Self::LogNormal { mu, sigma: (libm::log(quantile) - mu) / z }
    }

    /// Creates a distribution over `values` with these weights; equal ones if `weights` is empty.
    ///
    /// # Panics
    /// If `values` is empty, the lengths differ, or the sum of the weights is not positive.
    #[must_use]
    pub fn discrete(values: &[f64], weights: &[f64]) -> Self {
        let lengths_match = weights.is_empty() || weights.len() == values.len();
        assert!(!values.is_empty() && lengths_match, "invariant: one weight per value, at least one value");
        let weight = |index: usize| weights.get(index).copied().unwrap_or(1.0);
        let total: f64 = (0..values.len()).map(weight).sum();
        assert!(total > 0.0, "invariant: the sum of the weights is positive, found {total}");
        let mut cumulative = 0.0;
        let steps = values.iter().enumerate().map(|(index, &value)| {
            cumulative += weight(index) / total;
            (value, cumulative)
        });
        Self::Discrete(steps.collect())
    }

    /// Returns a sample. Takes exactly one draw from `stream`; none if the value is constant.
    pub fn sample(&self, stream: &mut RandomStream) -> f64 {
        match self {
            Self::Constant(value) => *value,
            _ => self.quantile(stream.open_unit()),
        }
    }

    /// Returns the `p`-quantile for `p` in `(0, 1)`.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::LogNormal { mu, sigma } => exp(mu + sigma * normal_quantile(p)),
            Self::Exponential(mean) => -mean * libm::log1p(-p),
            Self::Uniform { min, max } => min + (max - min) * p,
            Self::Discrete(steps) => {
                let found = steps.iter().find(|(_, cumulative)| p < *cumulative);
                found.or(steps.last()).map_or(0.0, |(value, _)| *value)
            }
        }
    }

    /// Returns the probability of a sample above `value`.
    #[must_use]
    pub fn probability_above(&self, value: f64) -> f64 {
        match self {
            Self::Constant(constant) => f64::from(*constant > value),
            Self::LogNormal { mu, sigma } if *sigma > 0.0 && value > 0.0 => {
                0.5 * libm::erfc((libm::log(value) - mu) / sigma * std::f64::consts::FRAC_1_SQRT_2)
            }
            Self::LogNormal { mu, .. } => f64::from(libm::exp(*mu) > value),
            Self::Exponential(mean) if *mean > 0.0 => libm::exp(-value.max(0.0) / mean),
            Self::Exponential(_) => f64::from(value < 0.0),
            Self::Uniform { min, max } if max > min => ((max - value) / (max - min)).clamp(0.0, 1.0),
            Self::Uniform { min, .. } => f64::from(*min > value),
            Self::Discrete(steps) => probabilities(steps)
                .filter(|(step, _)| *step > value)
                .map(|(_, probability)| probability)
                .sum(),
        }
    }

    /// Returns the mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::LogNormal { mu, sigma } => libm::exp(mu + sigma * sigma / 2.0),
            Self::Exponential(mean) => *mean,
            Self::Uniform { min, max } => f64::midpoint(*min, *max),
            Self::Discrete(steps) => {
                probabilities(steps).map(|(value, probability)| value * probability).sum()
            }
        }
    }
}

/// Returns each value of a discrete distribution with its own probability.
fn probabilities(steps: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let mut below = 0.0;
    steps
        .iter()
        .map(move |(value, cumulative)| (*value, cumulative - std::mem::replace(&mut below, *cumulative)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::Distribution;

    const SAMPLES: usize = 20_000;

    /// Returns `true` if the two-sample Kolmogorov-Smirnov test does not reject that `dist` and the oracle have the
    /// same distribution, at a significance level of 1e-4.
    fn agrees(dist: &Dist, oracle: &impl Distribution<f64>) -> bool {
        let (mut ours, mut theirs) = (RandomStream::new(5, "ours", 0), RandomStream::new(5, "oracle", 0));
        let ours = (0..SAMPLES).map(|_| dist.sample(&mut ours)).collect();
        let theirs = oracle.sample_iter(&mut theirs).take(SAMPLES).collect();
        // sqrt(-ln(1e-4 / 2) / 2) is 2.2253.
        largest_difference(ours, theirs) < 2.2253 * (2.0 / SAMPLES as f64).sqrt()
    }

    /// Returns the largest difference between two empirical distribution functions of equal sample size.
    fn largest_difference(mut ours: Vec<f64>, mut theirs: Vec<f64>) -> f64 {
        ours.sort_by(f64::total_cmp);
        theirs.sort_by(f64::total_cmp);
        let points = ours.iter().chain(&theirs);
        let difference = |point: &f64| {
            let below = |sorted: &[f64]| sorted.partition_point(|value| value <= point);
            below(&ours).abs_diff(below(&theirs))
        };
        points.map(difference).max().unwrap_or(0) as f64 / ours.len() as f64
    }

    #[test]
    fn samplers_agree_with_rand_distr() {
        let exponential = rand_distr::Exp::new(0.25).unwrap();
        assert!(agrees(&Dist::Exponential(4.0), &exponential));
        assert!(!agrees(&Dist::Exponential(4.4), &exponential), "the test detects a mean that is 10 % off");
        for (mu, sigma) in [(1.5, 0.3), (-2.0, 1.8)] {
            let oracle = rand_distr::LogNormal::new(mu, sigma).unwrap();
            assert!(agrees(&Dist::LogNormal { mu, sigma }, &oracle), "{mu} {sigma}");
        }
        let uniform = rand_distr::Uniform::new(2.0, 8.0).unwrap();
        assert!(agrees(&Dist::Uniform { min: 2.0, max: 8.0 }, &uniform));
        let (values, weights) = ([7.0, 1.0, 4.0], [1.0, 2.0, 0.5]);
        let discrete = rand_distr::weighted::WeightedIndex::new(weights).unwrap();
        assert!(agrees(&Dist::discrete(&values, &weights), &discrete.map(|index| values[index])));
    }

    #[test]
    fn the_probability_above_agrees_with_the_quantiles() {
        for dist in [
            Dist::Constant(5.0),
            Dist::log_normal(5.0, 0.95, 9.0),
            Dist::LogNormal { mu: 1.5, sigma: 0.0 },
            Dist::Exponential(4.0),
            Dist::Exponential(0.0),
            Dist::Uniform { min: 2.0, max: 8.0 },
            Dist::Uniform { min: 5.0, max: 5.0 },
            Dist::discrete(&[7.0, 1.0, 4.0], &[1.0, 2.0, 1.0]),
        ] {
            for value in [0.0, 1.0, 4.5, 5.0, 7.5, 20.0] {
                let above = (0..10_000)
                    .filter(|step| dist.quantile((f64::from(*step) + 0.5) / 10_000.0) > value)
                    .count();
                let probability = dist.probability_above(value);
                assert!(
                    (probability - above as f64 / 10_000.0).abs() < 1e-3,
                    "{dist:?} above {value}: {probability}"
                );
            }
        }
    }

    #[test]
    fn a_lognormal_has_the_quantiles_it_was_created_from() {
        let dist = Dist::log_normal(800.0, 0.95, 3000.0);
        assert!((dist.quantile(0.5) - 800.0).abs() < 1e-9);
        assert!((dist.quantile(0.95) - 3000.0).abs() < 1e-6);
    }

    #[test]
    fn sample_means_agree_with_the_stated_means() {
        let dists = [
            Dist::Constant(3.0),
            Dist::log_normal(100.0, 0.99, 300.0),
            Dist::Exponential(5.0),
            Dist::Uniform { min: 2.0, max: 8.0 },
            Dist::discrete(&[1.0, 10.0], &[3.0, 1.0]),
        ];
        for dist in dists {
            let mut stream = RandomStream::new(3, "mean", 0);
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..200_000 {
                let value = dist.sample(&mut stream);
                sum += value;
                squares += value * value;
            }
            let mean = sum / 2e5;
            let error = ((squares / 2e5 - mean * mean).max(0.0) / 2e5).sqrt();
            assert!((mean - dist.mean()).abs() <= 4.0 * error + 1e-9, "{dist:?}: {mean} ± {error}");
        }
    }
}
