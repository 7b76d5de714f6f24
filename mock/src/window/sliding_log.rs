//! The sliding log: counts what was admitted within the last window, each admission remembered by itself.
//!
//! ```text
//!  now − window < admitted at ≤ now      an admission is forgotten exactly one window after it
//! ```
//!
//! The strictest law of a given limit, and the folklore of «a rolling 60-second window», which Groq's
//! captures contradict. Its memory is one entry per instant of admission in the window.

use super::usage_count::UsageCount;
use crate::time::{Instant, Nanos};
use std::collections::VecDeque;

/// A log of what was admitted within the last window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingLog {
    window: Nanos,
    /// The sum of the entries.
    count: UsageCount,
    /// Oldest first, one per instant.
    entries: VecDeque<Entry>,
    at: Instant,
}

/// All that was charged at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: Instant,
    amount: u64,
}

impl SlidingLog {
    /// An empty log that admits `limit` units in any `window`.
    ///
    /// # Panics
    /// Where the window is empty.
    #[must_use]
    pub fn new(limit: u64, window: Nanos) -> Self {
        assert!(window > Nanos::ZERO, "a window of no length");
        Self { window, count: UsageCount::of(limit), entries: VecDeque::new(), at: Instant::ZERO }
    }

    /// Forgets what is one window old at `now`.
    pub fn roll(&mut self, now: Instant) {
        debug_assert!(now >= self.at, "time never runs back: {now} after {}", self.at);
        while let Some(oldest) = self.entries.front().filter(|oldest| oldest.at + self.window <= now) {
            self.count.settle(oldest.amount, 0);
            self.entries.pop_front();
        }
        self.at = self.at.max(now);
    }

    /// Whether the last window has room for `amount`.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.count.admits(amount)
    }

    /// Logs `amount`; an entry of nothing too, since a settlement may make it something.
    pub fn charge(&mut self, amount: u64) {
        self.count.charge(amount);
        match self.entries.back_mut() {
            Some(latest) if latest.at == self.at => latest.amount = latest.amount.saturating_add(amount),
            _ => self.entries.push_back(Entry { at: self.at, amount }),
        }
    }

    /// Makes the entry's `reserved` an `actual`; changes nothing where it has left the log.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        if let Ok(index) = self.entries.binary_search_by_key(&charged_at, |entry| entry.at) {
            let amount = &mut self.entries[index].amount;
            *amount = amount.saturating_sub(reserved).saturating_add(actual);
            self.count.settle(reserved, actual);
        }
    }

    /// What the last window has left; negative where a settlement overdrew it.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.count.remaining()
    }

    /// The limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.count.limit
    }

    /// The instant at which enough of the oldest entries are forgotten; `None` where `amount` is over the limit.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        if self.admits(amount) {
            return Some(self.at);
        }
        let mut count = self.count;
        self.entries.iter().find_map(|oldest| {
            count.settle(oldest.amount, 0);
            count.admits(amount).then(|| oldest.at + self.window)
        })
    }

    /// The instant at which the last entry is forgotten.
    #[must_use]
    pub fn full_at(&self) -> Option<Instant> {
        let latest = self.entries.iter().rfind(|entry| entry.amount > 0);
        Some(latest.map_or(self.at, |latest| latest.at + self.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_forgotten_exactly_one_window_after_it() {
        let mut log = SlidingLog::new(10, Nanos(100));
        log.charge(4);
        log.roll(Instant(30));
        log.charge(6);
        assert_eq!(log.earliest_admission(3), Some(Instant(100)));
        assert_eq!(log.earliest_admission(5), Some(Instant(130)));
        assert_eq!(log.earliest_admission(11), None);
        log.roll(Instant(99));
        assert_eq!(log.remaining(), 0);
        log.roll(Instant(100));
        assert_eq!(log.remaining(), 4);
    }

    #[test]
    fn a_settlement_finds_its_entry_among_those_of_one_instant() {
        let mut log = SlidingLog::new(10, Nanos(100));
        log.charge(4);
        log.charge(0);
        log.settle(Instant(0), 0, 9);
        assert_eq!(log.remaining(), -3);
        log.settle(Instant(0), 4, 1);
        assert_eq!((log.remaining(), log.entries.len()), (0, 1));
        log.roll(Instant(100));
        log.settle(Instant(0), 9, 0);
        assert_eq!(log.remaining(), 10);
    }
}
