//! The level of a limit, for headers and reports.

use crate::axis::Axis;
use crate::time::Nanos;

/// The remaining units of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitLevel {
    /// The axis that is limited.
    pub axis: Axis,
    /// The length of its window; `None` for concurrency.
    pub window: Option<Nanos>,
    /// Units per window; the current value if the refill policy adapts it.
    pub limit: u64,
    /// The largest possible remainder: the burst of a bucket, otherwise [`LimitLevel::limit`].
    pub capacity: u64,
    /// Remaining whole units, truncated toward zero; negative if the limit is overdrawn.
    pub remaining: i64,
    /// The least that has remained so far: the level falls at charges only, so that it is known exactly. `None` if the refill policy
    /// adapts the limit, or if the level comes from a mock process of an earlier version, which does not report it.
    pub least_remaining: Option<i64>,
}

impl LimitLevel {
    /// Returns the used fraction of the capacity: 0 if unused, above 1 if overdrawn; 1 or more if the capacity is zero. For
    /// reports.
    #[must_use]
    pub fn used_fraction(&self) -> f64 {
        self.used_fraction_at(self.remaining)
    }

    /// Returns the largest used fraction so far, as [`LimitLevel::used_fraction`]; `None` if it is not known.
    #[must_use]
    pub fn most_used_fraction(&self) -> Option<f64> {
        Some(self.used_fraction_at(self.least_remaining?))
    }

    #[expect(clippy::cast_precision_loss, reason = "a fraction for reports; limits are far below 2^53")]
    fn used_fraction_at(&self, remaining: i64) -> f64 {
        1.0 - remaining as f64 / self.capacity.max(1) as f64
    }
}
