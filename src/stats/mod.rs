//! Statistics of a few replicas: their seeds and moments, the margin within which two means may differ by chance, and tolerance
//! bounds.
//!
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
