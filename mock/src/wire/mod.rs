//! Wire formats of the providers: renders a decision as status, headers and body, byte for byte.
//!
//! This module **renders** replies and does not parse them. Their parser is in the client's crate and is written
//! separately, from the same evidence, so that the two are unlikely to make the same mistake; a test compares them, so that
//! a mistake of one is noticed.
//!
//! ```text
//!  DecisionReport, LimitsSnapshot ──▶ WireFormat::reply ──▶ Reply { status, headers, body }      a whole reply
//!  Service                        ──▶ WireFormat::events ─▶ data: {…}  data: {…}  data: [DONE]   a streamed reply
//!  LimitsSnapshot                 ──▶ WireFormat::stream_headers                                 its headers
//!  truth::TruthHeader ◀── the request header that carries the ground truth of a call to the mock
//! ```
//!
//! The module of each dialect contains only what is specific to it. Shapes that several dialects share are in `chat`,
//! `stream` and `envelope`. A dialect with several kinds of endpoint (Azure, Anthropic, Gemini) has one [`WireFormat`] for
//! each.

mod anthropic;
mod api;
mod azure;
mod cerebras;
pub(crate) mod chat;
mod deepinfra;
mod embeddings;
mod endpoint;
mod envelope;
mod error;
mod filler;
mod fireworks;
mod format;
mod gemini;
pub mod go_duration;
mod groq;
mod headers;
mod ids;
mod json;
mod limits_snapshot;
mod logprobs;
mod mistral;
mod models;
mod openai;
mod reasoning;
mod recorded;
mod response_fault;
mod responses;
mod stream;
mod text_completion;
mod together;
mod transcript;
pub mod truth;
mod window_name;

pub use api::{Api, ReplyShape, seed_of_choice};
pub use chat::{CompletionFormat, Content, Finish};
pub use embeddings::EmbeddingsRequest;
pub use endpoint::{Endpoint, Operation};
pub use envelope::reason_phrase;
pub use error::Error;
pub use filler::tokens_before_stop;
pub use format::{Context, ErrorReply, Head, KeyLocation, MediaType, Reply, WireFormat};
pub use headers::{FieldValue, Headers};
pub use ids::system_fingerprint;
pub use limits_snapshot::LimitsSnapshot;
pub use models::{Model, ModelEntry};
pub use reasoning::{Reasoning, ReasoningPlace};
pub use recorded::{RecordedCall, RecordedReply};
pub use responses::ResponsesRequest;
pub use stream::Chunks;
pub use transcript::{Task, Transcript, TranscriptFormat};

use crate::config::Dialect;

/// Returns the wire formats of a dialect, at least one. The first is that of the OpenAI-compatible endpoint; it also answers
/// requests whose path and headers belong to no format.
#[must_use]
pub fn formats(dialect: Dialect) -> &'static [&'static dyn WireFormat] {
    match dialect {
        Dialect::Groq => &[&groq::Groq],
        Dialect::OpenAi => &[&openai::OpenAi],
        Dialect::Azure => &[&azure::Foundry, &azure::Classic],
        Dialect::Anthropic => &[&anthropic::OpenAiCompatible, &anthropic::Native],
        Dialect::Cerebras => &[&cerebras::Cerebras],
        Dialect::Mistral => &[&mistral::Mistral],
        Dialect::DeepInfra => &[&deepinfra::DeepInfra],
        Dialect::Together => &[&together::Together],
        Dialect::Fireworks => &[&fireworks::Fireworks],
        Dialect::Gemini => &[&gemini::Compatible, &gemini::Native],
    }
}

/// Returns the wire format of a dialect's OpenAI-compatible endpoint.
#[must_use]
pub fn format(dialect: Dialect) -> &'static dyn WireFormat {
    formats(dialect)[0]
}
