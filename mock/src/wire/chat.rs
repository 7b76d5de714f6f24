//! Completions in OpenAI's shape: the members that all providers share, and a [`CompletionFormat`] for those that differ.
//!
//! Members and their order follow captures of Groq of 2026-02 (the published fixtures of Vercel's package `ai`) and the
//! documentation of the other providers; the module of each dialect says which. Streams are in `stream`.

use super::api::seed_of_choice;
use super::filler;
use super::format::Context;
use super::ids;
use super::json::{Object, Seconds};
use super::logprobs;
use super::reasoning::{Reasoning, ReasoningPlace, THINK};
use super::recorded::RecordedReply;
use super::transcript::Transcript;
use crate::call::Usage;
use crate::decision::Service;
use serde::Serialize;
use std::borrow::Cow;

/// The reason why a completion ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// The model ended the completion itself, or a stop text of the request did.
    #[default]
    Stop,
    /// `max_tokens`, or without it a length limit of the model, was reached.
    Length,
    /// The model calls a tool.
    ToolCalls,
}

impl Finish {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
        }
    }
}

/// The content of a completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content<'a> {
    /// Filler text, one word per completion token.
    #[default]
    Filler,
    /// This text, independent of the number of completion tokens.
    Text(&'a str),
    /// The call of a function.
    ToolCall {
        /// The name of the function.
        name: &'a str,
        /// The arguments as a JSON text.
        arguments: &'a str,
    },
    /// A recorded reply to a chat completion.
    Recorded(&'a RecordedReply),
    /// The transcript of an audio file. It is never streamed.
    Transcript(Transcript),
}

impl<'a> Content<'a> {
    /// Returns the text: filler words of this seed, one per token, unless the content has a text of its own. Empty for a
    /// tool call.
    pub(super) fn text(self, seed: u64, tokens: u32) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text.into(),
            Self::Recorded(reply) => reply.text.as_str().into(),
            Self::Filler | Self::Transcript(_) => filler::text(seed, tokens).into(),
            Self::ToolCall { .. } => "".into(),
        }
    }

    /// Returns the text of the reasoning before the text with this seed: filler words, one per token, unless it is recorded.
    pub(super) fn reasoning_text(self, seed: u64, tokens: u32) -> Cow<'a, str> {
        match self {
            Self::Recorded(reply) => reply.reasoning.as_str().into(),
            _ => filler::text(Reasoning::seed(seed), tokens).into(),
        }
    }
}

/// A member that has no value: `null` if `Some`, absent if `None`.
pub(super) type OptionalNull = Option<()>;

