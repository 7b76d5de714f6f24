//! One limit over time: what it admits now, and when it next says yes.
//!
//! Each law is a small machine of its own, exact in integers. All are used alike: [`Window::roll`] moves
//! one to an instant, and every question and booking after it names that instant. Asking charges
//! nothing; charging does not ask, so that a client may book ahead and a settlement may overdraw.
//!
//! A [`crate::meter::Meter`] holds one window per limit; the engine's pacing holds a [`Bucket`] of its own.

mod adaptive;
mod bucket;
mod concurrency;
mod counter;
mod credit;
mod fixed;
mod sliding_counter;
mod sliding_log;
mod usage_count;

pub use adaptive::Adaptive;
pub use bucket::Bucket;
pub use concurrency::ConcurrencyLimit;
pub use fixed::Fixed;
pub use sliding_counter::SlidingCounter;
pub use sliding_log::SlidingLog;

use crate::config::{Law, Limit};
use crate::time::Instant;
use counter::CountingWindow;

/// One limit under one law.
#[derive(Clone, Debug, PartialEq)]
pub struct Window(Machine);

/// The machine of a law. Nearly every limit is a bucket, and the way to it is kept short.
#[derive(Clone, Debug, PartialEq)]
enum Machine {
    Bucket(Bucket),
    CountingWindow(CountingWindow),
}

/// Asks whichever machine it is: a bucket at an instant, the others where they stand.
macro_rules! ask {
    ($window:expr, $now:ident, $question:ident($($argument:expr),*)) => {
        match &$window.0 {
            Machine::Bucket(bucket) => bucket.$question($now $(, $argument)*),
            Machine::CountingWindow(counter) => counter.$question($($argument),*),
        }
    };
}

impl Window {
    /// The unused window of a limit at the start of the run. Concurrency is a gate under any law.
    #[must_use]
    pub fn new(limit: &Limit) -> Self {
        let counter = match (limit.axis.window(), limit.law) {
            (None, _) => CountingWindow::ConcurrencyLimit(ConcurrencyLimit::new(limit.limit)),
            (Some(window), Law::Bucket) => {
                let bucket = Bucket::new(limit.limit, window, limit.burst);
                return Self(Machine::Bucket(bucket));
            }
            (Some(window), Law::Fixed) => CountingWindow::Fixed(Fixed::new(limit.limit, window)),
            (Some(window), Law::Adaptive(growth)) => {
                CountingWindow::Adaptive(Adaptive::new(limit.limit, growth, window))
            }
            (_, Law::Calendar(zone)) if limit.axis.is_daily() => {
                CountingWindow::Fixed(Fixed::daily(limit.limit, zone))
            }
            // Both zones are whole hours apart: their minutes and hours begin together, and with the run.
            (Some(window), Law::Calendar(_)) => CountingWindow::Fixed(Fixed::new(limit.limit, window)),
            (Some(window), Law::SlidingLog) => {
                CountingWindow::SlidingLog(SlidingLog::new(limit.limit, window))
            }
            (Some(window), Law::SlidingCounter) => {
                CountingWindow::SlidingCounter(SlidingCounter::new(limit.limit, window))
            }
        };
        Self(Machine::CountingWindow(counter))
    }

    /// Moves to `now`, which is never earlier than where the window stands.
    #[inline]
    pub fn roll(&mut self, now: Instant) {
        if let Machine::CountingWindow(counter) = &mut self.0 {
            counter.roll(now);
        }
    }

    /// Whether there is room for `amount`. Nothing at all is refused only while the window is overdrawn.
    #[must_use]
    #[inline(always)]
    pub fn admits(&self, now: Instant, amount: u64) -> bool {
        ask!(self, now, admits(amount))
    }

    /// Takes `amount`, whether or not there is room.
    #[inline]
    pub fn charge(&mut self, now: Instant, amount: u64) {
        match &mut self.0 {
            Machine::Bucket(bucket) => bucket.charge(now, amount),
            Machine::CountingWindow(counter) => counter.charge(amount),
        }
    }

    /// Makes the charge of `reserved` at `charged_at` one of `actual`, if the window still remembers it.
    #[inline]
    pub fn settle(&mut self, now: Instant, charged_at: Instant, reserved: u64, actual: u64) {
        match &mut self.0 {
            Machine::Bucket(bucket) => bucket.settle(now, reserved, actual),
            Machine::CountingWindow(counter) => counter.settle(charged_at, reserved, actual),
        }
    }

    /// What is left, in whole units cut off toward zero; negative where a settlement overdrew it.
    #[must_use]
    #[inline]
    pub fn remaining(&self, now: Instant) -> i64 {
        ask!(self, now, remaining())
    }

    /// The most it ever holds: a call that asks for more is never admitted.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        match &self.0 {
            Machine::Bucket(bucket) => bucket.capacity(),
            Machine::CountingWindow(counter) => counter.capacity(),
        }
    }

    /// The limit as it stands at present, where it is one that changes with use.
    #[must_use]
    pub fn adapted(&self) -> Option<u64> {
        match &self.0 {
            Machine::CountingWindow(CountingWindow::Adaptive(adaptive)) => Some(adaptive.limit()),
            Machine::Bucket(_) | Machine::CountingWindow(_) => None,
        }
    }

    /// Whether it refills continuously.
    #[must_use]
    pub fn is_bucket(&self) -> bool {
        matches!(self.0, Machine::Bucket(_))
    }

    /// The first instant from here on at which `amount` is admitted if nothing else is charged or settled;
    /// `None` where waiting alone does not bring it.
    #[must_use]
    pub fn earliest_admission(&self, now: Instant, amount: u64) -> Option<Instant> {
        ask!(self, now, earliest_admission(amount))
    }

    /// The first instant from here on at which nothing is used if nothing else is charged or settled;
    /// `None` where waiting alone does not bring it.
    #[must_use]
    pub fn full_at(&self, now: Instant) -> Option<Instant> {
        ask!(self, now, full_at())
    }
}
