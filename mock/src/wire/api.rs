//! The API that a request uses. The reply of an API other than the completion of its wire format has another body, but the
//! same status, headers and errors.

use super::embeddings::EmbeddingsRequest;
use super::reasoning::Reasoning;
use super::responses::ResponsesRequest;

/// The API that a request uses.
#[derive(Clone, Copy, Debug)]
pub enum Api<'a> {
    /// The completion of the wire format: chat completions, Anthropic's messages, or Gemini's content.
    Completion,
    /// The same, streamed as a JSON array instead of events (Gemini without `alt=sse`).
    CompletionArray,
    /// OpenAI's older API of completions, which continue a text (`/completions`).
    TextCompletion,
    /// OpenAI's API of responses (`/responses`), with the members of the request that the reply repeats.
    Responses(&'a ResponsesRequest),
    /// Embeddings of texts (`/embeddings`).
    Embeddings(&'a EmbeddingsRequest),
}

/// The API of a request, and the options that change the shape of its reply.
#[derive(Clone, Copy, Debug)]
pub struct ReplyShape<'a> {
    /// The API.
    pub api: Api<'a>,
    /// The number of the choices, at least one. They share the completion tokens of the call.
    pub choices: u32,
    /// `true` if the client asked for the log probability of each token.
    pub logprobs: bool,
    /// `true` if the client asked for a chunk at the end of the stream that has the usage and no choices
    /// (`stream_options.include_usage`).
    pub usage_chunk: bool,
    /// The text in the request that ended the completion; `None` if none did.
    pub stop_text: Option<&'a str>,
    /// The reasoning before the answer of each choice of a chat completion; `None` if there is none.
    pub reasoning: Option<Reasoning>,
}

impl ReplyShape<'_> {
    /// One completion without log probabilities.
    pub const PLAIN: Self = Self {
        api: Api::Completion,
        choices: 1,
        logprobs: false,
        usage_chunk: false,
        stop_text: None,
        reasoning: None,
    };

    /// Returns the reasoning tokens of each choice of a completion of `total` tokens.
    pub(super) fn reasoning_tokens(&self, total: u32) -> u32 {
        self.reasoning.map_or(0, |reasoning| reasoning.tokens(total / self.choices))
    }

    /// Returns the completion tokens of a choice: an equal part of `total`. The remainder is distributed over the first
    /// choices, one token each.
    pub(super) const fn tokens_of_choice(&self, total: u32, index: u32) -> u32 {
        total / self.choices + (index < total % self.choices) as u32
    }
}

/// Returns the seed of the filler words of a choice of the request with this number.
#[must_use]
pub const fn seed_of_choice(number: u64, choice: u32) -> u64 {
    number ^ (choice as u64) << 40
}
