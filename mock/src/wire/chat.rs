//! A served completion in OpenAI's shape, whole or as server-sent events; a dialect adds members of its own.
//!
//! A stream is: a chunk with the role, one chunk per token, a chunk with the reason it ends, then `[DONE]`.
//! Members and their order follow captures of Groq of 2026-02 (the published fixtures of Vercel's package `ai`) and
//! the documentation of the others; each dialect's page says which.

use super::format::Context;
use super::pieces::put;
use super::transcript::Transcript;
use super::{filler, ids, json};
use crate::calendar::UnixTime;
use crate::decision::Service;
use crate::time::Instant;

/// Why a completion ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// The model had said all.
    #[default]
    Stop,
    /// `max_tokens` cut it.
    Length,
    /// It wants a tool to be called.
    ToolCalls,
}

/// What a completion says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Said<'a> {
    /// As many words as it has tokens.
    #[default]
    Words,
    /// This text, however many tokens it is counted as.
    Text(&'a str),
    /// The call of a function.
    Call {
        /// The function's name.
        name: &'a str,
        /// Its arguments: JSON.
        arguments: &'a str,
    },
    /// What was heard; it is never streamed.
    Transcript(Transcript),
}

impl Finish {
    const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
        }
    }
}

/// What a dialect's completions have besides the members that all share. Each function appends what it names,
/// comma first.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The id of a completion, from the number of its call; without a comma.
    pub(super) id: fn(&mut String, u64),
    /// Members of a whole message behind its content.
    pub(super) message: &'static str,
    /// Members of every choice before the reason it ends.
    pub(super) choice: Choice,
    /// The `usage` object.
    pub(super) usage: fn(&mut String, &Service),
    /// Members of a whole completion behind its usage.
    pub(super) whole: fn(&mut String, &Service, &Context<'_>),
    /// Members of every chunk before its choices.
    pub(super) chunk: fn(&mut String, &Context<'_>),
    /// Members of the first chunk behind its choices.
    pub(super) first: fn(&mut String, &Context<'_>),
    /// Members of the last chunk behind its choices; the text is the `usage` object.
    pub(super) last: fn(&mut String, &str, &Service, &Context<'_>),
    /// Whether `stream_options.include_usage` adds a chunk without choices that tells the usage.
    pub(super) usage_chunk: bool,
}

impl Shape {
    /// Nothing but what all share.
    pub(super) const PLAIN: Self = Self {
        id: ids::uuid_completion,
        message: "",
        choice: Choice::PLAIN,
        usage,
        whole: |_, _, _| {},
        chunk: |_, _| {},
        first: |_, _| {},
        last: |_, _, _, _| {},
        usage_chunk: true,
    };

    /// Members of the last chunk of those who tell the usage there, asked or not.
    pub(super) fn usage_on_last(out: &mut String, usage: &str, _: &Service, _: &Context<'_>) {
        json::put(out, format_args!(r#","usage":{usage}"#));
    }
}

/// What stands in every choice between its text and the reason it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    members: &'static str,
    /// All that follows the text of a token.
    behind_token: &'static str,
}

impl Choice {
    /// Nothing.
    pub(super) const PLAIN: Self = Self { members: "", behind_token: "\"},\"finish_reason\":null}]}\n\n" };

    /// A member `logprobs` that says nothing.
    pub(super) const LOGPROBS: Self = Self {
        members: r#""logprobs":null,"#,
        behind_token: "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
    };
}

/// `{"prompt_tokens":…,"completion_tokens":…,"total_tokens":…}`, and the cached ones where there are any.
pub(super) fn usage(out: &mut String, service: &Service) {
    let (prompt, completion, total) =
        (service.usage.prompt_tokens, service.usage.completion_tokens, service.usage.total());
    put(out, &[&r#"{"prompt_tokens":"#, &prompt, &r#","completion_tokens":"#, &completion]);
    put(out, &[&r#","total_tokens":"#, &total]);
    cached(out, service);
    out.push('}');
}

/// `,"prompt_tokens_details":{"cached_tokens":…}`, where there are any.
pub(super) fn cached(out: &mut String, service: &Service) {
    let cached = service.usage.cached_tokens;
    if cached > 0 {
        put(out, &[&r#","prompt_tokens_details":{"cached_tokens":"#, &cached, &"}"]);
    }
}

/// The body of a completion that is answered whole. Its text ends at [`MOST_WORDS`] tokens, whatever `usage` counts.
pub(super) fn completion(shape: &Shape, service: &Service, context: &Context<'_>) -> String {
    let tokens = service.usage.completion_tokens;
    // Words average a little over four letters; close, for what is over 1 KiB is beyond the allocator's quick way.
    let mut out = String::with_capacity(560 + tokens.min(MOST_WORDS) as usize * 9 / 2);
    opening(&mut out, shape, "chat.completion", context);
    out.push_str(r#","choices":[{"index":0,"message":{"role":"assistant","content":"#);
    match context.said {
        Said::Words | Said::Transcript(_) => {
            out.push('"');
            text(&mut out, tokens, context.number);
            out.push('"');
        }
        Said::Text(text) => json::string(&mut out, text),
        Said::Call { name, arguments } => {
            out.push_str("null,");
            tool_call(&mut out, name, arguments, context.number);
        }
    }
    put(&mut out, &[&shape.message, &"},", &shape.choice.members]);
    put(&mut out, &[&r#""finish_reason":""#, &context.finish.name(), &r#""}],"usage":"#]);
    (shape.usage)(&mut out, service);
    (shape.whole)(&mut out, service, context);
    out.push_str("}\n");
    out
}

/// The text of a completion, as far as it is written. Its words need no escape.
pub(super) fn text(out: &mut String, tokens: u32, number: u64) {
    filler::text(out, number, tokens.min(MOST_WORDS));
}

/// `"tool_calls":[…]`: all at once, as Groq streams it too (published fixtures of Vercel's `ai`); the id's shape is assumed.
fn tool_call(out: &mut String, name: &str, arguments: &str, number: u64) {
    let id = ids::letters::<9>(number);
    json::put(
        out,
        format_args!(r#""tool_calls":[{{"id":"call_{id}","type":"function","function":{{"name":"#),
    );
    json::string(out, name);
    out.push_str(r#","arguments":"#);
    json::string(out, arguments);
    out.push_str(r#"},"index":0}]"#);
}

/// What the tokens of a stream say.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// One word each.
    Words,
    /// A text in so many pieces, about equal.
    Pieces(String, u32),
    /// Nothing: what there is to say comes at the end.
    Nothing,
}

impl Text {
    /// The piece of a token; what is behind the last piece's end is empty.
    fn piece(text: &str, tokens: u32, index: u32) -> &str {
        let place = |index: u32| {
            let place = text.len() as u64 * u64::from(index) / u64::from(tokens.max(1));
            let place = usize::try_from(place).expect("within the text");
            (0..=place).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
        };
        &text[place(index)..place(index + 1)]
    }
}

/// The server-sent events of one completion, each appended to a buffer when it is due.
#[derive(Clone, Debug)]
pub struct Chunks {
    /// What comes before the first token.
    pub(super) role: String,
    /// What stands before and behind the text of a token.
    pub(super) token: (String, &'static str),
    /// What comes after the last token.
    pub(super) end: String,
    /// For what `stream_options.include_usage` adds: how much of what stands before a token opens any event, and the
    /// `usage` object. `None` where it adds nothing.
    pub(super) usage: Option<(usize, String)>,
    /// What closes every stream that was not broken off.
    pub(super) done: &'static str,
    pub(super) text: Text,
    pub(super) number: u64,
}

impl Chunks {
    /// The first event: the role and the ids.
    pub fn role(&self, out: &mut String) {
        out.push_str(&self.role);
    }

    /// The event of the token `index`, from zero.
    pub fn token(&self, out: &mut String, index: u32) {
        let piece = match &self.text {
            Text::Words => filler::token(self.number, index),
            Text::Pieces(text, tokens) => Text::piece(text, *tokens, index),
            Text::Nothing => "",
        };
        if !piece.is_empty() {
            out.push_str(&self.token.0);
            json::escaped(out, piece);
            out.push_str(self.token.1);
        }
    }

    /// The event after the last token: why it ends, at most providers with what it used.
    pub fn end(&self, out: &mut String) {
        out.push_str(&self.end);
    }

    /// The event that `stream_options.include_usage` adds: no choices.
    pub fn usage(&self, out: &mut String) {
        if let Some((opening, usage)) = &self.usage {
            out.push_str(&self.token.0[..*opening]);
            json::put(out, format_args!("],\"usage\":{usage}}}\n\n"));
        }
    }

    /// What closes every stream that was not broken off.
    pub fn done(&self, out: &mut String) {
        out.push_str(self.done);
    }
}

/// The events of a service in OpenAI's shape.
pub(super) fn chunks(shape: &Shape, service: &Service, context: &Context<'_>) -> Chunks {
    let mut head = String::with_capacity(320);
    head.push_str("data: ");
    opening(&mut head, shape, "chat.completion.chunk", context);
    (shape.chunk)(&mut head, context);
    head.push_str(r#","choices":["#);
    let mut used = String::with_capacity(180);
    (shape.usage)(&mut used, service);

    let Choice { members, behind_token } = shape.choice;
    let mut role = String::with_capacity(head.len() + 192);
    role.push_str(&head);
    json::put(
        &mut role,
        format_args!(
            r#"{{"index":0,"delta":{{"role":"assistant","content":""}},{members}"finish_reason":null}}]"#
        ),
    );
    (shape.first)(&mut role, context);
    role.push_str("}\n\n");

    let mut end = String::with_capacity(head.len() + 2 * used.len() + 192);
    if let Said::Call { name, arguments } = context.said {
        json::put(&mut end, format_args!(r#"{head}{{"index":0,"delta":{{"#));
        tool_call(&mut end, name, arguments, context.number);
        json::put(&mut end, format_args!("}},{members}\"finish_reason\":null}}]}}\n\n"));
    }
    end.push_str(&head);
    json::put(
        &mut end,
        format_args!(r#"{{"index":0,"delta":{{}},{members}"finish_reason":"{}"}}]"#, context.finish.name()),
    );
    (shape.last)(&mut end, &used, service, context);
    end.push_str("}\n\n");

    let usage = shape.usage_chunk.then_some((head.len(), used));
    head.push_str(r#"{"index":0,"delta":{"content":""#);
    let text = match context.said {
        Said::Words | Said::Transcript(_) => Text::Words,
        Said::Text(text) => Text::Pieces(text.to_owned(), service.usage.completion_tokens),
        Said::Call { .. } => Text::Nothing,
    };
    let number = context.number;
    Chunks { role, token: (head, behind_token), end, usage, done: "data: [DONE]\n\n", text, number }
}

/// `{"id":…,"object":…,"created":…,"model":…`, left open.
fn opening(out: &mut String, shape: &Shape, object: &str, context: &Context<'_>) {
    out.push_str("{\"id\":\"");
    (shape.id)(out, context.number);
    let created = UnixTime::at(context.at).secs();
    put(out, &[&r#"","object":""#, &object, &r#"","created":"#, &created, &r#","model":"#]);
    json::string(out, context.model);
}

/// `{"id":…,"object":"model","created":…,"owned_by":"quotalab"…}` with more members behind.
pub(super) fn model(out: &mut String, name: &str, more: &str) {
    out.push_str(r#"{"id":"#);
    json::string(out, name);
    json::put(
        out,
        format_args!(
            r#","object":"model","created":{},"owned_by":"quotalab"{more}}}"#,
            UnixTime::at(Instant::ZERO).secs()
        ),
    );
}

/// The longest completion that any of Groq's models writes (documentation, 2026): a bound on memory.
pub(super) const MOST_WORDS: u32 = 131_072;
