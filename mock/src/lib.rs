//! The provider's side of the wire: a model of a rate-limited LLM API.
//!
//! The model is a sans-IO state machine: time is an argument, chance is a seeded
//! [`random::Stream`], and every answer to [`machine::Provider::arrive`] is a pure function of what
//! came before. Nothing here reads a clock, opens a socket or iterates a randomly seeded map.
//!
//! ```text
//!  Call + Truth ──▶ Provider ──▶ meter (every axis of one account × model) ──▶ window (one law)
//!                      │                                                            │
//!                      │◀── latency, fault, slots ◀── admitted | refused, and when the next yes is
//!                      ▼
//!                   DecisionReport ──▶ wire (status, headers, body by dialect) ──▶ server (HTTP)   feature `server`
//!                          └─▶ taken typed by a simulation in virtual time
//! ```
//!
//! What each rule rests on, and how sure we are of it, is listed in `mock/README.md`.

pub mod axis;
pub mod calendar;
pub mod call;
pub mod client_check;
pub mod config;
pub mod decision;
pub mod dist;
pub mod fault;
pub mod journal;
pub mod latency;
pub mod length;
pub mod machine;
pub mod meter;
pub mod presets;
pub mod random;
pub mod reserve;
#[cfg(feature = "server")]
pub mod server;
pub mod time;
pub mod units;
pub mod window;
pub mod wire;

pub use axis::Axis;
pub use calendar::Zone;
pub use call::{Call, Truth, Usage};
pub use machine::Provider;
pub use random::Stream;
pub use time::{Instant, Nanos};
