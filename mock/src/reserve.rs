//! Reservation: what admission takes a call to use before anybody knows, and what becomes of that when the call
//! has ended.
//!
//! ```text
//!  arrives: the estimate is charged, or the call refused ──▶ served ──▶ ends: settled
//!             prompt + max_tokens | prompt + recent              refund | nothing | after
//!             prompt | nothing
//! ```
//!
//! Providers differ here more than in their laws, and some have changed it: `mock/README.md` says who does what,
//! and how sure we are.

use crate::call::{Call, Truth, Usage};
use crate::config::Dialect;

/// How a model's token axes are reserved and settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// What a call is taken to use.
    pub estimate: Estimate,
    /// Completion tokens that a call without `max_tokens` is taken to allow.
    pub absent: u32,
    /// The most completion tokens that are reserved.
    pub cap: u32,
    /// What becomes of the reservation.
    pub settle: Settle,
    /// What prompt tokens count that the provider finds in its prefix cache.
    pub cached: CachedTokens,
    /// Whether a refused call counts as one on the request axes.
    pub charge_refused: bool,
}

/// What a call is taken to use of the token axes. Of an axis that counts completions only, those without a
/// completion ask nothing: it refuses while earlier calls have overdrawn it, and not before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Estimate {
    /// The prompt and all that the call allows.
    #[default]
    PromptAndMaxTokens,
    /// The prompt and the largest recent answer of the account, within what the call allows; all that it allows
    /// before there was an answer.
    PromptAndRecent,
    /// The prompt only.
    Prompt,
    /// Nothing at all.
    Nothing,
}

/// What becomes of a reservation when the call has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Settle {
    /// It becomes what was used, as if that had been charged at the arrival.
    #[default]
    Refund,
    /// It stays as it was.
    Nothing,
    /// It stays, and what was used beyond it is charged at the end.
    After,
}

/// What prompt tokens count, on the token axes, that the provider finds in its prefix cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CachedTokens {
    /// As any other.
    #[default]
    Counted,
    /// As any other at admission, and nothing once the call is settled: a provider that learns of them while it reads the
    /// prompt gives them back.
    Refunded,
    /// Nothing, from the start.
    Free,
}

impl CachedTokens {
    /// What the provider of a dialect does, where a scenario does not say. Documented by Groq ("do not count towards your
    /// rate limits", but are subtracted only after processing) and by Anthropic; nobody else says that they count less.
    #[must_use]
    pub const fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Groq => Self::Refunded,
            Dialect::Anthropic => Self::Free,
            _ => Self::Counted,
        }
    }

    /// What a call used as far as it counts once it is settled.
    #[must_use]
    #[inline]
    pub const fn counted(self, used: Usage) -> Usage {
        match self {
            Self::Counted => used,
            Self::Refunded | Self::Free => {
                Usage { prompt_tokens: used.prompt_tokens.saturating_sub(used.cached_tokens), ..used }
            }
        }
    }
}

/// What Groq assumes for a call without `max_tokens`. Evidence: reports of 2026-09 for OTPM (evidence: reported, not captured).
pub const DEFAULT_MAX_TOKENS: u32 = 1024;

impl Default for Reserve {
    fn default() -> Self {
        Self::of(Estimate::default())
    }
}

impl Reserve {
    /// The policy of an estimate that nothing more is said of: refunded, or charged at the end where nothing is
    /// reserved.
    #[must_use]
    pub const fn of(estimate: Estimate) -> Self {
        let settle = if matches!(estimate, Estimate::Nothing) { Settle::After } else { Settle::Refund };
        Self {
            estimate,
            absent: DEFAULT_MAX_TOKENS,
            cap: u32::MAX,
            settle,
            cached: CachedTokens::Counted,
            charge_refused: false,
        }
    }

    /// The tokens that admission reserves for a call of an account with these `recent` answers.
    #[must_use]
    #[inline]
    pub fn tokens(&self, call: Call, truth: Truth, recent: &Recent) -> Usage {
        let prompt_tokens = match (self.estimate, self.cached) {
            (Estimate::Nothing, _) => 0,
            (_, CachedTokens::Free) => truth.prompt_tokens - truth.cached(),
            (_, CachedTokens::Counted | CachedTokens::Refunded) => truth.prompt_tokens,
        };
        let completion_tokens = match self.estimate {
            Estimate::PromptAndMaxTokens => self.allowed(call.max_tokens),
            Estimate::PromptAndRecent => recent.largest().map_or(self.allowed(call.max_tokens), |largest| {
                largest.min(call.max_tokens.unwrap_or(u32::MAX)).min(self.cap)
            }),
            Estimate::Prompt | Estimate::Nothing => 0,
        };
        Usage { prompt_tokens, cached_tokens: 0, completion_tokens }
    }

    /// Completion tokens that a call is taken to allow, as far as they are reserved.
    #[must_use]
    pub fn allowed(&self, max_tokens: Option<u32>) -> u32 {
        max_tokens.unwrap_or(self.absent).min(self.cap)
    }
}

/// The last answers of an account's calls to a model. Evidence: six refusals of 2026-09 and -10 ask for exactly the
/// largest recent answer of the key (reported); over how many answers it is the largest is assumed.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// Completion tokens, the oldest overwritten next.
    answers: [u32; 8],
    /// How many there were.
    count: usize,
}

impl Recent {
    /// Remembers an answer of so many completion tokens.
    pub fn note(&mut self, completion_tokens: u32) {
        self.answers[self.count % self.answers.len()] = completion_tokens;
        self.count += 1;
    }

    /// The largest of the last eight; `None` before the first.
    #[must_use]
    pub fn largest(&self) -> Option<u32> {
        if self.count == 0 { None } else { self.answers.iter().copied().max() }
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
    fn each_estimate_reserves_what_it_says() {
        let reserved = |reserve: Reserve, max_tokens| {
            let mut recent = Recent::default();
            let cold = reserve.tokens(call(max_tokens), TRUTH, &recent);
            (0..9).for_each(|number| recent.note(900 - 100 * number));
            [cold, reserve.tokens(call(max_tokens), TRUTH, &recent)]
                .map(|usage| (usage.prompt_tokens, usage.completion_tokens))
        };
        let of = |estimate| Reserve { absent: 300, cap: 2_000, ..Reserve::of(estimate) };
        assert_eq!(reserved(of(Estimate::PromptAndMaxTokens), None), [(50, 300); 2]);
        assert_eq!(reserved(of(Estimate::PromptAndMaxTokens), Some(9_000)), [(50, 2_000); 2]);
        // The first of nine answers, the largest, is forgotten.
        assert_eq!(reserved(of(Estimate::PromptAndRecent), Some(9_000)), [(50, 2_000), (50, 800)]);
        assert_eq!(reserved(of(Estimate::PromptAndRecent), Some(100)), [(50, 100); 2]);
        assert_eq!(reserved(of(Estimate::PromptAndRecent), None), [(50, 300), (50, 800)]);
        assert_eq!(reserved(of(Estimate::Prompt), Some(100)), [(50, 0); 2]);
        assert_eq!(reserved(of(Estimate::Nothing), Some(100)), [(0, 0); 2]);
    }
}
