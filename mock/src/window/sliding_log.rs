//! The sliding log: counts what was admitted within the last window, with one entry per instant of admission.
//!
//! ```text
//!  counted: now − window < admitted at ≤ now      an entry expires exactly one window after its admission
//! ```
//!
//! It admits at most the limit within any interval of one window, wherever the interval begins; a fixed window or a bucket may
//! admit twice as much. Providers' documents often describe it as "a rolling 60-second window"; Groq's captures contradict
//! that. Memory grows with the number of distinct admission instants in a window.

use super::usage_count::UsageCount;
use crate::time::{Instant, Nanos};
use std::collections::VecDeque;

/// The number of entries for the units that were used before the run, whatever the window: one per five minutes of a day.
const START_ENTRIES: u64 = 288;

/// A log of what was admitted within the last window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingLog {
    window: Nanos,
    /// The sum over all entries.
    count: UsageCount,
    /// One per instant, oldest first.
    entries: VecDeque<Entry>,
    now: Instant,
}

/// The units charged at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// One window after the charge.
    expires_at: Instant,
    amount: u64,
}

impl SlidingLog {
    /// Creates an empty log that admits `limit` units within any `window`.
    ///
    /// # Panics
    /// If the window is empty.
    #[must_use]
    pub fn new(limit: u64, window: Nanos) -> Self {
        assert!(window > Nanos::ZERO, "invariant: a window is not empty");
        Self { window, count: UsageCount::new(limit), entries: VecDeque::new(), now: Instant::ZERO }
    }

    /// Logs `used` as if it had been charged evenly over the window before the run.
    pub(super) fn set_start_level(&mut self, used: u64) {
        let entries = START_ENTRIES.min(self.window.0);
        let amount_of_first = |number: u64| {
            let amount = u128::from(used) * u128::from(number) / u128::from(entries);
            u64::try_from(amount).unwrap_or(u64::MAX)
        };
        self.count.charge(used);
        self.entries.extend((1..=entries).map(|number| Entry {
            expires_at: Instant(self.window.0 / entries * number),
            amount: amount_of_first(number) - amount_of_first(number - 1),
        }));
    }

    /// Replaces every entry by one of `used` units, logged now.
    pub(super) fn set_used(&mut self, used: u64) {
        self.entries.clear();
        self.count.used = 0;
        self.charge(used);
    }

    /// Advances to `now`; removes the entries that are one window old.
    pub fn advance_to(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "invariant: time does not decrease: {now} after {}", self.now);
        while let Some(oldest) = self.entries.front().filter(|oldest| oldest.expires_at <= now) {
            self.count.settle(oldest.amount, 0);
            self.entries.pop_front();
        }
        debug_assert!(
            !self.entries.is_empty() || self.count.used == 0,
            "invariant: usage is the sum of the entries"
        );
        self.now = self.now.max(now);
    }

    /// Returns `true` if `amount` fits into the last window.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.count.admits(amount)
    }

    /// Logs `amount`, whether or not it fits. Zero is logged as well, since a settlement may raise it.
    pub fn charge(&mut self, amount: u64) {
        self.count.charge(amount);
        let expires_at = self.now + self.window;
        match self.entries.back_mut() {
            Some(latest) if latest.expires_at == expires_at => {
                latest.amount = latest.amount.saturating_add(amount);
            }
            _ => self.entries.push_back(Entry { expires_at, amount }),
        }
    }

    /// Replaces `reserved` by `actual` in the entry of `charged_at`; does nothing if that entry has expired.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        if let Ok(index) =
            self.entries.binary_search_by_key(&(charged_at + self.window), |entry| entry.expires_at)
        {
            let amount = &mut self.entries[index].amount;
            debug_assert!(*amount >= reserved, "invariant: {reserved} was charged, found {amount}");
            *amount = amount.saturating_sub(reserved).saturating_add(actual);
            self.count.settle(reserved, actual);
        }
    }

    /// Returns the remaining units; negative if the limit is overdrawn.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.count.remaining()
    }

    /// Returns the limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.count.limit
    }

    /// Returns now if `amount` fits, otherwise when enough of the oldest entries have expired; `None` if it exceeds the limit.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        if self.admits(amount) {
            return Some(self.now);
        }
        let mut count = self.count;
        self.entries.iter().find_map(|oldest| {
            count.settle(oldest.amount, 0);
            count.admits(amount).then_some(oldest.expires_at)
        })
    }

    /// Returns when the last entry expires; now if nothing is used.
    #[must_use]
    pub fn earliest_unused(&self) -> Option<Instant> {
        let latest = self.entries.iter().rfind(|entry| entry.amount > 0);
        Some(latest.map_or(self.now, |latest| latest.expires_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_expires_exactly_one_window_after_its_admission() {
        let mut log = SlidingLog::new(10, Nanos(100));
        log.charge(4);
        log.advance_to(Instant(30));
        log.charge(6);
        assert_eq!(log.earliest_admission(3), Some(Instant(100)));
        assert_eq!(log.earliest_admission(5), Some(Instant(130)));
        assert_eq!(log.earliest_admission(11), None);
        log.advance_to(Instant(99));
        assert_eq!(log.remaining(), 0);
        log.advance_to(Instant(100));
        assert_eq!(log.remaining(), 4);
    }

    #[test]
    fn charges_at_one_instant_share_an_entry_and_are_settled_in_it() {
        let mut log = SlidingLog::new(10, Nanos(100));
        log.charge(4);
        log.charge(0);
        log.settle(Instant(0), 0, 9);
        assert_eq!(log.remaining(), -3);
        log.settle(Instant(0), 4, 1);
        assert_eq!((log.remaining(), log.entries.len()), (0, 1));
        log.advance_to(Instant(100));
        log.settle(Instant(0), 9, 0);
        assert_eq!(log.remaining(), 10);
    }
}
