//! Limits and the policies by which they refill.

use super::Dialect;
use crate::axis::{Axis, Period};
use crate::calendar::{Epoch, Zone};
use crate::time::Nanos;

/// One limit: an amount on an axis, and the policy by which it refills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The counted quantity and its window.
    pub axis: Axis,
    /// Units per window; for concurrency, calls in flight at once.
    pub amount: u64,
    /// The length of its window: that of the axis, or its own for [`Axis::Requests`] and [`Axis::Tokens`]; `None` for
    /// concurrency.
    pub window: Option<Nanos>,
    /// The policy by which it refills.
    pub refill: RefillPolicy,
    /// Capacity of the bucket in units; by default [`Limit::amount`]. Used by the bucket only.
    pub burst: u64,
    /// The calendar time at which the run begins. Used by days of a calendar only.
    pub epoch: Epoch,
}

impl Limit {
    /// Creates a limit with the default policy: a bucket that holds as much as it refills per window. A limit on
    /// [`Axis::Requests`] or [`Axis::Tokens`] has a window of [`Limit::DEFAULT_WINDOW`]; [`Limit::per`] sets another.
    #[must_use]
    pub const fn new(axis: Axis, amount: u64) -> Self {
        let window = if axis.has_own_window() { Some(Self::DEFAULT_WINDOW) } else { axis.window_length() };
        Self { axis, amount, window, refill: RefillPolicy::Bucket, burst: amount, epoch: Epoch::RUN }
    }

    /// The window of a limit with a window of its own that states none: five hours, the commonest of coding plans.
    pub const DEFAULT_WINDOW: Nanos = Nanos(5 * Nanos::HOUR.0);

    /// Returns `true` if the window is a month of the calendar, which has 28 to 31 days.
    #[must_use]
    pub fn is_per_calendar_month(&self) -> bool {
        matches!(self.refill, RefillPolicy::Calendar(_)) && self.axis.period() == Some(Period::Month)
    }

    /// Sets the length of the window, which must not be zero.
    #[must_use]
    pub const fn per(self, window: Nanos) -> Self {
        Self { window: Some(window), ..self }
    }

    /// Creates a limit with the refill policy of a dialect's provider; a scenario may set another policy. `mock/README.md`
    /// has the evidence for each rule.
    #[must_use]
    pub const fn default_of(dialect: Dialect, axis: Axis, amount: u64) -> Self {
        let limit = Self::new(axis, amount);
        match (dialect, axis) {
            // A limit per minute is enforced over shorter spans: at most what refills in a second is admitted at once.
            (Dialect::Azure, Axis::Rpm) => limit.with_burst(if amount < 60 { 1 } else { amount / 60 }),
            (Dialect::Mistral, Axis::Rpm) => limit.with_refill(RefillPolicy::Fixed),
            (Dialect::Mistral, Axis::Tpm) => limit.with_refill(RefillPolicy::SlidingCounter),
            (Dialect::Gemini, Axis::Rpd) => limit.with_refill(RefillPolicy::Calendar(Zone::Pacific)),
            _ => limit,
        }
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

    /// Sets the policy by which the limit refills.
    #[must_use]
    pub const fn with_refill(self, refill: RefillPolicy) -> Self {
        Self { refill, ..self }
    }

    /// Sets the capacity of the bucket in units.
    #[must_use]
    pub const fn with_burst(self, burst: u64) -> Self {
        Self { burst, ..self }
    }

    /// Returns an upper bound of the units that can be admitted in the first `span` of a run; for concurrency, of the
    /// calls in flight at once.
    ///
    /// Apart from a fraction of a unit the bound can be reached, with two exceptions: [`RefillPolicy::Adaptive`], whose limit
    /// needs time to grow, and [`RefillPolicy::SlidingCounter`] after the first window, because the previous one still counts.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for reports and comparisons")]
    pub fn max_units_in(&self, span: Nanos) -> f64 {
        let (amount, span) = (self.amount as f64, span.max(Nanos(1)));
        let Some(window) = self.window else { return amount };
        let windows = || span.0.div_ceil(window.0) as f64;
        match self.refill {
            RefillPolicy::Bucket => self.burst as f64 + amount * (span.0 as f64 / window.0 as f64),
            RefillPolicy::Adaptive(growth) => growth.max_limit(self.amount) as f64 * windows(),
            RefillPolicy::Calendar(zone) => match self.axis.period() {
                Some(period) => amount * zone.periods_touched_in_first(period, self.epoch, span) as f64,
                None => amount * windows(),
            },
            // All units of a window may be used at its first instant, so a partial window counts whole.
            RefillPolicy::Fixed
            | RefillPolicy::FirstRequest
            | RefillPolicy::SlidingLog
            | RefillPolicy::SlidingCounter => amount * windows(),
        }
    }
}

/// The policy by which a limit refills. A window is aligned if it starts at a multiple of its length since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefillPolicy {
    /// A token bucket: refills continuously at amount ÷ window, up to [`Limit::burst`].
    #[default]
    Bucket,
    /// Counts per aligned window; the count restarts at each boundary.
    Fixed,
    /// Counts the units admitted within the last window length before each instant.
    SlidingLog,
    /// Counts per aligned window, plus the previous window's count weighted by the part of it that lies within the last
    /// window length.
    SlidingCounter,
    /// Counts per window; a window begins with the first call that is charged while no window is open.
    FirstRequest,
    /// As [`RefillPolicy::Fixed`], but days, weeks and months are those of the calendar, from midnight to midnight of the zone.
    Calendar(Zone),
    /// Counts per aligned window, whose limit follows the usage: the next window's limit is this window's usage times the
    /// factor of [`Growth`], but at least half of this window's limit, at least [`Limit::amount`] and at most
    /// [`Growth::max_limit`]. The first window has [`Limit::amount`].
    Adaptive(Growth),
}

/// The growth of an adaptive limit; [`RefillPolicy::Adaptive`] states the complete rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The factor of the usage, in thousandths: 2000 doubles it.
    pub factor_permille: u32,
    /// The largest limit in thousandths of [`Limit::amount`], which is the smallest limit. Values below 1000 act as 1000.
    pub max_permille: u32,
}

impl Growth {
    /// Returns `used` times the factor: the next window's limit before the minimum and maximum are applied.
    #[must_use]
    pub fn scaled_usage(self, used: u64) -> u64 {
        scale_permille(used, self.factor_permille)
    }

    /// Returns the largest limit that can be reached from `initial`.
    #[must_use]
    pub fn max_limit(self, initial: u64) -> u64 {
        scale_permille(initial, self.max_permille).max(initial)
    }
}

impl Default for Growth {
    /// Twice the usage, up to ten times the initial limit. Assumption: no provider documents it.
    fn default() -> Self {
        Self { factor_permille: 2_000, max_permille: 10_000 }
    }
}

/// Returns `value × permille ÷ 1000`, truncated and saturating.
fn scale_permille(value: u64, permille: u32) -> u64 {
    u64::try_from(u128::from(value) * u128::from(permille) / 1000).unwrap_or(u64::MAX)
}
