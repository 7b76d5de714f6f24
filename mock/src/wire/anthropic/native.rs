//! Anthropic's own endpoint: `POST /v1/messages`, with its own bodies, events and errors (documented; errors captured).

use crate::call::Usage;
use crate::decision::{Denial, Service};
use crate::random::mix;
use crate::time::Instant;
use crate::wire::chat::{Content, Finish, MAX_FILLER_TOKENS};
use crate::wire::models;
use crate::wire::reasoning::ReasoningPlace;
use crate::wire::stream::{Chunks, ReasoningTokens, TokenEvent, TokenText};
use crate::wire::{
    Context, Endpoint, Error, ErrorReply, Head, Headers, KeyLocation, LimitsSnapshot, Model, ModelEntry,
    Operation, WireFormat,
};
use crate::wire::{endpoint, ids, json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

    fn key_locations(&self) -> &'static [KeyLocation] {
        &[KeyLocation::Header("x-api-key"), KeyLocation::Bearer]
    }

    /// Anthropic's SDKs send both.
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

    /// Only this format has the paths of messages. The compatible endpoint has all other paths of the base as well, so the
    /// headers decide.
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
        let thought = Thought::of(service, context);
        let answer_tokens = tokens - context.shape.reasoning_tokens(tokens);
        let text;
        let block = match context.content {
            Content::ToolCall { name, arguments } => ContentBlock::tool_use(context, name, arguments),
            content => {
                text = content.text(context.number, answer_tokens.min(MAX_FILLER_TOKENS));
                ContentBlock::Text { text: &text }
            }
        };
        let usage = MessageUsage::of(service.usage, tokens);
        let reasoning_tokens = (tokens - answer_tokens).min(MAX_FILLER_TOKENS);
        let thinking = match &thought {
            Some(thought) if !thought.is_omitted => {
                context.content.reasoning_text(context.number, reasoning_tokens)
            }
            _ => "".into(),
        };
        let thought = thought
            .as_ref()
            .map(|Thought { signature, .. }| ContentBlock::Thinking { thinking: &thinking, signature });
        let blocks: Vec<ContentBlock<'_>> = thought.into_iter().chain([block]).collect();
        json::text(&Message::of(context, &blocks, Some(stop_reason(context)), usage))
    }

    /// The input of a tool call is sent in one part per token.
    fn chunks(&self, service: &Service, context: &Context<'_>) -> Chunks {
        let message = Message::of(context, &[], None, MessageUsage::of(service.usage, 1));
        let start = event("message_start", &MessageStart { kind: "message_start", message });
        let delta = StopDelta { stop_reason: stop_reason(context), stop_sequence: context.shape.stop_text };
        let usage = OutputUsage { output_tokens: service.usage.completion_tokens };
        let stop = event("message_delta", &MessageDelta { kind: "message_delta", delta, usage });
        let thought = Thought::of(service, context);
        let all = service.usage.completion_tokens;
        let tokens = all - context.shape.reasoning_tokens(all);
        let index = u32::from(thought.is_some());
        let (content_block, delta, text) = match context.content {
            Content::ToolCall { name, arguments } => (
                ContentBlock::tool_use(context, name, "{}"),
                INPUT_DELTA,
                TokenText::split(arguments, tokens),
            ),
            content => (ContentBlock::Text { text: "" }, TEXT_DELTA, TokenText::of(content, tokens)),
        };
        let block_start = block_start(index, content_block);
        let (role, reasoning) = match thought {
            None => (format!("{start}{block_start}{PING}"), None),
            Some(thought) => {
                let end = thought.end() + &block_start;
                let reasoning = ReasoningTokens::in_events(service, context, thought.events(), end);
                (format!("{start}{}{PING}", self::block_start(0, Thought::EMPTY_BLOCK)), reasoning)
            }
        };
        let block_stop = block_stop(index);
        Chunks {
            role,
            token: token_event(index, delta),
            other_choices: Vec::new(),
            reasoning,
            end: format!("{block_stop}{stop}{MESSAGE_STOP}"),
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
    Thinking { thinking: &'a str, signature: &'a str },
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

/// The reasoning before the answer: a block of its own (documented).
struct Thought {
    /// `true` if the request omits its text.
    is_omitted: bool,
    /// The provider's signature of the text. The mock derives it from the number of the request alone.
    signature: String,
}

impl Thought {
    const EMPTY_BLOCK: ContentBlock<'static> = ContentBlock::Thinking { thinking: "", signature: "" };

    /// Returns the reasoning; `None` if there is none.
    fn of(service: &Service, context: &Context<'_>) -> Option<Self> {
        let is_omitted = context.shape.reasoning?.place == ReasoningPlace::Hidden;
        let tokens = context.shape.reasoning_tokens(service.usage.completion_tokens);
        let word = |word: u64| mix(mix(context.number ^ SIGNATURE) ^ word).to_le_bytes();
        let signature = STANDARD.encode((0..SIGNATURE_WORDS).flat_map(word).collect::<Vec<u8>>());
        (tokens > 0).then_some(Self { is_omitted, signature })
    }

    /// Returns the event of its tokens; none if its text is omitted.
    fn events(&self) -> Vec<TokenEvent> {
        if self.is_omitted { Vec::new() } else { vec![token_event(0, THINKING_DELTA)] }
    }

    /// Returns the events after its tokens.
    fn end(&self) -> String {
        let mut end = String::new();
        // Base64 needs no escapes.
        token_event(0, SIGNATURE_DELTA).append(&mut end, &self.signature, 0);
        end + &block_stop(0)
    }
}

/// Returns the event that begins the block with this index.
fn block_start(index: u32, content_block: ContentBlock<'_>) -> String {
    event("content_block_start", &BlockStart { kind: "content_block_start", index, content_block })
}

/// Returns the event that ends the block with this index.
fn block_stop(index: u32) -> String {
    format!("event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":{index}}}\n\n")
}

/// Returns the event of a token of the block with this index; `delta` is the start of its member `delta`, up to the text.
fn token_event(index: u32, delta: &str) -> TokenEvent {
    let before = format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{delta}"
    );
    TokenEvent::new(before, AFTER_TOKEN)
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
const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
const TEXT_DELTA: &str = r#"{"type":"text_delta","text":""#;
const INPUT_DELTA: &str = r#"{"type":"input_json_delta","partial_json":""#;
const SIGNATURE_DELTA: &str = r#"{"type":"signature_delta","signature":""#;
const THINKING_DELTA: &str = r#"{"type":"thinking_delta","thinking":""#;
const AFTER_TOKEN: &str = "\"}}\n\n";
/// Keeps a signature from sharing bits with the ids of its message, which are derived from the same number.
const SIGNATURE: u64 = 0x7369_676e;
/// The words of eight bytes in a signature: 256 characters in base64, as some published ones have.
const SIGNATURE_WORDS: u64 = 24;
const MESSAGE_STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
