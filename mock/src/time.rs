//! Time as an argument: an instant counts nanoseconds since the run began, in virtual and in live runs alike.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Sub};

/// A duration in nanoseconds, up to 584 years. Arithmetic saturates; in debug builds the operator `-` panics if the difference
/// is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

/// A point in time, in nanoseconds since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Nanos {
    /// The empty duration.
    pub const ZERO: Self = Self(0);
    /// The longest duration; means "never ends".
    pub const MAX: Self = Self(u64::MAX);
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);
    /// One minute.
    pub const MINUTE: Self = Self(60 * Self::SECOND.0);
    /// One hour.
    pub const HOUR: Self = Self(60 * Self::MINUTE.0);
    /// One day of 24 hours.
    pub const DAY: Self = Self(24 * Self::HOUR.0);
    /// One week.
    pub const WEEK: Self = Self(7 * Self::DAY.0);
    /// One month, counted as 30 days. Evidence: a captured wait of OpenAI follows from a refill over 30 days.
    pub const MONTH: Self = Self(30 * Self::DAY.0);

    /// Converts whole seconds; saturates at [`Nanos::MAX`].
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(Self::SECOND.0))
    }

    /// Returns the whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / Self::SECOND.0
    }

    /// Returns the duration in seconds, rounded up.
    #[must_use]
    pub const fn as_secs_ceil(self) -> u64 {
        self.0.div_ceil(Self::SECOND.0)
    }

    /// Converts whole milliseconds; saturates at [`Nanos::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Rounds `seconds` to the nearest nanosecond. Negative values and NaN become zero; too large ones become
    /// [`Nanos::MAX`].
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float-to-int cast saturates and turns NaN into zero, as documented"
    )]
    pub fn from_secs_f64(seconds: f64) -> Self {
        let nanos = seconds * 1e9;
        let whole = nanos as u64;
        // Not `f64::round`: it is a library call on targets without an instruction for it.
        Self(whole.saturating_add(u64::from(nanos - whole as f64 >= 0.5)))
    }

    /// Returns seconds as a float, for reports, samplers, the analytic ceiling, and waits that a provider computes in floating
    /// point; never for quota arithmetic.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 ns, which is 104 days")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Subtracts `other`; zero if `other` is longer.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Instant {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// The end of time; means "never".
    pub const MAX: Self = Self(u64::MAX);

    /// Returns the time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// Returns seconds since the run began, for reports only.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        Nanos(self.0).as_secs_f64()
    }
}

impl Add<Nanos> for Instant {
    type Output = Self;
    fn add(self, duration: Nanos) -> Self {
        Self(self.0.saturating_add(duration.0))
    }
}

impl AddAssign<Nanos> for Instant {
    fn add_assign(&mut self, duration: Nanos) {
        *self = *self + duration;
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        debug_assert!(self >= other, "invariant: durations are not negative, found {self} - {other}");
        self.saturating_sub(other)
    }
}

impl Mul<u64> for Nanos {
    type Output = Self;
    fn mul(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl fmt::Display for Nanos {
    /// Writes seconds with three decimals, truncated: `12.340s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / Self::SECOND.0, self.0 % Self::SECOND.0 / 1_000_000)
    }
}

impl fmt::Display for Instant {
    /// Writes seconds since the run began with three decimals, truncated: `12.340s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Nanos(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Instant::MAX + Nanos::DAY, Instant::MAX);
        assert_eq!(Nanos::from_secs_f64(f64::INFINITY), Nanos::MAX);
        assert_eq!(Nanos::from_secs_f64(-1.0), Nanos::ZERO);
        assert_eq!(Nanos::from_secs_f64(f64::NAN), Nanos::ZERO);
        assert_eq!(Instant(5).since(Instant(9)), Nanos::ZERO);
    }

    #[test]
    fn prints_with_three_decimals() {
        assert_eq!((Instant::ZERO + Nanos::from_millis(12_340)).to_string(), "12.340s");
    }
}
