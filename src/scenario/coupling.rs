//! The coupling of two sizes of a request: a Gaussian copula.
//!
//! Both sizes are quantiles of their distributions at shares of the population. The shares are those of two normal variables with a
//! correlation r, so each size keeps its distribution, and the larger one is, the larger the other tends to be. A scenario states Spearman's
//! rank correlation s, which does not depend on the distributions, unlike Pearson's: r = 2 · sin(π · s ÷ 6) (Pearson, "Mathematical
//! contributions to the theory of evolution XVI", 1907). Sizes that are rounded or constant have ties, which lower it.

use provider::numeric::normal_quantile;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Two normal variables with a correlation that is not zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coupling {
    /// The correlation.
    r: f64,
    /// The part of the second variable that does not depend on the first: the root of 1 − r².
    rest: f64,
}

impl Coupling {
    /// Returns the coupling with this rank correlation, from −1 to 1; `None` for zero.
    #[must_use]
    pub fn of(rank_correlation: f64) -> Option<Self> {
        debug_assert!(rank_correlation.abs() <= 1.0, "invariant: a correlation, found {rank_correlation}");
        // Twice the sine of a sixth of π is not exactly 1 in floating point.
        let is_full = rank_correlation.abs() >= 1.0;
        let r = if is_full { rank_correlation } else { 2.0 * libm::sin(PI * rank_correlation / 6.0) };
        (rank_correlation != 0.0).then(|| Self { r, rest: libm::sqrt((1.0 - r * r).max(0.0)) })
    }

    /// Returns the share of the population of the second size, in `(0, 1)`, from that of the first and an independent one.
    #[must_use]
    pub fn share(self, first: f64, independent: f64) -> f64 {
        let second = self.r * normal_quantile(first) + self.rest * normal_quantile(independent);
        // The distribution function of the normal distribution.
        (0.5 * libm::erfc(-second * FRAC_1_SQRT_2)).clamp(f64::EPSILON / 4.0, 1.0 - f64::EPSILON / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use provider::RandomStream;

    fn shares(rank_correlation: f64, seed: u64, count: usize) -> Vec<(f64, f64)> {
        let coupling = Coupling::of(rank_correlation).expect("not zero");
        let mut stream = RandomStream::new(seed, "coupling", 0);
        let mut pair = || {
            let first = stream.open_unit();
            (first, coupling.share(first, stream.open_unit()))
        };
        (0..count).map(|_| pair()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Of two uniform variables, Pearson's correlation is that of their ranks: 12 · E(uv) − 3. Of 20,000 pairs its standard error is at
        /// most 12 · √(1/144 · 2 ÷ 20,000) = 0.01. The second share is uniform as well: its mean is ½ ± 0.002, the mean of its square ⅓.
        #[test]
        fn ranks_have_the_stated_correlation_and_shares_stay_uniform(seed: u64, correlation in -1.0..1.0f64) {
            prop_assume!(correlation != 0.0);
            let pairs = shares(correlation, seed, 20_000);
            let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
            let found = 12.0 * mean(&|(first, second)| (first - 0.5) * (second - 0.5));
            prop_assert!((found - correlation).abs() < 0.045, "{found}, not {correlation}");
            prop_assert!((mean(&|(_, second)| *second) - 0.5).abs() < 0.01);
            prop_assert!((mean(&|(_, second)| second * second) - 1.0 / 3.0).abs() < 0.0106);
        }
    }

    #[test]
    fn full_correlations_give_the_same_share_or_its_complement() {
        for (first, second) in shares(1.0, 1, 1_000) {
            assert!((first - second).abs() < 1e-9, "{first} {second}");
        }
        for (first, second) in shares(-1.0, 1, 1_000) {
            assert!((first + second - 1.0).abs() < 1e-9, "{first} {second}");
        }
        assert_eq!(Coupling::of(0.0), None);
    }
}
