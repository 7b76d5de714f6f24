//! The sentences in which providers say that a call is too long for a model: for its context, or for its answers.
//!
//! No quota is concerned, and whichever dialect says so, it means the same: never here, perhaps elsewhere. The sentences are
//! those of captures and of the mock; they share no words with any refusal of a limit.

use super::error_body::ErrorBody;
use super::refusal::{after, whole};

/// What is stated of a call that is too long; what is not is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TooLong {
    /// The longest that is allowed.
    pub(super) limit: Option<u64>,
    /// What was asked for.
    pub(super) requested: Option<u64>,
}

/// A sentence, in lower case.
struct Sentence {
    /// What it is known by.
    says: &'static str,
    /// What stands before the longest that is allowed.
    limit: &'static str,
    /// What stands before the length that was asked for.
    asked: &'static str,
    /// What stands before that which is added to it, if anything is.
    added: Option<&'static str>,
}

/// What an error says of the length of its call; `None` where that is not what it is about.
pub(super) fn read(said: &ErrorBody) -> Option<TooLong> {
    let Sentence { limit, asked, added, .. } =
        SENTENCES.iter().find(|sentence| said.lower.contains(sentence.says))?;
    // A number at the end may have been cut, but not in a body that is whole: a full stop is lent to it.
    let text = if said.error.is_null() { said.lower.clone() } else { format!("{}.", said.lower) };
    let number = |label: &str| whole(after(&text, label).filter(|_| !label.is_empty())?);
    let requested = match added {
        Some(added) => number(asked).zip(number(added)).map(|(asked, added)| asked.saturating_add(added)),
        None => number(asked),
    };
    Some(TooLong { limit: number(limit), requested })
}

const fn sentence(says: &'static str, limit: &'static str, asked: &'static str) -> Sentence {
    Sentence { says, limit, asked, added: None }
}

/// The first that is there; more telling ones come first.
const SENTENCES: [Sentence; 21] = [
    // OpenAI, Azure, and servers that copied them.
    sentence("however, you requested", "maximum context length is ", "however, you requested "),
    sentence("maximum context length is", "maximum context length is ", "messages resulted in "),
    sentence("completion tokens, whereas", "supports at most ", "max_tokens is too large: "),
    sentence("max_tokens is too large", "maximum output: ", "max_tokens is too large: "),
    sentence("exceeds the context window", "", ""),
    // Cerebras, then Groq, whose sentence begins the same.
    sentence("current length is", "while limit is ", "current length is "),
    sentence("max_completion_tokens must be", "or equal to `", ""),
    sentence("reduce the length of the messages or completion", "", ""),
    sentence("`max_tokens` must be less than or equal to", "less than or equal to `", ""),
    // Anthropic: the prompt, the sum, the answer. Fireworks begins as the first of these.
    sentence("model maximum context length", "maximum context length: ", "prompt is too long: "),
    sentence("prompt is too long", " tokens > ", "prompt is too long: "),
    Sentence {
        says: "exceed context limit",
        limit: " > ",
        asked: "exceed context limit: ",
        added: Some(" + "),
    },
    sentence("maximum allowed number of output tokens", " > ", "max_tokens: "),
    // Mistral, both.
    sentence("prompt contains", "too large for model with ", "prompt contains "),
    sentence("too large for model with", "too large for model with ", "max_tokens is "),
    // Together.
    Sentence {
        says: "`inputs` tokens + `max_new_tokens`",
        limit: "must be <= ",
        asked: "given: ",
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
