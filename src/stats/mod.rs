//! Statistics of a few replicas: their seeds, their moments, and how far chance alone moves a mean.
//!
//! The planner (ceilings over several seeds) and the regression test (margin of a comparison) share it.
//! Everything is deterministic and uses `libm`, so that a result has the same bytes on every machine.

mod moments;
mod noise;
mod replica;
mod student_t;
mod tolerance;

pub use moments::Moments;
pub use noise::{MeanComparison, Observations, compare_means};
pub use replica::{replica_seed, replica_seeds};
pub use student_t::critical_t;
pub use tolerance::tolerance_factor;
