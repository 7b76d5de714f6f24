//! The concurrency gate: counts what is in flight. Time alone frees nothing, so nobody can say when it
//! next says yes.

use super::usage_count::UsageCount;
use crate::time::Instant;

/// A counter of calls in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrencyLimit {
    count: UsageCount,
    at: Instant,
}

impl ConcurrencyLimit {
    /// A gate that lets `limit` through at once.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { count: UsageCount::of(limit), at: Instant::ZERO }
    }

    /// Only remembers the instant.
    pub fn roll(&mut self, now: Instant) {
        debug_assert!(now >= self.at, "time never runs back: {now} after {}", self.at);
        self.at = self.at.max(now);
    }

    /// Whether `amount` more may be in flight.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.count.admits(amount)
    }

    /// Lets `amount` through.
    pub fn charge(&mut self, amount: u64) {
        self.count.charge(amount);
    }

    /// Counts `actual` in place of `reserved`: nothing in place of one where a call has ended.
    pub fn settle(&mut self, _charged_at: Instant, reserved: u64, actual: u64) {
        self.count.settle(reserved, actual);
    }

    /// How many more may be in flight.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.count.remaining()
    }

    /// The limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.count.limit
    }

    /// Now, or nobody knows.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        self.admits(amount).then_some(self.at)
    }

    /// Now, or nobody knows.
    #[must_use]
    pub fn full_at(&self) -> Option<Instant> {
        (self.count.used == 0).then_some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_when_a_call_ends_and_not_before() {
        let mut gate = ConcurrencyLimit::new(1);
        gate.charge(1);
        gate.roll(Instant::ZERO + crate::time::Nanos::DAY);
        assert!(!gate.admits(1));
        assert_eq!((gate.earliest_admission(1), gate.full_at()), (None, None));
        gate.settle(Instant::ZERO, 1, 0);
        assert!(gate.admits(1) && !gate.admits(2));
    }
}
