//! The continuously refilling bucket: what Groq and most others use on every axis.
//!
//! ```text
//!  credit  burst ┤‾‾╲          ╱‾‾‾‾‾    refills at limit ÷ window, holds burst at most
//!                │   ╲charge ╱
//!              0 ┼────╲────╱─────────▶   below zero only by settlement or by booking ahead
//! ```
//!
//! Credit is kept in units × nanoseconds: one unit is `window` nanoseconds of credit, and each nanosecond
//! earns `limit` of it. So no step divides or rounds, and the level is exact at every instant.
//! Evidence: 134 of 137 captured waits follow continuous refill within 1 % (groq.md §0.1, §1.1).

use crate::time::{Instant, Nanos};

/// A bucket that refills continuously, full at the start of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    limit: u64,
    window: Nanos,
    burst: u64,
    /// Units × nanoseconds; never above `burst × window`.
    credit: i128,
    at: Instant,
}

impl Bucket {
    /// A full bucket that refills `limit` units per `window` and holds `burst`.
    ///
    /// # Panics
    /// Where the window is empty or longer than 292 years (`i64::MAX` ns).
    #[must_use]
    pub fn new(limit: u64, window: Nanos, burst: u64) -> Self {
        assert!(window > Nanos::ZERO && i64::try_from(window.0).is_ok(), "a window of {window}");
        Self { limit, window, burst, credit: times(burst, window), at: Instant::ZERO }
    }

    /// Earns what time has brought until `now`.
    pub fn roll(&mut self, now: Instant) {
        debug_assert!(now >= self.at, "time never runs back: {now} after {}", self.at);
        let earned = u128::from(now.since(self.at).0) * u128::from(self.limit);
        let room = times(self.burst, self.window).saturating_sub(self.credit);
        self.credit += i128::try_from(earned).map_or(room, |earned| earned.min(room));
        self.at = self.at.max(now);
    }

    /// Whether the credit covers `amount`.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        self.credit >= times(amount, self.window)
    }

    /// Takes `amount`; below zero where the credit does not cover it. To book ahead, ask
    /// [`Bucket::next_yes`] when the turn comes and charge at once: the next booking queues behind.
    pub fn charge(&mut self, amount: u64) {
        self.credit = self.credit.saturating_sub(times(amount, self.window));
    }

    /// Gives back `reserved` and takes `actual` instead. What does not fit any more is lost.
    pub fn settle(&mut self, _charged_at: Instant, reserved: u64, actual: u64) {
        let settled = self.credit.saturating_add(times(reserved, self.window) - times(actual, self.window));
        self.credit = settled.min(times(self.burst, self.window));
    }

    /// The whole units left, cut off toward zero as Groq prints them (groq.md §0.4).
    #[must_use]
    pub fn remaining(&self) -> i64 {
        let units = self.credit / i128::from(self.window.0);
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }

    /// The most it holds.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.burst
    }

    /// The exact first instant at which `amount` is covered; `None` where it never fits.
    #[must_use]
    pub fn next_yes(&self, amount: u64) -> Option<Instant> {
        if amount > self.burst { None } else { self.reaches(times(amount, self.window)) }
    }

    /// The exact first instant at which the bucket is full; `None` where it does not refill.
    #[must_use]
    pub fn full_at(&self) -> Option<Instant> {
        self.reaches(times(self.burst, self.window))
    }

    /// The first nanosecond at which the credit is at least `level`.
    fn reaches(&self, level: i128) -> Option<Instant> {
        if self.credit >= level {
            return Some(self.at);
        }
        let missing = level.saturating_sub(self.credit).unsigned_abs();
        let wait = if self.limit == 0 { None } else { Some(missing.div_ceil(u128::from(self.limit))) };
        wait.map(|wait| self.at + Nanos(u64::try_from(wait).unwrap_or(u64::MAX)))
    }
}

/// Units × nanoseconds. It fits, because a window is at most `i64::MAX` ns.
#[expect(clippy::cast_possible_wrap, reason = "a product of 64 and 63 bits stays below 2^127")]
fn times(amount: u64, window: Nanos) -> i128 {
    (u128::from(amount) * u128::from(window.0)) as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Nanos::from_secs(seconds)
    }

    #[test]
    fn thirty_per_minute_is_thirty_at_once_and_then_one_every_two_seconds() {
        let mut bucket = Bucket::new(30, Nanos::MINUTE, 30);
        bucket.charge(30);
        assert!(!bucket.admits(1));
        assert_eq!(bucket.next_yes(1), Some(at(2)));
        assert_eq!(bucket.full_at(), Some(at(60)));
        bucket.roll(at(600));
        assert_eq!(bucket.remaining(), 30, "idle time earns no more than the burst");
    }

    #[test]
    fn the_remainder_is_cut_off_toward_zero_on_both_sides() {
        let mut bucket = Bucket::new(1, Nanos::SECOND, 10);
        bucket.charge(10);
        bucket.roll(Instant(1_700_000_000));
        assert_eq!(bucket.remaining(), 1);
        bucket.charge(3);
        assert_eq!(bucket.remaining(), -1, "-1.3 is printed as -1");
        assert!(!bucket.admits(0), "overdrawn");
    }

    #[test]
    fn bookings_queue_behind_each_other() {
        let mut bucket = Bucket::new(60, Nanos::MINUTE, 1);
        let turns: Vec<_> = (0..3)
            .map(|_| {
                let turn = bucket.next_yes(1);
                bucket.charge(1);
                turn
            })
            .collect();
        assert_eq!(turns, [Some(at(0)), Some(at(1)), Some(at(2))]);
    }

    #[test]
    fn absurd_numbers_neither_wrap_nor_panic() {
        let mut bucket = Bucket::new(u64::MAX, Nanos::DAY, u64::MAX);
        for _ in 0..3 {
            bucket.charge(u64::MAX);
            bucket.settle(Instant::ZERO, 0, u64::MAX);
        }
        assert_eq!(bucket.remaining(), i64::MIN);
        bucket.roll(Instant::MAX);
        assert_eq!(bucket.remaining(), i64::MAX);
        let mut never = Bucket::new(0, Nanos(i64::MAX as u64), 1);
        never.charge(1);
        assert_eq!((never.next_yes(1), never.next_yes(2), never.full_at()), (None, None, None));
    }
}
