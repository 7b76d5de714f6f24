//! The reasoning in a chat completion: the tokens that a model writes before its answer, and where their text is.
//!
//! They are part of the completion tokens of a call, and each choice has the same number of them. That number is assumed;
//! the names of the members are documented (Groq, Cerebras, Together, Fireworks, `DeepInfra`, 2026). OpenAI, Azure,
//! Mistral, Gemini and Anthropic send no text of it in OpenAI's shape, only the number of tokens.

use std::num::NonZeroU32;

/// The reasoning that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reasoning {
    /// The place of its text.
    pub place: ReasoningPlace,
    /// The number of quarters of the completion tokens that are reasoning: 0 to 4.
    pub quarters: u8,
    /// The maximum number of reasoning tokens of a choice; `None`: no maximum, and `quarters` is at most 3.
    pub most: Option<NonZeroU32>,
}

/// The place of the text of a reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasoningPlace {
    /// It is not sent.
    Hidden,
    /// A member of the message, for providers that have one; otherwise it is not sent.
    Member,
    /// The content of the message, in a `<think>` element before the answer.
    Content,
}

impl Reasoning {
    /// Returns the reasoning tokens of a choice with `completion_tokens`. At least one token is left for the answer if there are at
    /// most three quarters.
    #[must_use]
    pub fn tokens(self, completion_tokens: u32) -> u32 {
        let tokens = u64::from(completion_tokens) * u64::from(self.quarters) / 4;
        (tokens as u32).min(self.most.map_or(u32::MAX, NonZeroU32::get))
    }

    /// Returns the fewest completion tokens of a choice whose answer has this many tokens.
    #[must_use]
    pub fn with_answer(self, answer_tokens: u32) -> u32 {
        let bounded = self.most.map_or(u32::MAX, |most| answer_tokens.saturating_add(most.get()));
        if self.quarters >= 4 {
            return bounded;
        }
        let unbounded = Self { most: None, ..self }.with_answer_unbounded(answer_tokens);
        unbounded.min(bounded)
    }

    fn with_answer_unbounded(self, answer_tokens: u32) -> u32 {
        let least = answer_tokens as u64 * 4 / (4 - self.quarters as u64);
        let mut all = if least > u32::MAX as u64 { u32::MAX } else { least as u32 };
        while all - self.tokens(all) < answer_tokens {
            all += 1;
        }
        while all > 0 && all - 1 - self.tokens(all - 1) >= answer_tokens {
            all -= 1;
        }
        all
    }

    /// Returns the seed of the filler words of a reasoning, from that of the answer.
    pub(super) const fn seed(answer: u64) -> u64 {
        !answer
    }
}

/// The text before a reasoning in the content of a message, and the text after it (Groq's `reasoning_format: raw`, documented).
pub(super) const THINK: [&str; 2] = ["<think>\n", "\n</think>\n\n"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_tokens_that_reasoning_leaves() {
        let quarters = (0..=3).flat_map(|quarters| [0, 1, 7].map(|most| (quarters, NonZeroU32::new(most))));
        for (quarters, most) in quarters {
            let reasoning = Reasoning { place: ReasoningPlace::Member, quarters, most };
            for answer in 0..200 {
                let all = reasoning.with_answer(answer);
                assert_eq!(
                    all - reasoning.tokens(all),
                    answer,
                    "{quarters} quarters of {all}, at most {most:?}"
                );
                assert!(all == 0 || all - 1 - reasoning.tokens(all - 1) < answer, "{all} are the fewest");
            }
            for all in 1..200 {
                assert!(reasoning.tokens(all) < all, "a token is left for the answer");
            }
        }
    }
}
