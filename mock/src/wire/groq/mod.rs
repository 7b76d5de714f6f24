//! Groq, as captured in 2026.
//!
//! A doc comment says whether a text is captured, documented, reported by users, or assumed. The list of rules with their evidence is in
//! `mock/README.md`, the captures are in `mock/tests/data`.

mod error;
mod headers;

use super::chat::{CompletionFormat, Stages, TokenUsage};
use super::json::Members;
use super::{Context, Error, ErrorReply, Head, Headers, LimitsSnapshot, Model, WireFormat, ids};
use crate::decision::{Denial, Service};
use crate::time::Instant;
use serde::Serialize;

/// The wire format of Groq, the same for all its endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groq;

impl WireFormat for Groq {
    fn base(&self) -> &'static str {
        "/openai/v1"
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

    fn has_audio(&self) -> bool {
        true
    }

    fn completion_format(&self) -> &'static CompletionFormat {
        &FORMAT
    }

    fn model<'a>(&self, name: &'a str) -> Model<'a> {
        Model::new(name).active()
    }
}

/// Members and their order as in captures of 2026-02 (the published fixtures of Vercel's package `ai`).
/// `usage_chunk` is `true`, as in [`CompletionFormat::PLAIN`]: reported by users.
const FORMAT: CompletionFormat = CompletionFormat {
    logprobs: Some(()),
    usage,
    completion: |_, context| {
        Members::of(&CompletionExtras {
            usage_breakdown: (),
            system_fingerprint: ids::fingerprint(context.model),
            x_groq: RequestSeed::of(context),
            service_tier: "on_demand",
        })
    },
    chunk: |context| Members::of(&ChunkExtras { system_fingerprint: ids::fingerprint(context.model) }),
    first_chunk: |context| Members::of(&FirstChunkExtras { x_groq: RequestSeed::of(context) }),
    last_chunk,
    ..CompletionFormat::PLAIN
};

#[derive(Serialize)]
struct CompletionExtras {
    usage_breakdown: (),
    system_fingerprint: String,
    x_groq: RequestSeed,
    service_tier: &'static str,
}

#[derive(Serialize)]
struct ChunkExtras {
    system_fingerprint: String,
}

#[derive(Serialize)]
struct FirstChunkExtras {
    x_groq: RequestSeed,
}

#[derive(Serialize)]
struct RequestSeed {
    id: String,
    seed: u32,
}

impl RequestSeed {
    fn of(context: &Context<'_>) -> Self {
        Self { id: ids::groq_request(context.number), seed: ids::seed(context.number) }
    }
}

/// Groq sends the usage twice in the last chunk since 2026.
#[derive(Serialize)]
struct LastChunkExtras {
    x_groq: RequestUsage,
    usage: TokenUsage,
}

#[derive(Serialize)]
struct RequestUsage {
    id: String,
    usage: TokenUsage,
}

fn last_chunk(usage: TokenUsage, _: &Service, context: &Context<'_>) -> Members {
    let x_groq = RequestUsage { id: ids::groq_request(context.number), usage };
    Members::of(&LastChunkExtras { x_groq, usage })
}

/// Returns the usage with times. The total time excludes the queue (captured, 2026-02).
fn usage(service: &Service) -> TokenUsage {
    let Stages { queue, prompt, completion } = Stages::of(service);
    TokenUsage {
        queue_time: Some(queue),
        prompt_time: Some(prompt),
        completion_time: Some(completion),
        total_time: Some(prompt + completion),
        ..TokenUsage::of(service)
    }
}
