//! From a YAML file to a plan: read into shapes (`spec`), then resolved in one consuming step that
//! reports every problem at once with its place.

mod plan;
pub mod rate;
pub mod trace;

pub use plan::*;
