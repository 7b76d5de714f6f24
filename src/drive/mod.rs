//! The two drivers: the same loop around the same engine, once over a heap of virtual instants, once over
//! real HTTP. Everything that only one of them knows stays in its file.
//!
//! ```text
//!            next of: engine timer │ reply │ arrival          at one instant in this order: that is law
//!                 ▼
//!            engine.advance │ handle │ submit
//!                 ▼
//!            Driver: send ──▶ the world       log ──▶ the fold       done ──▶ the load (closed users go on)
//! ```

mod attempt;
mod attempt_truth;
pub mod clock;
mod direct;
pub mod live;
pub mod local;
mod sse;
mod summarize;
mod via_wire;
pub mod virtual_time;

pub use direct::reply;
pub use summarize::{record, summarize, summarize_load};
