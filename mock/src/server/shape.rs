//! The API that a request uses and the options that change the shape of its reply: the owned form of [`ReplyShape`].

use crate::call::Truth;
use crate::wire::chat::MAX_FILLER_TOKENS;
use crate::wire::{
    Api, EmbeddingsRequest, Reasoning, ReplyShape, ResponsesRequest, seed_of_choice, tokens_before_stop,
};

/// The API and the options of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) api: RequestApi,
    /// The number of the choices, at least one.
    pub(super) choices: u32,
    pub(super) logprobs: bool,
    /// The reasoning before each answer; `None` if the request asks for none.
    pub(super) reasoning: Option<Reasoning>,
    /// The texts that end the completion.
    pub(super) stop_texts: Vec<String>,
    /// The index of the stop text that ends the completion; `None` if none occurs in it.
    pub(super) stopped_by: Option<u32>,
}

/// The owned form of [`Api`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RequestApi {
    Completion,
    CompletionArray,
    TextCompletion,
    Responses(Box<ResponsesRequest>),
    Embeddings(Box<EmbeddingsRequest>),
}

/// The presence of a last chunk that repeats the usage and has no choices (`stream_options.include_usage`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UsageChunk {
    #[default]
    Omitted,
    Included,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            api: RequestApi::Completion,
            choices: 1,
            logprobs: false,
            reasoning: None,
            stop_texts: Vec::new(),
            stopped_by: None,
        }
    }
}

impl Shape {
    /// Ends all choices at the first stop text that occurs in the answer of any of them, by reducing the completion tokens.
    pub(super) fn stop(&mut self, request_number: u64, max_tokens: Option<u32>, truth: &mut Truth) {
        let written = truth.completion_tokens.min(max_tokens.unwrap_or(u32::MAX)).min(MAX_FILLER_TOKENS);
        let written = written / self.choices;
        let tokens = written - self.reasoning.map_or(0, |reasoning| reasoning.tokens(written));
        let found = (0..self.choices).filter_map(|choice| {
            tokens_before_stop(seed_of_choice(request_number, choice), tokens, &self.stop_texts)
        });
        if let Some((before, stop_text)) = found.min() {
            let written = self.reasoning.map_or(before, |reasoning| reasoning.with_answer(before));
            truth.completion_tokens = written * self.choices;
            self.stopped_by = u32::try_from(stop_text).ok();
        }
    }

    /// Returns the borrowed form.
    pub(super) fn borrowed(&self, usage_chunk: bool) -> ReplyShape<'_> {
        let api = match &self.api {
            RequestApi::Completion => Api::Completion,
            RequestApi::CompletionArray => Api::CompletionArray,
            RequestApi::TextCompletion => Api::TextCompletion,
            RequestApi::Responses(request) => Api::Responses(request),
            RequestApi::Embeddings(request) => Api::Embeddings(request),
        };
        let stop_text = self.stopped_by.map(|index| self.stop_texts[index as usize].as_str());
        let Self { choices, logprobs, reasoning, .. } = *self;
        ReplyShape { api, choices, logprobs, usage_chunk, stop_text, reasoning }
    }
}
