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

    /// Returns the largest number of units that can be admitted in the first `span` of a run; for concurrency, at once.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for reports and comparisons")]
    pub fn max_units_in(&self, span: Nanos) -> f64 {
        let (limit, span) = (self.limit as f64, span.max(Nanos(1)));
        let Some(window) = self.axis.window() else { return limit };
        match self.law {
            Law::Bucket => self.burst as f64 + limit * (span.0 as f64 / window.0 as f64),
            Law::Adaptive(growth) => growth.max_limit(self.limit) as f64 * span.0.div_ceil(window.0) as f64,
            Law::Calendar(zone) if self.axis.is_daily() => limit * zone.days(span) as f64,
            // A window used up at its very start admits again one window later, hence whole windows.
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
    /// Counts per aligned window; the count of the previous window fades linearly while the current one passes.
    SlidingCounter,
    /// Counts per aligned window; a day runs from midnight to midnight of the zone.
    Calendar(Zone),
    /// Counts per aligned window; the usage of one window sets the limit of the next.
    Adaptive(Growth),
}

/// The growth of an adaptive limit, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The next window's limit in thousandths of this window's usage.
    pub factor_permille: u32,
    /// The largest limit in thousandths of the initial one, which is also the smallest; at least 1000.
    pub max_permille: u32,
}

impl Growth {
    /// Returns the next window's limit after a window in which `used` units were used, before it is clamped.
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
    /// Twice the usage, up to ten times the initial limit. Evidence: assumed, no provider documents it.
    fn default() -> Self {
        Self { factor_permille: 2_000, max_permille: 10_000 }
    }
}

/// Returns `whole × permille ÷ 1000`, truncated and saturating.
fn permille_of(whole: u64, permille: u32) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(permille) / 1000).unwrap_or(u64::MAX)
}
