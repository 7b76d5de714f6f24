//! Completions in OpenAI's shape: the members that all providers share, and a [`CompletionFormat`] for those that differ.
//!
//! Members and their order follow captures of Groq of 2026-02 (the published fixtures of Vercel's package `ai`) and the
//! documentation of the other providers; the module of each dialect says which. Streams are in `stream`.

use super::format::Context;
use super::json::{self, Seconds};
use super::transcript::Transcript;
use super::{filler, ids};
use crate::calendar::UnixTime;
use crate::decision::Service;
use serde::Serialize;

/// The reason why a completion ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// The model was done.
    #[default]
    Stop,
    /// `max_tokens` was reached.
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
    /// The transcript of an audio file. It is never streamed.
    Transcript(Transcript),
}

/// Members that only some providers send: a struct whose fields are written among the members of the enclosing object, or
/// `()` for none.
pub(super) type Extras = Box<dyn erased_serde::Serialize>;

/// A member that is `null` if `Some`, and absent if `None`.
pub(super) type Null = Option<()>;

/// How the completions of one provider differ from the members that all providers share.
#[derive(Clone, Copy, Debug)]
pub struct CompletionFormat {
    /// Returns the id of a completion, given the number of its call.
    pub(super) id: fn(u64) -> String,
    /// Members of a whole message, after its content.
    pub(super) message: fn(&Context<'_>) -> Extras,
    /// The member `logprobs` of every choice.
    pub(super) logprobs: Null,
    /// The `usage` object.
    pub(super) usage: fn(&Service) -> TokenUsage,
    /// Members of a whole completion, after its usage.
    pub(super) completion: fn(&Service, &Context<'_>) -> Extras,
    /// Members of every chunk, before its choices.
    pub(super) chunk: fn(&Context<'_>) -> Extras,
    /// Members of the first chunk, after its choices.
    pub(super) first_chunk: fn(&Context<'_>) -> Extras,
    /// Members of the last chunk, after its choices.
    pub(super) last_chunk: fn(TokenUsage, &Service, &Context<'_>) -> Extras,
    /// `true` if `stream_options.include_usage` adds a chunk that has the usage and no choices.
    pub(super) usage_chunk: bool,
}

impl CompletionFormat {
    /// The members that all providers share, and no others.
    pub(super) const PLAIN: Self = Self {
        id: ids::uuid_completion,
        message: |_| Box::new(()),
        logprobs: None,
        usage: TokenUsage::of,
        completion: |_, _| Box::new(()),
        chunk: |_| Box::new(()),
        first_chunk: |_| Box::new(()),
        last_chunk: |_, _, _| Box::new(()),
        usage_chunk: true,
    };

    /// A [`last_chunk`](Self::last_chunk) that always has the usage.
    pub(super) fn usage_on_last_chunk(usage: TokenUsage, _: &Service, _: &Context<'_>) -> Extras {
        Box::new(UsageOnly { usage })
    }
}

/// The member `usage` alone.
#[derive(Serialize)]
pub(super) struct UsageOnly {
    pub(super) usage: TokenUsage,
}

/// The `usage` object. Only some providers send times.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct TokenUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue_time: Option<Seconds>,
    pub(super) prompt_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt_time: Option<Seconds>,
    pub(super) completion_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completion_time: Option<Seconds>,
    pub(super) total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_time: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt_tokens_details: Option<PromptTokensDetails>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct PromptTokensDetails {
    cached_tokens: u32,
}

impl TokenUsage {
    /// Returns the usage without times. Cached tokens are present only if there are any.
    pub(super) fn of(service: &Service) -> Self {
        let usage = service.usage;
        let cached_tokens = usage.cached_tokens;
        Self {
            queue_time: None,
            prompt_tokens: usage.prompt_tokens,
            prompt_time: None,
            completion_tokens: usage.completion_tokens,
            completion_time: None,
            total_tokens: usage.total(),
            total_time: None,
            prompt_tokens_details: (cached_tokens > 0).then_some(PromptTokensDetails { cached_tokens }),
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
            queue: Seconds(service.started_at.since(service.ticket.at)),
            prompt: Seconds(service.first_token_at.since(service.started_at)),
            completion: Seconds(service.done_at.since(service.first_token_at)),
        }
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: TokenUsage,
    #[serde(flatten)]
    extras: Extras,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Null,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
    #[serde(flatten)]
    extras: Extras,
}

/// One call of a function. It has an index in whole messages too, as in the published fixtures of Vercel's `ai`; the shape
/// of its id is assumed.
#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    id: String,
    r#type: &'static str,
    function: Function<'a>,
    index: u32,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> ToolCall<'a> {
    /// Returns the tool call of a reply; `None` if its content is something else.
    pub(super) fn of(context: &Context<'a>) -> Option<Self> {
        let Content::ToolCall { name, arguments } = context.content else { return None };
        let id = format!("call_{}", ids::base_62(context.number, 9));
        Some(Self { id, r#type: "function", function: Function { name, arguments }, index: 0 })
    }
}

/// Returns the body of a whole completion. Its text ends after [`MAX_FILLER_TOKENS`], even if `usage` counts more.
pub(super) fn completion(format: &CompletionFormat, service: &Service, context: &Context<'_>) -> String {
    let filler;
    let content = match context.content {
        Content::Filler | Content::Transcript(_) => {
            filler = filler::text(context.number, service.usage.completion_tokens.min(MAX_FILLER_TOKENS));
            Some(filler.as_str())
        }
        Content::Text(text) => Some(text),
        Content::ToolCall { .. } => None,
    };
    let message = Message {
        role: "assistant",
        content,
        tool_calls: ToolCall::of(context).map(|call| [call]),
        extras: (format.message)(context),
    };
    let logprobs = format.logprobs;
    let completion = Completion {
        id: (format.id)(context.number),
        object: "chat.completion",
        created: UnixTime::at(context.at).secs(),
        model: context.model,
        choices: [Choice { index: 0, message, logprobs, finish_reason: context.finish.name() }],
        usage: (format.usage)(service),
        extras: (format.completion)(service, context),
    };
    let mut body = json::text_with_capacity(&completion, content.map_or(0, str::len) + 640);
    body.push('\n');
    body
}

/// The largest number of filler tokens in one text. It bounds the memory of a reply. No model of Groq writes longer
/// completions (documentation, 2026).
pub(super) const MAX_FILLER_TOKENS: u32 = 131_072;
