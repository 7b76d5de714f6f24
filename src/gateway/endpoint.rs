//! The operations that callers can ask for, at the paths of OpenAI's API.

use super::headers::has_media_type;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// An operation of the OpenAI-compatible API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    /// Chat completions.
    Chat,
    /// Completions of a text.
    Completions,
    /// Responses.
    Responses,
    /// Embeddings.
    Embeddings,
    /// Transcriptions of an audio file.
    Transcriptions,
}

/// The members by which an answer is recognised. Their content is not kept.
#[derive(Deserialize)]
struct Members {
    choices: Option<Vec<IgnoredAny>>,
    output: Option<Vec<IgnoredAny>>,
    data: Option<Vec<IgnoredAny>>,
    text: Option<IgnoredAny>,
}

impl Endpoint {
    /// Every endpoint, in the order of the declaration: `endpoint as usize` is its index.
    pub(super) const ALL: [Self; 5] =
        [Self::Chat, Self::Completions, Self::Responses, Self::Embeddings, Self::Transcriptions];

    /// Returns the path, relative to the base URL of the caller as well as of the provider.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
            Self::Transcriptions => "/audio/transcriptions",
        }
    }

    /// Returns the value of `gen_ai.operation.name` (OpenTelemetry, semantic conventions for generative AI 1.38). The conventions
    /// name no operation for responses and transcriptions: these two names are ours.
    pub(super) const fn operation_name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "text_completion",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Transcriptions => "transcriptions",
        }
    }

    /// Returns `true` if a body of status 200 that states no usage is an answer all the same: some servers leave the usage out, and
    /// transcriptions have none.
    pub(super) fn is_answer(self, content_type: Option<&str>, body: &[u8]) -> bool {
        let is_json = content_type.is_none_or(|kind| kind.to_ascii_lowercase().contains("json"));
        if self == Self::Transcriptions && !is_json {
            // `response_format` may be `text`, `srt` or `vtt`. A page of a proxy is HTML.
            return content_type.is_some_and(|kind| has_media_type(kind, "text/plain"));
        }
        let Ok(members) = serde_json::from_slice::<Members>(body) else { return false };
        match self {
            Self::Chat | Self::Completions => members.choices.is_some(),
            Self::Responses => members.output.is_some(),
            Self::Embeddings => members.data.is_some(),
            Self::Transcriptions => members.text.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_without_usage_is_an_answer_if_it_has_the_members_of_one() {
        let json = Some("application/json; charset=utf-8");
        for (endpoint, content_type, body, expected) in [
            (Endpoint::Chat, json, r#"{"choices":[]}"#, true),
            (Endpoint::Chat, None, r#"{"choices":[]}"#, true),
            (Endpoint::Chat, json, r#"{"data":[]}"#, false),
            (Endpoint::Chat, json, "{", false),
            (Endpoint::Embeddings, json, r#"{"data":[]}"#, true),
            (Endpoint::Responses, json, r#"{"output":[]}"#, true),
            (Endpoint::Transcriptions, json, r#"{"text":"hello"}"#, true),
            (Endpoint::Transcriptions, Some("text/plain; charset=utf-8"), "hello", true),
            (Endpoint::Transcriptions, Some("text/html"), "<html>", false),
        ] {
            assert_eq!(endpoint.is_answer(content_type, body.as_bytes()), expected, "{endpoint:?} {body}");
        }
    }
}
