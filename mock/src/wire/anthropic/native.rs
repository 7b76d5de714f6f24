//! Anthropic's own endpoint: `POST /v1/messages`, with its own bodies, events and errors (documented; errors captured).

use crate::call::Usage;
use crate::decision::{Denial, Service};
use crate::time::Instant;
use crate::wire::chat::{Finish, MAX_FILLER_TOKENS};
use crate::wire::stream::{Chunks, TokenText};
use crate::wire::{
    Context, Endpoint, Error, ErrorReply, Head, Headers, KeyHeader, LimitsSnapshot, WireFormat,
};
use crate::wire::{filler, ids, json};
use serde::Serialize;

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

    fn endpoint<'p>(&self, method: &str, path: &'p str) -> Option<Endpoint<'p>> {
        ((method, path) == ("POST", PATH)).then_some(Endpoint::Messages)
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

    /// The content is always filler text.
    fn completion(&self, service: &Service, context: &Context<'_>) -> String {
        let tokens = service.usage.completion_tokens;
        let text = filler::text(context.number, tokens.min(MAX_FILLER_TOKENS));
        let content = [TextBlock { kind: "text", text: &text }];
        let usage = MessageUsage::of(service.usage, tokens);
        json::text(&Message::of(context, &content, Some(stop_reason(context.finish)), usage))
    }

    /// The content is always filler text.
    fn chunks(&self, service: &Service, context: &Context<'_>) -> Chunks {
        let message = Message::of(context, &[], None, MessageUsage::of(service.usage, 1));
        let start = event("message_start", &MessageStart { kind: "message_start", message });
        let delta = StopDelta { stop_reason: stop_reason(context.finish), stop_sequence: () };
        let usage = OutputUsage { output_tokens: service.usage.completion_tokens };
        let stop = event("message_delta", &MessageDelta { kind: "message_delta", delta, usage });
        Chunks {
            role: format!("{start}{CONTENT_BLOCK_START}{PING}"),
            token: (BEFORE_TOKEN.to_owned(), AFTER_TOKEN.to_owned()),
            end: format!("{CONTENT_BLOCK_STOP}{stop}{MESSAGE_STOP}"),
            usage: String::new(),
            done: "",
            text: TokenText::Filler,
            number: context.number,
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: &'a [TextBlock<'a>],
    stop_reason: Option<&'static str>,
    stop_sequence: (),
    usage: MessageUsage,
}

impl<'a> Message<'a> {
    fn of(
        context: &Context<'a>,
        content: &'a [TextBlock<'a>],
        stop_reason: Option<&'static str>,
        usage: MessageUsage,
    ) -> Self {
        let (id, model) = (format!("msg_0101{}", ids::base_62(context.number, 20)), context.model);
        let (kind, role) = ("message", "assistant");
        Self { id, kind, role, model, content, stop_reason, stop_sequence: (), usage }
    }
}

#[derive(Serialize)]
struct TextBlock<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
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
struct MessageDelta {
    #[serde(rename = "type")]
    kind: &'static str,
    delta: StopDelta,
    usage: OutputUsage,
}

#[derive(Serialize)]
struct StopDelta {
    stop_reason: &'static str,
    stop_sequence: (),
}

#[derive(Serialize)]
struct OutputUsage {
    output_tokens: u32,
}

fn event(name: &str, data: &impl Serialize) -> String {
    format!("event: {name}\ndata: {}\n\n", json::text(data))
}

const fn stop_reason(finish: Finish) -> &'static str {
    match finish {
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
const CONTENT_BLOCK_START: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
const BEFORE_TOKEN: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"";
const AFTER_TOKEN: &str = "\"}}\n\n";
const CONTENT_BLOCK_STOP: &str =
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
const MESSAGE_STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
