//! What reaches a provider: the call a client sends, and the truth that only the world knows.

use crate::random::Stream;

/// What a client sends, as far as limits can see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which of the provider's accounts the key belongs to, as an index into its configuration.
    pub account: u16,
    /// Which of the provider's models, as an index into its configuration.
    pub model: u16,
    /// The most tokens the client allows in the completion; `None` where it did not say.
    pub max_tokens: Option<u32>,
}

/// What only the world knows of a call. The routing engine never sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Tokens the prompt really has.
    pub prompt_tokens: u32,
    /// Those of them that the provider finds in its prefix cache; more than all are all.
    pub cached_tokens: u32,
    /// Tokens the model would write if nothing stopped it; `max_tokens` cuts it.
    pub completion_tokens: u32,
    /// The key of the world's own draws for this call (latency, faults).
    pub draw: u64,
}

/// What a served call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: u32,
    /// Those of them that were found in the provider's prefix cache.
    pub cached_tokens: u32,
    /// Completion tokens.
    pub completion_tokens: u32,
}

impl Usage {
    /// Prompt and completion tokens together.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.prompt_tokens as u64 + self.completion_tokens as u64
    }
}

impl Truth {
    /// What the call uses when it is served under `max_tokens`.
    #[must_use]
    pub fn usage(self, max_tokens: Option<u32>) -> Usage {
        let completion_tokens = self.completion_tokens.min(max_tokens.unwrap_or(u32::MAX));
        Usage { prompt_tokens: self.prompt_tokens, cached_tokens: self.cached(), completion_tokens }
    }

    /// Tokens of the prompt that are found in the prefix cache.
    #[must_use]
    #[inline]
    pub fn cached(self) -> u32 {
        self.cached_tokens.min(self.prompt_tokens)
    }

    /// The stream of this call's own draws for one purpose.
    #[must_use]
    pub fn luck(self, purpose: DrawPurpose) -> Stream {
        let id = match purpose {
            DrawPurpose::Service => 0,
            DrawPurpose::Network => 1,
            DrawPurpose::Incident(index) => 2 + u64::from(index),
        };
        Stream::keyed(self.draw, id)
    }
}

/// What a call draws for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawPurpose {
    /// How long its service takes.
    Service,
    /// How long the network takes.
    Network,
    /// Whether an incident, by its index in the configuration, happens to it.
    Incident(u32),
}
