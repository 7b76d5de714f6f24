//! The arithmetic of a [`super::Bucket`], in whole grains: in one machine word or in two.

use crate::time::{Instant, Nanos};

/// A whole number of grains.
pub(super) trait Credit: Copy + Ord {
    /// None.
    const NONE: Self;
    /// The most that is kept apart from more.
    const MOST: Self;
    /// What stands for everything above that.
    const MORE: Self;

    /// The largest count that may be multiplied by `grains`.
    fn largest(grains: u64) -> u64;
    /// `count` times `grains`, for a count up to the [`Credit::largest`].
    fn product(count: u64, grains: u64) -> Self;
    /// The sum; both are between minus and plus [`Credit::MORE`].
    fn plus(self, other: Self) -> Self;
    /// The difference; as above.
    fn minus(self, other: Self) -> Self;
    /// Whole units, cut off toward zero; beyond 64 bits, the last number that fits.
    fn units(self, unit: Unit) -> i64;
    /// For comparing only.
    fn float(self) -> f64;
    /// The same, in two words.
    fn wide(self) -> i128;
}

impl Credit for i64 {
    const NONE: Self = 0;
    const MOST: Self = 1 << 61;
    const MORE: Self = Self::MOST + 1;

    fn largest(grains: u64) -> u64 {
        (Self::MOST as u64).checked_div(grains).unwrap_or(u64::MAX)
    }

    #[inline]
    #[expect(clippy::cast_possible_wrap, reason = "nothing is above 2^61")]
    fn product(count: u64, grains: u64) -> Self {
        count.wrapping_mul(grains) as Self
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    #[expect(clippy::cast_possible_wrap, reason = "no more units than grains, and these are below 2^63")]
    fn units(self, unit: Unit) -> i64 {
        let units = unit.whole_in(self.unsigned_abs()) as Self;
        if self < 0 { -units } else { units }
    }

    #[expect(clippy::cast_precision_loss, reason = "what is compared need not be exact")]
    fn float(self) -> f64 {
        self as f64
    }

    fn wide(self) -> i128 {
        self.into()
    }
}

impl Credit for i128 {
    const NONE: Self = 0;
    const MOST: Self = 1 << 125;
    const MORE: Self = Self::MOST + 1;

    fn largest(grains: u64) -> u64 {
        let largest = Self::MOST.checked_div(grains.into());
        largest.and_then(|largest| u64::try_from(largest).ok()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::cast_possible_wrap, reason = "nothing is above 2^125")]
    fn product(count: u64, grains: u64) -> Self {
        u128::from(count).wrapping_mul(grains.into()) as Self
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn units(self, unit: Unit) -> i64 {
        let units = self / Self::from(unit.grains);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    #[expect(clippy::cast_precision_loss, reason = "what is compared need not be exact")]
    fn float(self) -> f64 {
        self as f64
    }

    fn wide(self) -> i128 {
        self
    }
}

/// What one unit is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unit {
    grains: u64,
    /// 2^64 over that, cut off: what is multiplied by instead of dividing, since every reply tells whole units.
    inverse: u64,
}

impl Unit {
    fn of(grains: u64) -> Self {
        // 2^64 − 1 over the grains is the same, but for a power of two: then it is one less, and so near as well.
        Self { grains, inverse: u64::MAX / grains }
    }

    /// How many whole units there are in so many grains, less than 2^63.
    fn whole_in(self, grains: u64) -> u64 {
        // The inverse is one too small at most, and what it is multiplied by less than 2^63, so the product falls
        // short of the true quotient by less than one half: its whole part by one at most.
        let units = ((u128::from(grains) * u128::from(self.inverse)) >> 64) as u64;
        units + u64::from(grains - units * self.grains >= self.grains)
    }
}

/// When a bucket will be full, in the grains that time earns: what is kept instead of its level, because it does
/// not change while time passes (virtual scheduling, ITU-T I.371, known as GCRA).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GcraState<W> {
    /// Credit earned per nanosecond.
    rate: u64,
    /// Until which instant of the run what is earned can be counted.
    until: u64,
    unit: Unit,
    /// How many units can be counted.
    most: u64,
    /// The most it holds.
    full: W,
    /// How many grains time must have earned since the run began for it to be full.
    due: W,
}

impl<W: Credit> GcraState<W> {
    /// A full one; `None` where it holds more than can be counted.
    pub(super) fn full(rate: u64, grains: u64, units: u64) -> Option<Self> {
        let (until, most) = (W::largest(rate), W::largest(grains));
        let full = if units > most { None } else { Some(W::product(units, grains)) };
        Some(Self { rate, until, unit: Unit::of(grains), most, full: full?, due: W::NONE })
    }

