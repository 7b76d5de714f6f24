//! The body of a chat request: what limits can see of it, and what form of reply it asks for.
//!
//! The messages are counted while they are read and never kept. What Groq refuses besides (`logprobs`, names of
//! messages, …) is let through: the mock is about limits.

use super::reply_options::{ReplyKind, ReplyOptions, ResponseFormat, Tool};
use crate::wire::{Endpoint, Error};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// A chat request that is well formed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chat<'a> {
    /// The model asked for.
    pub(super) model: Cow<'a, str>,
    /// Tokens of the prompt, estimated: see [`Text::tokens`].
    pub(super) prompt_tokens: u32,
    /// The most tokens of the completion; at least one.
    pub(super) max_tokens: Option<u32>,
    /// Whether the completion is streamed.
    pub(super) stream: bool,
    /// Whether a streamed completion ends with one more chunk that tells the usage.
    pub(super) include_usage: bool,
    /// How many completions are asked for at once; at least one.
    pub(super) choices: u32,
    /// How much it minds to be refused.
    pub(super) tier: ServiceTier,
    /// What the reply is to be.
    pub(super) form: ReplyKind,
}

/// How much a call minds to be refused (`service_tier`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ServiceTier {
    /// As any other: `on_demand`, and whatever else is not `flex`.
    #[default]
    OnDemand,
    /// It is served where there is capacity, and fails at once where there is none.
    Flex,
}

impl<'a> Chat<'a> {
    /// Reads a request.
    ///
    /// # Errors
    /// An invalid request where it is not JSON, a member has the wrong type, or one that must be there is not.
    pub(super) fn parse(body: &'a [u8], endpoint: Endpoint<'a>) -> Result<Self, Error<'static>> {
        let raw: Raw<'a> = read(body)?;
        let model = match endpoint {
            Endpoint::Deployment(name) => Some(Cow::Borrowed(name)),
            _ => raw.model.map(|model| model.0),
        };
        let model = model.ok_or_else(|| invalid("'model' : property 'model' is missing"))?;
        let mut text = raw.messages.ok_or_else(|| invalid("'messages' : property 'messages' is missing"))?;
        if text.messages == 0 {
            return Err(invalid("'messages' : minimum number of items is 1"));
        }
        let mut max_tokens = raw.max_completion_tokens.or(raw.max_tokens);
        if endpoint == Endpoint::Messages {
            // Anthropic's own: the bound is required, and the system prompt stands beside the messages.
            max_tokens = Some(raw.max_tokens.ok_or_else(|| invalid("max_tokens: Field required"))?);
            let beside: Beside = read(body)?;
            text.chars += beside.system.map_or(0, |system| system.0);
        }
        let form = match endpoint {
            Endpoint::Messages => ReplyKind::Words, // Its tools have a shape of their own, which is not read.
            _ => ReplyOptions { tools: raw.tools, choice: raw.tool_choice, format: raw.response_format }
                .form(matches!(text.last, Some(Role::Tool | Role::Function)))?,
        };
        if max_tokens == Some(0) {
            return Err(invalid("'max_tokens' : number must be at least 1"));
        }
        if raw.n == Some(0) {
            return Err(invalid("'n' : number must be at least 1"));
        }
        Ok(Self {
            model,
            prompt_tokens: text.tokens(),
            max_tokens,
            stream: raw.stream.unwrap_or_default(),
            include_usage: raw.stream_options.and_then(|options| options.include_usage).unwrap_or_default(),
            choices: raw.n.unwrap_or(1),
            tier: match raw.service_tier {
                Some(Name(tier)) if tier == "flex" => ServiceTier::Flex,
                _ => ServiceTier::OnDemand,
            },
            form,
        })
    }

    /// The request, where the provider makes so many completions of one prompt.
    ///
    /// # Errors
    /// An invalid request where it does not.
    pub(super) fn of_at_most(self, choices: u32) -> Result<Self, Error<'static>> {
        if self.choices > choices {
            return Err(invalid(format!("'n' : number must be at most {choices}")));
        }
        Ok(self)
    }
}

/// Reads JSON. That it is UTF-8 is checked once, rather than string by string; where it is not, only the strings that
/// are looked at need be.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error<'static>> {
    let read = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    read.map_err(|error| invalid(error.to_string()))
}

pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Error<'static> {
    Error::Invalid(message.into())
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    model: Option<Name<'a>>,
    messages: Option<Text>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    #[serde(borrow)]
    service_tier: Option<Name<'a>>,
    tools: Option<Vec<Tool>>,
    tool_choice: Option<Value>,
    response_format: Option<ResponseFormat>,
}

/// A text that is borrowed from the body wherever no escape is in it. Inside an option serde borrows no bare [`Cow`].
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// What Anthropic's own shape has beside the messages; elsewhere a member of this name means nothing.
#[derive(Deserialize)]
struct Beside {
    system: Option<Content>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// How much text there is, in how many messages, and whose the last one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Text {
    messages: u64,
    chars: u64,
    last: Option<Role>,
}

impl Text {
    /// About four characters per token (OpenAI's rule of thumb for English), and at least one token.
    fn tokens(self) -> u32 {
        u32::try_from(self.chars.div_ceil(4)).unwrap_or(u32::MAX).max(1)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Messages;
        impl<'de> Visitor<'de> for Messages {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut messages: A) -> Result<Text, A::Error> {
                let mut text = Text::default();
                while let Some(message) = messages.next_element::<Message>()? {
                    text.messages += 1;
                    text.last = Some(message.role);
                    text.chars += message.content.map_or(0, |content| content.0);
                }
                Ok(text)
            }
        }
        deserializer.deserialize_seq(Messages)
    }
}

