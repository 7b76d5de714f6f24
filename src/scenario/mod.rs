//! From a YAML file to a plan.
//!
//! ```text
//!  text ─yaml─▶ tree ─preset, overrides─▶ tree ─spec─▶ Spec ─resolve─▶ Plan
//!                  every step reports to `findings` and goes on; one problem anywhere and there is no plan
//! ```
//!
//! [`load`] and [`parse`] give a [`Plan`] or everything that is wrong at once.

mod defaults;
mod findings;
mod fit;
mod overrides;
mod plan;
mod preset;
pub mod rate;
mod read;
mod resolve;
mod scaled;
mod spec;
pub mod trace;
mod value;
mod words;
mod yaml;

pub use overrides::Overrides;
pub use plan::*;
pub use read::{load, parse, preset};
