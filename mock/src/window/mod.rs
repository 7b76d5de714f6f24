//! One limit over time: what it admits now, and when it next says yes.
//!
//! Each law is a small machine of its own, exact in integers. All are used alike: [`Window::roll`] moves
//! one to an instant, and every question and booking after it is meant at that instant. Asking charges
//! nothing; charging does not ask, so that a client may book ahead and a settlement may overdraw.
//!
//! A [`crate::meter::Meter`] holds one window per limit; the engine's pacing holds a [`Bucket`] of its own.

mod bucket;
mod fixed;
mod gate;
mod sliding_log;

pub use bucket::Bucket;
pub use fixed::Fixed;
pub use gate::Gate;
pub use sliding_log::SlidingLog;

use crate::config::{Law, Limit};
use crate::time::Instant;

/// One limit under one law.
#[derive(Clone, Debug, PartialEq)]
pub enum Window {
    /// Refills continuously.
    Bucket(Bucket),
    /// Empties at each boundary of the clock.
    Fixed(Fixed),
    /// Forgets each admission one window after it.
    SlidingLog(SlidingLog),
    /// Counts what is in flight.
    Gate(Gate),
}

/// Runs one expression on whichever law the window follows.
macro_rules! under_its_law {
    ($window:expr, $law:ident => $answer:expr) => {
        match $window {
            Self::Bucket($law) => $answer,
            Self::Fixed($law) => $answer,
            Self::SlidingLog($law) => $answer,
            Self::Gate($law) => $answer,
        }
    };
}

impl Window {
    /// The unused window of a limit at the start of the run. Concurrency is a gate under any law.
    #[must_use]
    pub fn new(limit: &Limit) -> Self {
        match (limit.axis.window(), limit.law) {
            (None, _) => Self::Gate(Gate::new(limit.limit)),
            (Some(window), Law::Bucket) => Self::Bucket(Bucket::new(limit.limit, window, limit.burst)),
            (Some(window), Law::Fixed) => Self::Fixed(Fixed::new(limit.limit, window)),
            (Some(window), Law::SlidingLog) => Self::SlidingLog(SlidingLog::new(limit.limit, window)),
        }
    }

    /// Moves to `now`, which is never earlier than where the window stands.
    pub fn roll(&mut self, now: Instant) {
        under_its_law!(self, law => law.roll(now));
    }

    /// Whether there is room for `amount`. Nothing at all is refused only while the window is overdrawn.
    #[must_use]
    pub fn admits(&self, amount: u64) -> bool {
        under_its_law!(self, law => law.admits(amount))
    }

    /// Takes `amount`, whether or not there is room.
    pub fn charge(&mut self, amount: u64) {
        under_its_law!(self, law => law.charge(amount));
    }

    /// Makes the charge of `reserved` at `charged_at` one of `actual`, if the window still remembers it.
    pub fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        under_its_law!(self, law => law.settle(charged_at, reserved, actual));
    }

    /// What is left, in whole units cut off toward zero; negative where a settlement overdrew it.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        under_its_law!(self, law => law.remaining())
    }

    /// The most it ever holds: a call that asks for more is never admitted.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        under_its_law!(self, law => law.capacity())
    }

    /// The first instant from here on at which `amount` is admitted if nothing else is charged or settled;
    /// `None` where waiting alone does not bring it.
    #[must_use]
    pub fn next_yes(&self, amount: u64) -> Option<Instant> {
        under_its_law!(self, law => law.next_yes(amount))
    }

    /// The first instant from here on at which nothing is used if nothing else is charged or settled;
    /// `None` where waiting alone does not bring it.
    #[must_use]
    pub fn full_at(&self) -> Option<Instant> {
        under_its_law!(self, law => law.full_at())
    }
}
