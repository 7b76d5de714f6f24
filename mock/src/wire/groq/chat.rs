//! A served completion, whole or as server-sent events.
//!
//! Members and their order follow captures of 2026-02 (the published fixtures of the `ai` package of Vercel).
//! A stream is: a chunk with the role, one chunk per token, a chunk with the reason it ends and what it used,
//! then `[DONE]`.

use super::{Context, ids};
use crate::call::Usage;
use crate::ruling::Service;
use crate::time::Nanos;
use crate::wire::{json, words};

/// Why a completion ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// The model had said all.
    #[default]
    Stop,
    /// `max_tokens` cut it.
    Length,
}

impl Finish {
    const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// The body of a completion that is answered whole. Its text ends at [`MOST_WORDS`] tokens, whatever `usage` counts.
pub(super) fn completion(service: &Service, context: &Context<'_>) -> String {
    let tokens = service.usage.completion_tokens.min(MOST_WORDS);
    let mut out = String::with_capacity(700 + tokens as usize * 5);
    opening(&mut out, "chat.completion", context);
    out.push_str(r#","choices":[{"index":0,"message":{"role":"assistant","content":""#);
    // The words need no escape.
    (0..tokens).for_each(|index| out.push_str(words::token(context.number, index)));
    json::put(
        &mut out,
        format_args!(r#""}},"logprobs":null,"finish_reason":"{}"}}],"usage":"#, context.finish.name()),
    );
    usage(&mut out, service);
    json::put(
        &mut out,
        format_args!(
            r#","usage_breakdown":null,"system_fingerprint":"{}","x_groq":{{"id":"{}","seed":{}}},"service_tier":"on_demand"}}"#,
            ids::fingerprint(context.model),
            ids::request(context.number),
            ids::seed(context.number),
        ),
    );
    out.push('\n');
    out
}

/// The server-sent events of one completion, each appended to a buffer when it is due.
#[derive(Clone, Debug)]
pub struct Chunks {
    /// What every event opens with, up to the choices.
    head: String,
    request: String,
    usage: String,
    number: u64,
    finish: Finish,
}

impl Chunks {
    /// The events of a service.
    #[must_use]
    pub fn new(service: &Service, context: &Context<'_>) -> Self {
        let mut head = String::with_capacity(220);
        head.push_str("data: ");
        opening(&mut head, "chat.completion.chunk", context);
        json::put(
            &mut head,
            format_args!(r#","system_fingerprint":"{}","choices":["#, ids::fingerprint(context.model)),
        );
        let mut used = String::with_capacity(180);
        usage(&mut used, service);
        Self {
            head,
            request: ids::request(context.number),
            usage: used,
            number: context.number,
            finish: context.finish,
        }
    }

    /// The first event: the role and the ids.
    pub fn role(&self, out: &mut String) {
        self.event(
            out,
            format_args!(
                r#"{{"index":0,"delta":{{"role":"assistant","content":""}},"logprobs":null,"finish_reason":null}}],"x_groq":{{"id":"{}","seed":{}}}}}"#,
                self.request,
                ids::seed(self.number),
            ),
        );
    }

    /// The event of the token `index`, from zero.
    pub fn token(&self, out: &mut String, index: u32) {
        out.push_str(&self.head);
        out.push_str(r#"{"index":0,"delta":{"content":""#);
        out.push_str(words::token(self.number, index));
        out.push_str("\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    }

    /// The event after the last token: why it ends, and what it used (twice, as Groq does since 2026).
    pub fn end(&self, out: &mut String) {
        let (finish, request, usage) = (self.finish.name(), &self.request, &self.usage);
        self.event(
            out,
            format_args!(
                r#"{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"{finish}"}}],"x_groq":{{"id":"{request}","usage":{usage}}},"usage":{usage}}}"#
            ),
        );
    }

    /// The event that `stream_options.include_usage` adds: no choices (evidence: reported).
    pub fn usage(&self, out: &mut String) {
        self.event(out, format_args!(r#"],"usage":{}}}"#, self.usage));
    }

    fn event(&self, out: &mut String, rest: std::fmt::Arguments<'_>) {
        out.push_str(&self.head);
        json::put(out, rest);
        out.push_str("\n\n");
    }

    /// What closes every stream that was not broken off.
    pub const DONE: &str = "data: [DONE]\n\n";
}

/// `{"id":…,"object":…,"created":…,"model":…`, left open.
fn opening(out: &mut String, object: &str, context: &Context<'_>) {
    json::put(
        out,
        format_args!(
            r#"{{"id":"{}","object":"{object}","created":{},"model":"#,
            ids::completion(context.number),
            ids::created(context.at),
        ),
    );
    json::string(out, context.model);
}

/// The `usage` object; the total time leaves the queue out (evidence: fixtures, 2026-02).
fn usage(out: &mut String, service: &Service) {
    let queue = service.started_at.since(service.ticket.at);
    let prompt = service.first_token_at.since(service.started_at);
    let completion = service.done_at.since(service.first_token_at);
    let Usage { prompt_tokens, completion_tokens } = service.usage;
    let mut time = |before: std::fmt::Arguments<'_>, length: Nanos| {
        json::put(out, before);
        json::seconds(out, length);
    };
    time(format_args!(r#"{{"queue_time":"#), queue);
    time(format_args!(r#","prompt_tokens":{prompt_tokens},"prompt_time":"#), prompt);
    time(format_args!(r#","completion_tokens":{completion_tokens},"completion_time":"#), completion);
    time(format_args!(r#","total_tokens":{},"total_time":"#, service.usage.total()), prompt + completion);
    out.push('}');
}

/// The longest completion that any of Groq's models writes (documentation, 2026): a bound on memory.
const MOST_WORDS: u32 = 131_072;
