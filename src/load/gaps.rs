//! The gaps of a renewal process in operational time: independent, with mean 1 and a given coefficient of variation (the standard
//! deviation divided by the mean).
//!
//! Gamma gaps with a cv above 1 are the usual model of bursty requests to LLM APIs: the authors of ServeGen (Xiang et al., "ServeGen:
//! Workload characterization and generation of large language model serving in production", 2025) and of BurstGPT (Wang et al.,
//! 2024) fit gamma and Weibull gaps to theirs. Weibull gaps of the same cv have a longer tail than gamma gaps, and fewer near zero.
//!
//! The first gap follows the equilibrium distribution: the time to the next job from an instant that was chosen without regard to the jobs.
//! With it, the expected number of jobs by an operational time t is t for every cv, so a bursty workload offers as many jobs as a Poisson
//! one. With an ordinary first gap, it would be (cv² − 1)/2 more in the long run (Cox, "Renewal Theory", 1962, sections 4.2 and 5.2).

use crate::scenario::GapDist;
use provider::RandomStream;
use provider::numeric::{exp, normal_quantile};

/// A distribution of gaps, with its random stream.
#[derive(Clone, Debug)]
pub(super) struct Gaps {
    dist: Standardised,
    stream: RandomStream,
}

/// A distribution of gaps with mean 1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Standardised {
    /// The gamma distribution with this shape, and its scale 1 ÷ shape.
    Gamma { shape: f64 },
    /// The Weibull distribution with the inverse of its shape, and its scale.
    Weibull { inverse_shape: f64, scale: f64 },
}

impl Gaps {
    /// Returns the gaps of this distribution with this coefficient of variation, which is positive.
    pub(super) fn new(dist: GapDist, cv: f64, stream: RandomStream) -> Self {
        debug_assert!(cv > 0.0 && cv.is_finite(), "invariant: the cv is positive, found {cv}");
        let dist = match dist {
            GapDist::Gamma => Standardised::Gamma { shape: 1.0 / (cv * cv) },
            GapDist::Weibull => {
                let inverse_shape = weibull_inverse_shape(cv);
                // The mean of a Weibull distribution is scale · Γ(1 + 1/shape).
                Standardised::Weibull { inverse_shape, scale: exp(-libm::lgamma(1.0 + inverse_shape)) }
            }
        };
        Self { dist, stream }
    }

    /// Returns the time from the start to the first job.
    ///
    /// The gap that covers a given instant is chosen with a probability in proportion to its length; the instant is uniform in it. Of a
    /// gamma distribution, the gap so chosen is again gamma with a shape larger by one; of a Weibull distribution, its power to the shape
    /// is gamma with shape 1 + 1/shape.
    pub(super) fn first(&mut self) -> f64 {
        let covering = match self.dist {
            Standardised::Gamma { shape } => gamma(shape + 1.0, &mut self.stream) / shape,
            Standardised::Weibull { inverse_shape, scale } => {
                scale * power(gamma(1.0 + inverse_shape, &mut self.stream), inverse_shape)
            }
        };
        covering * self.stream.open_unit()
    }

    /// Returns the next gap.
    pub(super) fn next(&mut self) -> f64 {
        match self.dist {
            Standardised::Gamma { shape } => gamma(shape, &mut self.stream) / shape,
            Standardised::Weibull { inverse_shape, scale } => {
                scale * power(-libm::log(self.stream.open_unit()), inverse_shape)
            }
        }
    }
}

/// Returns `base` to the power of `exponent`, for a positive base.
fn power(base: f64, exponent: f64) -> f64 {
    exp(exponent * libm::log(base))
}

