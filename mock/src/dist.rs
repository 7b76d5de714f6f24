//! Probability distributions of a scenario, sampled by inverting the distribution function.
//!
//! One uniform draw gives one sample, and a larger draw gives a larger sample. Runs that share a stream therefore use
//! common random numbers, which lets the planner compare policies on the same traffic. `rand_distr` offers neither
//! property; it is the oracle of the tests. All functions come from `libm`, so a sample has the same bits on every
//! machine.

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

/// The 90th, 95th and 99th percentiles of the standard normal distribution.
const Z: [(f64, f64); 3] =
    [(0.90, 1.281_551_565_544_600_4), (0.95, 1.644_853_626_951_472_2), (0.99, 2.326_347_874_040_840_8)];

impl Dist {
    /// Creates the lognormal distribution with median `p50` whose `p`-quantile is `quantile`.
    ///
    /// # Panics
    /// If `p` is not 0.90, 0.95 or 0.99, or unless `0 < p50 <= quantile`.
    #[must_use]
    pub fn log_normal(p50: f64, p: f64, quantile: f64) -> Self {
        assert!(p50 > 0.0 && quantile >= p50, "invariant: 0 < p50 <= quantile, found {p50} and {quantile}");
        let z = Z
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
        let matching = weights.is_empty() || weights.len() == values.len();
        assert!(!values.is_empty() && matching, "invariant: one weight per value, at least one value");
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
            Self::LogNormal { mu, sigma } => libm::exp(mu + sigma * normal_quantile(p)),
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

/// Returns the `p`-quantile of the standard normal distribution, to about 1e-16 relative.
///
/// Algorithm AS 241 (PPND16), M. J. Wichura, Applied Statistics 37 (1988), 477–484.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    debug_assert!(p > 0.0 && p < 1.0, "invariant: 0 < p < 1, found {p}");
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * horner(&CENTRE.0, r) / horner(&CENTRE.1, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = libm::sqrt(-libm::log(tail));
    let value = if r <= 5.0 {
        horner(&MIDDLE.0, r - 1.6) / horner(&MIDDLE.1, r - 1.6)
    } else {
        horner(&FAR.0, r - 5.0) / horner(&FAR.1, r - 5.0)
    };
    if q < 0.0 { -value } else { value }
}

/// Evaluates a polynomial given by its coefficients, highest degree first.
fn horner(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// Numerator and denominator of a rational approximation.
type Ratio = ([f64; 8], [f64; 8]);

const CENTRE: Ratio = (
    [
        2.509_080_928_730_122_6e3,
        3.343_057_558_358_813e4,
        6.726_577_092_700_87e4,
        4.592_195_393_154_987e4,
        1.373_169_376_550_946e4,
        1.971_590_950_306_551_3e3,
        1.331_416_678_917_843_8e2,
        3.387_132_872_796_366_5,
    ],
    [
        5.226_495_278_852_545e3,
        2.872_908_573_572_194_3e4,
        3.930_789_580_009_271e4,
        2.121_379_430_158_659_7e4,
        5.394_196_021_424_751e3,
        6.871_870_074_920_579e2,
        4.231_333_070_160_091e1,
        1.0,
    ],
);
const MIDDLE: Ratio = (
    [
        7.745_450_142_783_414e-4,
        2.272_384_498_926_918_4e-2,
        2.417_807_251_774_506e-1,
        1.270_458_252_452_368_4,
        3.647_848_324_763_204_5,
        5.769_497_221_460_691,
        4.630_337_846_156_546,
        1.423_437_110_749_683_5,
    ],
    [
        1.050_750_071_644_416_9e-9,
        5.475_938_084_995_345e-4,
        1.519_866_656_361_645_7e-2,
        1.481_039_764_274_800_8e-1,
        6.897_673_349_851e-1,
        1.676_384_830_183_803_8,
        2.053_191_626_637_759,
        1.0,
    ],
);
const FAR: Ratio = (
    [
        2.010_334_399_292_288_1e-7,
        2.711_555_568_743_487_6e-5,
        1.242_660_947_388_078_4e-3,
        2.653_218_952_657_612_4e-2,
        2.965_605_718_285_049e-1,
        1.784_826_539_917_291_3,
        5.463_784_911_164_114,
        6.657_904_643_501_103,
    ],
    [
        2.044_263_103_389_939_8e-15,
        1.421_511_758_316_446e-7,
        1.846_318_317_510_054_8e-5,
        7.868_691_311_456_133e-4,
        1.487_536_129_085_061_5e-2,
        1.369_298_809_227_358e-1,
        5.998_322_065_558_88e-1,
        1.0,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::Distribution;

    #[test]
    fn the_normal_quantile_matches_published_values() {
        // Wichura's own check values, and the usual percentiles.
        for (p, z) in [
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813_5),
            (1e-20, -9.262_340_089_798_408),
        ] {
            assert!((normal_quantile(p) / z - 1.0).abs() < 1e-13, "{p}: {}", normal_quantile(p));
        }
        for (p, z) in Z {
            assert!((normal_quantile(p) - z).abs() < 1e-13);
            assert!((normal_quantile(1.0 - p) + z).abs() < 1e-13);
        }
    }

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
