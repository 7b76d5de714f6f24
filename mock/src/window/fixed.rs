//! The fixed window: a count that restarts at each boundary.
//!
//! Boundaries are multiples of the window since the run began, or the midnights that end a day, a week or a
//! month of a time zone (the day of Gemini: Pacific time).
//! It admits up to twice its limit around a boundary. Not used by Groq: its captured waits follow continuous refill.

use super::usage_count::UsageCount;
use crate::axis::Period;
use crate::calendar::{Epoch, Zone};
use crate::time::{Instant, Nanos};
use std::ops::Range;

/// A counter that restarts at each boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    count: UsageCount,
    boundaries: Boundaries,
    /// The current window.
    current: Range<Instant>,
    now: Instant,
}

/// The boundaries between windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boundaries {
    /// At each multiple of a duration, which is not zero.
    Every(Nanos),
    /// At each midnight that ends a period of the calendar of a time zone, in a run that begins at this time.
    Calendar(Period, Zone, Epoch),
}

impl Boundaries {
    /// Returns the window that contains `at`.
    fn window_at(self, at: Instant) -> Range<Instant> {
        match self {
            Self::Every(window) => {
                let start = Instant(at.0 - at.0 % window.0);
                start..start + window
            }
            Self::Calendar(period, zone, epoch) => zone.period_containing(period, epoch, at),
        }
    }
}

impl Fixed {
    /// Creates an unused counter of `limit` units per `window`.
    ///
    /// # Panics
    /// If the window is empty.
    #[must_use]
    pub fn new(limit: u64, window: Nanos) -> Self {
        assert!(window > Nanos::ZERO, "invariant: a window is not empty");
        Self::with_boundaries(limit, Boundaries::Every(window))
    }

    /// Creates an unused counter of `limit` units per period of the calendar of a time zone, in a run that begins at `epoch`.
    #[must_use]
    pub fn calendar(limit: u64, period: Period, zone: Zone, epoch: Epoch) -> Self {
        Self::with_boundaries(limit, Boundaries::Calendar(period, zone, epoch))
    }

    fn with_boundaries(limit: u64, boundaries: Boundaries) -> Self {
        Self {
            count: UsageCount::new(limit),
            boundaries,
            current: boundaries.window_at(Instant::ZERO),
            now: Instant::ZERO,
        }
    }

    /// Advances to `now`; starts a new window if the current one is over.
    pub fn advance_to(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "invariant: time does not decrease: {now} after {}", self.now);
        if now >= self.current.end {
            self.current = self.boundaries.window_at(now);
            debug_assert!(self.current.start <= now, "invariant: {now} is in {:?}", self.current);
            self.count.used = 0;
        }
        self.now = self.now.max(now);
    }

    /// Sets what is used in the current window.
    pub(super) fn set_used(&mut self, used: u64) {
        self.count.used = used;
    }

    /// Returns `true` if `amount` fits into the current window.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.count.admits(amount)
    }

    /// Counts `amount`, whether or not it fits.
    pub fn charge(&mut self, amount: u64) {
        self.count.charge(amount);
    }

    /// Replaces `reserved` by `actual`; does nothing if the window of the charge is over.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        if charged_at >= self.current.start {
            self.count.settle(reserved, actual);
        }
    }

    /// Returns the remaining units of the current window; negative if more than the limit is used.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.count.remaining()
    }

    /// Returns the limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.count.limit
    }

    /// Returns now if `amount` fits, otherwise the next boundary; `None` if it exceeds the limit.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        (amount <= self.count.limit).then(|| if self.admits(amount) { self.now } else { self.current.end })
    }

    /// Returns now if nothing is used, otherwise the next boundary.
    #[must_use]
    pub fn earliest_unused(&self) -> Option<Instant> {
        Some(if self.count.used == 0 { self.now } else { self.current.end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_limit_fits_around_a_boundary() {
        let mut fixed = Fixed::new(10, Nanos::MINUTE);
        fixed.advance_to(Instant(Nanos::MINUTE.0 - 1));
        fixed.charge(10);
        assert_eq!(fixed.earliest_admission(1), Some(Instant(Nanos::MINUTE.0)));
        fixed.advance_to(Instant(Nanos::MINUTE.0));
        assert!(fixed.admits(10) && !fixed.admits(11));
    }

    #[test]
    fn a_daily_window_ends_at_midnight_of_its_zone() {
        let hour = |hours: u64| Instant(Nanos::HOUR.0 * hours);
        let mut daily = Fixed::calendar(20, Period::Day, Zone::Pacific, Epoch::RUN);
        daily.charge(20);
        // Midnight is 7:00 UTC. The clocks go back two hours later, so the next midnight is 25 hours away.
        assert_eq!(daily.earliest_admission(1), Some(hour(7)));
        daily.advance_to(hour(7));
        daily.charge(20);
        assert_eq!((daily.earliest_admission(1), daily.earliest_admission(21)), (Some(hour(32)), None));
        daily.advance_to(Instant(hour(32).0 - 1));
        assert!(!daily.admits(1));
        daily.settle(hour(7), 20, 19);
        assert!(daily.admits(1) && daily.earliest_unused() == Some(hour(32)));
    }

    #[test]
    fn a_settlement_after_the_boundary_has_no_effect() {
        let mut fixed = Fixed::new(100, Nanos::MINUTE);
        fixed.charge(40);
        fixed.settle(Instant::ZERO, 40, 110);
        assert_eq!(fixed.remaining(), -10);
        let charged_at = Instant::ZERO;
        fixed.advance_to(Instant::ZERO + Nanos::MINUTE);
        fixed.settle(charged_at, 110, 0);
        assert_eq!(fixed.remaining(), 100);
    }
}
