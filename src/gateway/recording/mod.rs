//! Recordings: the inputs of a gateway's engine and its decisions, as JSON lines; and their replay.
//!
//! ```text
//!  SharedEngine ─▶ RecordedEngine ──input, then its decisions──▶ queue ─▶ writer thread ─▶ file
//!                                                                                          │
//!  Scenario ─▶ Replay ◀── inputs, at their instants ── read ◀──────────────────────────────┘
//!                └──▶ decisions, compared with those recorded
//! ```
//!
//! An engine is a function of its scenario, its seed and its inputs with their instants. All of these are recorded under the lock
//! that orders them, so a replay into a new engine of the same scenario takes the same decisions. What is read of an engine
//! without changing it (its page, the earliest instant at which a job may be sent) is no input.
//!
//! Bounds: lines wait in a queue of [`writer::QUEUE`]; if it is full, the file has reached its size, or it cannot be written, the
//! recording ends there, and its last line and the log say so. No request waits for it. `docs/gateway.md` describes the format.

mod engine;
mod line;
mod names;
mod read;
mod replay;
mod replayed_engine;
#[cfg(test)]
mod tests;
mod text;
mod writer;

pub(super) use engine::RecordedEngine;
pub(super) use names::Names;
pub use read::ReadError;
pub use replay::{Replayed, replay};
pub(super) use text::event_text;
pub use writer::{Output, Recording};
