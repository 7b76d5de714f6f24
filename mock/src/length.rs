//! How long a call may be: the context window of a model, and the longest answer that may be asked of it.
//!
//! No quota is concerned: a call that is too long is refused before any limit is asked, and no wait ever lets it in.
//! That prompt and `max_tokens` are added up is evidence ("… of the messages or completion"); that of a call without
//! `max_tokens` the prompt alone must fit, and that `max_tokens` is looked at first, is assumed.

use crate::call::{Call, Truth};

/// The bounds of a model; `None`: no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    /// The context window: tokens of the prompt and of the answer together.
    pub context: Option<u32>,
    /// The largest `max_tokens` that a call may ask for.
    pub max_output: Option<u32>,
}

/// A call that does not fit a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// What it does not fit.
    pub bound: Bound,
    /// The bound itself, in tokens.
    pub limit: u32,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// What the call asked for besides.
    pub max_tokens: Option<u32>,
}

/// What a call may be too long for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The context window.
    Context,
    /// The longest answer.
    Output,
}

impl Lengths {
    /// Whether a call fits.
    ///
    /// # Errors
    /// What it does not fit.
    #[inline]
    pub fn check(self, call: Call, truth: Truth) -> Result<(), TooLong> {
        let (prompt_tokens, max_tokens) = (truth.prompt_tokens, call.max_tokens);
        let too_long = |bound, limit| Err(TooLong { bound, limit, prompt_tokens, max_tokens });
        match self {
            Self { max_output: Some(limit), .. } if max_tokens.is_some_and(|asked| asked > limit) => {
                too_long(Bound::Output, limit)
            }
            Self { context: Some(limit), .. } if all(prompt_tokens, max_tokens) > u64::from(limit) => {
                too_long(Bound::Context, limit)
            }
            _ => Ok(()),
        }
    }

    /// The longest prompt of a call with this `max_tokens` that fits; `None` where no prompt makes it fit.
    #[must_use]
    pub fn longest_prompt(self, max_tokens: Option<u32>) -> Option<u32> {
        match (self.max_output, self.context) {
            (Some(limit), _) if max_tokens.is_some_and(|asked| asked > limit) => None,
            (_, Some(context)) => context.checked_sub(max_tokens.unwrap_or(0)),
            (_, None) => Some(u32::MAX),
        }
    }

    /// The most tokens that the answer to a call that fits can have: what it asks for; where it does not say, all that
    /// the model has left.
    #[must_use]
    pub fn answer(self, call: Call, truth: Truth) -> Option<u32> {
        let left = || self.context.map(|context| context.saturating_sub(truth.prompt_tokens));
        call.max_tokens.or_else(|| [self.max_output, left()].into_iter().flatten().min())
    }
}

impl TooLong {
    /// What was asked for of what the bound counts.
    #[must_use]
    pub const fn requested(self) -> u64 {
        match (self.bound, self.max_tokens) {
            (Bound::Output, Some(asked)) => asked as u64,
            (Bound::Context | Bound::Output, asked) => all(self.prompt_tokens, asked),
        }
    }
}

/// The tokens that a call takes of a context.
const fn all(prompt_tokens: u32, max_tokens: Option<u32>) -> u64 {
    let answer = match max_tokens {
        Some(asked) => asked as u64,
        None => 0,
    };
    prompt_tokens as u64 + answer
}
