//! Completions as server-sent events in OpenAI's shape.
//!
//! A stream is a chunk with the role, one chunk per token or one for a tool call, a chunk with the finish reason, one with the
//! usage if the client asked for it, then `[DONE]`.

use super::chat::{CompletionFormat, Content, OptionalNull, ToolCall};
use super::filler;
use super::format::Context;
use super::json::{self, Object};
use crate::calendar::UnixTime;
use crate::decision::Service;
use serde::Serialize;

/// The server-sent events of one completion. The server appends each to its buffer when it is due.
#[derive(Clone, Debug)]
pub struct Chunks {
    /// The event with the role of the message, before the first token.
    pub(super) role: String,
    /// The event of a token, before and after its text. All tokens of a stream share it: an event is serialised once per
    /// stream instead of once per token.
    pub(super) token: (String, String),
    /// The events after the last token: a tool call if the content is one, then the finish reason.
    pub(super) end: String,
    /// The event that `stream_options.include_usage` adds; empty if the provider adds none.
    pub(super) usage: String,
    /// The event that ends every complete stream; empty if the provider sends none.
    pub(super) done: &'static str,
    pub(super) text: TokenText,
    /// The number of the request, from which filler words are derived.
    pub(super) number: u64,
}

/// The texts of the tokens of a stream.
#[derive(Clone, Debug)]
pub(super) enum TokenText {
    /// One filler word each.
    Filler,
    /// A text that is split into this number of about equal parts.
    Split(String, u32),
    /// No text: the content is a tool call, which is sent at the end.
    None,
}

impl Chunks {
    /// Appends the event before the first token: the role of the message.
    pub fn append_role(&self, out: &mut String) {
        out.push_str(&self.role);
    }

    /// Appends the event of token `index`; appends nothing if the token has no text.
    pub fn append_token(&self, out: &mut String, index: u32) {
        let escaped;
        let text = match &self.text {
            TokenText::Filler => filler::token(self.number, index), // Needs no escapes.
            TokenText::Split(text, parts) => {
                escaped = json::escaped(part(text, *parts, index));
                &escaped
            }
            TokenText::None => "",
        };
        if !text.is_empty() {
            out.push_str(&self.token.0);
            out.push_str(text);
            out.push_str(&self.token.1);
        }
    }

    /// Appends the events after the last token: a tool call if the content is one, then the finish reason, with which some
    /// providers send the usage.
    pub fn append_end(&self, out: &mut String) {
        out.push_str(&self.end);
    }

    /// Appends the event that `stream_options.include_usage` adds: the usage without choices.
    pub fn append_usage(&self, out: &mut String) {
        out.push_str(&self.usage);
    }

    /// Appends the event that ends every complete stream.
    pub fn append_done(&self, out: &mut String) {
        out.push_str(self.done);
    }
}

/// Returns part `index` of a text that is split into `parts` at character boundaries; empty for later parts.
fn part(text: &str, parts: u32, index: u32) -> &str {
    let boundary = |index: u32| {
        let offset = text.len() as u64 * u64::from(index) / u64::from(parts.max(1));
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
        (0..=offset).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0)
    };
    &text[boundary(index)..boundary(index + 1)]
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: OptionalNull,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
}

/// Returns the events of a service. A tool call is one chunk, as in the published fixtures of Vercel's `ai`.
pub(super) fn chunks(format: &CompletionFormat, service: &Service, context: &Context<'_>) -> Chunks {
    let start = Object::with_capacity(384)
        .plain_text("id", &(format.id)(context.number))
        .plain_text("object", "chat.completion.chunk")
        .member("created", &UnixTime::at(context.at).secs())
        .text("model", context.model);
    let start = (format.chunk)(start, context);
    let event = |choices: &[ChunkChoice<'_>], add_members: &dyn Fn(Object) -> Object| {
        let chunk = add_members(start.clone().member("choices", choices));
        format!("data: {}\n\n", chunk.into_text())
    };
    let logprobs = format.logprobs;
    let choice = |delta, finish_reason| [ChunkChoice { index: 0, delta, logprobs, finish_reason }];
    let no_members = |chunk| chunk;
    let usage = |chunk: Object| chunk.object("usage", |usage| (format.usage)(usage, service));

    let role = Delta { role: Some("assistant"), content: Some(""), tool_calls: None };
    let token = event(&choice(Delta { content: Some(""), ..Delta::default() }, None), &no_members);
    let mut end = String::new();
    if let Some(call) = ToolCall::of(context) {
        end = event(&choice(Delta { tool_calls: Some([call]), ..Delta::default() }, None), &no_members);
    }
    let last = choice(Delta::default(), Some(context.finish.name()));
    end.push_str(&event(&last, &|chunk| (format.last_chunk)(chunk, service, context)));

    Chunks {
        role: event(&choice(role, None), &|chunk| (format.first_chunk)(chunk, context)),
        token: split_at_text(&token),
        end,
        usage: if format.usage_chunk { event(&[], &usage) } else { String::new() },
        done: "data: [DONE]\n\n",
        text: match context.content {
            Content::Filler | Content::Transcript(_) => TokenText::Filler,
            Content::Text(text) => TokenText::Split(text.to_owned(), service.usage.completion_tokens),
            Content::ToolCall { .. } => TokenText::None,
        },
        number: context.number,
    }
}

/// Splits an event at its empty content. The name of a model cannot contain the mark, because its quotes are escaped.
fn split_at_text(event: &str) -> (String, String) {
    const MARK: &str = r#""content":""#;
    let start = event.find(MARK).expect("invariant: the delta of a token has a content") + MARK.len();
    let (before, after) = event.split_at(start);
    (before.to_owned(), after.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_text_are_its_characters_in_order() {
        let text = "a é 漢字 z";
        for parts in 1..20 {
            let joined: String = (0..parts + 3).map(|index| part(text, parts, index)).collect();
            assert_eq!(joined, text, "{parts}");
        }
    }
}
