//! How many tokens each target counts for one that the gateway estimates: learned from the usage that replies state, separately for
//! each target, because models count the same text differently.

use crate::ids::TargetId;
use provider::units::print_share;
use std::sync::atomic::{AtomicU64, Ordering};

/// The weight of the newest reply: the ratio is the mean of about the last twenty.
const WEIGHT: f64 = 0.05;

/// Estimates are not corrected beyond this factor, or its inverse: a reply with a mistaken usage is not to stop all traffic.
const MAX_CORRECTION: f64 = 8.0;

/// The learned ratio of each target: 1 before its first reply.
#[derive(Debug)]
pub(super) struct TokenRatios {
    /// The bits of a float, by target.
    ratios: Vec<AtomicU64>,
}

impl TokenRatios {
    /// Returns the ratios of this number of targets.
    pub(super) fn new(targets: usize) -> Self {
        Self { ratios: (0..targets).map(|_| AtomicU64::new(1f64.to_bits())).collect() }
    }

    /// Returns the ratio of a target.
    pub(super) fn of(&self, target: TargetId) -> f64 {
        f64::from_bits(self.ratios[target.index()].load(Ordering::Relaxed))
    }

    /// Returns the words of a scenario for a client that estimates as the gateway does and corrects nothing, such as
    /// `estimate: {bias: -20%}`; `None` if its estimates are right to a tenth of a percent.
    pub(super) fn in_scenario(&self, target: TargetId) -> Option<String> {
        let bias = print_share(1.0 / self.of(target) - 1.0);
        (!matches!(bias.as_str(), "0%" | "-0%")).then(|| format!("estimate: {{bias: {bias}}}"))
    }

    /// Continues with a ratio that was learned before.
    pub(super) fn set(&self, target: TargetId, ratio: f64) {
        self.ratios[target.index()].store(ratio.to_bits(), Ordering::Relaxed);
    }

    /// Learns from a reply whose prompt was estimated as `estimated` tokens and counted as `counted`. Of two that are learned at the
    /// same time one may be lost.
    pub(super) fn learn(&self, target: TargetId, estimated: u32, counted: u32) {
        if estimated == 0 || counted == 0 {
            return;
        }
        let seen = (f64::from(counted) / f64::from(estimated)).clamp(1.0 / MAX_CORRECTION, MAX_CORRECTION);
        let ratio = self.of(target);
        self.ratios[target.index()].store((ratio + WEIGHT * (seen - ratio)).to_bits(), Ordering::Relaxed);
    }

    /// Returns an estimate corrected for a target, at least one token.
    pub(super) fn corrected(&self, target: TargetId, estimated: u32) -> u32 {
        // Estimates are at most a million, so the product fits.
        (f64::from(estimated) * self.of(target)).round().max(1.0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_of_a_target_approaches_what_its_replies_state() {
        let (ratios, target) = (TokenRatios::new(2), TargetId(1));
        for _ in 0..200 {
            ratios.learn(target, 100, 130);
        }
        assert!((ratios.of(target) - 1.3).abs() < 0.001, "{}", ratios.of(target));
        assert_eq!((ratios.corrected(target, 1_000), ratios.corrected(TargetId(0), 1_000)), (1_300, 1_000));
        assert_eq!(ratios.in_scenario(target).as_deref(), Some("estimate: {bias: -23.1%}"));
        assert_eq!(ratios.in_scenario(TargetId(0)), None, "nothing is learned of it");
    }

    #[test]
    fn a_mistaken_usage_changes_the_ratio_only_within_bounds() {
        let ratios = TokenRatios::new(1);
        for _ in 0..1_000 {
            ratios.learn(TargetId(0), 1, u32::MAX);
        }
        assert!(ratios.of(TargetId(0)) <= MAX_CORRECTION);
        ratios.learn(TargetId(0), 0, 5);
        ratios.learn(TargetId(0), 5, 0);
        assert!(ratios.of(TargetId(0)) <= MAX_CORRECTION);
    }
}
