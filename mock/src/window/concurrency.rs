//! The concurrency limit: counts calls in flight. It depends on completions and not on time, so the earliest admission
//! is unknown while it is full.

use super::usage_count::UsageCount;
use crate::time::Instant;

/// A counter of calls in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrencyLimit {
    count: UsageCount,
    now: Instant,
}

impl ConcurrencyLimit {
    /// Creates a counter that admits `limit` calls at once.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { count: UsageCount::new(limit), now: Instant::ZERO }
    }

    /// Advances to `now`; frees nothing.
    pub fn advance_to(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "invariant: time does not decrease: {now} after {}", self.now);
        self.now = self.now.max(now);
    }

    /// Returns `true` if `amount` more calls may be in flight.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.count.admits(amount)
    }

    /// Counts `amount` more calls, whether or not they fit.
    pub fn charge(&mut self, amount: u64) {
        self.count.charge(amount);
    }

    /// Replaces `reserved` by `actual`: one by zero when a call has ended.
    pub fn settle(&mut self, _charged_at: Instant, reserved: u64, actual: u64) {
        self.count.settle(reserved, actual);
    }

    /// Returns how many more calls may be in flight.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.count.remaining()
    }

    /// Returns the limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.count.limit
    }

    /// Returns now if `amount` fits; `None` (unknown) otherwise.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        self.admits(amount).then_some(self.now)
    }

    /// Returns now if no call is in flight; `None` (unknown) otherwise.
    #[must_use]
    pub fn earliest_unused(&self) -> Option<Instant> {
        (self.count.used == 0).then_some(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_has_room_again_only_when_a_call_ends() {
        let mut limit = ConcurrencyLimit::new(1);
        limit.charge(1);
        limit.advance_to(Instant::ZERO + crate::time::Nanos::DAY);
        assert!(!limit.admits(1));
        assert_eq!((limit.earliest_admission(1), limit.earliest_unused()), (None, None));
        limit.settle(Instant::ZERO, 1, 0);
        assert!(limit.admits(1) && !limit.admits(2));
    }
}
