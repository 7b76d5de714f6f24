//! The sentences in which providers reject a call that is too long for a model: for its context or its completions.
//!
//! They concern no quota. In every dialect the request can never succeed at this model, but may at another one. The
//! sentences come from captures and the mock, and share no phrase with a refusal by a limit.

use super::error_body::ErrorBody;
use super::quantity::leading_number;
use super::refusal::after;

/// The numbers of a call that is too long; what is not stated is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TooLong {
    /// The maximum, in tokens.
    pub(super) limit: Option<u64>,
    /// The length of the call, in tokens.
    pub(super) requested: Option<u64>,
}

/// The phrases of one sentence, in lower case; empty if it states no such number.
struct Sentence {
    /// Identifies the sentence.
    marker: &'static str,
    /// Precedes the maximum.
    limit: &'static str,
    /// Precedes the requested length.
    requested: &'static str,
    /// Precedes a second part of the requested length.
    added: Option<&'static str>,
}

/// Parses an error that rejects a call for its length; `None` for any other error.
pub(super) fn parse(body: &ErrorBody) -> Option<TooLong> {
    let sentence = SENTENCES.iter().find(|sentence| body.lowercase.contains(sentence.marker))?;
    // A number at the end may be truncated, but not in complete JSON.
    let text = body.text().to_ascii_lowercase();
    let number = |label: &str| leading_number(after(&text, label).filter(|_| !label.is_empty())?);
    let requested = number(sentence.requested);
    let requested = match sentence.added {
        Some(added) => requested.zip(number(added)).map(|(first, second)| first.saturating_add(second)),
        None => requested,
    };
    Some(TooLong { limit: number(sentence.limit), requested })
}

const fn sentence(marker: &'static str, limit: &'static str, requested: &'static str) -> Sentence {
    Sentence { marker, limit, requested, added: None }
}

/// The first match counts, so more specific sentences come first.
const SENTENCES: [Sentence; 21] = [
    // OpenAI, Azure, and compatible servers.
    sentence("however, you requested", "maximum context length is ", "however, you requested "),
    sentence("maximum context length is", "maximum context length is ", "messages resulted in "),
    sentence("completion tokens, whereas", "supports at most ", "max_tokens is too large: "),
    sentence("max_tokens is too large", "maximum output: ", "max_tokens is too large: "),
    sentence("exceeds the context window", "", ""),
    // Cerebras, then Groq. Both sentences start the same way, so the longer one comes first.
    sentence("current length is", "while limit is ", "current length is "),
    sentence("max_completion_tokens must be", "or equal to `", ""),
    sentence("reduce the length of the messages or completion", "", ""),
    sentence("`max_tokens` must be less than or equal to", "less than or equal to `", ""),
    // Fireworks, then Anthropic's for the prompt, the sum and the completion. Fireworks' contains Anthropic's first.
    sentence("model maximum context length", "maximum context length: ", "prompt is too long: "),
    sentence("prompt is too long", " tokens > ", "prompt is too long: "),
    Sentence {
        marker: "exceed context limit",
        limit: " > ",
        requested: "exceed context limit: ",
        added: Some(" + "),
    },
    sentence("maximum allowed number of output tokens", " > ", "max_tokens: "),
    // Mistral, for the prompt and for `max_tokens`.
    sentence("prompt contains", "too large for model with ", "prompt contains "),
    sentence("too large for model with", "too large for model with ", "max_tokens is "),
    // Together.
    Sentence {
        marker: "`inputs` tokens + `max_new_tokens`",
        limit: "must be <= ",
        requested: "given: ",
        added: Some("`inputs` tokens and "),
    },
    sentence("`inputs` must have less than", "must have less than ", "given: "),
    sentence("`max_new_tokens` must be <=", "must be <= ", "given: "),
    // Gemini.
    sentence("exceeds the maximum number of tokens allowed", "tokens allowed (", "token count ("),
    // DeepInfra.
    sentence("exceeds maximum input length", "exceeds maximum input length ", "requested input length "),
    sentence("exceeds maximum output length", "exceeds maximum output length ", "requested output length "),
];
