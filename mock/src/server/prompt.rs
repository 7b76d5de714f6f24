//! The size of a chat request's prompt, on which limits depend. Messages are counted while they are parsed and not kept.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The number and size of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// The number of messages.
    pub(super) message_count: u64,
    /// Length of their text in Unicode scalar values.
    pub(super) chars: u64,
    /// `true` if the last message is the result of a tool.
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
                    prompt.message_count += 1;
                    prompt.chars += content.map_or(0, |ContentChars(chars)| chars);
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
    content: Option<ContentChars>,
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

/// The number of characters in a message's content, which is a string or an array of parts.
pub(super) struct ContentChars(pub(super) u64);

impl<'de> Deserialize<'de> for ContentChars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = ContentChars;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of parts")
            }

            fn visit_str<E>(self, text: &str) -> Result<ContentChars, E> {
                Ok(ContentChars(text.chars().count() as u64))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<ContentChars, A::Error> {
                let mut chars = 0;
                while let Some(PartChars(part)) = parts.next_element()? {
                    chars += part;
                }
                Ok(ContentChars(chars))
            }
        }
        deserializer.deserialize_any(Parts)
    }
}

/// The number of characters in the `text` of one part; zero if it has none, such as an image.
struct PartChars(u64);

impl<'de> Deserialize<'de> for PartChars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = PartChars;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a content part")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<PartChars, A::Error> {
                let mut chars = 0;
                while let Some(name) = members.next_key::<Cow<'_, str>>()? {
                    if name == "text" {
                        chars += members.next_value::<ContentChars>()?.0;
                    } else {
                        members.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(PartChars(chars))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
