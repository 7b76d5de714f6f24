//! The provider model as an HTTP server: one dialect's endpoints, a control plane for tests, and metrics.
//!
//! ```text
//!  connection     accepts connections (hyper)         ─▶ request
//!      ▼
//!  router         finds the endpoint (axum), reads    ─▶ RequestContext: wire format and account; or the response
//!                 a JSON body (body)                    of the control plane, of a list of models, to `OPTIONS`, …
//!      ▼
//!  request        decodes the JSON body, calls the    ─▶ ParsedRequest, a count of tokens, or Rejection
//!                 parser of its API: chat, messages, responses, generate_content, text_completion, embeddings;
//!                 audio reads its forms itself
//!      ▼
//!  admission      passes calls to the provider (mock) ─▶ Decided; if admitted, an Admission, which settles the call once
//!      ▼
//!  responder      renders the reply and waits         ─▶ Response
//!      ▼
//!  stream         sends a stream, token by token      ─▶ bytes
//!  aborted_reply  sends the part that a fault leaves  ─▶ bytes, then the connection is closed
//! ```
//!
//! [`Mock`] is the state that all connections share: the provider model behind one lock, the clock and the journal.
//!
//! | path | response |
//! |---|---|
//! | `POST …/chat/completions` | a completion, whole or streamed, or an error |
//! | `POST /v1/messages` (Anthropic), `POST /openai/deployments/…/chat/completions` (Azure), `POST /v1beta/models/…` (Gemini) | the same in their own format |
//! | `POST …/responses`, `…/completions`, `…/embeddings` | OpenAI's other APIs |
//! | `POST …/audio/transcriptions`, `…/audio/translations` | a transcript |
//! | `POST /v1/messages/count_tokens`, `…:countTokens`, `…/responses/input_tokens` | the number of tokens of a prompt |
//! | `GET …/models`, `GET …/models/MODEL` | the list of models, or one of them |
//! | `GET /health`, `GET …/health` | `{"status":"ok"}`, without authentication |
//! | `OPTIONS` of any path but the control plane's | the methods, and CORS |
//! | `/_quotalab/…`, `GET /metrics` | the control plane, if enabled ([`ControlPlane`]): see `mock/README.md` |
//!
//! The prefix `…` and the place of the key depend on the dialect: [`crate::wire::WireFormat::base`] and
//! [`crate::wire::WireFormat::key_locations`].
//!
//! Invariants:
//! 1. The provider model gets time only from the [`Clock`] of the mock. Of tokio's clock, only sleeps and timeouts are used.
//! 2. Every admitted call is settled exactly once, however its connection ends.
//! 3. Every resource a client can consume is bounded: connections ([`MAX_CONNECTIONS`]), request headers (by hyper: 100
//!    headers, about 400 KiB; over HTTP/2 64 KiB), bodies ([`MAX_JSON_BODY_BYTES`], together
//!    [`MAX_BODIES_BYTES`]; [`MAX_AUDIO_FORM_BYTES`]), replies with embeddings ([`MAX_EMBEDDINGS_BYTES`]), time ([`CLIENT_TIMEOUT`]).

mod aborted_reply;
mod access_log;
mod admission;
mod answers;
mod audio;
mod body;
mod byte_budget;
mod chat;
mod client_timeout;
mod coding;
mod connection;
mod connections;
mod content;
mod context;
mod control;
mod control_state;
mod cors;
mod embeddings;
mod embeddings_reply;
mod framing;
mod generate_content;
mod header_templates;
mod held_body;
mod injected_faults;
mod journal_writer;
mod keys;
mod known_members;
mod media;
mod messages;
mod mock;
mod model;
mod observer;
mod origin;
mod parameters;
mod paths;
mod pattern_example;
mod prompt;
mod prompt_text;
mod reasoning;
mod recorded_request;
mod records;
mod reply_body;
mod reply_content;
mod request;
pub mod request_checks;
mod request_headers;
mod responder;
mod responses;
mod router;
mod schema_example;
mod settlement;
mod shape;
mod shared_clock;
mod stream;
mod stream_tasks;
mod text_completion;
mod text_size;
mod thinking_config;
mod thinking_turn;
mod tools;
mod waiting;
mod work_budget;

pub use body::MAX_BODIES_BYTES;
pub use connection::serve;
pub use control::ControlPlane;
pub use control_state::AccessLog;
pub use embeddings_reply::MAX_EMBEDDINGS_BYTES;
pub use held_body::{HeldBody, PIECE_BYTES};
pub use mock::Mock;
pub use observer::{DECISION_HEADER, Observer};
pub use records::check_record;
pub use shared_clock::{Clock, SharedClock};

use std::time::Duration;

/// Returns `true` if a number is a speed that [`Mock::set_speed`] may be given: 0, or within `0.001..=1_000_000`.
#[must_use]
pub fn is_speed(speed: f64) -> bool {
    speed == 0.0 || (1e-3..=1e6).contains(&speed)
}

/// Maximum size of a JSON request body in bytes. 4 MiB of text is about a million tokens, at four characters per token.
pub const MAX_JSON_BODY_BYTES: usize = 4 << 20;

/// Maximum size of a multipart form with an audio file in bytes: Groq's 25 MiB (documentation, 2026-02).
pub const MAX_AUDIO_FORM_BYTES: usize = 25 << 20;

/// Maximum number of open connections. When it is reached, the one whose client has been idle for the longest is closed; if
/// none is idle, further ones wait in the listener's backlog.
pub const MAX_CONNECTIONS: usize = 16_384;

/// Maximum time that a client may take to send a request's head, to send its body, and to make progress in reading a reply.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(600);

/// The time for which a call with the fault `timeout` is held before its connection is closed without a reply.
const TIMEOUT_FAULT_DURATION: Duration = Duration::from_secs(600);
