//! From a YAML file to a scenario.
//!
//! ```text
//!  text ─yaml─▶ tree ─preset, overrides─▶ tree ─spec─▶ Spec ─resolve─▶ Scenario
//!                  every step reports to `findings` and goes on; one problem anywhere and there is no scenario
//! ```
//!
//! [`load`] and [`parse`] give a [`Scenario`] or everything that is wrong at once.

mod context_fit;
mod defaults;
mod describe;
mod diagnostics;
mod metric;
mod overrides;
mod preset;
pub mod rate;
mod read;
mod resolve;
mod resolved;
mod scale;
mod spec;
pub mod trace;
mod value;
mod yaml;

pub use overrides::Overrides;
pub use read::{load, parse, preset};
pub use resolved::*;
