//! Anthropic's own endpoint: `POST /v1/messages`, with its own bodies, events and errors (documented; errors captured).

use crate::call::Usage;
use crate::decision::{Denial, Service};
use crate::time::Instant;
use crate::wire::chat::{Content, Finish, MAX_FILLER_TOKENS};
use crate::wire::models;
use crate::wire::stream::{Chunks, TokenEvent, TokenText};
use crate::wire::{
    Context, Endpoint, Error, ErrorReply, Head, Headers, KeyHeader, LimitsSnapshot, Model, ModelEntry,
    Operation, WireFormat,
};
use crate::wire::{endpoint, ids, json};
use serde::Serialize;
use serde_json::Value;

/// The native endpoint.
#[derive(Clone, Copy, Debug)]
pub(in crate::wire) struct Native;

impl WireFormat for Native {
    fn base(&self) -> &'static str {
        "/v1"
    }

    fn path(&self, _model: &str) -> String {
        PATH.to_owned()
    }

    fn key_headers(&self) -> &'static [KeyHeader] {
        &[KeyHeader::Named("x-api-key"), KeyHeader::Bearer]
    }

    /// Its SDKs send both.
    fn marker_headers(&self) -> &'static [&'static str] {
        &["x-api-key", "anthropic-version"]
    }

    fn endpoint<'p>(&self, path: &'p str) -> Option<Endpoint<'p>> {
        match path {
            PATH => Some(Endpoint::Operation(Operation::Messages, None)),
            COUNT_PATH => Some(Endpoint::Operation(Operation::CountMessages, None)),
            _ => endpoint::models(path.strip_prefix(self.base())?),
        }
    }

    /// The paths of messages are this format's alone. The compatible endpoint has the rest of the base as well, so the headers
    /// decide.
    fn owned_prefix(&self, path: &str) -> usize {
        [PATH, self.base()].iter().find(|prefix| path.starts_with(**prefix)).map_or(0, |prefix| prefix.len())
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        super::headers(head)
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply {
        let message = super::message(denial, context.account, context.model);
        ErrorReply::new(429, body(super::kind(429), &message, Some(context.number))).with_wait(denial.wait)
    }

    /// The 500 that means overload has no id (captured).
    fn error(&self, error: &Error<'_>, number: u64, _: Instant) -> ErrorReply {
        let (status, kind, message) = super::describe(error);
        ErrorReply::new(status, body(kind, &message, (status != 500).then_some(number)))
    }

    fn completion(&self, service: &Service, context: &Context<'_>) -> String {
        let tokens = service.usage.completion_tokens;
        let text;
        let block = match context.content {
            Content::ToolCall { name, arguments } => ContentBlock::tool_use(context, name, arguments),
            content => {
                text = content.text(context.number, tokens.min(MAX_FILLER_TOKENS));
                ContentBlock::Text { text: &text }
            }
        };
        let usage = MessageUsage::of(service.usage, tokens);
        json::text(&Message::of(context, &[block], Some(stop_reason(context)), usage))
    }

    /// The input of a tool call is sent in one part per token.
    fn chunks(&self, service: &Service, context: &Context<'_>) -> Chunks {
        let message = Message::of(context, &[], None, MessageUsage::of(service.usage, 1));
        let start = event("message_start", &MessageStart { kind: "message_start", message });
        let delta = StopDelta { stop_reason: stop_reason(context), stop_sequence: context.shape.stop_text };
        let usage = OutputUsage { output_tokens: service.usage.completion_tokens };
        let stop = event("message_delta", &MessageDelta { kind: "message_delta", delta, usage });
        let tokens = service.usage.completion_tokens;
        let (block_start, before_token, text) = match context.content {
            Content::ToolCall { name, arguments } => {
                let content_block = ContentBlock::tool_use(context, name, "{}");
                let start = BlockStart { kind: "content_block_start", index: 0, content_block };
                (event("content_block_start", &start), BEFORE_INPUT, TokenText::split(arguments, tokens))
            }
            content => (CONTENT_BLOCK_START.to_owned(), BEFORE_TOKEN, TokenText::of(content, tokens)),
        };
        Chunks {
            role: format!("{start}{block_start}{PING}"),
            token: TokenEvent::new(before_token, AFTER_TOKEN),
            other_choices: Vec::new(),
            reasoning: None,
            end: format!("{CONTENT_BLOCK_STOP}{stop}{MESSAGE_STOP}"),
            usage: String::new(),
            done: "",
            text,
            number: context.number,
        }
    }

    /// Documented, 2026: a date, and the longest prompt and completion.
    fn model(&self, model: &Model<'_>) -> ModelEntry {
        let info = ModelInfo {
            kind: "model",
            id: model.id,
            display_name: model.id,
            created_at: model.created.rfc3339().to_string(),
            max_input_tokens: model.context(),
            max_tokens: model.max_output(),
        };
        ModelEntry::new(model, json::text(&info))
    }

    /// All models are on one page.
    fn model_list(&self, entries: &[ModelEntry]) -> String {
        let id = |entry: Option<&ModelEntry>| json::text(&entry.map(|entry| &entry.id));
        let (data, first, last) = (models::array(entries), id(entries.first()), id(entries.last()));
        format!(r#"{{"data":{data},"has_more":false,"first_id":{first},"last_id":{last}}}"#)
    }

    /// Documented.
    fn token_count(&self, tokens: u32) -> String {
        format!(r#"{{"input_tokens":{tokens}}}"#)
    }
}

#[derive(Serialize)]
struct ModelInfo<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    max_input_tokens: u32,
    max_tokens: u32,
}

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: &'a [ContentBlock<'a>],
    stop_reason: Option<&'static str>,
    stop_sequence: Option<&'a str>,
    usage: MessageUsage,
}

