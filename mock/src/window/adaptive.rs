//! The adaptive limit: rises with usage and falls without it.
//!
//! ```text
//!  next limit = max(usage of this window × factor, limit of this window ÷ 2), clamped to [min_limit, max_limit]
//! ```
//!
//! Within a window it counts like a fixed window. Steady traffic raises its own limit, a sudden increase is refused at
//! first, and an idle period lowers the limit again. Evidence: Together and Fireworks document that traffic raises
//! their limits, that sudden increases are refused, and that there are bounds; windows, growth and halving are assumed.

use super::usage_count::UsageCount;
use crate::config::Growth;
use crate::time::{Instant, Nanos};

/// A counter per window, aligned to the start of the run, whose limit follows the usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adaptive {
    min_limit: u64,
    max_limit: u64,
    growth: Growth,
    window: Nanos,
    /// Usage and limit of the current window.
    count: UsageCount,
    /// Start of the current window.
    started_at: Instant,
    now: Instant,
}

impl Adaptive {
    /// Creates an unused counter that begins with `min_limit` units per `window`.
    ///
    /// # Panics
    /// If the window is empty.
    #[must_use]
    pub fn new(min_limit: u64, growth: Growth, window: Nanos) -> Self {
        assert!(window > Nanos::ZERO, "invariant: a window is not empty");
        Self {
            min_limit,
            max_limit: growth.max_limit(min_limit),
            growth,
            window,
            count: UsageCount::new(min_limit),
            started_at: Instant::ZERO,
            now: Instant::ZERO,
        }
    }

    /// Advances to `now`, through every window in between.
    pub fn advance_to(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "invariant: time does not decrease: {now} after {}", self.now);
        let mut windows = now.since(self.started_at).0 / self.window.0;
        if windows > 0 {
            self.started_at = Instant(now.0 - now.0 % self.window.0);
        }
        // Without usage the limit reaches its minimum within 65 windows and stays there.
        while windows > 0 && self.count != UsageCount::new(self.min_limit) {
            self.count = UsageCount::new(self.next_limit());
            windows -= 1;
        }
        self.now = self.now.max(now);
    }

    /// Returns the next window's limit if nothing more is used in this one.
    fn next_limit(&self) -> u64 {
        debug_assert!(
            self.min_limit <= self.max_limit,
            "invariant: {} <= {}",
            self.min_limit,
            self.max_limit
        );
        let grown = self.growth.scaled_usage(self.count.used);
        grown.max(self.count.limit / 2).clamp(self.min_limit, self.max_limit)
    }

    /// Returns the limit of the current window.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.count.limit
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
        if charged_at >= self.started_at {
            self.count.settle(reserved, actual);
        }
    }

    /// Returns the remaining units of the current window; negative if more than the limit is charged.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.count.remaining()
    }

    /// Returns the largest limit that can be reached.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.max_limit
    }

    /// Returns now if `amount` fits, otherwise the start of the next window; `None` if it fits into neither, since without
    /// usage the limit only falls.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        if self.admits(amount) {
            return Some(self.now);
        }
        (amount <= self.next_limit()).then(|| self.started_at + self.window)
    }

    /// Returns now if nothing is used, otherwise the start of the next window.
    #[must_use]
    pub fn earliest_unused(&self) -> Option<Instant> {
        Some(if self.count.used == 0 { self.now } else { self.started_at + self.window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter() -> Adaptive {
        Adaptive::new(60, Growth { factor_permille: 2_000, max_permille: 6_667 }, Nanos::MINUTE)
    }

    fn minute(minutes: u64) -> Instant {
        Instant::ZERO + Nanos::MINUTE * minutes
    }

    #[test]
    fn the_limit_doubles_under_full_use_up_to_its_maximum_and_halves_when_idle_down_to_its_minimum() {
        let mut counter = counter();
        let mut limits = vec![];
        for number in 1..=4 {
            counter.charge(counter.limit());
            counter.advance_to(minute(number));
            limits.push(counter.limit());
        }
        for number in 5..=8 {
            counter.advance_to(minute(number));
            limits.push(counter.limit());
        }
        assert_eq!(limits, [120, 240, 400, 400, 200, 100, 60, 60]);
    }

    #[test]
    fn advancing_over_several_windows_at_once_equals_advancing_one_by_one() {
        let (mut at_once, mut one_by_one) = (counter(), counter());
        for counter in [&mut at_once, &mut one_by_one] {
            counter.charge(50);
            counter.advance_to(minute(1));
            counter.charge(100);
        }
        (2..=3).for_each(|number| one_by_one.advance_to(minute(number)));
        at_once.advance_to(minute(3));
        assert_eq!((&at_once, at_once.limit()), (&one_by_one, 100));
        at_once.advance_to(Instant::MAX);
        assert_eq!(at_once.limit(), 60);
    }

    #[test]
    fn an_amount_that_only_further_growth_would_admit_has_no_earliest_admission() {
        let mut counter = counter();
        assert_eq!((counter.earliest_admission(61), counter.capacity()), (None, 400));
        counter.charge(40);
        assert_eq!(
            [20, 60, 80, 81].map(|amount| counter.earliest_admission(amount)),
            [Some(minute(0)), Some(minute(1)), Some(minute(1)), None]
        );
        counter.settle(minute(0), 40, 20);
        assert_eq!(counter.earliest_admission(80), None);
    }
}
