//! The proof that a load holds: how many fresh seeds must all hold it.
//!
//! If fewer than 95 % of all seeds hold a load, `n` fresh ones all hold it with a probability below `0.95^n`. A search may
//! try several sets of changes, each on fresh seeds, and the more it tries the likelier one passes by luck. Therefore the
//! first proof may err with a probability of 4 %, and each further one with a fifth of the one before, which adds up to
//! 5 %: 63 seeds, then 95, then 126.

use super::replicas::COVERAGE;

/// The confidence with which the share [`COVERAGE`] of all seeds hold what is proved, over all proofs of a search.
pub(super) const CONFIDENCE: f64 = 0.95;
/// The first replica whose seed is used: neither a ceiling nor its check uses as many.
const FIRST: u32 = 2_000;
/// The factor between the probabilities with which two successive proofs may err.
const NEXT: f64 = 0.2;

/// The proofs of one search. No seed is used twice, neither by two proofs nor by the search itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proofs {
    /// The first seed that no run has used.
    fresh: u32,
    /// The probability with which the next proof may err.
    error: f64,
}

impl Proofs {
    /// Returns the proofs of a search.
    pub(super) fn new() -> Self {
        Self { fresh: FIRST, error: (1.0 - CONFIDENCE) * (1.0 - NEXT) }
    }

    /// Returns the number of seeds that the next proof needs.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and a few hundred at most"
    )]
    pub(super) fn needed(&self) -> u32 {
        let seeds = libm::ceil(libm::log(self.error) / libm::log(COVERAGE));
        assert!((1.0..1e4).contains(&seeds), "invariant: a proof needs some seeds, found {seeds}");
        seeds as u32
    }

    /// Returns the seeds of the next proof.
    pub(super) fn next(&mut self) -> std::ops::Range<u32> {
        let seeds = self.fresh..self.fresh + self.needed();
        *self = Self { fresh: seeds.end, error: (self.error * NEXT).max(f64::MIN_POSITIVE) };
        seeds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_use_fresh_seeds_and_err_together_with_five_percent_at_most() {
        let mut proofs = Proofs::new();
        let ranges: Vec<_> = (0..6).map(|_| proofs.next()).collect();
        assert_eq!(ranges[..3], [2_000..2_063, 2_063..2_158, 2_158..2_284]);
        let errors = ranges.iter().map(|range| libm::pow(COVERAGE, f64::from(range.end - range.start)));
        assert!(errors.sum::<f64>() <= 1.0 - CONFIDENCE + 1e-12);
    }
}
