//! The size of the prompt of a chat completion or of one of Anthropic's messages, on which limits depend. Messages are counted
//! while they are parsed and not kept.

use super::chat::Text;
use super::content::ContentSize;
use super::text_size::TextSize;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// The number and size of the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// The number of messages.
    pub(super) message_count: u64,
    /// The size of the messages: their contents, and the tool calls among them.
    pub(super) size: ContentSize,
    /// `true` if the last message is the result of a tool.
    pub(super) ends_with_tool_result: bool,
    /// The first message that needs a content and has none.
    pub(super) without_content: Option<MessagePlace>,
    /// The first message with a member that is neither read nor among [`MEMBERS`], and the member.
    pub(super) unknown_member: Option<(MessagePlace, String)>,
}

/// The position and role of a message, which errors state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessagePlace {
    /// Its index, from zero.
    pub(super) index: u64,
    pub(super) role: Role,
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
                while let Some(message) = messages.next_element()? {
                    prompt.add(message);
                }
                Ok(prompt)
            }
        }
        deserializer.deserialize_seq(Messages)
    }
}

impl Prompt {
    fn add(&mut self, message: Message) {
        let Message { role, content, tool_calls, unknown_member } = message;
        let place = MessagePlace { index: self.message_count, role };
        self.message_count += 1;
        let has_content = content.is_some() || (role == Role::Assistant && tool_calls.is_some());
        if !has_content {
            self.without_content.get_or_insert(place);
        }
        if let Some(member) = unknown_member {
            self.unknown_member.get_or_insert((place, member));
        }
        let content = content.unwrap_or_default();
        self.ends_with_tool_result = matches!(role, Role::Tool | Role::Function) || content.has_tool_result;
        self.size.text += tool_calls.unwrap_or_default();
        self.size += content;
    }
}

struct Message {
    role: Role,
    /// `None` if it is absent or null.
    content: Option<ContentSize>,
    /// The size of the calls of tools; `None` if the member is absent or null.
    tool_calls: Option<TextSize>,
    /// The first member that is neither read nor among [`MEMBERS`].
    unknown_member: Option<String>,
}

/// The members of messages that are neither read nor refused. Replies have some of them, and clients send them back.
const MEMBERS: [&str; 4] = ["name", "tool_call_id", "reasoning", "prefix"];

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Message;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Message, A::Error> {
                let (mut role, mut content, mut tool_calls, mut unknown_member) = (None, None, None, None);
                while let Some(Text(name)) = members.next_key::<Text<'_>>()? {
                    match &*name {
                        "role" => role = Some(members.next_value()?),
                        "content" => content = members.next_value()?,
                        "tool_calls" | "function_call" => {
                            tool_calls = size_of_calls(&members.next_value()?).or(tool_calls);
                        }
                        name => {
                            if unknown_member.is_none() && !MEMBERS.contains(&name) {
                                unknown_member = Some(name.to_owned());
                            }
                            members.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let role = role.ok_or_else(|| A::Error::missing_field("role"))?;
                Ok(Message { role, content, tool_calls, unknown_member })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Returns the size of the names and arguments of a call or of an array of calls; `None` if the value is neither.
fn size_of_calls(calls: &Value) -> Option<TextSize> {
    match calls {
        Value::Array(calls) => {
            let sizes = calls.iter().filter_map(size_of_calls);
            Some(sizes.sum())
        }
        Value::Object(call) => {
            let function = call.get("function").and_then(Value::as_object).unwrap_or(call);
            let texts = ["name", "arguments"].iter().filter_map(|name| function.get(*name));
            let size = |text: &Value| text.as_str().map_or_else(|| TextSize::of_json(text), TextSize::of);
            Some(texts.map(size).sum())
        }
        _ => None,
    }
}

/// The author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Function => "function",
        }
    }
}
