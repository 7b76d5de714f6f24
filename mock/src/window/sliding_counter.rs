//! The sliding counter: two windows of the clock, of which the former fades while the present one passes.
//!
//! ```text
//!  used = this window + the former × (1 − elapsed ÷ window)
//!
//!  former ┤▇▇▇▇▇▇▇▇│╲
//!         │▇▇▇▇▇▇▇▇│  ╲ counts less and less
//!         │▇▇▇▇▇▇▇▇│ ▂▂▂╲▂▂  what this one counts stays until it ends
//!         └────────┼────────┼──▶
//! ```
//!
//! What a gateway does that keeps two numbers per caller instead of a log (Kong's `sliding` window).
//! Evidence: Mistral's captured remainders fall by exactly what was used and come back in a straight line over
//! the next minute of the clock. Levels are counted in units × window, so that no step divides or rounds.

use crate::time::{Instant, Nanos};

/// A counter of this window of the clock and the former one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingCounter {
    limit: u64,
    window: Nanos,
    /// Counted in the present window.
    present: u64,
    /// Counted in the one before it.
    former: u64,
    /// Where the present window began.
    began: Instant,
    at: Instant,
}

impl SlidingCounter {
    /// An empty counter of `limit` units per `window`.
    ///
    /// # Panics
    /// Where the window is empty or longer than 36 years (2^60 ns).
    #[must_use]
    pub fn new(limit: u64, window: Nanos) -> Self {
        assert!(window > Nanos::ZERO && window.0 <= 1 << 60, "a window of {window}");
        Self { limit, window, present: 0, former: 0, began: Instant::ZERO, at: Instant::ZERO }
    }

    /// Begins a new window where `now` lies in one; the one that just ended becomes the former.
    pub fn roll(&mut self, now: Instant) {
        debug_assert!(now >= self.at, "time never runs back: {now} after {}", self.at);
        let passed = now.since(self.began).0 / self.window.0;
        if passed > 0 {
            self.former = if passed == 1 { self.present } else { 0 };
            self.present = 0;
            self.began = Instant(now.0 - now.0 % self.window.0);
        }
        self.at = self.at.max(now);
    }

    /// Units × window of so many whole units.
    fn whole(&self, units: u64) -> i128 {
        i128::from(units) * i128::from(self.window.0)
    }

    /// Units × window that are left; negative where a settlement overdrew it.
    fn left(&self) -> i128 {
        let to_come = self.window - self.at.since(self.began);
        let fading = i128::from(self.former) * i128::from(to_come.0);
        self.whole(self.limit) - self.whole(self.present) - fading
    }

    /// Whether there is room for `amount`.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.whole(amount) <= self.left()
    }

    /// Counts `amount` in the present window.
    pub fn charge(&mut self, amount: u64) {
        self.present = self.present.saturating_add(amount);
    }

    /// Counts `actual` in place of `reserved` in the window of the charge; changes nothing where that is neither
    /// of the two.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        let counted = if charged_at >= self.began {
            &mut self.present
        } else if charged_at + self.window >= self.began {
            &mut self.former
        } else {
            return;
        };
        *counted = counted.saturating_sub(reserved).saturating_add(actual);
    }

    /// What is left, in whole units cut off toward zero.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        let units = self.left() / i128::from(self.window.0);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    /// The limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.limit
    }

    /// When enough of the former window has faded, be it the one before this or this one in the next; `None` where
    /// `amount` is over the limit.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        let room = self.limit.checked_sub(amount)?;
        if self.admits(amount) {
            return Some(self.at);
        }
        Some(match room.checked_sub(self.present) {
            Some(room) => self.began + self.faded(self.former, room),
            None => self.began + self.window + self.faded(self.present, room),
        })
    }

    /// How long after its end what a window `counted` weighs no more than `room`: until
    /// `counted × (window − elapsed) ≤ room × window`.
    fn faded(&self, counted: u64, room: u64) -> Nanos {
        let kept = u128::from(room) * u128::from(self.window.0) / u128::from(counted.max(1));
        self.window.saturating_sub(Nanos(u64::try_from(kept).unwrap_or(u64::MAX)))
    }

    /// When what either window counted is forgotten; now where they counted nothing.
    #[must_use]
    pub fn full_at(&self) -> Option<Instant> {
        Some(match (self.present, self.former) {
            (0, 0) => self.at,
            (0, _) => self.began + self.window,
            _ => self.began + self.window + self.window,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mistral_showed_of_one_minute_in_the_next() {
        // 2,024 tokens in the minute from 14:34; what was left of them at so many seconds into the next one, as captured.
        let mut counter = SlidingCounter::new(100_000, Nanos::MINUTE);
        counter.charge(2024);
        for (tenths, captured) in [(112, 1647), (117, 1629), (131, 1583), (138, 1558), (146, 1530)] {
            counter.roll(Instant::ZERO + Nanos::MINUTE + Nanos::from_millis(tenths * 100));
            let used = 100_000 - counter.remaining();
            assert!((used - captured).abs() <= 2, "{used}, captured {captured}");
        }
    }

    #[test]
    fn a_full_minute_comes_back_in_a_straight_line_over_the_next() {
        let at = |seconds| Instant(Nanos::from_secs(seconds).0);
        let mut counter = SlidingCounter::new(60, Nanos::MINUTE);
        counter.roll(at(30));
        counter.charge(60);
        assert_eq!(
            [1, 30, 60].map(|amount| counter.earliest_admission(amount)),
            [Some(at(61)), Some(at(90)), Some(at(120))]
        );
        assert_eq!((counter.earliest_admission(61), counter.full_at()), (None, Some(at(120))));
        counter.roll(at(90));
        assert_eq!(counter.remaining(), 30);
    }

    #[test]
    fn a_settlement_finds_its_window_while_it_still_counts() {
        let mut counter = SlidingCounter::new(100, Nanos::MINUTE);
        counter.charge(40);
        counter.roll(Instant::ZERO + Nanos::MINUTE);
        counter.settle(Instant::ZERO, 40, 110);
        assert_eq!(counter.remaining(), -10);
        counter.roll(Instant::ZERO + Nanos::MINUTE * 2);
        counter.settle(Instant::ZERO, 110, 0);
        assert_eq!(counter.remaining(), 100);
    }
}
