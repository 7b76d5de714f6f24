//! Reservation and settlement: how admission estimates the token usage of a call, and how the charge is corrected when
//! the call has ended.
//!
//! ```text
//!  arrival: the estimate is charged or the call refused ──▶ service ──▶ end: the reservation is settled
//!             prompt + max_tokens | prompt + recent                       to usage | kept | excess charged
//!             prompt | nothing
//! ```
//!
//! Providers differ in reservation more than in their refill policies, and some have changed theirs: `mock/README.md` lists the
//! rule of each provider with its evidence.

use crate::call::{Call, Truth, Usage};
use crate::config::Dialect;

/// The rule by which a model's token axes are reserved and settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// The estimate that admission charges.
    pub estimate: Estimate,
    /// Completion tokens reserved for a call without `max_tokens`.
    pub default_max_tokens: u32,
    /// The largest number of completion tokens that is reserved.
    pub max_completion_tokens: u32,
    /// The settlement of the reservation.
    pub settlement: Settlement,
    /// The counting of prompt tokens from the prefix cache.
    pub cached: CachedTokens,
    /// How many tokens a completion token counts as after settlement; at least 1. Admission reserves each once. Evidence:
    /// Bedrock documents that it takes prompt and `max_tokens` at first, and counts output five times at the end for some
    /// models of Anthropic.
    pub output_weight: u32,
    /// `true` if a refused call counts on the request axes.
    pub charge_refused: bool,
}

/// The estimated token usage of a call. [`Estimate::Prompt`] and [`Estimate::Nothing`] reserve no completion
/// tokens, so an axis that counts only completions refuses such a call only while earlier calls have overdrawn it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Estimate {
    /// The prompt and `max_tokens`.
    #[default]
    PromptAndMaxTokens,
    /// The prompt and the largest recent completion of the account's calls to the model or its family, at most `max_tokens`;
    /// before the first completion as [`Estimate::PromptAndMaxTokens`].
    PromptAndRecent,
    /// The prompt only.
    Prompt,
    /// Nothing.
    Nothing,
}

/// The settlement of a reservation when the call has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Settlement {
    /// The charge becomes the actual usage, as if that had been charged on arrival.
    #[default]
    ToUsage,
    /// The charge stays as reserved.
    KeepReservation,
    /// The charge stays, and usage beyond it is charged at the end.
    ChargeExcess,
}

/// The counting of prompt tokens from the provider's prefix cache on the token axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CachedTokens {
    /// As any other token.
    #[default]
    Counted,
    /// As any other token at admission, and not at all after settlement: the provider looks them up in its cache only while
    /// it processes the prompt.
    Refunded,
    /// Not at all.
    Free,
}

impl CachedTokens {
    /// Returns the counting that a dialect has by default; a scenario may set another. Evidence: documented by Groq ("do not
    /// count towards your rate limits", but are subtracted only after processing) and by Anthropic; no other provider
    /// documents a discount.
    #[must_use]
    pub const fn default_of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Groq => Self::Refunded,
            Dialect::Anthropic => Self::Free,
            _ => Self::Counted,
        }
    }
}

/// How the usage of a call counts after settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCounting {
    /// The counting of prompt tokens from the prefix cache.
    pub cached: CachedTokens,
    /// See [`Reserve::output_weight`].
    pub output_weight: u32,
}

impl Default for TokenCounting {
    /// Every token counts once.
    fn default() -> Self {
        Self { cached: CachedTokens::Counted, output_weight: 1 }
    }
}

impl TokenCounting {
    /// Returns what of `used` counts after settlement: without the cached tokens that do not, and with each completion token
    /// as often as it counts.
    #[must_use]
    #[inline]
    pub const fn counted(self, used: Usage) -> Usage {
        let completion_tokens = used.completion_tokens.saturating_mul(self.output_weight);
        match self.cached {
            CachedTokens::Counted => Usage { completion_tokens, ..used },
            CachedTokens::Refunded | CachedTokens::Free => Usage {
                prompt_tokens: used.prompt_tokens.saturating_sub(used.cached_tokens),
                cached_tokens: 0,
                completion_tokens,
            },
        }
    }
}

/// Completion tokens reserved for a call without `max_tokens`, unless a dialect's rule has another number. This one is
/// Groq's. Evidence: reports of 2026-09 for OTPM (not captured).
pub const DEFAULT_MAX_TOKENS: u32 = 1024;

impl Default for Reserve {
    fn default() -> Self {
        Self::default_for(Estimate::default())
    }
}

impl Reserve {
    /// Returns the rule with this estimate and every other part at its default: the charge becomes the usage; if nothing is
    /// reserved, the usage is charged at the end.
    #[must_use]
    pub const fn default_for(estimate: Estimate) -> Self {
        let settlement = if matches!(estimate, Estimate::Nothing) {
            Settlement::ChargeExcess
        } else {
            Settlement::ToUsage
        };
        Self {
            estimate,
            default_max_tokens: DEFAULT_MAX_TOKENS,
            max_completion_tokens: u32::MAX,
            settlement,
            cached: CachedTokens::Counted,
            output_weight: 1,
            charge_refused: false,
        }
    }

