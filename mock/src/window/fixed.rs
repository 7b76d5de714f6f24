//! The fixed window: counts, and starts again from nothing at each boundary of the clock.
//!
//! Boundaries are multiples of the window since the run began. It admits up to twice its limit around a
//! boundary, which is why it is taught beside the other laws. Not what Groq does (groq.md §0.1).

use crate::time::{Instant, Nanos};

/// A counter that empties at each multiple of its window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    limit: u64,
    window: Nanos,
    used: u64,
    /// Where the present window began.
    began: Instant,
    at: Instant,
}

impl Fixed {
    /// An empty counter of `limit` units per `window`.
    ///
    /// # Panics
    /// Where the window is empty.
    #[must_use]
    pub fn new(limit: u64, window: Nanos) -> Self {
        assert!(window > Nanos::ZERO, "a window of no length");
        Self { limit, window, used: 0, began: Instant::ZERO, at: Instant::ZERO }
    }

    /// Begins a new window where `now` lies in one.
    pub fn roll(&mut self, now: Instant) {
        debug_assert!(now >= self.at, "time never runs back: {now} after {}", self.at);
        if now.since(self.began) >= self.window {
            self.began = Instant(now.0 - now.0 % self.window.0);
            self.used = 0;
        }
        self.at = self.at.max(now);
    }

    /// Whether the present window has room for `amount`.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.used.checked_add(amount).is_some_and(|used| used <= self.limit)
    }

    /// Counts `amount`.
    pub fn charge(&mut self, amount: u64) {
        self.used = self.used.saturating_add(amount);
    }

    /// Counts `actual` in place of `reserved`; changes nothing where the window of the charge is over.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        if charged_at >= self.began {
            self.used = self.used.saturating_sub(reserved).saturating_add(actual);
        }
    }

    /// What the present window has left; negative where a settlement overdrew it.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        0_i64.saturating_add_unsigned(self.limit).saturating_sub_unsigned(self.used)
    }

    /// The limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.limit
    }

    /// Now or the next boundary; `None` where `amount` is over the limit.
    #[must_use]
    pub fn next_yes(&self, amount: u64) -> Option<Instant> {
        (amount <= self.limit).then(|| if self.admits(amount) { self.at } else { self.began + self.window })
    }

    /// Now where nothing is used, otherwise the next boundary.
    #[must_use]
    pub fn full_at(&self) -> Option<Instant> {
        Some(if self.used == 0 { self.at } else { self.began + self.window })
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
        assert_eq!(fixed.next_yes(1), Some(Instant(Nanos::MINUTE.0)));
        fixed.roll(Instant(Nanos::MINUTE.0));
        assert!(fixed.admits(10) && !fixed.admits(11));
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
