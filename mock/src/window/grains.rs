//! The arithmetic of a [`super::Bucket`], in whole grains: in one machine word or in two.

use crate::time::{Instant, Nanos};

/// A whole number of grains.
pub(super) trait Grains: Copy + Ord {
    /// None.
    const NONE: Self;
    /// The most that is kept apart from more.
    const MOST: Self;

    /// `count` times `grains`; `None` beyond [`Grains::MOST`].
    fn product(count: u64, grains: u64) -> Option<Self>;
    /// The sum; both are between minus and plus [`Grains::MOST`].
    fn plus(self, other: Self) -> Self;
    /// The difference; as above.
    fn minus(self, other: Self) -> Self;
    /// Whole units, cut off toward zero; beyond 64 bits, the last number that fits.
    fn units(self, grains: u64) -> i64;
    /// For comparing only.
    fn float(self) -> f64;
    /// The same, in two words.
    fn wide(self) -> i128;
}

impl Grains for i64 {
    const NONE: Self = 0;
    const MOST: Self = 1 << 61;

    #[expect(clippy::cast_possible_wrap, reason = "nothing is above 2^61")]
    fn product(count: u64, grains: u64) -> Option<Self> {
        let product = count.checked_mul(grains)?;
        if product > Self::MOST as u64 { None } else { Some(product as Self) }
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn units(self, grains: u64) -> i64 {
        // More grains in a unit than a word holds are more than the level.
        Self::try_from(grains).map_or(0, |grains| self / grains)
    }

    #[expect(clippy::cast_precision_loss, reason = "what is compared need not be exact")]
    fn float(self) -> f64 {
        self as f64
    }

    fn wide(self) -> i128 {
        self.into()
    }
}

impl Grains for i128 {
    const NONE: Self = 0;
    const MOST: Self = 1 << 125;

    fn product(count: u64, grains: u64) -> Option<Self> {
        let product = u128::from(count) * u128::from(grains);
        Self::try_from(product).ok().filter(|product| *product <= Self::MOST)
    }

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn minus(self, other: Self) -> Self {
        self - other
    }

    fn units(self, grains: u64) -> i64 {
        let units = self / Self::from(grains);
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

/// When a bucket will be full, in the grains that time earns: what is kept instead of its level, because it does
/// not change while time passes (virtual scheduling, ITU-T I.371, known as GCRA).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tank<W> {
    /// Grains earned per nanosecond.
    rate: u64,
    /// Grains in one unit.
    grains: u64,
    /// The most it holds.
    full: W,
    /// How many grains time must have earned since the run began for it to be full.
    due: W,
}

impl<W: Grains> Tank<W> {
    /// A full one; `None` where it holds more than can be counted.
    pub(super) fn full(rate: u64, grains: u64, units: u64) -> Option<Self> {
        Some(Self { rate, grains, full: W::product(units, grains)?, due: W::NONE })
    }

    /// What so many units are; as much as can be counted, where that is less.
    fn of(&self, units: u64) -> W {
        W::product(units, self.grains).unwrap_or(W::MOST)
    }

    /// What time has earned by `now`. Where that is beyond counting, so is what could be due.
    fn earned(&self, now: Instant) -> W {
        W::product(now.0, self.rate).unwrap_or(W::MOST)
    }

    /// What is left; negative where it is overdrawn.
    fn credit(&self, now: Instant) -> W {
        self.full.minus(self.due.minus(self.earned(now)).max(W::NONE))
    }

    /// Whether `amount` is left.
    pub(super) fn admits(&self, now: Instant, amount: u64) -> bool {
        self.credit(now) >= self.of(amount)
    }

    /// Whole units left, cut off toward zero.
    pub(super) fn units(&self, now: Instant) -> i64 {
        self.credit(now).units(self.grains)
    }

    /// The share of a full one that would be left after `amount`.
    pub(super) fn share_after(&self, now: Instant, amount: u64, share: f64) -> f64 {
        self.credit(now).minus(self.of(amount)).float() * share
    }

    /// The first instant from `now` on at which `amount` of what it holds is left; `None` where it never is.
    pub(super) fn reaches(&self, now: Instant, amount: u64) -> Option<Instant> {
        let (wanted, credit) = (self.of(amount), self.credit(now));
        if credit >= wanted {
            return Some(now);
        }
        let missing = wanted.minus(credit).wide().unsigned_abs();
        let wait = if self.rate == 0 { None } else { Some(missing.div_ceil(u128::from(self.rate))) };
        wait.map(|wait| now + Nanos(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    /// Takes units; says whether the new level can be counted, and changes nothing where it can not.
    pub(super) fn take(&mut self, now: Instant, units: u64) -> bool {
        let level = W::product(now.0, self.rate).zip(W::product(units, self.grains));
        let due = level.map(|(earned, taken)| self.due.max(earned).plus(taken)).filter(|due| *due <= W::MOST);
        if let Some(due) = due {
            self.due = due;
        }
        due.is_some()
    }

    /// Gives units back; what does not fit is lost.
    pub(super) fn give(&mut self, units: u64) {
        self.due = self.due.minus(self.of(units)).max(W::NONE);
    }
}

impl Tank<i64> {
    /// The same, in two words.
    pub(super) fn wide(&self) -> Tank<i128> {
        Tank { rate: self.rate, grains: self.grains, full: self.full.wide(), due: self.due.wide() }
    }
}

impl Tank<i128> {
    /// Takes units; where that is more than can be counted, as much as can is due.
    pub(super) fn take_any(&mut self, now: Instant, units: u64) {
        if !self.take(now, units) {
            self.due = i128::MOST;
        }
    }
}
