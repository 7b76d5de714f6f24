//! The client's estimate of the tokens of a prompt, which may differ from what the provider counts.
//!
//! The error is a factor: lognormal, because many causes multiply (the tokenizer of the model, the language, the kind of text)
//! and no count is below zero. It is keyed by the fingerprint, so identical prompts have the same estimate.

use super::requests::tokens;
use crate::scenario::EstimateError;
use provider::RandomStream;
use provider::dist::Dist;
use provider::random::label_key;

/// Estimates the tokens of prompts.
#[derive(Clone, Debug)]
pub(super) struct Estimator {
    /// The factor of the estimates and the key of its random streams; `None` if they are exact.
    error: Option<(Dist, u64)>,
}

impl Estimator {
    /// Returns the estimator of a client; exact if `error` is `None`.
    pub(super) fn new(seed: u64, error: Option<EstimateError>) -> Self {
        let error = error.map(|EstimateError { bias, spread }| {
            // The mean of the lognormal distribution is exp(mu + variance ÷ 2), its coefficient of variation √(exp(variance) − 1).
            let variance = libm::log1p(spread * spread);
            let factor =
                Dist::LogNormal { mu: libm::log1p(bias) - variance / 2.0, sigma: libm::sqrt(variance) };
            (factor, label_key(seed, "estimate"))
        });
        Self { error }
    }

    /// Returns the estimate of a prompt of this length, from 1 to [`crate::job::MAX_TOKENS`].
    pub(super) fn estimate(&self, prompt_tokens: u32, fingerprint: u64) -> u32 {
        let Some((factor, key)) = &self.error else { return prompt_tokens };
        let factor = factor.sample(&mut RandomStream::keyed(*key, fingerprint));
        tokens(f64::from(prompt_tokens) * factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Job, MAX_TOKENS};
    use crate::load::laws::{all, scenario, workload};
    use crate::scenario::{Arrivals, Repeats, Workload};
    use proptest::prelude::*;
    use provider::Nanos;
    use std::collections::BTreeMap;

    /// The estimates of a long run of prompts of one length have the mean and the spread that the scenario states.
    #[test]
    fn estimates_have_their_bias_and_spread() {
        let repeats = Some(Repeats { share: 0.3, zipf: 1.0, prompts: 5 });
        let fixed =
            Workload { prompt: Dist::Constant(10_000.0), repeats, ..workload(Arrivals::Constant(10.0)) };
        let with = |estimate| {
            let mut scenario = scenario(3, Nanos::HOUR, vec![fixed.clone()]);
            scenario.clients[0].estimate = estimate;
            all(&scenario)
        };
        let exact = with(None);
        for (bias, spread) in [(-0.2, 0.0), (0.1, 0.2), (0.0, 1.0)] {
            let arrivals = with(Some(EstimateError { bias, spread }));
            let mut by_prompt: BTreeMap<u64, u32> = BTreeMap::new();
            for (arrival, exact) in arrivals.iter().zip(&exact) {
                assert_eq!(arrival.truth, exact.truth, "the provider counts the truth");
                let Job { fingerprint, prompt_tokens, .. } = arrival.job;
                assert_eq!(
                    *by_prompt.entry(fingerprint).or_insert(prompt_tokens),
                    prompt_tokens,
                    "one estimate each"
                );
            }
            let ratios = by_prompt.values().map(|estimate| f64::from(*estimate) / 10_000.0);
            let count = by_prompt.len() as f64;
            let mean = ratios.clone().sum::<f64>() / count;
            let deviation = (ratios.map(|ratio| (ratio - mean).powi(2)).sum::<f64>() / count).sqrt();
            // 25,000 prompts: the standard error of the mean is at most 0.7 % here, that of the spread 4 %.
            assert!((mean - (1.0 + bias)).abs() <= 0.03, "{bias} {spread}: {mean}");
            assert!(
                (deviation / (1.0 + bias) - spread).abs() <= 0.15 * spread + 1e-4,
                "{bias} {spread}: {deviation}"
            );
        }
    }

    proptest! {
        /// Estimates stay within what the engine accepts.
        #[test]
        fn estimates_are_bounded(seed: u64, prompt in 1..=1_000_000u32, fingerprint: u64, bias in -0.9..4.0f64, spread in 0.0..1.0f64) {
            let estimate = |error| Estimator::new(seed, error).estimate(prompt, fingerprint);
            let estimated = estimate(Some(EstimateError { bias, spread }));
            prop_assert!((1..=MAX_TOKENS).contains(&estimated));
            prop_assert_eq!(estimate(None), prompt);
        }
    }
}
