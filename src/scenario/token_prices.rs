//! Prices per token in whole numbers, for decisions and budgets that must be exact.

use provider::Usage;
use provider::config::Price;

/// Converts an amount of a budget, in USD, to picodollars: in whole nanodollars, as Redis counts those of callers.
pub(crate) fn budget_pico_usd(usd: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 10^15: a budget is at most 10^6 USD"
    )]
    let nano = libm::round(usd * 1e9) as u64;
    nano.saturating_mul(1_000)
}

/// What tokens cost at a target, in millionths of a millionth of a dollar (picodollars) per token, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenPrices {
    /// Of a prompt token that is not found in the prefix cache.
    pub(crate) input: u64,
    /// Of a prompt token that is.
    pub(crate) cached_input: u64,
    /// Of a completion token.
    pub(crate) output: u64,
}

impl TokenPrices {
    /// Converts prices per million tokens.
    pub(crate) fn of(price: Price) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 10^12: a price is at most 10^6"
        )]
        let per_token = |usd_per_million: f64| (usd_per_million * 1e6).ceil() as u64;
        Self {
            input: per_token(price.input),
            cached_input: per_token(price.cached_input),
            output: per_token(price.output),
        }
    }

    /// Returns what these tokens cost, in picodollars. No more cached tokens count than the prompt has.
    pub(crate) fn pico_usd(self, usage: Usage) -> u64 {
        let [prompt, cached, completion] =
            [usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens].map(u64::from);
        let cached = cached.min(prompt);
        let parts = [
            (prompt - cached).saturating_mul(self.input),
            cached.saturating_mul(self.cached_input),
            completion.saturating_mul(self.output),
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}
