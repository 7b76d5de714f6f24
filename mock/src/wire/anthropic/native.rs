//! Anthropic's own endpoint: `POST /v1/messages`, with its own body, events and errors (documented; errors captured).

use crate::call::Usage;
use crate::decision::{Denial, Service};
use crate::time::Instant;
use crate::wire::chat::{self, Chunks, Finish};
use crate::wire::{
    Answer, Context, Endpoint, Error, Head, Headers, Key, LimitsSnapshot, WireFormat, ids, json,
};
use std::fmt;

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

    fn keys(&self) -> &'static [Key] {
        &[Key::Named("x-api-key"), Key::Bearer]
    }

    fn endpoint<'p>(&self, method: &str, path: &'p str) -> Option<Endpoint<'p>> {
        ((method, path) == ("POST", PATH)).then_some(Endpoint::Messages)
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        super::headers(head)
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> Answer {
        let message = super::message(denial, context.account, context.model);
        Answer::new(429, body(super::kind(429), &message, Some(context.number))).after(denial.wait)
    }

    /// The 500 that is overload has no id (captured).
    fn error(&self, error: &Error<'_>, number: u64, _: Instant) -> Answer {
        let (status, kind, message) = super::words(error);
        Answer::new(status, body(kind, &message, (status != 500).then_some(number)))
    }

    fn completion(&self, service: &Service, context: &Context<'_>) -> String {
        let usage = service.usage;
        let mut out = String::with_capacity(500 + usage.completion_tokens.min(chat::MOST_WORDS) as usize * 5);
        opening(&mut out, context);
        out.push_str(r#""content":[{"type":"text","text":""#);
        chat::text(&mut out, usage.completion_tokens, context.number);
        json::put(
            &mut out,
            format_args!(
                r#""}}],"stop_reason":"{}","stop_sequence":null,"usage":{{{},"output_tokens":{}}}}}"#,
                stop_reason(context.finish),
                Input(usage),
                usage.completion_tokens
            ),
        );
        out
    }

    fn chunks(&self, service: &Service, context: &Context<'_>) -> Chunks {
        let mut role = String::with_capacity(600);
        role.push_str("event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        opening(&mut role, context);
        json::put(
            &mut role,
            format_args!(
                r#""content":[],"stop_reason":null,"stop_sequence":null,"usage":{{{},"output_tokens":1}}}}}}"#,
                Input(service.usage)
            ),
        );
        role.push_str("\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n");
        let before = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"";
        let end = format!(
            "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\nevent: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{}\",\"stop_sequence\":null}},\"usage\":{{\"output_tokens\":{}}}}}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n",
            stop_reason(context.finish),
            service.usage.completion_tokens
        );
        Chunks {
            role,
            token: (before.to_owned(), "\"}}\n\n"),
            end,
            usage: None,
            text: chat::Text::Words,
            done: "",
            number: context.number,
        }
    }
}

/// `{"id":…,"type":"message","role":"assistant","model":…,` left open.
fn opening(out: &mut String, context: &Context<'_>) {
    let id = ids::letters::<20>(context.number);
    json::put(out, format_args!(r#"{{"id":"msg_0101{id}","type":"message","role":"assistant","model":"#));
    json::string(out, context.model);
    out.push(',');
}

const fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
    }
}

/// `{"type":"error","error":{"type":…,"message":…},"request_id":…}`.
fn body(kind: &str, message: &str, number: Option<u64>) -> String {
    let mut out = String::with_capacity(message.len() + 96);
    json::put(&mut out, format_args!(r#"{{"type":"error","error":{{"type":"{kind}","message":"#));
    json::string(&mut out, message);
    match number {
        Some(number) => {
            json::put(&mut out, format_args!(r#"}},"request_id":"{}"}}"#, super::request_id(number)))
        }
        None => out.push_str(r#"},"request_id":null}"#),
    }
    out
}

/// The prompt's tokens: those read from the cache apart from the others. Nothing is told to be written into it.
struct Input(Usage);

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { prompt_tokens, cached_tokens, .. } = self.0;
        write!(
            f,
            r#""cache_creation_input_tokens":0,"cache_read_input_tokens":{cached_tokens},"input_tokens":{}"#,
            prompt_tokens.saturating_sub(cached_tokens)
        )
    }
}

const PATH: &str = "/v1/messages";
