//! A call as a client sends it, and the ground truth about it, which only the provider knows.

use crate::random::RandomStream;

/// The parts of a client's request on which limits depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The account that the API key belongs to, as an index into the provider's configuration.
    pub account: u16,
    /// The requested model, as an index into the provider's configuration.
    pub model: u16,
    /// The `max_tokens` of the request; `None` if it has none.
    pub max_tokens: Option<u32>,
}

/// The ground truth about a call, known to the provider only. The routing engine never reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Prompt tokens found in the provider's prefix cache; if there are more than the prompt has, the whole prompt is cached.
    pub cached_tokens: u32,
    /// Tokens that the model writes if `max_tokens` does not cut the completion.
    pub completion_tokens: u32,
    /// The key of this call's random streams at the provider (latency, faults).
    pub draw: u64,
}

/// The tokens of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens, including cached ones.
    pub prompt_tokens: u32,
    /// Prompt tokens found in the provider's prefix cache.
    pub cached_tokens: u32,
    /// Completion tokens.
    pub completion_tokens: u32,
}

impl Usage {
    /// Returns prompt plus completion tokens.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.prompt_tokens as u64 + self.completion_tokens as u64
    }
}

impl Truth {
    /// Returns the usage of the call if it is served with this `max_tokens`.
    #[must_use]
    pub fn usage(self, max_tokens: Option<u32>) -> Usage {
        let completion_tokens = self.completion_tokens.min(max_tokens.unwrap_or(u32::MAX));
        Usage {
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_prompt_tokens(),
            completion_tokens,
        }
    }

    /// Returns the cached prompt tokens: at most the tokens of the prompt.
    #[must_use]
    #[inline]
    pub fn cached_prompt_tokens(self) -> u32 {
        self.cached_tokens.min(self.prompt_tokens)
    }

    /// Returns this call's random stream for one purpose.
    #[must_use]
    pub fn stream_for(self, purpose: DrawPurpose) -> RandomStream {
        let id = match purpose {
            DrawPurpose::Service => 0,
            DrawPurpose::Network => 1,
            DrawPurpose::Incident(index) => 2 + u64::from(index),
            DrawPurpose::InjectedFault(id) => 2 + u64::from(u32::MAX - id),
        };
        RandomStream::keyed(self.draw, id)
    }
}

/// The purpose of a random stream of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrawPurpose {
    /// The service time.
    Service,
    /// The network's round trip.
    Network,
    /// The selection of calls that the incident with this index affects.
    Incident(u32),
    /// The selection of calls that the injected fault with this id affects.
    InjectedFault(u32),
}