/// The parts of completions that differ between providers: id, usage, and members that not all providers send. The functions
/// that take an `Object` add members to it.
#[derive(Clone, Copy, Debug)]
pub struct CompletionFormat {
    /// Returns the id of a completion from the number of its request.
    pub(super) id: fn(u64) -> String,
    /// Adds members of a whole message, after its content.
    pub(super) message: fn(Object, &Context<'_>) -> Object,
    /// The member `logprobs` of a choice whose log probabilities the client did not ask for. If it is absent, they are never
    /// sent.
    pub(super) logprobs: OptionalNull,
    /// The member of a message, or of the `delta` of a chunk, with the text of the reasoning; `None` if it is not sent.
    pub(super) reasoning: Option<&'static str>,
    /// Adds the members of the object `usage`.
    pub(super) usage: fn(Object, &Service, &Context<'_>) -> Object,
    /// Adds members of a whole completion, after its usage.
    pub(super) completion: fn(Object, &Service, &Context<'_>) -> Object,
    /// Adds members of every chunk, before its choices.
    pub(super) chunk: fn(Object, &Context<'_>) -> Object,
    /// Adds members of the first chunk, after its choices.
    pub(super) first_chunk: fn(Object, &Context<'_>) -> Object,
    /// Adds members of the last chunk, after its choices.
    pub(super) last_chunk: fn(Object, &Service, &Context<'_>) -> Object,
    /// `true` if a stream has the arguments of a tool call token by token, `false` if one chunk has the whole call.
    pub(super) splits_arguments: bool,
    /// `true` if a tool call has an index in a whole message too, as in the published fixtures of Vercel's `ai` for Groq; it always
    /// has one in a stream.
    pub(super) calls_have_index: bool,
    /// `true` if `stream_options.include_usage` adds a chunk that has the usage and no choices.
    pub(super) usage_chunk: bool,
    /// `true` if a list of embeddings has an id, and completion tokens in its usage, as a completion has.
    pub(super) embeddings_have_id: bool,
}

impl CompletionFormat {
    /// The members that all providers share, and no others.
    pub(super) const PLAIN: Self = Self {
        id: ids::uuid_completion,
        message: |message, _| message,
        logprobs: None,
        reasoning: None,
        usage: plain_usage,
        completion: |completion, _, _| completion,
        chunk: |chunk, _| chunk,
        first_chunk: |chunk, _| chunk,
        last_chunk: |chunk, _, _| chunk,
        splits_arguments: false,
        calls_have_index: true,
        usage_chunk: true,
        embeddings_have_id: false,
    };

    /// A [`last_chunk`](Self::last_chunk) that always has the usage, without times.
    pub(super) fn usage_on_last_chunk(chunk: Object, service: &Service, context: &Context<'_>) -> Object {
        chunk.object("usage", |usage| plain_usage(usage, service, context))
    }
}

/// Adds the members of the object `usage` that all providers send: the tokens, without times.
fn plain_usage(object: Object, service: &Service, context: &Context<'_>) -> Object {
    token_details(token_counts(object, service.usage), service.usage, context)
}

/// Adds the tokens of the prompt, of the completion and of both to the object `usage`.
pub(super) fn token_counts(object: Object, usage: Usage) -> Object {
    object
        .member("prompt_tokens", &usage.prompt_tokens)
        .member("completion_tokens", &usage.completion_tokens)
        .member("total_tokens", &usage.total())
}

/// Adds the cached tokens and the reasoning tokens to the object `usage`, if there are any.
pub(super) fn token_details(object: Object, usage: Usage, context: &Context<'_>) -> Object {
    let object = match usage.cached_tokens {
        0 => object,
        cached => object.object("prompt_tokens_details", |details| details.member("cached_tokens", &cached)),
    };
    match context.shape.reasoning {
        None => object,
        Some(_) => {
            let tokens = context.shape.reasoning_tokens(usage.completion_tokens) * context.shape.choices;
            object.object("completion_tokens_details", |details| details.member("reasoning_tokens", &tokens))
        }
    }
}

/// The durations of the stages of a service.
pub(super) struct Stages {
    /// From arrival to the start.
    pub(super) queue: Seconds,
    /// From the start to the first token.
    pub(super) prompt: Seconds,
    /// From the first token to the last.
    pub(super) completion: Seconds,
}

impl Stages {
    pub(super) fn of(service: &Service) -> Self {
        Self {
            queue: Seconds(service.queue_time()),
            prompt: Seconds(service.time.first_token),
            completion: Seconds(service.time.decode),
        }
    }
}

/// Returns the finish reason of a completion: the recorded one, unless a recorded text is cut.
pub(super) fn finish_reason<'a>(context: &Context<'a>) -> &'a str {
    match (context.content, context.finish) {
        (Content::Recorded(reply), Finish::Stop | Finish::ToolCalls) => &reply.finish,
        (_, finish) => finish.name(),
    }
}

/// One call of a function. The shape of its id is assumed.
#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    id: String,
    r#type: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> ToolCall<'a> {
    /// Returns the tool calls of a choice of a reply; none if its content is something else. A recorded call has another id than
    /// when it was recorded, so that no two replies have the same.
    pub(super) fn all_of(context: &Context<'a>, choice: u32) -> Vec<Self> {
        let call = |index, name, arguments| {
            let id = call_id(context.number ^ u64::from(index) << 48, choice);
            Self { id, r#type: "function", function: Function { name, arguments }, index: Some(index) }
        };
        match context.content {
            Content::ToolCall { name, arguments } => vec![call(0, name, arguments)],
            Content::Recorded(reply) => {
                let calls = (0..).zip(&reply.calls);
                calls.map(|(index, recorded)| call(index, &recorded.name, &recorded.arguments)).collect()
            }
            Content::Filler | Content::Text(_) | Content::Transcript(_) => Vec::new(),
        }
    }

    /// Returns the call without its index.
    fn without_index(self) -> Self {
        Self { index: None, ..self }
    }

    /// Returns the call without its arguments.
    pub(super) fn without_arguments(self) -> Self {
        Self { function: Function { arguments: "", ..self.function }, ..self }
    }
}

/// Returns the id of the tool call of a choice.
pub(super) fn call_id(number: u64, choice: u32) -> String {
    format!("call_{}", ids::base_62(number ^ u64::from(choice) << 32, 9))
}

/// Returns the body of a whole completion. Its choices have at most [`MAX_FILLER_TOKENS`] filler tokens together, even if
/// `usage` counts more.
pub(super) fn completion(format: &CompletionFormat, service: &Service, context: &Context<'_>) -> String {
    let shape = context.shape;
    let total = service.usage.completion_tokens.min(MAX_FILLER_TOKENS);
    let reasoning_tokens = shape.reasoning_tokens(total);
    let tokens = |choice| shape.tokens_of_choice(total, choice) - reasoning_tokens;
    let message = |message: Object, choice: u32| {
        let seed = seed_of_choice(context.number, choice);
        let message = message.plain_text("role", "assistant");
        let place = shape.reasoning.map(|reasoning| reasoning.place);
        let message = match context.content {
            Content::ToolCall { .. } => message.member("content", &()),
            Content::Recorded(reply) if reply.text.is_empty() && !reply.calls.is_empty() => {
                message.member("content", &())
            }
            content if place == Some(ReasoningPlace::Content) => {
                let [before, after] = THINK;
                let reasoning = content.reasoning_text(seed, reasoning_tokens);
                let answer = content.text(seed, tokens(choice));
                message.text("content", &format!("{before}{reasoning}{after}{answer}"))
            }
            Content::Filler | Content::Transcript(_) => message.filler("content", seed, tokens(choice)),
            Content::Text(text) => message.text("content", text),
            Content::Recorded(reply) => message.text("content", &reply.text),
        };
        let message =
            match (format.reasoning.filter(|_| place == Some(ReasoningPlace::Member)), context.content) {
                (Some(name), Content::Recorded(reply)) => message.text(name, &reply.reasoning),
                (Some(name), _) => message.filler(name, Reasoning::seed(seed), reasoning_tokens),
                (None, _) => message,
            };
        let mut calls = ToolCall::all_of(context, choice);
        if !format.calls_have_index {
            calls = calls.into_iter().map(ToolCall::without_index).collect();
        }
        let message = if calls.is_empty() { message } else { message.member("tool_calls", &calls) };
        (format.message)(message, context)
    };
    let choice = |object: Object, index: u32| {
        let object = object.member("index", &index).object("message", |object| message(object, index));
        let object = match format.logprobs {
            Some(()) if shape.logprobs => {
                let logprobs = logprobs::of_filler(seed_of_choice(context.number, index), tokens(index));
                object.member("logprobs", &logprobs)
            }
            Some(()) => object.member("logprobs", &()),
            None => object,
        };
        object.plain_text("finish_reason", finish_reason(context))
    };
    let body = Object::with_capacity(BODY_BYTES)
        .plain_text("id", &(format.id)(context.number))
        .plain_text("object", "chat.completion")
        .member("created", &context.epoch.time_at(context.at).secs())
        .text("model", context.model)
        .array("choices", shape.choices, choice)
        .object("usage", |usage| (format.usage)(usage, service, context));
    let mut body = (format.completion)(body, service, context).into_text();
    body.push('\n');
    body
}

/// The size of a body with about 100 tokens, in bytes.
const BODY_BYTES: usize = 1024;

/// The largest number of filler tokens in a whole reply. It bounds the memory of the reply. No model of Groq writes longer
/// completions (documentation, 2026).
pub(crate) const MAX_FILLER_TOKENS: u32 = 131_072;
