//! The two drivers run the same loop around the same engine: one over a queue of virtual instants, one over HTTP on the
//! wall clock.
//!
//! ```text
//!            next of: engine timer │ reply │ arrival          at one instant in this order
//!                 ▼
//!            engine.handle_timeout │ handle_reply │ submit
//!                 ▼
//!            Driver: send ──▶ the provider       log ──▶ the fold       done ──▶ the load (closed workloads continue)
//! ```
//!
//! The order at one instant is part of the model, so that both drivers take the same decisions (law 12). A fold that
//! returns `true` from [`crate::record::Fold::is_done`] ends the run after the event at hand.

mod attempt;
mod attempt_truth;
pub mod clock;
mod connections;
mod delay_effect;
mod direct;
pub mod endpoint;
mod engines;
mod event_queue;
mod flight;
pub(crate) mod https;

pub mod live;
pub mod local;
pub mod mock_process;
mod reply_reader;
mod request_body;
mod run_size;
pub(crate) mod secret;
pub(crate) mod sse;
mod start_levels;
mod summarize;
mod usage_sampler;
mod via_wire;
pub mod virtual_time;
mod world;

pub(crate) use connections::local_failure;
pub use connections::raise_descriptor_limit;
pub use delay_effect::{WithMeasuredDelays, delay_effect};
pub use direct::reply;
pub(crate) use reply_reader::HeaderView;
pub use run_size::RunSize;
pub use start_levels::{StartLevels, with_start_levels, with_start_levels_until};
pub use summarize::{record, summarize, summarize_without_distributions};
