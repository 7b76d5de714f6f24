//! The endpoints of a provider: what a path selects, whatever the method.

use super::transcript::Task;

/// The endpoint that a path selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// An operation, with the model if the path names it (Azure's deployments, Gemini's models). The name is as in the path:
    /// percent-encoded if the client encoded it.
    Operation(Operation, Option<&'a str>),
    /// The list of the models.
    Models,
    /// One model. Its name is as in the path.
    Model(&'a str),
    /// The health check, which needs no key. No provider has it; load generators and gateways request it.
    Health,
}

/// What a request asks the provider to do. The method is `POST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Chat completions in OpenAI's shape.
    Chat,
    /// Completions of a text in OpenAI's older shape.
    TextCompletion,
    /// OpenAI's responses.
    Responses,
    /// The number of input tokens of one of OpenAI's responses.
    CountResponses,
    /// Embeddings in OpenAI's shape.
    Embeddings,
    /// Transcriptions or translations of an audio file.
    Audio(Task),
    /// Anthropic's messages.
    Messages,
    /// The number of input tokens of one of Anthropic's messages.
    CountMessages,
    /// Gemini's content, whole or streamed.
    GenerateContent {
        /// `true` for `streamGenerateContent`.
        stream: bool,
    },
    /// The number of input tokens of Gemini's content.
    CountContent,
}

impl Endpoint<'_> {
    /// Returns the methods that the endpoint accepts, as in the header `allow`. `HEAD` is `GET` without the body, and every
    /// endpoint answers `OPTIONS`.
    #[must_use]
    pub const fn methods(&self) -> &'static str {
        match self {
            Self::Operation(..) => "POST, OPTIONS",
            Self::Models | Self::Model(_) | Self::Health => "GET, HEAD, OPTIONS",
        }
    }

    /// Returns `true` if the endpoint answers a request with this method, which is not `OPTIONS`.
    #[must_use]
    pub fn accepts(&self, method: &str) -> bool {
        match self {
            Self::Operation(..) => method == "POST",
            Self::Models | Self::Model(_) | Self::Health => matches!(method, "GET" | "HEAD"),
        }
    }
}

impl Operation {
    /// Returns the end of the path of an operation of the OpenAI-compatible API; `None` if it has none.
    #[must_use]
    pub const fn compatible_path(self) -> Option<&'static str> {
        Some(match self {
            Self::Chat => "/chat/completions",
            Self::TextCompletion => "/completions",
            Self::Responses => "/responses",
            Self::CountResponses => "/responses/input_tokens",
            Self::Embeddings => "/embeddings",
            Self::Audio(Task::Transcribe) => "/audio/transcriptions",
            Self::Audio(Task::Translate) => "/audio/translations",
            Self::Messages | Self::CountMessages | Self::GenerateContent { .. } | Self::CountContent => {
                return None;
            }
        })
    }
}

/// Returns the endpoint of the OpenAI-compatible API at `path`, which is relative to its base, if the provider serves chat
/// completions, models and `operations`.
pub(super) fn compatible<'p>(path: &'p str, operations: &[Operation]) -> Option<Endpoint<'p>> {
    let operation = std::iter::once(Operation::Chat)
        .chain(operations.iter().copied())
        .find(|operation| operation.compatible_path() == Some(path));
    operation.map(|operation| Endpoint::Operation(operation, None)).or_else(|| models(path))
}

/// Returns the endpoint of the models or of one model at `path`, which is relative to the base of the API.
pub(super) fn models(path: &str) -> Option<Endpoint<'_>> {
    match path {
        "/models" => Some(Endpoint::Models),
        _ => path.strip_prefix("/models/").filter(|name| !name.is_empty()).map(Endpoint::Model),
    }
}
