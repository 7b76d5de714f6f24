//! Length limits of a model: its context window and its largest `max_tokens`.
//!
//! They are checked before any quota: a call that is too long is refused without a charge, and no wait helps.
//! Evidence: error messages of five dialects count the prompt and `max_tokens` together; `mock/README.md` quotes them.
//! Assumed: without `max_tokens` only the prompt must fit, and `max_tokens` is checked first.

use crate::call::{Call, Truth};

/// The length limits of a model; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// The context window: prompt plus completion, in tokens.
    pub context: Option<u32>,
    /// The largest `max_tokens` of a call, and the longest completion of a call without it.
    pub max_output: Option<u32>,
}

/// The refusal of a call that is too long for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The violated limit.
    pub violated: LengthLimit,
    /// The value of that limit, in tokens.
    pub limit_tokens: u32,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// The `max_tokens` of the call; not `None` if [`LengthLimit::Output`] is violated.
    pub max_tokens: Option<u32>,
}

/// A length limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthLimit {
    /// The context window: [`Lengths::context`].
    Context,
    /// The largest `max_tokens`: [`Lengths::max_output`].
    Output,
}

/// The longest prompt that fits a model together with a given `max_tokens`. The order is from the shortest to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromptCap {
    /// No prompt fits: `max_tokens` alone is too large, or a limit admits no call.
    NothingFits,
    /// Prompts of at most this many tokens fit.
    Tokens(u32),
    /// Every prompt fits: neither the context nor a limit bounds it.
    Unlimited,
}

impl Lengths {
    /// Checks the length of a call.
    ///
    /// # Errors
    /// Returns the violated limit.
    #[inline]
    pub fn check(self, call: Call, truth: Truth) -> Result<(), TooLong> {
        let (prompt_tokens, max_tokens) = (truth.prompt_tokens, call.max_tokens);
        let too_long =
            |violated, limit_tokens| Err(TooLong { violated, limit_tokens, prompt_tokens, max_tokens });
        match self {
            Self { max_output: Some(limit), .. } if max_tokens.is_some_and(|tokens| tokens > limit) => {
                too_long(LengthLimit::Output, limit)
            }
            Self { context: Some(limit), .. }
                if context_tokens(prompt_tokens, max_tokens) > u64::from(limit) =>
            {
                too_long(LengthLimit::Context, limit)
            }
            _ => Ok(()),
        }
    }

    /// Returns the longest prompt that [`Lengths::check`] accepts with this `max_tokens`.
    #[must_use]
    pub fn prompt_cap(self, max_tokens: Option<u32>) -> PromptCap {
        match (self.max_output, self.context) {
            (Some(limit), _) if max_tokens.is_some_and(|tokens| tokens > limit) => PromptCap::NothingFits,
            (_, Some(context)) => {
                context.checked_sub(max_tokens.unwrap_or(0)).map_or(PromptCap::NothingFits, PromptCap::Tokens)
            }
            (_, None) => PromptCap::Unlimited,
        }
    }

    /// Returns the number of tokens at which the completion of a call is cut: its `max_tokens`, or without one the
    /// smaller of `max_output` and the context after the prompt; `None` if neither limits it.
    #[must_use]
    pub fn completion_cap(self, call: Call, truth: Truth) -> Option<u32> {
        let after_prompt = || self.context.map(|context| context.saturating_sub(truth.prompt_tokens));
        call.max_tokens.or_else(|| [self.max_output, after_prompt()].into_iter().flatten().min())
    }
}

impl TooLong {
    /// Returns the requested tokens as the violated limit counts them: `max_tokens` for the output, the prompt plus
    /// `max_tokens` for the context.
    #[must_use]
    pub const fn requested(self) -> u64 {
        match self.violated {
            LengthLimit::Output => context_tokens(0, self.max_tokens),
            LengthLimit::Context => context_tokens(self.prompt_tokens, self.max_tokens),
        }
    }
}

/// Returns the context that a call needs: its prompt, plus its `max_tokens` if it has one.
const fn context_tokens(prompt_tokens: u32, max_tokens: Option<u32>) -> u64 {
    let completion = match max_tokens {
        Some(tokens) => tokens as u64,
        None => 0,
    };
    prompt_tokens as u64 + completion
}
