//! Statistics of a few replicas: their seeds and moments, the margin within which two means may differ by chance, and tolerance
//! bounds; and of distributions, the bounds of samples and the means of clamped ones.
//!
//! Everything is deterministic and uses `libm`, so that a result has the same bytes on every machine.

mod clamped_mean;
mod moments;
mod noise;
mod replica;
mod samples;
mod student_t;
mod tolerance;

pub use clamped_mean::{mean_at_most, mean_within};
pub use moments::Moments;
pub use noise::{MeanComparison, Observations, compare_means};
pub use replica::{replica_seed, replica_seeds};
pub use samples::{largest_sample, smallest_sample};
pub use student_t::critical_t;
pub use tolerance::tolerance_factor;
