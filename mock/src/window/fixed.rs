//! The fixed window: counts, and starts again from nothing at each boundary of the clock.
//!
//! Boundaries are multiples of the window since the run began, or the midnights of a zone (Gemini: those of the
//! Pacific one). It admits up to twice its limit around a boundary, which is why it is taught beside the other
//! laws. Not what Groq does: its captured waits follow continuous refill.

use super::usage_count::UsageCount;
use crate::calendar::Zone;
use crate::time::{Instant, Nanos};
use std::ops::Range;

/// A counter that empties at each boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    count: UsageCount,
    boundaries: Boundaries,
    /// The window that lasts at present.
    present: Range<Instant>,
    at: Instant,
}

/// Where windows begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boundaries {
    /// At each multiple of a length, which is not nothing.
    Every(Nanos),
    /// At each midnight of a zone.
    Midnights(Zone),
}

impl Boundaries {
    /// The window that `at` lies in.
    fn around(self, at: Instant) -> Range<Instant> {
        match self {
            Self::Every(window) => {
                let began = Instant(at.0 - at.0 % window.0);
                began..began + window
            }
            Self::Midnights(zone) => zone.day(at),
        }
    }
}

impl Fixed {
    /// An empty counter of `limit` units per `window`.
    ///
    /// # Panics
    /// Where the window is empty.
    #[must_use]
    pub fn new(limit: u64, window: Nanos) -> Self {
        assert!(window > Nanos::ZERO, "a window of no length");
        Self::between(limit, Boundaries::Every(window))
    }

    /// An empty counter of `limit` units per day of a zone.
    #[must_use]
    pub fn daily(limit: u64, zone: Zone) -> Self {
        Self::between(limit, Boundaries::Midnights(zone))
    }

    fn between(limit: u64, boundaries: Boundaries) -> Self {
        Self {
            count: UsageCount::of(limit),
            boundaries,
            present: boundaries.around(Instant::ZERO),
            at: Instant::ZERO,
        }
    }

    /// Begins a new window where `now` lies in one.
    pub fn roll(&mut self, now: Instant) {
        debug_assert!(now >= self.at, "time never runs back: {now} after {}", self.at);
        if now >= self.present.end {
            self.present = self.boundaries.around(now);
            self.count.used = 0;
        }
        self.at = self.at.max(now);
    }

    /// Whether the present window has room for `amount`.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.count.admits(amount)
    }

    /// Counts `amount`.
    pub fn charge(&mut self, amount: u64) {
        self.count.charge(amount);
    }

    /// Counts `actual` in place of `reserved`; changes nothing where the window of the charge is over.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        if charged_at >= self.present.start {
            self.count.settle(reserved, actual);
        }
    }

    /// What the present window has left; negative where a settlement overdrew it.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.count.remaining()
    }

    /// The limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.count.limit
    }

    /// Now or the next boundary; `None` where `amount` is over the limit.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        (amount <= self.count.limit).then(|| if self.admits(amount) { self.at } else { self.present.end })
    }

    /// Now where nothing is used, otherwise the next boundary.
    #[must_use]
    pub fn full_at(&self) -> Option<Instant> {
        Some(if self.count.used == 0 { self.at } else { self.present.end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_limit_fits_around_a_boundary() {
        let mut fixed = Fixed::new(10, Nanos::MINUTE);
        fixed.roll(Instant(Nanos::MINUTE.0 - 1));
        fixed.charge(10);
        assert_eq!(fixed.earliest_admission(1), Some(Instant(Nanos::MINUTE.0)));
        fixed.roll(Instant(Nanos::MINUTE.0));
        assert!(fixed.admits(10) && !fixed.admits(11));
    }

    #[test]
    fn a_day_of_the_pacific_zone_ends_with_its_own_midnight() {
        let hour = |hours: u64| Instant(Nanos::HOUR.0 * hours);
        let mut daily = Fixed::daily(20, Zone::Pacific);
        daily.charge(20);
        // 7:00 UTC is midnight until the clocks go back two hours later, and the next midnight is 25 hours away.
        assert_eq!(daily.earliest_admission(1), Some(hour(7)));
        daily.roll(hour(7));
        daily.charge(20);
        assert_eq!((daily.earliest_admission(1), daily.earliest_admission(21)), (Some(hour(32)), None));
        daily.roll(Instant(hour(32).0 - 1));
        assert!(!daily.admits(1));
        daily.settle(hour(7), 20, 19);
        assert!(daily.admits(1) && daily.full_at() == Some(hour(32)));
    }

    #[test]
    fn a_settlement_after_the_boundary_changes_nothing() {
        let mut fixed = Fixed::new(100, Nanos::MINUTE);
        fixed.charge(40);
        fixed.settle(Instant::ZERO, 40, 110);
        assert_eq!(fixed.remaining(), -10);
        let charged_at = Instant::ZERO;
        fixed.roll(Instant::ZERO + Nanos::MINUTE);
        fixed.settle(charged_at, 110, 0);
        assert_eq!(fixed.remaining(), 100);
    }
}
