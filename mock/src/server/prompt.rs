//! The prompt of a chat request, reduced to what a limit can see of it. Messages are counted while they are parsed and
//! never kept.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The number and size of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// How many messages there are.
    pub(super) messages: u64,
    /// Their text, in Unicode scalar values.
    pub(super) chars: u64,
    /// Whether the last one is the result of a tool.
    pub(super) ends_with_tool_result: bool,
}

impl Prompt {
    /// Estimates the tokens, at least one: about four characters each (OpenAI's rule of thumb for English).
    pub(super) fn tokens(self) -> u32 {
        u32::try_from(self.chars.div_ceil(4)).unwrap_or(u32::MAX).max(1)
    }
}

impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Messages;
        impl<'de> Visitor<'de> for Messages {
            type Value = Prompt;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut messages: A) -> Result<Prompt, A::Error> {
                let mut prompt = Prompt::default();
                while let Some(Message { role, content }) = messages.next_element()? {
                    prompt.messages += 1;
                    prompt.chars += content.map_or(0, |Content(chars)| chars);
                    prompt.ends_with_tool_result = matches!(role, Role::Tool | Role::Function);
                }
                Ok(prompt)
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

/// The characters of a message's content: a string, or an array of parts.
pub(super) struct Content(pub(super) u64);

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

/// The characters of one part: those of its `text`, zero if it is an image or the like.
struct Part(u64);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a content part")
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
