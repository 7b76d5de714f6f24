//! The provider model as an HTTP/1.1 server: one dialect's endpoints, a control plane for tests, and metrics.
//!
//! ```text
//!  connection ─▶ router ─▶ chat | audio ─▶ admission ─▶ responder ─▶ body: whole, streamed, or cut short by a fault
//!   (hyper)      (axum)      (parse)         (admit)     (respond)
//!                  │                            │ decides under one lock; its guard settles or cancels once
//!                  └─▶ control                  ▼
//!                                             Mock (provider, clock, journal)
//! ```
//!
//! | path | response |
//! |---|---|
//! | `POST …/chat/completions` | a completion, whole or streamed, or an error |
//! | `POST /v1/messages` (Anthropic), `POST /openai/deployments/…/chat/completions` (Azure) | the same in their own format |
//! | `POST …/audio/transcriptions`, `…/audio/translations` (Groq) | a transcript |
//! | `GET …/models`, `GET …/models/MODEL` | the list of models, or one of them |
//! | `GET /health` | `{"status":"ok"}`, without authentication |
//! | `/_quotalab/…`, `GET /metrics` | the control plane, if enabled ([`ControlPlane`]): see `mock/README.md` |
//!
//! The prefix `…` and the header with the key depend on the dialect: [`crate::wire::WireFormat::base`].
//!
//! Invariants:
//! 1. Time is an argument: [`Mock::new`] takes the clock; tokio only sleeps.
//! 2. Every admitted call is settled exactly once, however its connection ends.
//! 3. Whatever a client sends or holds is bounded: connections ([`MAX_CONNECTIONS`]), heads (hyper: 100 headers, about
//!    400 KiB), bodies ([`MAX_BODY_BYTES`], [`MAX_AUDIO_BYTES`]) and waits ([`CLIENT_TIMEOUT`]).

mod admission;
mod audio;
mod body;
mod chat;
mod client_timeout;
mod connection;
mod context;
mod control;
mod fault_queue;
mod header_templates;
mod mock;
mod prompt;
mod reply_kind;
mod responder;
mod router;
mod stream;

pub use connection::serve;
pub use mock::{Clock, ControlPlane, Mock, Observer};

use std::time::Duration;

/// Maximum size of a JSON request body in bytes. 4 MiB is about a million tokens, more than any context holds.
pub const MAX_BODY_BYTES: usize = 4 << 20;

/// Maximum size of a multipart form with an audio file in bytes: Groq's 25 MiB (documentation, 2026-02).
pub const MAX_AUDIO_BYTES: u64 = 25 << 20;

/// Maximum number of open connections. Further ones wait in the listener's backlog.
pub const MAX_CONNECTIONS: usize = 16_384;

/// How long a client may take to send a request's head, to send its body, and to make progress in reading a reply. A
/// call whose fault is a timeout is held for as long before its connection is closed.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(600);