#[derive(Deserialize)]
struct Message {
    role: Role,
    content: Option<Content>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

/// The characters of a content: a text, or parts of which some have a text.
struct Content(u64);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Content;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of parts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Content, E> {
                Ok(Content(text.chars().count() as u64))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
                let mut chars = 0;
                while let Some(Part(part)) = parts.next_element()? {
                    chars += part;
                }
                Ok(Content(chars))
            }
        }
        deserializer.deserialize_any(Parts)
    }
}

/// The characters of one part: those of its `text`, none where it is an image or the like.
struct Part(u64);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part of a content")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Part, A::Error> {
                let mut chars = 0;
                while let Some(name) = members.next_key::<Cow<'_, str>>()? {
                    if name == "text" {
                        chars += members.next_value::<Content>()?.0;
                    } else {
                        members.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Part(chars))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_parts_are_counted_by_character() {
        for (messages, tokens) in [
            (r#"[{"role":"user","content":"hi"}]"#, 1),
            (r#"[{"role":"user","content":"éééé\néééé"}]"#, 3),
            (r#"[{"role":"system","content":"12345678"},{"role":"user","content":"1234"}]"#, 3),
            (
                r#"[{"role":"user","content":[{"type":"text","text":"12345678"},{"type":"image_url","image_url":{"url":"x"}}]}]"#,
                2,
            ),
            (
                r#"[{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"1","content":"12345"}]"#,
                2,
            ),
            (r#"[{"role":"user","content":""}]"#, 1),
        ] {
            let body = format!(r#"{{"messages":{messages},"model":"m","temperature":0.2}}"#);
            assert_eq!(
                Chat::parse(body.as_bytes(), Endpoint::Completions).unwrap().prompt_tokens,
                tokens,
                "{messages}"
            );
        }
    }

    #[test]
    fn the_newer_bound_on_the_completion_wins() {
        let parse = |rest: &str| {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{rest}}}"#);
            Chat::parse(body.as_bytes(), Endpoint::Completions)
                .map(|chat| (chat.max_tokens, chat.stream, chat.include_usage))
        };
        assert_eq!(parse(""), Ok((None, false, false)));
        assert_eq!(parse(r#","max_tokens":5,"stream":true"#), Ok((Some(5), true, false)));
        assert_eq!(parse(r#","max_tokens":5,"max_completion_tokens":7"#), Ok((Some(7), false, false)));
        let options = r#","stream":true,"stream_options":{"include_usage":true}"#;
        assert_eq!(parse(options), Ok((None, true, true)));
        assert!(parse(r#","max_tokens":0"#).is_err());
        assert!(parse(r#","max_tokens":-1"#).is_err());
        assert!(parse(r#","max_tokens":"5""#).is_err());
    }

    #[test]
    fn a_deployment_names_the_model_and_anthropics_own_shape_has_a_system_prompt() {
        let body = r#"{"messages":[{"role":"user","content":"1234"}],"system":"12345678","max_tokens":5}"#;
        let parse = |endpoint| Chat::parse(body.as_bytes(), endpoint);
        let chat = parse(Endpoint::Deployment("d")).unwrap();
        assert_eq!((chat.model.as_ref(), chat.prompt_tokens), ("d", 1));
        assert!(matches!(parse(Endpoint::Messages), Err(Error::Invalid(said)) if said.contains("model")));
        let body = body.replacen('{', r#"{"model":"m","#, 1);
        assert_eq!(Chat::parse(body.as_bytes(), Endpoint::Messages).unwrap().prompt_tokens, 3);
        let body = body.replace(r#","max_tokens":5"#, "");
        assert!(
            matches!(Chat::parse(body.as_bytes(), Endpoint::Messages), Err(Error::Invalid(said)) if said.contains("max_tokens"))
        );
        let parts = r#"{"model":"m","messages":[{"role":"user","content":"1234"}],"max_tokens":5,"system":[{"type":"text","text":"12345"}]}"#;
        assert_eq!(Chat::parse(parts.as_bytes(), Endpoint::Messages).unwrap().prompt_tokens, 3);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (body, message) in [
            ("", "EOF while parsing"),
            ("{", "EOF while parsing"),
            ("[]", "invalid length 0"),
            (r#"{"messages":[{"role":"user","content":"x"}]}"#, "property 'model' is missing"),
            (r#"{"model":"m"}"#, "property 'messages' is missing"),
            (r#"{"model":"m","messages":[]}"#, "minimum number of items is 1"),
            (r#"{"model":"m","messages":{}}"#, "an array of messages"),
            (r#"{"model":"m","messages":[{"content":"x"}]}"#, "role"),
            (r#"{"model":"m","messages":[{"role":"user","content":5}]}"#, "a string or an array of parts"),
            (r#"{"model":5,"messages":[]}"#, "string"),
        ] {
            let Err(Error::Invalid(said)) = Chat::parse(body.as_bytes(), Endpoint::Completions) else {
                panic!("{body} was accepted")
            };
            assert!(said.contains(message), "{body}: {said}");
        }
        let deep = format!(r#"{{"model":"m","x":{}"#, "[".repeat(100_000));
        assert!(Chat::parse(deep.as_bytes(), Endpoint::Completions).is_err());
    }
}
