//! Zipf's law: of n prompts, the k-th most popular is requested in proportion to k^−s.
//!
//! The sampler uses rejection-inversion (W. Hörmann and G. Derflinger, "Rejection-inversion to generate
//! variates from monotone discrete distributions", ACM TOMACS 6(3), 1996): the integral H of x^−s is
//! inverted as if the law were continuous, and a draw is rejected if the histogram is below the envelope at that point.
//! It needs no table, so its cost does not depend on n. A sample takes at most 1.02 draws on average.

use provider::RandomStream;

/// The distribution over the ranks `1..=ranks`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Zipf {
    exponent: f64,
    /// The number of ranks.
    ranks: f64,
    /// The range of the areas that are inverted: `low` is H at 1.5 minus the weight of the first rank, `high` is H half a
    /// rank above the last.
    low: f64,
    high: f64,
    /// The distance above the inverted point within which a rank is always accepted.
    squeeze: f64,
}

impl Zipf {
    /// Returns the distribution with this exponent (0 or more; 0 is uniform) over `of` ranks.
    ///
    /// # Panics
    /// If `of` is 0.
    pub(super) fn new(exponent: f64, of: u32) -> Self {
        assert!(of > 0, "invariant: at least one popular prompt");
        let mut law = Self { exponent, ranks: f64::from(of), low: 0.0, high: 0.0, squeeze: 0.0 };
        law.low = law.integral(1.5) - 1.0;
        law.high = law.integral(law.ranks + 0.5);
        law.squeeze = 2.0 - law.inverse(law.integral(2.5) - law.weight(2.0));
        law
    }

    /// Draws a rank; 1 is the most popular.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number in 1..=u32::MAX"
    )]
    pub(super) fn sample(&self, stream: &mut RandomStream) -> u32 {
        loop {
            let area = self.high + stream.unit() * (self.low - self.high);
            let point = self.inverse(area);
            let rank = libm::round(point).clamp(1.0, self.ranks);
            if rank - point <= self.squeeze || area >= self.integral(rank + 0.5) - self.weight(rank) {
                return rank as u32;
            }
        }
    }

    /// Returns x^−s.
    fn weight(&self, x: f64) -> f64 {
        libm::exp(-self.exponent * libm::log(x))
    }

    /// Returns H(x) = (x^(1−s) − 1) / (1−s), which is ln x at s = 1.
    fn integral(&self, x: f64) -> f64 {
        let log = libm::log(x);
        let t = (1.0 - self.exponent) * log;
        // expm1(t)/t by its series near zero.
        let slope = if t.abs() > 1e-8 { libm::expm1(t) / t } else { 1.0 + t / 2.0 };
        slope * log
    }

    /// Returns the x with `integral(x) == area`.
    fn inverse(&self, area: f64) -> f64 {
        let t = (area * (1.0 - self.exponent)).max(-1.0);
        // log1p(t)/t by its series near zero.
        let slope = if t.abs() > 1e-8 { libm::log1p(t) / t } else { 1.0 - t / 2.0 };
        libm::exp(slope * area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 200_000;

    #[test]
    fn frequencies_follow_zipfs_law_for_every_exponent() {
        for exponent in [0.0, 0.5, 1.0 - 1e-12, 1.0, 1.1, 2.0, 5.0] {
            for of in [1u32, 2, 7, 100] {
                let law = Zipf::new(exponent, of);
                let mut stream = RandomStream::new(11, "zipf", u64::from(of));
                let mut counts = vec![0u32; of as usize + 1];
                (0..DRAWS).for_each(|_| counts[law.sample(&mut stream) as usize] += 1);
                let weights: Vec<f64> = (1..=of).map(|rank| f64::from(rank).powf(-exponent)).collect();
                let total: f64 = weights.iter().sum();
                // Chi squared over the ranks expected often enough; its mean is at most the number of ranks and its
                // deviation about √(2·ranks). Five deviations, since there are 28 cases, each with a fixed seed.
                let (mut chi, mut ranks) = (0.0, 0.0f64);
                for (weight, count) in weights.iter().zip(&counts[1..]) {
                    let expected = weight / total * f64::from(DRAWS);
                    if expected >= 10.0 {
                        chi += (f64::from(*count) - expected).powi(2) / expected;
                        ranks += 1.0;
                    }
                }
                assert!(chi <= ranks + 5.0 * (2.0 * ranks).sqrt(), "s {exponent} n {of}: {chi} of {ranks}");
            }
        }
    }

    #[test]
    fn ranks_agree_with_rand_distr() {
        use rand_distr::Distribution;
        const RANKS: u32 = 1000;
        for exponent in [0.5, 1.0, 1.3] {
            let ours = Zipf::new(exponent, RANKS);
            let oracle = rand_distr::Zipf::new(f64::from(RANKS), exponent).unwrap();
            let mut streams = [RandomStream::new(11, "ours", 0), RandomStream::new(11, "oracle", 0)];
            let mut counts = [[0u32; RANKS as usize + 1]; 2];
            for _ in 0..DRAWS {
                counts[0][ours.sample(&mut streams[0]) as usize] += 1;
                counts[1][oracle.sample(&mut streams[1]) as usize] += 1;
            }
            // Two-sample Kolmogorov-Smirnov test at a significance level of 1e-4: sqrt(-ln(1e-4 / 2) / 2) is 2.2253.
            let (mut difference, mut largest) = (0_i64, 0);
            for (ours, theirs) in counts[0].iter().zip(&counts[1]) {
                difference += i64::from(*ours) - i64::from(*theirs);
                largest = largest.max(difference.abs());
            }
            let critical = 2.2253 * (2.0 * f64::from(DRAWS)).sqrt();
            assert!((largest as f64) < critical, "exponent {exponent}: {largest}, critical value {critical}");
        }
    }

    #[test]
    fn extreme_parameters_give_valid_ranks() {
        for (exponent, of) in [(0.0, u32::MAX), (1.0, u32::MAX), (50.0, u32::MAX), (1e6, 3), (1e-300, 1)] {
            let law = Zipf::new(exponent, of);
            let mut stream = RandomStream::new(11, "absurd", 0);
            for _ in 0..1000 {
                assert!((1..=of).contains(&law.sample(&mut stream)));
            }
        }
    }
}
