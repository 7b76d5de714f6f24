//! The continuously refilling bucket: what Groq and most others use on every axis.
//!
//! ```text
//!  credit  burst ┤‾‾╲          ╱‾‾‾‾‾    refills at limit ÷ window, holds burst at most
//!                │   ╲charge ╱
//!              0 ┼────╲────╱─────────▶   below zero only by settlement or by booking ahead
//! ```
//!
//! Credit is counted in grains, small enough that a nanosecond earns a whole number of them and a unit costs a
//! whole number of them: `limit` and `window`, over their common divisor. So no step divides or rounds, and the
//! level is exact at every instant. It is kept in one machine word as long as that holds it, and in two from
//! then on.
//! Evidence: 134 of 137 captured waits follow continuous refill within 1 % (public captures of 2024–2026).

use super::credit::GcraState;
use crate::time::{Instant, Nanos};

/// A bucket that refills continuously, full at the start of the run. Of two instants that it is asked about, the
/// second is never the earlier.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    burst: u64,
    /// The share of the burst that a grain is.
    share: f64,
    level: Level,
}

/// The level of a bucket. The wide one is rare, and stands apart so that the other shares a cache line with what it
/// belongs to.
#[derive(Clone, Debug, PartialEq)]
enum Level {
    Narrow(GcraState<i64>),
    Wide(Box<GcraState<i128>>),
}

/// Asks the level, however wide it is.
macro_rules! level {
    ($bucket:expr, $tank:ident => $answer:expr) => {
        match &$bucket.level {
            Level::Narrow($tank) => $answer,
            Level::Wide($tank) => $answer,
        }
    };
}

impl Bucket {
    /// A full bucket that refills `limit` units per `window` (2^62 at most) and holds `burst`.
    ///
    /// # Panics
    /// Where the window is empty or longer than 36 years (2^60 ns).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "what is compared need not be exact")]
    pub fn new(limit: u64, window: Nanos, burst: u64) -> Self {
        assert!(window > Nanos::ZERO && window.0 <= 1 << 60, "a window of {window}");
        let limit = limit.min(1 << 62);
        let divisor = common_divisor(limit, window.0);
        let (rate, grains) = (limit / divisor, window.0 / divisor);
        let wide = || GcraState::full(rate, grains, burst).expect("64 and 60 bits fit two words");
        let level =
            GcraState::full(rate, grains, burst).map_or_else(|| Level::Wide(wide().into()), Level::Narrow);
        let share = 1.0 / (burst as f64 * grains as f64).max(1.0);
        Self { burst, share, level }
    }

    /// Whether the credit covers `amount`.
    #[must_use]
    #[inline]
    pub fn admits(&self, now: Instant, amount: u64) -> bool {
        level!(self, tank => tank.admits(now, amount))
    }

    /// Takes `amount`; below zero where the credit does not cover it. To book ahead, ask
    /// [`Bucket::earliest_admission`] when the turn comes and charge at once: the next booking queues behind.
    #[inline]
    pub fn charge(&mut self, now: Instant, amount: u64) {
        match &mut self.level {
            Level::Narrow(tank) => {
                if !tank.take(now, amount) {
                    self.level = widened(tank, now, amount);
                }
            }
            Level::Wide(tank) => tank.take_any(now, amount),
        }
    }

    /// Gives back `reserved` and takes `actual` instead. What does not fit any more is lost.
    #[inline]
    pub fn settle(&mut self, now: Instant, reserved: u64, actual: u64) {
        if actual > reserved {
            self.charge(now, actual - reserved);
        } else {
            let unused = reserved - actual;
            match &mut self.level {
                Level::Narrow(tank) => tank.give(unused),
                Level::Wide(tank) => tank.give(unused),
            }
        }
    }

    /// The whole units left, cut off toward zero as Groq prints them.
    #[must_use]
    #[inline]
    pub fn remaining(&self, now: Instant) -> i64 {
        level!(self, tank => tank.units(now))
    }

