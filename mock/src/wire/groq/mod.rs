//! Groq, as it was in 2026.
//!
//! A doc comment says whether a text is captured, documented, reported by users, or assumed. The list of rules with their
//! evidence is in `mock/README.md`, which names the sources of captured completions. Captured refusals and headers are in
//! `mock/tests/data`.

mod error;
mod headers;

use super::chat::{self, CompletionFormat, Stages};
use super::json::Object;
use super::{
    Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, MediaType, Model, ModelEntry, Operation, Task,
    Transcript, WireFormat, ids, models,
};
use crate::decision::{Denial, Service};
use crate::time::Instant;

/// The wire format of Groq, the same for all its endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groq;

impl WireFormat for Groq {
    fn base(&self) -> &'static str {
        "/openai/v1"
    }

    fn transcript(&self, transcript: Transcript, number: u64) -> (MediaType, String) {
        transcript.render(number, Some(ids::groq_request(number).as_str().to_owned()))
    }

    fn headers(&self, head: &Head<'_>) -> Headers {
        headers::render(head)
    }

    fn refusal(&self, denial: &Denial, _: &LimitsSnapshot, context: &Context<'_>) -> ErrorReply {
        error::refusal(denial, context)
    }

    fn error(&self, error: &Error<'_>, _: u64, _: Instant) -> ErrorReply {
        error::render(error)
    }

    /// Documented, 2026-02: `n` must be 1.
    fn max_n(&self) -> u32 {
        1
    }

    /// Documented, 2026-02: 498 `capacity_exceeded`, without a wait.
    fn flex_refusal(&self) -> Option<u16> {
        Some(498)
    }

    /// Documented, 2026-02: responses, and audio. The others are assumed: its SDK has embeddings, although no model for
    /// them is listed, and older clients request text completions.
    fn operations(&self) -> &'static [Operation] {
        &[
            Operation::Responses,
            Operation::Audio(Task::Transcribe),
            Operation::Audio(Task::Translate),
            Operation::TextCompletion,
            Operation::Embeddings,
        ]
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &FORMAT
    }

    /// Documented, 2026.
    fn model(&self, model: &Model<'_>) -> ModelEntry {
        models::openai_entry(model, "Groq", |entry| {
            entry
                .member("active", &true)
                .member("context_window", &model.context())
                .member("public_apps", &())
                .member("max_completion_tokens", &model.max_output())
        })
    }
}

/// Members and their order as in captures of 2026-02 (the published fixtures of Vercel's package `ai`).
/// `usage_chunk` is `true`, as in [`CompletionFormat::PLAIN`]: captured, 2025-04 (see [`last_chunk`]).
const FORMAT: CompletionFormat = CompletionFormat {
    logprobs: Some(()),
    reasoning: Some("reasoning"),
    usage,
    completion: |completion, _, context| {
        let completion =
            add_x_groq(add_fingerprint(completion.member("usage_breakdown", &()), context), context);
        completion.plain_text("service_tier", "on_demand")
    },
    chunk: add_fingerprint,
    first_chunk: add_x_groq,
    last_chunk,
    ..CompletionFormat::PLAIN
};

fn add_fingerprint(object: Object, context: &Context<'_>) -> Object {
    object.plain_text("system_fingerprint", context.system_fingerprint)
}

fn add_x_groq(object: Object, context: &Context<'_>) -> Object {
    object.object("x_groq", |x_groq| {
        x_groq
            .plain_text("id", ids::groq_request(context.number).as_str())
            .member("seed", &ids::seed(context.number))
    })
}

/// Groq sends the usage twice in the last chunk since 2026, in `x_groq` and beside it. If the client asks for the usage, the
/// second is in a chunk of its own instead (captured, 2025-04), so that a client which adds the usages of all chunks counts it
/// once.
fn last_chunk(chunk: Object, service: &Service, context: &Context<'_>) -> Object {
    let add_usage = |object: Object| object.object("usage", |object| usage(object, service, context));
    let x_groq =
        |x_groq: Object| add_usage(x_groq.plain_text("id", ids::groq_request(context.number).as_str()));
    let chunk = chunk.object("x_groq", x_groq);
    if context.shape.usage_chunk { chunk } else { add_usage(chunk) }
}

/// Adds the tokens and times of the usage. The total time excludes the queue (captured, 2026-02).
fn usage(object: Object, service: &Service, context: &Context<'_>) -> Object {
    let Stages { queue, prompt, completion } = Stages::of(service);
    let usage = service.usage;
    let object = object
        .member("queue_time", &queue)
        .member("prompt_tokens", &usage.prompt_tokens)
        .member("prompt_time", &prompt)
        .member("completion_tokens", &usage.completion_tokens)
        .member("completion_time", &completion)
        .member("total_tokens", &usage.total())
        .member("total_time", &(prompt + completion));
    chat::token_details(object, usage, context)
}