    /// Returns the rule of a dialect's provider; a scenario may set another. `mock/README.md` has the evidence for each.
    #[must_use]
    pub const fn default_of(dialect: Dialect) -> Self {
        let rule = match dialect {
            Dialect::Groq | Dialect::DeepInfra => Self::default_for(Estimate::PromptAndMaxTokens),
            // Completion tokens are never charged, as far as the remaining units in headers show.
            Dialect::OpenAi | Dialect::Gemini => {
                let rule = Self::default_for(Estimate::Prompt);
                Self { settlement: Settlement::KeepReservation, ..rule }
            }
            Dialect::Azure => {
                let rule = Self::default_for(Estimate::PromptAndMaxTokens);
                Self { default_max_tokens: 16, settlement: Settlement::KeepReservation, ..rule }
            }
            Dialect::Anthropic | Dialect::Together | Dialect::Fireworks => {
                Self::default_for(Estimate::Prompt)
            }
            Dialect::Cerebras => {
                Self { default_max_tokens: 16_384, ..Self::default_for(Estimate::PromptAndMaxTokens) }
            }
            Dialect::Mistral => Self::default_for(Estimate::Nothing),
        };
        Self { cached: CachedTokens::default_of(dialect), ..rule }
    }

    /// Returns how usage counts after settlement.
    #[must_use]
    #[inline]
    pub const fn counting(&self) -> TokenCounting {
        TokenCounting { cached: self.cached, output_weight: self.output_weight }
    }

    /// Returns the tokens that admission reserves for a call; `recent` are the completions on its meter.
    #[must_use]
    #[inline]
    pub fn reserved(&self, call: Call, truth: Truth, recent: &RecentCompletions) -> Usage {
        let prompt_tokens = match (self.estimate, self.cached) {
            (Estimate::Nothing, _) => 0,
            (_, CachedTokens::Free) => truth.prompt_tokens - truth.cached_prompt_tokens(),
            (_, CachedTokens::Counted | CachedTokens::Refunded) => truth.prompt_tokens,
        };
        let completion_tokens = match self.estimate {
            Estimate::PromptAndMaxTokens => self.reserved_completion(call.max_tokens),
            Estimate::PromptAndRecent => {
                recent.largest().map_or(self.reserved_completion(call.max_tokens), |largest| {
                    largest.min(call.max_tokens.unwrap_or(u32::MAX)).min(self.max_completion_tokens)
                })
            }
            Estimate::Prompt | Estimate::Nothing => 0,
        };
        debug_assert!(
            prompt_tokens <= truth.prompt_tokens && completion_tokens <= self.max_completion_tokens,
            "invariant: a reservation stays within its bounds, found {prompt_tokens} + {completion_tokens}"
        );
        Usage { prompt_tokens, cached_tokens: 0, completion_tokens }
    }

    /// Returns the completion tokens reserved for a call with this `max_tokens`.
    #[must_use]
    pub fn reserved_completion(&self, max_tokens: Option<u32>) -> u32 {
        max_tokens.unwrap_or(self.default_max_tokens).min(self.max_completion_tokens)
    }
}

/// The last eight completions of an account's calls to a model or its family. Evidence: in six refusals of 2026-09 and 2026-10
/// the stated `Requested` equals the largest recent completion of the key (reported); that the keys of an account share it,
/// and the number of completions considered, are assumed.
#[derive(Clone, Debug, Default)]
pub struct RecentCompletions {
    /// A ring buffer of completion tokens.
    tokens: [u32; 8],
    /// Completions recorded so far.
    count: usize,
}

impl RecentCompletions {
    /// Records a completion of this many tokens.
    pub fn record(&mut self, completion_tokens: u32) {
        self.tokens[self.count % self.tokens.len()] = completion_tokens;
        self.count += 1;
    }

    /// Returns the largest of the last eight; `None` before the first.
    #[must_use]
    pub fn largest(&self) -> Option<u32> {
        if self.count == 0 { None } else { self.tokens.iter().copied().max() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: Truth = Truth { prompt_tokens: 50, completion_tokens: 20, cached_tokens: 0, draw: 0 };

    fn call(max_tokens: Option<u32>) -> Call {
        Call { account: 0, model: 0, max_tokens }
    }

    #[test]
    fn each_estimate_reserves_its_parts_within_the_bounds() {
        let reserved = |reserve: Reserve, max_tokens| {
            let mut recent = RecentCompletions::default();
            let before = reserve.reserved(call(max_tokens), TRUTH, &recent);
            (0..9).for_each(|number| recent.record(900 - 100 * number));
            [before, reserve.reserved(call(max_tokens), TRUTH, &recent)]
                .map(|usage| (usage.prompt_tokens, usage.completion_tokens))
        };
        let bounded = |estimate| Reserve {
            default_max_tokens: 300,
            max_completion_tokens: 2_000,
            ..Reserve::default_for(estimate)
        };
        assert_eq!(reserved(bounded(Estimate::PromptAndMaxTokens), None), [(50, 300); 2]);
        assert_eq!(reserved(bounded(Estimate::PromptAndMaxTokens), Some(9_000)), [(50, 2_000); 2]);
        // The first of nine completions, the largest, is no longer in the ring buffer.
        assert_eq!(reserved(bounded(Estimate::PromptAndRecent), Some(9_000)), [(50, 2_000), (50, 800)]);
        assert_eq!(reserved(bounded(Estimate::PromptAndRecent), Some(100)), [(50, 100); 2]);
        assert_eq!(reserved(bounded(Estimate::PromptAndRecent), None), [(50, 300), (50, 800)]);
        assert_eq!(reserved(bounded(Estimate::Prompt), Some(100)), [(50, 0); 2]);
        assert_eq!(reserved(bounded(Estimate::Nothing), Some(100)), [(0, 0); 2]);
    }
}