    /// The share of the burst that would be left after `amount`: for comparing buckets, not for admission.
    #[must_use]
    #[inline]
    pub fn share_after(&self, now: Instant, amount: u64) -> f64 {
        level!(self, tank => tank.share_after(now, amount, self.share))
    }

    /// The most it ever holds.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.burst
    }

    /// The first instant from `now` on at which `amount` is covered; `None` where it never is.
    #[must_use]
    #[inline]
    pub fn earliest_admission(&self, now: Instant, amount: u64) -> Option<Instant> {
        if amount > self.burst { None } else { level!(self, tank => tank.reaches(now, amount)) }
    }

    /// The first instant from `now` on at which the bucket is full; `None` where it never is.
    #[must_use]
    pub fn full_at(&self, now: Instant) -> Option<Instant> {
        self.earliest_admission(now, self.burst)
    }
}

/// A charge whose level one word does not hold.
#[cold]
fn widened(tank: &GcraState<i64>, at: Instant, amount: u64) -> Level {
    let mut wide = tank.wide();
    wide.take_any(at, amount);
    Level::Wide(wide.into())
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if a == 0 { b } else { common_divisor(b % a, a) }
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
        bucket.charge(at(0), 30);
        assert!(!bucket.admits(at(0), 1));
        assert_eq!(bucket.earliest_admission(at(0), 1), Some(at(2)));
        assert_eq!(bucket.full_at(at(0)), Some(at(60)));
        assert_eq!(bucket.remaining(at(600)), 30, "idle time earns no more than the burst");
    }

    #[test]
    fn the_remainder_is_cut_off_toward_zero_on_both_sides() {
        let mut bucket = Bucket::new(1, Nanos::SECOND, 10);
        bucket.charge(at(0), 10);
        let now = Instant(1_700_000_000);
        assert_eq!(bucket.remaining(now), 1);
        bucket.charge(now, 3);
        assert_eq!(bucket.remaining(now), -1, "-1.3 is printed as -1");
        assert!(!bucket.admits(now, 0), "overdrawn");
    }

    #[test]
    fn bookings_queue_behind_each_other() {
        let mut bucket = Bucket::new(60, Nanos::MINUTE, 1);
        let turns: Vec<_> = (0..3)
            .map(|_| {
                let turn = bucket.earliest_admission(at(0), 1);
                bucket.charge(at(0), 1);
                turn
            })
            .collect();
        assert_eq!(turns, [Some(at(0)), Some(at(1)), Some(at(2))]);
    }

    #[test]
    fn a_level_that_outgrows_its_word_stays_exact() {
        // One unit an hour is 3.6e12 grains; two million of them are more than one word holds.
        let mut bucket = Bucket::new(1, Nanos::HOUR, 10);
        assert!(matches!(bucket.level, Level::Narrow(_)));
        bucket.charge(at(0), 1_000_010);
        bucket.charge(at(0), 1_000_000);
        assert!(matches!(bucket.level, Level::Wide(_)));
        assert_eq!(bucket.remaining(at(0)), -2_000_000);
        bucket.settle(at(0), 2_000_000, 1);
        assert_eq!((bucket.remaining(at(0)), bucket.earliest_admission(at(0), 1)), (-1, Some(at(7200))));
    }

    #[test]
    fn absurd_numbers_neither_wrap_nor_panic() {
        let mut bucket = Bucket::new(u64::MAX, Nanos::DAY, u64::MAX);
        for _ in 0..3 {
            bucket.charge(at(0), u64::MAX);
            bucket.settle(at(0), 0, u64::MAX);
        }
        assert_eq!(bucket.remaining(at(0)), i64::MIN);
        assert_eq!(bucket.remaining(Instant::MAX), i64::MAX);
        let mut never = Bucket::new(0, Nanos(1 << 60), 1);
        never.charge(at(0), 1);
        assert_eq!(
            (never.earliest_admission(at(0), 1), never.earliest_admission(at(0), 2), never.full_at(at(0))),
            (None, None, None)
        );
    }
}
