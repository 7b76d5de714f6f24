//! The exact arithmetic of a [`super::Bucket`]: the generic cell rate algorithm on integer credits of 64 or 128 bits.

use crate::time::{Instant, Nanos};

/// A number of credits: the unit in which a bucket counts, chosen so that what refills in a nanosecond and what one unit of the
/// limit costs are both whole numbers of it.
pub(super) trait Credit: Copy + Ord {
    /// Zero credits.
    const ZERO: Self;
    /// The largest exact number.
    const MAX: Self;
    /// Represents every number above [`Credit::MAX`], which is not exact.
    const OVERFLOW: Self;

    /// Returns the largest factor whose product with `credits` is exact: at most [`Credit::MAX`].
    fn max_factor(credits: u64) -> u64;
    /// Returns `count × credits`; meaningless if `count` is above [`Credit::max_factor`].
    fn product(count: u64, credits: u64) -> Self;
    /// Adds numbers between −[`Credit::OVERFLOW`] and [`Credit::OVERFLOW`].
    fn plus(self, other: Self) -> Self;
    /// Subtracts numbers between −[`Credit::OVERFLOW`] and [`Credit::OVERFLOW`].
    fn minus(self, other: Self) -> Self;
    /// Returns whole units, truncated toward zero; saturates at 64 bits.
    fn whole_units(self, cost: UnitCost) -> i64;
    /// Converts with rounding, for comparisons only.
    fn to_f64(self) -> f64;
    /// Converts to 128 bits.
    fn widen(self) -> i128;
}

impl Credit for i64 {
    const ZERO: Self = 0;
    const MAX: Self = 1 << 61;
    const OVERFLOW: Self = <Self as Credit>::MAX + 1;

    fn max_factor(credits: u64) -> u64 {
        (<Self as Credit>::MAX as u64).checked_div(credits).unwrap_or(u64::MAX)
    }

    #[inline]
    #[expect(clippy::cast_possible_wrap, reason = "at most 2^61 if the count is in range, unused otherwise")]
    fn product(count: u64, credits: u64) -> Self {
        count.wrapping_mul(credits) as Self
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    #[expect(clippy::cast_possible_wrap, reason = "no more units than credits, which are below 2^63")]
    fn whole_units(self, cost: UnitCost) -> i64 {
        let units = cost.units_in(self.unsigned_abs()) as Self;
        if self < 0 { -units } else { units }
    }

    #[expect(clippy::cast_precision_loss, reason = "for comparisons only")]
    fn to_f64(self) -> f64 {
        self as f64
    }

    fn widen(self) -> i128 {
        self.into()
    }
}

impl Credit for i128 {
    const ZERO: Self = 0;
    const MAX: Self = 1 << 125;
    const OVERFLOW: Self = <Self as Credit>::MAX + 1;

    fn max_factor(credits: u64) -> u64 {
        let largest = <Self as Credit>::MAX.checked_div(credits.into());
        largest.and_then(|largest| u64::try_from(largest).ok()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::cast_possible_wrap, reason = "at most 2^125 if the count is in range, unused otherwise")]
    fn product(count: u64, credits: u64) -> Self {
        u128::from(count).wrapping_mul(credits.into()) as Self
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn whole_units(self, cost: UnitCost) -> i64 {
        let units = self / Self::from(cost.credits);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    #[expect(clippy::cast_precision_loss, reason = "for comparisons only")]
    fn to_f64(self) -> f64 {
        self as f64
    }

    fn widen(self) -> i128 {
        self
    }
}

/// The cost of one unit in credits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct UnitCost {
    credits: u64,
    /// (2^64 − 1) ÷ credits, truncated, so that [`UnitCost::units_in`] multiplies instead of dividing: every decision calls it.
    inverse: u64,
}

impl UnitCost {
    fn new(credits: u64) -> Self {
        debug_assert!(credits > 0, "invariant: a unit costs at least one credit");
        // (2^64 − 1) ÷ credits equals 2^64 ÷ credits, or is one less for powers of two, which `units_in` corrects.
        Self { credits, inverse: u64::MAX / credits }
    }

    /// Returns the number of whole units that `credits` cover; `credits` must be below 2^63.
    fn units_in(self, credits: u64) -> u64 {
        debug_assert!(credits < 1 << 63, "invariant: below 2^63, found {credits}");
        // The inverse is at most one too small and its factor below 2^63. So the product is less than one half below
        // the true quotient, and its whole part is at most one too small.
        let units = ((u128::from(credits) * u128::from(self.inverse)) >> 64) as u64;
        units + u64::from(credits - units * self.credits >= self.credits)
    }
}

/// The state of a bucket: its theoretical arrival time, which does not change while time passes (virtual scheduling
/// as in ITU-T I.371, the generic cell rate algorithm).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GcraState<C> {
    /// Credits earned per nanosecond.
    credits_per_nano: u64,
    /// The last instant, in nanoseconds, for which the earned credits are exact.
    max_nanos: u64,
    unit: UnitCost,
    /// The largest number of units whose cost is exact.
    max_units: u64,
    /// Credits in a full bucket.
    capacity: C,
    /// The theoretical arrival time, in credits instead of nanoseconds: the credits that must have been earned since the run
    /// began for the bucket to be full.
    theoretical_arrival: C,
    /// The most credits that were missing just after a charge; may exceed the capacity.
    most_missing: C,
}

impl<C: Credit> GcraState<C> {
    /// Creates the state of a full bucket that holds `units`; `None` if its capacity is not exact in this width.
    pub(super) fn new(credits_per_nano: u64, credits_per_unit: u64, units: u64) -> Option<Self> {
        let (max_nanos, max_units) = (C::max_factor(credits_per_nano), C::max_factor(credits_per_unit));
        let capacity = if units > max_units { None } else { Some(C::product(units, credits_per_unit)) };
        Some(Self {
            credits_per_nano,
            max_nanos,
            unit: UnitCost::new(credits_per_unit),
            max_units,
            capacity: capacity?,
            theoretical_arrival: C::ZERO,
            most_missing: C::ZERO,
        })
    }

