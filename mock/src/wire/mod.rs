//! How a provider speaks: rulings turned into status, headers and body, byte for byte.
//!
//! This side only **renders**. What parses it is written apart, in the client's crate, from the same
//! evidence: the two meet in a test, so neither can repeat the other's mistake.
//!
//! ```text
//!  Ruling ──▶ groq::reply ──▶ Reply { status, headers, body }      a whole reply
//!         └─▶ groq::Chunks ─▶ data: {…}  data: {…}  data: [DONE]   a streamed one
//!  truth::Note ◀──▶ the request header in which a simulation tells the mock what only the world knows
//! ```

pub mod go_duration;
pub mod groq;
mod json;
pub mod truth;
mod words;

/// Header names in lower case, in the order in which they are sent.
pub type Headers = Vec<(&'static str, String)>;

/// A whole HTTP reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// What the provider sends; the transport adds its own (`date`, `content-length`).
    pub headers: Headers,
    /// JSON, but for garbage.
    pub body: String,
}