impl<'a> Message<'a> {
    fn of(
        context: &Context<'a>,
        content: &'a [ContentBlock<'a>],
        stop_reason: Option<&'static str>,
        usage: MessageUsage,
    ) -> Self {
        let (id, model) = (format!("msg_0101{}", ids::base_62(context.number, 20)), context.model);
        let (kind, role) = ("message", "assistant");
        let stop_sequence = stop_reason.and(context.shape.stop_text);
        Self { id, kind, role, model, content, stop_reason, stop_sequence, usage }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentBlock<'a> {
    Text { text: &'a str },
    ToolUse { id: String, name: &'a str, input: Value },
}

impl<'a> ContentBlock<'a> {
    /// Returns the block of a tool call, given its arguments as JSON.
    fn tool_use(context: &Context<'_>, name: &'a str, arguments: &str) -> Self {
        let input = serde_json::from_str(arguments).unwrap_or_default();
        Self::ToolUse { id: format!("toolu_01{}", ids::base_62(context.number, 21)), name, input }
    }
}

#[derive(Serialize)]
struct BlockStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    content_block: ContentBlock<'a>,
}

/// The usage of a message. The input tokens exclude those that were read from the cache. No tokens are reported as written to
/// the cache.
#[derive(Serialize)]
struct MessageUsage {
    cache_creation_input_tokens: u32,
    cache_read_input_tokens: u32,
    input_tokens: u32,
    output_tokens: u32,
}

impl MessageUsage {
    const fn of(usage: Usage, output_tokens: u32) -> Self {
        Self {
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: usage.cached_tokens,
            input_tokens: usage.prompt_tokens.saturating_sub(usage.cached_tokens),
            output_tokens,
        }
    }
}

#[derive(Serialize)]
struct MessageStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Message<'a>,
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    delta: StopDelta<'a>,
    usage: OutputUsage,
}

#[derive(Serialize)]
struct StopDelta<'a> {
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
}

#[derive(Serialize)]
struct OutputUsage {
    output_tokens: u32,
}

fn event(name: &str, data: &impl Serialize) -> String {
    format!("event: {name}\ndata: {}\n\n", json::text(data))
}

const fn stop_reason(context: &Context<'_>) -> &'static str {
    match context.finish {
        Finish::Stop if context.shape.stop_text.is_some() => "stop_sequence",
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
    }
}

#[derive(Serialize)]
struct ErrorEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: ErrorObject<'a>,
    request_id: Option<String>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
}

/// Returns the body `{"type":"error","error":{"type":…,"message":…},"request_id":…}`, given the number of the call if the error
/// has an id.
fn body(kind: &str, message: &str, number: Option<u64>) -> String {
    let request_id = number.map(super::request_id);
    json::text(&ErrorEvent { kind: "error", error: ErrorObject { kind, message }, request_id })
}

const PATH: &str = "/v1/messages";
const COUNT_PATH: &str = "/v1/messages/count_tokens";
const CONTENT_BLOCK_START: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
const BEFORE_TOKEN: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"";
const BEFORE_INPUT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"";
const AFTER_TOKEN: &str = "\"}}\n\n";
const CONTENT_BLOCK_STOP: &str =
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
const MESSAGE_STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
