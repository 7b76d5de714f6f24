//! Length limits of a model: its context window and its largest `max_tokens`.
//!
//! They are checked before any quota: a call that is too long is refused without a charge, and no wait helps.
//! Evidence: error texts show that prompt and `max_tokens` are added up ("… of the messages or completion"). Assumed:
//! without `max_tokens` only the prompt must fit, and `max_tokens` is checked first.

use crate::call::{Call, Truth};

/// The length limits of a model; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// The context window: prompt plus completion, in tokens.
    pub context: Option<u32>,
    /// The largest `max_tokens` of a call.
    pub max_output: Option<u32>,
}

/// The refusal of a call that is too long for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The violated limit.
    pub bound: Bound,
    /// Its value in tokens.
    pub limit: u32,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// The `max_tokens` of the call.
    pub max_tokens: Option<u32>,
}

/// A length limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The context window.
    Context,
    /// The largest `max_tokens`.
    Output,
}

impl Lengths {
    /// Checks the length of a call.
    ///
    /// # Errors
    /// Returns the violated limit.
    #[inline]
    pub fn check(self, call: Call, truth: Truth) -> Result<(), TooLong> {
        let (prompt_tokens, max_tokens) = (truth.prompt_tokens, call.max_tokens);
        let too_long = |bound, limit| Err(TooLong { bound, limit, prompt_tokens, max_tokens });
        match self {
            Self { max_output: Some(limit), .. } if max_tokens.is_some_and(|asked| asked > limit) => {
                too_long(Bound::Output, limit)
            }
            Self { context: Some(limit), .. }
                if context_tokens(prompt_tokens, max_tokens) > u64::from(limit) =>
            {
                too_long(Bound::Context, limit)
            }
            _ => Ok(()),
        }
    }

    /// Returns the longest prompt that fits with this `max_tokens`; `None` if no prompt does.
    #[must_use]
    pub fn max_prompt_tokens(self, max_tokens: Option<u32>) -> Option<u32> {
        match (self.max_output, self.context) {
            (Some(limit), _) if max_tokens.is_some_and(|asked| asked > limit) => None,
            (_, Some(context)) => context.checked_sub(max_tokens.unwrap_or(0)),
            (_, None) => Some(u32::MAX),
        }
    }

    /// Returns the largest completion of a call that fits: its `max_tokens`, or without one what the model allows after
    /// the prompt; `None`: no limit.
    #[must_use]
    pub fn max_completion_tokens(self, call: Call, truth: Truth) -> Option<u32> {
        let after_prompt = || self.context.map(|context| context.saturating_sub(truth.prompt_tokens));
        call.max_tokens.or_else(|| [self.max_output, after_prompt()].into_iter().flatten().min())
    }
}

impl TooLong {
    /// Returns the requested tokens, counted as the violated limit counts them.
    #[must_use]
    pub const fn requested(self) -> u64 {
        match (self.bound, self.max_tokens) {
            (Bound::Output, Some(asked)) => asked as u64,
            (Bound::Context | Bound::Output, asked) => context_tokens(self.prompt_tokens, asked),
        }
    }
}

/// Returns the tokens that a call requests of the context window.
const fn context_tokens(prompt_tokens: u32, max_tokens: Option<u32>) -> u64 {
    let completion = match max_tokens {
        Some(asked) => asked as u64,
        None => 0,
    };
    prompt_tokens as u64 + completion
}