    #[inline]
    fn cost_of(&self, units: u64) -> C {
        let credits = C::product(units, self.unit.credits);
        if units > self.max_units { C::OVERFLOW } else { credits }
    }

    /// Returns the credits earned since the run began. An overflow is above every exact arrival time: the bucket is full.
    #[inline]
    fn earned(&self, now: Instant) -> C {
        let earned = C::product(now.0, self.credits_per_nano);
        if now.0 > self.max_nanos { C::OVERFLOW } else { earned }
    }

    /// Returns the level: the credits that the bucket holds; negative if more was charged than it held.
    #[inline]
    fn level(&self, now: Instant) -> C {
        debug_assert!(
            self.theoretical_arrival >= C::ZERO && self.theoretical_arrival <= C::MAX,
            "invariant: an exact arrival time"
        );
        let level = self.capacity.minus(self.theoretical_arrival.minus(self.earned(now)).max(C::ZERO));
        debug_assert!(level <= self.capacity, "invariant: a bucket holds at most its capacity");
        level
    }

    /// Returns `true` if the level covers `units`.
    pub(super) fn admits(&self, now: Instant, units: u64) -> bool {
        self.level(now) >= self.cost_of(units)
    }

    /// Returns the level in whole units, truncated toward zero.
    pub(super) fn whole_units(&self, now: Instant) -> i64 {
        self.level(now).whole_units(self.unit)
    }

    /// Returns the least level so far in whole units, truncated toward zero: that just after some charge.
    pub(super) fn least_whole_units(&self) -> i64 {
        self.capacity.minus(self.most_missing).whole_units(self.unit)
    }

    /// Returns the level that a charge of `units` would leave, as a fraction of the capacity; negative if it does not cover them.
    /// `credit_fraction` is 1 ÷ the capacity in credits.
    pub(super) fn fraction_left_after(&self, now: Instant, units: u64, credit_fraction: f64) -> f64 {
        self.level(now).minus(self.cost_of(units)).to_f64() * credit_fraction
    }

    /// Returns the earliest instant from `now` on at which the level covers `units`, which are within the capacity;
    /// `None` if it never does.
    #[inline]
    pub(super) fn earliest_admission(&self, now: Instant, units: u64) -> Option<Instant> {
        let (cost, level) = (self.cost_of(units), self.level(now));
        if level >= cost { Some(now) } else { self.instant_of_earning(cost.minus(level), now) }
    }

    /// Returns when `missing` more credits than at `now` are earned; `None` if the bucket does not refill.
    #[cold]
    fn instant_of_earning(&self, missing: C, now: Instant) -> Option<Instant> {
        debug_assert!(missing > C::ZERO, "invariant: only a missing amount is waited for");
        let missing = missing.widen().unsigned_abs();
        let per_nano = u128::from(self.credits_per_nano);
        let wait = if per_nano == 0 { None } else { Some(missing.div_ceil(per_nano)) };
        wait.map(|wait| now + Nanos(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    /// Charges units, whether or not the level covers them. Returns `false` and changes nothing if the new level is not exact
    /// in this width.
    #[inline]
    pub(super) fn try_charge(&mut self, now: Instant, units: u64) -> bool {
        let earned = self.earned(now);
        let theoretical_arrival = self.theoretical_arrival.max(earned).plus(self.cost_of(units));
        // An overflow stays above the maximum: only zero or more is added to it.
        let exact = theoretical_arrival <= C::MAX;
        if exact {
            self.theoretical_arrival = theoretical_arrival;
            self.most_missing = self.most_missing.max(theoretical_arrival.minus(earned));
        }
        exact
    }

    /// Returns charged units to the bucket, which holds at most its capacity.
    pub(super) fn refund(&mut self, units: u64) {
        self.theoretical_arrival = self.theoretical_arrival.minus(self.cost_of(units)).max(C::ZERO);
    }
}

impl GcraState<i64> {
    /// Converts to 128 bits.
    pub(super) fn widen(&self) -> GcraState<i128> {
        GcraState {
            credits_per_nano: self.credits_per_nano,
            max_nanos: i128::max_factor(self.credits_per_nano),
            unit: self.unit,
            max_units: i128::max_factor(self.unit.credits),
            capacity: self.capacity.widen(),
            theoretical_arrival: self.theoretical_arrival.widen(),
            most_missing: self.most_missing.widen(),
        }
    }
}

impl GcraState<i128> {
    /// Charges units, whether or not the level covers them; saturates at the latest arrival time that is exact.
    pub(super) fn charge_saturating(&mut self, now: Instant, units: u64) {
        if !self.try_charge(now, units) {
            self.theoretical_arrival = <i128 as Credit>::MAX;
            self.most_missing = <i128 as Credit>::MAX;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: multiplying by the inverse equals dividing.
        #[test]
        fn whole_units_equal_the_quotient(
            cost in prop_oneof![1..1_u64 << 60, 1_u64..100, (0_u32..60).prop_map(|power| 1 << power)],
            level in prop_oneof![0..1_u64 << 63, 0_u64..100],
            near in 0_u64..3,
        ) {
            let multiple = (level / cost * cost).saturating_sub(1) + near;
            for credits in [level, multiple.min((1 << 63) - 1)] {
                prop_assert_eq!(UnitCost::new(cost).units_in(credits), credits / cost);
            }
        }
    }
}
