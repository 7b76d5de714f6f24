//! Time as an argument: an instant counts nanoseconds since the run began, so that a virtual day and
//! a real minute are the same kind of number.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Sub};

/// A length of time in nanoseconds; covers 584 years, saturates instead of wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

/// A moment, in nanoseconds since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Nanos {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest length there is; stands for "never ends".
    pub const MAX: Self = Self(u64::MAX);
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);
    /// One minute.
    pub const MINUTE: Self = Self(60 * Self::SECOND.0);
    /// One hour.
    pub const HOUR: Self = Self(60 * Self::MINUTE.0);
    /// One day of 24 hours.
    pub const DAY: Self = Self(24 * Self::HOUR.0);

    /// Whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(Self::SECOND.0))
    }

    /// How many whole seconds it takes to cover this length.
    #[must_use]
    pub const fn secs_up(self) -> u64 {
        self.0.div_ceil(Self::SECOND.0)
    }

    /// Whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The nearest length to `seconds`; negative and not-a-number become zero, too long becomes [`Nanos::MAX`].
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float-to-int cast saturates and sends not-a-number to zero, which is what is promised"
    )]
    pub fn from_secs_f64(seconds: f64) -> Self {
        let nanos = seconds * 1e9;
        let whole = nanos as u64;
        // Without `round`, which has no instruction of its own on every machine.
        Self(whole.saturating_add(u64::from(nanos - whole as f64 >= 0.5)))
    }

    /// Seconds as a float, for reports and samplers only.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "reports read seconds; 2^53 ns is 104 days")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// This length less `other`, or zero where `other` is longer.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Instant {
    /// The moment the run began.
    pub const ZERO: Self = Self(0);
    /// A moment that never comes.
    pub const MAX: Self = Self(u64::MAX);

    /// The time from `earlier` to this moment, or zero where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    /// Seconds since the run began, for reports only.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        Nanos(self.0).as_secs_f64()
    }
}

impl Add<Nanos> for Instant {
    type Output = Self;
    fn add(self, length: Nanos) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl AddAssign<Nanos> for Instant {
    fn add_assign(&mut self, length: Nanos) {
        *self = *self + length;
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
        debug_assert!(self >= other, "a length of time is never negative");
        self.saturating_sub(other)
    }
}

impl Mul<u64> for Nanos {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl fmt::Display for Nanos {
    /// Seconds to the millisecond: `12.340s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / Self::SECOND.0, self.0 % Self::SECOND.0 / 1_000_000)
    }
}

impl fmt::Display for Instant {
    /// Seconds since the run began, to the millisecond: `12.340s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Nanos(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_saturate_instead_of_wrapping() {
        assert_eq!(Instant::MAX + Nanos::DAY, Instant::MAX);
        assert_eq!(Nanos::from_secs_f64(f64::INFINITY), Nanos::MAX);
        assert_eq!(Nanos::from_secs_f64(-1.0), Nanos::ZERO);
        assert_eq!(Nanos::from_secs_f64(f64::NAN), Nanos::ZERO);
        assert_eq!(Instant(5).since(Instant(9)), Nanos::ZERO);
    }

    #[test]
    fn prints_to_the_millisecond() {
        assert_eq!((Instant::ZERO + Nanos::from_millis(12_340)).to_string(), "12.340s");
    }
}