/// Returns a sample of the gamma distribution with this shape and scale 1; zero if the sample is too small for a double.
///
/// G. Marsaglia and W. W. Tsang, "A simple method for generating gamma variables", ACM Transactions on Mathematical Software 26
/// (2000), 363–372, by rejection; shapes below 1 as in its section 6. The normal variable is an inverted distribution function.
/// Inverting that of the gamma distribution itself would need some thousand operations per job.
fn gamma(shape: f64, stream: &mut RandomStream) -> f64 {
    if shape < 1.0 {
        let above = gamma(shape + 1.0, stream);
        return above * power(stream.open_unit(), 1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normal_quantile(stream.open_unit());
        let root = 1.0 + c * x;
        let v = root * root * root;
        let u = stream.open_unit();
        if v > 0.0 && libm::log(u) < 0.5 * x * x + d * (1.0 - v + libm::log(v)) {
            return d * v;
        }
    }
}

/// Returns 1 ÷ shape of the Weibull distribution with this coefficient of variation: 1 + cv² = Γ(1 + 2/shape) ÷ Γ(1 + 1/shape)²,
/// solved by bisection. The right side grows with 1/shape.
fn weibull_inverse_shape(cv: f64) -> f64 {
    let target = libm::log1p(cv * cv);
    // A cv of 1e-2 to 1e5: more than the language admits.
    let (mut low, mut high) = (0.005, 16.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        let found = libm::lgamma(1.0 + 2.0 * middle) - 2.0 * libm::lgamma(1.0 + middle);
        if found < target { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_distr::{Distribution, Gamma, Weibull};

    fn sorted(mut samples: Vec<f64>) -> Vec<f64> {
        samples.sort_by(f64::total_cmp);
        samples
    }

    /// Returns the largest difference between two empirical distribution functions (Kolmogorov and Smirnov).
    fn distance(ours: &[f64], theirs: &[f64]) -> f64 {
        let share = |of: &[f64], at: f64| of.partition_point(|one| *one <= at) as f64 / of.len() as f64;
        ours.iter().map(|at| (share(ours, *at) - share(theirs, *at)).abs()).fold(0.0, f64::max)
    }

    /// Two samples of 20,000 differ by more than 1.95·√(2/20,000) = 0.0195 with probability 0.001; the seeds are fixed.
    #[test]
    fn gamma_and_weibull_gaps_have_the_distributions_of_rand_distr() {
        const COUNT: usize = 20_000;
        for cv in [0.2, 0.7, 1.0, 1.5, 3.0, 6.0] {
            let ours = |dist| {
                let mut gaps = Gaps::new(dist, cv, RandomStream::new(3, "gaps", 0));
                sorted((0..COUNT).map(|_| gaps.next()).collect())
            };
            let mut stream = RandomStream::new(4, "oracle", 0);
            let shape = 1.0 / (cv * cv);
            let oracle = Gamma::new(shape, cv * cv).unwrap();
            let theirs = sorted((0..COUNT).map(|_| oracle.sample(&mut stream)).collect());
            assert!(distance(&ours(GapDist::Gamma), &theirs) < 0.0195, "gamma, cv {cv}");
            let inverse_shape = weibull_inverse_shape(cv);
            let scale = 1.0 / libm::tgamma(1.0 + inverse_shape);
            let oracle = Weibull::new(scale, 1.0 / inverse_shape).unwrap();
            let theirs = sorted((0..COUNT).map(|_| oracle.sample(&mut stream)).collect());
            assert!(distance(&ours(GapDist::Weibull), &theirs) < 0.0195, "weibull, cv {cv}");
        }
    }

    /// Known values: a Weibull distribution with shape 1 is exponential, with shape 1/2 it has the cv √5, with shape 2 (Rayleigh)
    /// √(4/π − 1).
    #[test]
    fn the_weibull_shape_of_known_coefficients_of_variation() {
        for (cv, shape) in [(1.0, 1.0), (5f64.sqrt(), 0.5), ((4.0 / std::f64::consts::PI - 1.0).sqrt(), 2.0)]
        {
            assert!((1.0 / weibull_inverse_shape(cv) - shape).abs() < 1e-9, "{cv}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// The mean is 1 and the standard deviation is the cv, of `next`; the mean of `first` is (1 + cv²)/2. A mean of n independent
        /// values deviates by 5 standard errors with probability 6e-7.
        #[test]
        fn gaps_have_mean_one_and_their_cv(
            seed: u64, cv in 0.1..2.0f64, dist in prop_oneof![Just(GapDist::Gamma), Just(GapDist::Weibull)],
        ) {
            const COUNT: usize = 40_000;
            let mut gaps = Gaps::new(dist, cv, RandomStream::new(seed, "gaps", 0));
            let samples: Vec<f64> = (0..COUNT).map(|_| gaps.next()).collect();
            let moments = |of: &[f64]| {
                let n = of.len() as f64;
                let mean = of.iter().sum::<f64>() / n;
                let central = |power: i32| of.iter().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
                (mean, central(2), central(4))
            };
            let (mean, variance, fourth) = moments(&samples);
            let error = |variance: f64| (variance / COUNT as f64).sqrt();
            prop_assert!((mean - 1.0).abs() < 5.0 * error(cv * cv), "{dist:?} {cv}: mean {mean}");
            // The fourth moment of heavy tails is underestimated by a sample, so the bound has a margin of its own.
            let of_variance = error(fourth - variance * variance);
            prop_assert!((variance - cv * cv).abs() < 8.0 * of_variance, "{dist:?} {cv}: {}", variance.sqrt());
            let firsts: Vec<f64> = (0..4_000).map(|id| {
                Gaps::new(dist, cv, RandomStream::new(seed, "first", id)).first()
            }).collect();
            let (mean, variance, _) = moments(&firsts);
            let expected = (1.0 + cv * cv) / 2.0;
            prop_assert!((mean - expected).abs() < 6.0 * (variance / 4_000.0).sqrt(), "{dist:?} {cv}: first {mean}");
        }
    }
}
