//! One limit over time: what it admits now, and when it next says yes.
//!
//! Each law is a small machine of its own, exact in integers. All are used alike: [`Window::roll`] moves
//! one to an instant, and every question and booking after it is meant at that instant. Asking charges
//! nothing; charging does not ask, so that a client may book ahead and a settlement may overdraw.
//!
//! A [`crate::meter::Meter`] holds one window per limit; the engine's pacing holds a [`Bucket`] of its own.

mod adaptive;
mod bucket;
mod count;
mod fixed;
mod gate;
mod grains;
mod sliding_counter;
mod sliding_log;

pub use adaptive::Adaptive;
pub use bucket::Bucket;
pub use fixed::Fixed;
pub use gate::Gate;
pub use sliding_counter::SlidingCounter;
pub use sliding_log::SlidingLog;

use crate::config::{Law, Limit};
use crate::time::Instant;

/// One limit under one law.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    law: Machine,
    at: Instant,
}

/// The machine of a law.
#[derive(Clone, Debug, PartialEq)]
enum Machine {
    Bucket(Bucket),
    Fixed(Fixed),
    SlidingLog(SlidingLog),
    SlidingCounter(SlidingCounter),
    Adaptive(Adaptive),
    Gate(Gate),
}

/// Asks whichever machine it is: a bucket at an instant, the others where they stand.
macro_rules! ask {
    ($window:expr, $question:ident($($argument:expr),*)) => {
        match &$window.law {
            Machine::Bucket(bucket) => bucket.$question($window.at $(, $argument)*),
            Machine::Fixed(fixed) => fixed.$question($($argument),*),
            Machine::SlidingLog(log) => log.$question($($argument),*),
            Machine::SlidingCounter(counter) => counter.$question($($argument),*),
            Machine::Adaptive(adaptive) => adaptive.$question($($argument),*),
            Machine::Gate(gate) => gate.$question($($argument),*),
        }
    };
}

impl Window {
    /// The unused window of a limit at the start of the run. Concurrency is a gate under any law.
    #[must_use]
    pub fn new(limit: &Limit) -> Self {
        let law = match (limit.axis.window(), limit.law) {
            (None, _) => Machine::Gate(Gate::new(limit.limit)),
            (Some(window), Law::Bucket) => Machine::Bucket(Bucket::new(limit.limit, window, limit.burst)),
            (Some(window), Law::Fixed) => Machine::Fixed(Fixed::new(limit.limit, window)),
            (Some(window), Law::Adaptive(growth)) => {
                Machine::Adaptive(Adaptive::new(limit.limit, growth, window))
            }
            (_, Law::Calendar(zone)) if limit.axis.is_daily() => {
                Machine::Fixed(Fixed::daily(limit.limit, zone))
            }
            // Both zones are whole hours apart: their minutes and hours begin together, and with the run.
            (Some(window), Law::Calendar(_)) => Machine::Fixed(Fixed::new(limit.limit, window)),
            (Some(window), Law::SlidingLog) => Machine::SlidingLog(SlidingLog::new(limit.limit, window)),
            (Some(window), Law::SlidingCounter) => {
                Machine::SlidingCounter(SlidingCounter::new(limit.limit, window))
            }
        };
        Self { law, at: Instant::ZERO }
    }

    /// Moves to `now`, which is never earlier than where the window stands.
    #[inline]
    pub fn roll(&mut self, now: Instant) {
        debug_assert!(now >= self.at, "time never runs back: {now} after {}", self.at);
        self.at = now;
        match &mut self.law {
            Machine::Bucket(_) => {}
            Machine::Fixed(fixed) => fixed.roll(now),
            Machine::SlidingLog(log) => log.roll(now),
            Machine::SlidingCounter(counter) => counter.roll(now),
            Machine::Adaptive(adaptive) => adaptive.roll(now),
            Machine::Gate(gate) => gate.roll(now),
        }
    }

    /// Whether there is room for `amount`. Nothing at all is refused only while the window is overdrawn.
    #[must_use]
    #[inline]
    pub fn admits(&self, amount: u64) -> bool {
        ask!(self, admits(amount))
    }

    /// Takes `amount`, whether or not there is room.
    #[inline]
    pub fn charge(&mut self, amount: u64) {
        match &mut self.law {
            Machine::Bucket(bucket) => bucket.charge(self.at, amount),
            Machine::Fixed(fixed) => fixed.charge(amount),
            Machine::SlidingLog(log) => log.charge(amount),
            Machine::SlidingCounter(counter) => counter.charge(amount),
            Machine::Adaptive(adaptive) => adaptive.charge(amount),
            Machine::Gate(gate) => gate.charge(amount),
        }
    }

    /// Makes the charge of `reserved` at `charged_at` one of `actual`, if the window still remembers it.
    #[inline]
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        match &mut self.law {
            Machine::Bucket(bucket) => bucket.settle(self.at, reserved, actual),
            Machine::Fixed(fixed) => fixed.settle(charged_at, reserved, actual),
            Machine::SlidingLog(log) => log.settle(charged_at, reserved, actual),
            Machine::SlidingCounter(counter) => counter.settle(charged_at, reserved, actual),
            Machine::Adaptive(adaptive) => adaptive.settle(charged_at, reserved, actual),
            Machine::Gate(gate) => gate.settle(charged_at, reserved, actual),
        }
    }

    /// What is left, in whole units cut off toward zero; negative where a settlement overdrew it.
    #[must_use]
    #[inline]
    pub fn remaining(&self) -> i64 {
        ask!(self, remaining())
    }

    /// The most it ever holds: a call that asks for more is never admitted.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        match &self.law {
            Machine::Bucket(bucket) => bucket.capacity(),
            Machine::Fixed(fixed) => fixed.capacity(),
            Machine::SlidingLog(log) => log.capacity(),
            Machine::SlidingCounter(counter) => counter.capacity(),
            Machine::Adaptive(adaptive) => adaptive.capacity(),
            Machine::Gate(gate) => gate.capacity(),
        }
    }

    /// The limit as it stands at present, where it is one that changes with use.
    #[must_use]
    pub fn adapted(&self) -> Option<u64> {
        match &self.law {
            Machine::Adaptive(adaptive) => Some(adaptive.limit()),
            _ => None,
        }
    }

    /// Whether it refills continuously.
    #[must_use]
    pub fn is_bucket(&self) -> bool {
        matches!(self.law, Machine::Bucket(_))
    }

    /// The first instant from here on at which `amount` is admitted if nothing else is charged or settled;
    /// `None` where waiting alone does not bring it.
    #[must_use]
    pub fn next_yes(&self, amount: u64) -> Option<Instant> {
        ask!(self, next_yes(amount))
    }

    /// The first instant from here on at which nothing is used if nothing else is charged or settled;
    /// `None` where waiting alone does not bring it.
    #[must_use]
    pub fn full_at(&self) -> Option<Instant> {
        ask!(self, full_at())
    }
}
