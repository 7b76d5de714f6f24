//! The window that begins with the first request: a count that restarts with the first call after the window's end.
//!
//! ```text
//!  call ├──── window ────┤  idle   call ├──── window ────┤
//! ```
//!
//! Boundaries depend on the traffic: a call that comes while no window is open opens one. Evidence: users of coding plans report
//! windows of five hours that begin with the first request (`Claude-Code-Usage-Monitor#37`), and a day that counts from first
//! use (`gemini-cli#14750`). One report has windows that end on the full hour; that is not modelled.

use super::usage_count::UsageCount;
use crate::time::{Instant, Nanos};

/// A counter per window that a call opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstRequest {
    count: UsageCount,
    window: Nanos,
    /// The start of the open window; `None` while none is open, when nothing is used.
    opened_at: Option<Instant>,
    now: Instant,
}

impl FirstRequest {
    /// Creates a counter of `limit` units per `window`, of which none is open.
    ///
    /// # Panics
    /// If the window is empty.
    #[must_use]
    pub fn new(limit: u64, window: Nanos) -> Self {
        assert!(window > Nanos::ZERO, "invariant: a window is not empty");
        Self { count: UsageCount::new(limit), window, opened_at: None, now: Instant::ZERO }
    }

    /// Advances to `now`; closes the window if it is over.
    pub fn advance_to(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "invariant: time does not decrease: {now} after {}", self.now);
        if self.end().is_some_and(|end| now >= end) {
            self.opened_at = None;
            self.count.used = 0;
        }
        self.now = self.now.max(now);
    }

    /// Returns the end of the open window.
    fn end(&self) -> Option<Instant> {
        self.opened_at.map(|opened_at| opened_at + self.window)
    }

    /// Sets what is used now: opens a window if none is open and `used` is not zero.
    pub(super) fn set_used(&mut self, used: u64) {
        self.count.used = used;
        if used > 0 {
            self.opened_at.get_or_insert(self.now);
        }
    }

    /// Returns `true` if `amount` fits into the open window, or into a new one if none is open.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.count.admits(amount)
    }

    /// Counts `amount`, whether or not it fits. Opens a window if none is open, even for an amount of zero: the call's usage
    /// may be charged at its end.
    pub fn charge(&mut self, amount: u64) {
        self.opened_at.get_or_insert(self.now);
        self.count.charge(amount);
    }

    /// Replaces `reserved` by `actual`; does nothing if the window of the charge is over.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        if self.opened_at.is_some_and(|opened_at| charged_at >= opened_at) {
            self.count.settle(reserved, actual);
        }
    }

    /// Returns the remaining units of the open window, or the limit; negative if more than the limit is used.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.count.remaining()
    }

    /// Returns the limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.count.limit
    }

    /// Returns now if `amount` fits, otherwise the end of the open window; `None` if it exceeds the limit.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        let is_possible = amount <= self.count.limit;
        is_possible.then(|| self.end().filter(|_| !self.admits(amount)).unwrap_or(self.now))
    }

    /// Returns now if nothing is used, otherwise the end of the open window.
    #[must_use]
    pub fn earliest_unused(&self) -> Option<Instant> {
        Some(self.end().filter(|_| self.count.used > 0).unwrap_or(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_HOURS: Nanos = Nanos(5 * Nanos::HOUR.0);

    fn minutes(minutes: u64) -> Instant {
        Instant::ZERO + Nanos::MINUTE * minutes
    }

    /// 100 requests in 5 hours: first use at 09:40, full at 11:00, back at 14:40.
    #[test]
    fn a_window_begins_with_the_first_call_and_the_next_one_with_the_first_call_after_its_end() {
        let mut window = FirstRequest::new(100, FIVE_HOURS);
        let at = |hour: u64, minute: u64| minutes(hour * 60 + minute);
        window.advance_to(at(9, 40));
        assert_eq!(window.earliest_unused(), Some(at(9, 40)), "idle, nothing is open");
        window.charge(1);
        window.advance_to(at(11, 0));
        window.charge(99);
        assert_eq!(window.earliest_admission(1), Some(at(14, 40)));
        assert_eq!((window.earliest_admission(101), window.earliest_unused()), (None, Some(at(14, 40))));
        window.advance_to(Instant(at(14, 40).0 - 1));
        assert!(!window.admits(1));
        window.advance_to(at(16, 0));
        assert!(window.admits(100));
        window.charge(100);
        assert_eq!(window.earliest_admission(1), Some(at(21, 0)), "the next window began at 16:00");
    }

    #[test]
    fn a_settlement_counts_only_in_the_window_of_its_charge() {
        let mut window = FirstRequest::new(100, FIVE_HOURS);
        window.charge(0);
        window.settle(Instant::ZERO, 0, 130);
        assert_eq!((window.remaining(), window.earliest_admission(0)), (-30, Some(minutes(300))));
        window.advance_to(minutes(300));
        window.settle(Instant::ZERO, 130, 0);
        assert_eq!(window.remaining(), 100);
        window.charge(40);
        window.settle(Instant::ZERO, 130, 0);
        assert_eq!(window.remaining(), 60);
    }
}
