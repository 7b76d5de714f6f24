//! Groq as captured in 2026.
//!
//! Where a text is quoted from captures its doc comment says so; where it is assumed, that too. The list of
//! rules with their evidence is in `mock/README.md`, the captures themselves in `mock/tests/data`.

mod error;
mod headers;

use super::chat::{self, Choice, Shape};
use super::pieces::{Piece, put};
use super::{Answer, Context, Error, Head, Headers, LimitsSnapshot, WireFormat, ids, json};
use crate::call::Usage;
use crate::decision::{Denial, Service};
use crate::time::Instant;

/// Groq's one endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groq;

impl WireFormat for Groq {
    fn base(&self) -> &'static str {
        "/openai/v1"
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        headers::render(head)
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> Answer {
        error::refusal(denial, context)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> Answer {
        error::answer(error)
    }

    /// Documented, 2026-02: `n` must be 1.
    fn most_choices(&self) -> u32 {
        1
    }

    /// Documented, 2026-02: 498 `capacity_exceeded`, at once.
    fn flex_refusal(&self) -> Option<u16> {
        Some(498)
    }

    fn hears(&self) -> bool {
        true
    }

    fn shape(&self) -> &'static Shape {
        &SHAPE
    }

    fn model(&self, out: &mut String, name: &str) {
        chat::model(out, name, r#","active":true"#);
    }
}

/// Members and their order as in captures of 2026-02 (the published fixtures of Vercel's package `ai`); that
/// `include_usage` adds a chunk is reported.
const SHAPE: Shape = Shape {
    choice: Choice::LOGPROBS,
    usage,
    whole: |out, _, context| {
        let (id, seed) = (ids::groq_request(context.number), ids::seed(context.number));
        let fingerprint = ids::fingerprint(context.model);
        put(out, &[&r#","usage_breakdown":null,"system_fingerprint":""#, &fingerprint]);
        put(out, &[&r#"","x_groq":{"id":""#, &id, &r#"","seed":"#, &seed]);
        out.push_str(r#"},"service_tier":"on_demand""#);
    },
    chunk: |out, context| {
        json::put(out, format_args!(r#","system_fingerprint":"{}""#, ids::fingerprint(context.model)));
    },
    first: |out, context| {
        let (id, seed) = (ids::groq_request(context.number), ids::seed(context.number));
        json::put(out, format_args!(r#","x_groq":{{"id":"{id}","seed":{seed}}}"#));
    },
    // The usage twice, as Groq does since 2026.
    last: |out, usage, _, context| {
        let id = ids::groq_request(context.number);
        json::put(out, format_args!(r#","x_groq":{{"id":"{id}","usage":{usage}}},"usage":{usage}"#));
    },
    ..Shape::PLAIN
};

/// The `usage` object; the total time leaves the queue out (evidence: fixtures, 2026-02).
fn usage(out: &mut String, service: &Service) {
    let queue = service.started_at.since(service.ticket.at);
    let prompt = service.first_token_at.since(service.started_at);
    let completion = service.done_at.since(service.first_token_at);
    let Usage { prompt_tokens, completion_tokens, .. } = service.usage;
    out.push_str(r#"{"queue_time":"#);
    json::seconds(out, queue);
    let parts = [
        ("prompt_tokens", prompt_tokens.into(), "prompt_time", prompt),
        ("completion_tokens", completion_tokens.into(), "completion_time", completion),
        ("total_tokens", service.usage.total(), "total_time", prompt + completion),
    ];
    for (tokens, count, time, length) in parts {
        json::name(out, tokens);
        count.append(out);
        json::name(out, time);
        json::seconds(out, length);
    }
    chat::cached(out, service);
    out.push('}');
}
