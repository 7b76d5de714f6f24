//! How a provider speaks: rulings turned into status, headers and body, byte for byte.
//!
//! This side only **renders**. What parses it is written apart, in the client's crate, from the same
//! evidence: the two meet in a test, so neither can repeat the other's mistake.
//!
//! ```text
//!  DecisionReport, LimitsSnapshot ──▶ WireFormat::reply ──▶ Reply { status, headers, body }      a whole reply
//!               └─▶ WireFormat::chunks ─▶ data: {…}  data: {…}  data: [DONE]   a streamed one
//!  truth::Note ◀──▶ the request header in which a simulation tells the mock what only the world knows
//! ```
//!
//! Each dialect has a page that says only what is its own; the shapes that many share are in [`chat`] and
//! `envelope`. A dialect with several kinds of endpoint (Azure, Anthropic) has one [`WireFormat`] for each.

mod anthropic;
mod azure;
mod cerebras;
pub mod chat;
mod date;
mod deepinfra;
mod digits;
mod envelope;
pub mod error;
mod filler;
mod fireworks;
mod format;
mod gemini;
pub mod go_duration;
mod groq;
mod headers;
mod ids;
mod json;
pub mod limits_snapshot;
mod mistral;
mod openai;
mod pieces;
mod response_fault;
mod together;
mod transcript;
pub mod truth;

pub use chat::{Chunks, Finish, Said};
pub use error::Error;
pub use format::{Answer, Content, Context, Endpoint, Head, Key, Reply, WireFormat};
pub use headers::Headers;
#[cfg(feature = "server")]
pub(crate) use headers::Value;
pub use limits_snapshot::LimitsSnapshot;
pub use transcript::{Task, Transcript, Written};

use crate::config::Dialect;

/// The voices of a dialect, at least one. The first is that of its OpenAI-compatible endpoint, and answers
/// whatever no other knows.
#[must_use]
pub fn voices(dialect: Dialect) -> &'static [&'static dyn WireFormat] {
    match dialect {
        Dialect::Groq => &[&groq::Groq],
        Dialect::OpenAi => &[&openai::OpenAi],
        Dialect::Azure => &[&azure::Foundry, &azure::Classic],
        Dialect::Anthropic => &[&anthropic::Compatible, &anthropic::Native],
        Dialect::Cerebras => &[&cerebras::Cerebras],
        Dialect::Mistral => &[&mistral::Mistral],
        Dialect::DeepInfra => &[&deepinfra::DeepInfra],
        Dialect::Together => &[&together::Together],
        Dialect::Fireworks => &[&fireworks::Fireworks],
        Dialect::Gemini => &[&gemini::Gemini],
    }
}

/// The voice of a dialect's OpenAI-compatible endpoint.
#[must_use]
pub fn voice(dialect: Dialect) -> &'static dyn WireFormat {
    voices(dialect)[0]
}
