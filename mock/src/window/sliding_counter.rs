//! The sliding counter: counts per aligned window. The count of the previous window is weighted, and its weight falls while
//! the current window passes.
//!
//! ```text
//!  used = current + previous × (1 − elapsed ÷ window)
//!
//!  previous ┤▇▇▇▇▇▇▇▇│╲
//!           │▇▇▇▇▇▇▇▇│  ╲ its weight falls linearly to zero
//!           │▇▇▇▇▇▇▇▇│ ▂▂▂╲▂▂  the current count keeps full weight until the window ends
//!           └────────┼────────┼──▶
//! ```
//!
//! API gateways use it to keep two numbers per client instead of a log (Kong's `sliding` window). Evidence: Mistral's
//! captured `remaining` falls by exactly the usage and rises linearly over the next aligned minute. Counts are kept in units
//! and compared in units × window, so that no comparison divides or rounds.

use crate::time::{Instant, Nanos};

/// A counter of the current and the previous aligned window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingCounter {
    limit: u64,
    window: Nanos,
    /// Units charged in the current window.
    current: u64,
    /// Units charged in the previous window.
    previous: u64,
    /// Start of the current window.
    started_at: Instant,
    now: Instant,
}

impl SlidingCounter {
    /// Creates an unused counter of `limit` units per `window`.
    ///
    /// # Panics
    /// If the window is empty or longer than 36 years (2^60 ns).
    #[must_use]
    pub fn new(limit: u64, window: Nanos) -> Self {
        assert!(
            window > Nanos::ZERO && window.0 <= 1 << 60,
            "invariant: 0 < window <= 2^60 ns, found {window}"
        );
        Self { limit, window, current: 0, previous: 0, started_at: Instant::ZERO, now: Instant::ZERO }
    }

    /// Sets the count of the window before the run.
    pub(super) fn set_start_level(&mut self, used: u64) {
        self.previous = used;
    }

    /// Sets the count of the current window, and that of the previous one to zero.
    pub(super) fn set_used(&mut self, used: u64) {
        (self.current, self.previous) = (used, 0);
    }

    /// Advances to `now`. If the current window has ended, it becomes the previous one; if the one after it has ended too, both
    /// counts become zero.
    pub fn advance_to(&mut self, now: Instant) {
        debug_assert!(now >= self.now, "invariant: time does not decrease: {now} after {}", self.now);
        let passed = now.since(self.started_at).0 / self.window.0;
        if passed > 0 {
            self.previous = if passed == 1 { self.current } else { 0 };
            self.current = 0;
            self.started_at = Instant(now.0 - now.0 % self.window.0);
        }
        self.now = self.now.max(now);
    }

    /// Returns `units` × window, the scale in which counts are compared.
    fn scaled(&self, units: u64) -> i128 {
        i128::from(units) * i128::from(self.window.0)
    }

    /// Returns the remaining units × window; negative if the limit is overdrawn.
    fn scaled_remaining(&self) -> i128 {
        let time_left = self.window - self.now.since(self.started_at);
        let previous = i128::from(self.previous) * i128::from(time_left.0);
        self.scaled(self.limit) - self.scaled(self.current) - previous
    }

    /// Returns `true` if `amount` fits.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.scaled(amount) <= self.scaled_remaining()
    }

    /// Counts `amount` in the current window, whether or not it fits.
    pub fn charge(&mut self, amount: u64) {
        self.current = self.current.saturating_add(amount);
    }

    /// Replaces `reserved` by `actual` in the window of the charge; does nothing if that window is neither of the two.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        let counted = if charged_at >= self.started_at {
            &mut self.current
        } else if charged_at + self.window >= self.started_at {
            &mut self.previous
        } else {
            return;
        };
        debug_assert!(*counted >= reserved, "invariant: {reserved} was charged, found {counted}");
        *counted = counted.saturating_sub(reserved).saturating_add(actual);
    }

    /// Returns the remaining whole units, truncated toward zero; negative if the limit is overdrawn.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        let units = self.scaled_remaining() / i128::from(self.window.0);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    /// Returns the limit.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.limit
    }

    /// Returns now if `amount` fits, otherwise when the weight of the previous window, or of the current one after its end, is
    /// low enough; `None` if it exceeds the limit.
    #[must_use]
    pub fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        let room = self.limit.checked_sub(amount)?;
        if self.admits(amount) {
            return Some(self.now);
        }
        Some(match room.checked_sub(self.current) {
            Some(room_beside_current) => {
                self.started_at + self.time_to_decay(self.previous, room_beside_current)
            }
            None => self.started_at + self.window + self.time_to_decay(self.current, room),
        })
    }

    /// Returns the smallest time `elapsed` after the end of a window with a count of `counted` at which its weighted count is
    /// at most `room`: `counted × (window − elapsed) ≤ room × window`.
    fn time_to_decay(&self, counted: u64, room: u64) -> Nanos {
        let time_left = u128::from(room) * u128::from(self.window.0) / u128::from(counted.max(1));
        self.window.saturating_sub(Nanos(u64::try_from(time_left).unwrap_or(u64::MAX)))
    }

    /// Returns when neither window has weight any more; now if nothing is used.
    #[must_use]
    pub fn earliest_unused(&self) -> Option<Instant> {
        Some(match (self.current, self.previous) {
            (0, 0) => self.now,
            (0, _) => self.started_at + self.window,
            _ => self.started_at + self.window + self.window,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_of_the_previous_minute_follows_mistral_captures() {
        // 2,024 tokens in the minute from 14:34, and the captured usage at tenths of a second into the next minute.
        let mut counter = SlidingCounter::new(100_000, Nanos::MINUTE);
        counter.charge(2024);
        for (tenths, captured) in [(112, 1647), (117, 1629), (131, 1583), (138, 1558), (146, 1530)] {
            counter.advance_to(Instant::ZERO + Nanos::MINUTE + Nanos::from_millis(tenths * 100));
            let used = 100_000 - counter.remaining();
            assert!((used - captured).abs() <= 2, "{used}, captured: {captured}");
        }
    }

    #[test]
    fn a_full_window_is_released_linearly_over_the_next() {
        let at = |seconds| Instant(Nanos::from_secs(seconds).0);
        let mut counter = SlidingCounter::new(60, Nanos::MINUTE);
        counter.advance_to(at(30));
        counter.charge(60);
        assert_eq!(
            [1, 30, 60].map(|amount| counter.earliest_admission(amount)),
            [Some(at(61)), Some(at(90)), Some(at(120))]
        );
        assert_eq!((counter.earliest_admission(61), counter.earliest_unused()), (None, Some(at(120))));
        counter.advance_to(at(90));
        assert_eq!(counter.remaining(), 30);
    }

    #[test]
    fn a_settlement_corrects_the_window_of_its_charge_while_that_has_weight() {
        let mut counter = SlidingCounter::new(100, Nanos::MINUTE);
        counter.charge(40);
        counter.advance_to(Instant::ZERO + Nanos::MINUTE);
        counter.settle(Instant::ZERO, 40, 110);
        assert_eq!(counter.remaining(), -10);
        counter.advance_to(Instant::ZERO + Nanos::MINUTE * 2);
        counter.settle(Instant::ZERO, 110, 0);
        assert_eq!(counter.remaining(), 100);
    }
}