    /// What so many units are.
    #[inline]
    fn of(&self, units: u64) -> W {
        let grains = W::product(units, self.unit.grains);
        if units > self.most { W::MORE } else { grains }
    }

    /// What time has earned by `now`. Where that is beyond counting, nothing that can be counted is due any more.
    #[inline]
    fn earned(&self, now: Instant) -> W {
        let earned = W::product(now.0, self.rate);
        if now.0 > self.until { W::MORE } else { earned }
    }

    /// What is left; negative where it is overdrawn.
    #[inline]
    fn credit(&self, now: Instant) -> W {
        self.full.minus(self.due.minus(self.earned(now)).max(W::NONE))
    }

    /// Whether `amount` is left.
    pub(super) fn admits(&self, now: Instant, amount: u64) -> bool {
        self.credit(now) >= self.of(amount)
    }

    /// Whole units left, cut off toward zero.
    pub(super) fn units(&self, now: Instant) -> i64 {
        self.credit(now).units(self.unit)
    }

    /// The share of a full one that would be left after `amount`.
    pub(super) fn share_after(&self, now: Instant, amount: u64, share: f64) -> f64 {
        self.credit(now).minus(self.of(amount)).float() * share
    }

    /// The first instant from `now` on at which `amount` of what it holds is left; `None` where it never is.
    #[inline]
    pub(super) fn reaches(&self, now: Instant, amount: u64) -> Option<Instant> {
        let (wanted, credit) = (self.of(amount), self.credit(now));
        if credit >= wanted { Some(now) } else { self.earns(wanted.minus(credit), now) }
    }

    /// The instant by which `missing` will have been earned from `now` on; `None` where nothing ever is.
    #[cold]
    fn earns(&self, missing: W, now: Instant) -> Option<Instant> {
        let missing = missing.wide().unsigned_abs();
        let wait = if self.rate == 0 { None } else { Some(missing.div_ceil(u128::from(self.rate))) };
        wait.map(|wait| now + Nanos(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    /// Takes units; says whether the new level can be counted, and changes nothing where it can not.
    #[inline]
    pub(super) fn take(&mut self, now: Instant, units: u64) -> bool {
        let (earned, taken) = (self.earned(now), self.of(units));
        let due = self.due.max(earned).plus(taken);
        // What is beyond counting is more than the most, whatever it is added to.
        let counted = due <= W::MOST;
        if counted {
            self.due = due;
        }
        counted
    }

    /// Gives units back; what does not fit is lost.
    pub(super) fn give(&mut self, units: u64) {
        self.due = self.due.minus(self.of(units)).max(W::NONE);
    }
}

impl GcraState<i64> {
    /// The same, in two words.
    pub(super) fn wide(&self) -> GcraState<i128> {
        GcraState {
            rate: self.rate,
            until: i128::largest(self.rate),
            unit: self.unit,
            most: i128::largest(self.unit.grains),
            full: self.full.wide(),
            due: self.due.wide(),
        }
    }
}

impl GcraState<i128> {
    /// Takes units; where that is more than can be counted, as much as can is due.
    pub(super) fn take_any(&mut self, now: Instant, units: u64) {
        if !self.take(now, units) {
            self.due = i128::MOST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Law: multiplying by the inverse is dividing.
        #[test]
        fn whole_units_are_those_of_a_division(
            unit in prop_oneof![1..1_u64 << 60, 1_u64..100, (0_u32..60).prop_map(|power| 1 << power)],
            level in prop_oneof![0..1_u64 << 63, 0_u64..100],
            near in 0_u64..3,
        ) {
            let multiple = (level / unit * unit).saturating_sub(1) + near;
            for grains in [level, multiple.min((1 << 63) - 1)] {
                prop_assert_eq!(Unit::of(unit).whole_in(grains), grains / unit);
            }
        }
    }
}
