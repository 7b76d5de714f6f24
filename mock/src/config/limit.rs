//! Limits and the laws by which they refill.

use crate::axis::Axis;
use crate::calendar::Zone;
use crate::time::Nanos;

/// One limit: an amount on an axis, and the law by which it refills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub axis: Axis,
    /// Units per window, or at once for concurrency.
    pub limit: u64,
    /// How it refills.
    pub law: Law,
    /// Capacity of the bucket in units; by default the limit. Unused under the other laws.
    pub burst: u64,
}

impl Limit {
    /// Creates a limit under the default law: a bucket that holds as much as it refills per window.
    #[must_use]
    pub const fn new(axis: Axis, limit: u64) -> Self {
        Self { axis, limit, law: Law::Bucket, burst: limit }
    }

    /// Creates a limit of `limit` requests per minute.
    #[must_use]
    pub const fn rpm(limit: u64) -> Self {
        Self::new(Axis::Rpm, limit)
    }

    /// Creates a limit of `limit` requests per day.
    #[must_use]
    pub const fn rpd(limit: u64) -> Self {
        Self::new(Axis::Rpd, limit)
    }

    /// Creates a limit of `limit` tokens per minute.
    #[must_use]
    pub const fn tpm(limit: u64) -> Self {
        Self::new(Axis::Tpm, limit)
    }

    /// Creates a limit of `limit` tokens per day.
    #[must_use]
    pub const fn tpd(limit: u64) -> Self {
        Self::new(Axis::Tpd, limit)
    }

    /// Creates a limit of `limit` requests in flight.
    #[must_use]
    pub const fn concurrency(limit: u64) -> Self {
        Self::new(Axis::Concurrency, limit)
    }

    /// Sets the law by which the limit refills.
    #[must_use]
    pub const fn with_law(self, law: Law) -> Self {
        Self { law, ..self }
    }

    /// Sets the capacity of the bucket in units.
    #[must_use]
    pub const fn with_burst(self, burst: u64) -> Self {
        Self { burst, ..self }
    }

    /// Returns an upper bound of the units that can be admitted in the first `span` of a run; for concurrency, of the
    /// calls in flight at once. It is exact except under [`Law::Adaptive`], whose limit needs time to grow.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for reports and comparisons")]
    pub fn max_units_in(&self, span: Nanos) -> f64 {
        let (limit, span) = (self.limit as f64, span.max(Nanos(1)));
        let Some(window) = self.axis.window() else { return limit };
        match self.law {
            Law::Bucket => self.burst as f64 + limit * (span.0 as f64 / window.0 as f64),
            Law::Adaptive(growth) => growth.max_limit(self.limit) as f64 * span.0.div_ceil(window.0) as f64,
            Law::Calendar(zone) if self.axis.is_daily() => limit * zone.days(span) as f64,
            // All units of a window may be used at its first instant, so a partial window counts whole.
            Law::Fixed | Law::Calendar(_) | Law::SlidingLog | Law::SlidingCounter => {
                limit * span.0.div_ceil(window.0) as f64
            }
        }
    }
}

/// The law by which a limit refills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Law {
    /// Refills continuously at limit ÷ window, up to [`Limit::burst`].
    #[default]
    Bucket,
    /// Counts per window; windows are aligned to the start of the run, and the count restarts at each boundary.
    Fixed,
    /// Counts what was admitted within the last window, at any instant.
    SlidingLog,
    /// Counts per aligned window, plus the previous window's count weighted by the part of it that lies within the last
    /// window length.
    SlidingCounter,
    /// As `Fixed`, but days run from midnight to midnight of the zone.
    Calendar(Zone),
    /// Counts per aligned window. The limit of the next window is the usage of this one times a factor, at least half of the
    /// current limit, and never outside the bounds of [`Growth`].
    Adaptive(Growth),
}

/// The growth of an adaptive limit, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The factor of the usage, in thousandths.
    pub factor_permille: u32,
    /// The upper bound in thousandths of the initial limit, at least 1000. The lower bound is the initial limit.
    pub max_permille: u32,
}

impl Growth {
    /// Returns the usage times the factor: the next window's limit before the lower and upper bounds apply.
    #[must_use]
    pub fn next_limit(self, used: u64) -> u64 {
        permille_of(used, self.factor_permille)
    }

    /// Returns the largest limit that can be reached from `initial`.
    #[must_use]
    pub fn max_limit(self, initial: u64) -> u64 {
        permille_of(initial, self.max_permille).max(initial)
    }
}

impl Default for Growth {
    /// Twice the usage, up to ten times the initial limit. Assumption: no provider documents it.
    fn default() -> Self {
        Self { factor_permille: 2_000, max_permille: 10_000 }
    }
}

/// Returns `whole × permille ÷ 1000`, truncated and saturating.
fn permille_of(whole: u64, permille: u32) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(permille) / 1000).unwrap_or(u64::MAX)
}
