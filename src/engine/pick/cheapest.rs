//! The pick `cheapest`: the lowest expected price of this job, at the prices of the scenario.
//!
//! The expected price is that of the client's estimate of the prompt, none of which is assumed to be cached, and of the expected
//! completion: the mean of the answers on the route so far, at most `max_tokens`. Before the first answer it is the bound itself.
//! With the bound alone a target with a low price for output would seem cheap for answers that are mostly much shorter. The mean is
//! that of the whole route, so that targets are compared for the same answer.

use super::super::estimate::completion_bound;
use crate::job::Job;
use crate::scenario::TokenPrices;
use provider::Usage;

/// The mean completion of the answers on a route.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct MeanCompletion {
    answers: u64,
    tokens: u64,
}

impl MeanCompletion {
    /// Counts the completion of an answer.
    pub(in crate::engine) fn count(&mut self, completion_tokens: u32) {
        self.answers += 1;
        self.tokens += u64::from(completion_tokens);
    }

    /// Returns the expected completion of a job in tokens: the mean, at most the bound; the bound before the first answer.
    pub(super) fn expected(self, job: &Job) -> u32 {
        let bound = completion_bound(job);
        let mean = self.tokens.checked_div(self.answers);
        mean.and_then(|mean| u32::try_from(mean).ok()).map_or(bound, |mean| mean.min(bound))
    }
}

/// Returns the expected price of a job in picodollars.
pub(super) fn expected_price(prices: TokenPrices, prompt_tokens: u32, completion_tokens: u32) -> u64 {
    prices.pico_usd(Usage { prompt_tokens, completion_tokens, cached_tokens: 0 })
}
