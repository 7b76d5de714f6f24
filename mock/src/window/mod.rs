//! One limit over time: what it admits now, and when it admits the next amount.
//!
//! Each refill policy is a state machine of its own, exact in integers. All have the same interface: [`Window::advance_to`]
//! advances the state to an instant, and the following queries and charges pass that same instant. A query charges
//! nothing. A charge does not check whether it fits, so that a client may reserve ahead of time and a settlement may overdraw.
//!
//! A [`crate::meter::Meter`] holds one window per limit. The engine's quota estimate and the shared quotas of the gateway use
//! [`Bucket`] directly.
//!
//! Invariants: instants do not decrease; the remaining amount is negative only after a settlement or a charge that did not
//! fit; a charge is settled at most once.

mod adaptive;
mod bucket;
mod concurrency;
mod counting_window;
mod credit;
mod first_request;
mod fixed;
mod sliding_counter;
mod sliding_log;
mod usage_count;

pub use adaptive::Adaptive;
pub use bucket::Bucket;
pub use concurrency::ConcurrencyLimit;
pub use first_request::FirstRequest;
pub use fixed::Fixed;
pub use sliding_counter::SlidingCounter;
pub use sliding_log::SlidingLog;

use crate::config::{Limit, RefillPolicy};
use crate::time::Instant;
use counting_window::CountingWindow;

/// The state of one limit under its refill policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Window(State);

/// The state of a bucket or of any other limit. Nearly every limit is a bucket, so it takes only one branch to reach.
#[derive(Clone, Debug, PartialEq)]
enum State {
    Bucket(Bucket),
    CountingWindow(CountingWindow),
}

/// Calls a query on the state of either kind. A bucket takes the instant; a counting window has been advanced to it.
macro_rules! query {
    ($window:expr, $now:ident, $query:ident($($argument:expr),*)) => {
        match &$window.0 {
            State::Bucket(bucket) => bucket.$query($now $(, $argument)*),
            State::CountingWindow(counting) => counting.$query($($argument),*),
        }
    };
}

impl Window {
    /// Creates the unused window of a limit at the start of the run. A concurrency limit has no refill policy.
    #[must_use]
    pub fn new(limit: &Limit) -> Self {
        let counting = match (limit.window, limit.refill) {
            (None, _) => CountingWindow::ConcurrencyLimit(ConcurrencyLimit::new(limit.amount)),
            (Some(window), RefillPolicy::Bucket) => {
                let bucket = Bucket::new(limit.amount, window, limit.burst);
                return Self(State::Bucket(bucket));
            }
            (Some(window), RefillPolicy::Fixed) => CountingWindow::Fixed(Fixed::new(limit.amount, window)),
            (Some(window), RefillPolicy::Adaptive(growth)) => {
                CountingWindow::Adaptive(Adaptive::new(limit.amount, growth, window))
            }
            (Some(window), RefillPolicy::FirstRequest) => {
                CountingWindow::FirstRequest(FirstRequest::new(limit.amount, window))
            }
            // A second, a minute or an hour needs no zone: zones differ from UTC by whole hours, and the first window begins at
            // `Epoch::RUN`, which is a full hour. They count from the start of the run also if the scenario states another one, and in
            // `quotalab mock`.
            (Some(window), RefillPolicy::Calendar(zone)) => {
                CountingWindow::Fixed(match limit.axis.period() {
                    Some(period) => Fixed::calendar(limit.amount, period, zone, limit.epoch),
                    None => Fixed::new(limit.amount, window),
                })
            }
            (Some(window), RefillPolicy::SlidingLog) => {
                CountingWindow::SlidingLog(SlidingLog::new(limit.amount, window))
            }
            (Some(window), RefillPolicy::SlidingCounter) => {
                CountingWindow::SlidingCounter(SlidingCounter::new(limit.amount, window))
            }
        };
        Self(State::CountingWindow(counting))
    }

    /// Sets what is used at the start of the run, at most the capacity, before anything is charged. Ignored by limits
    /// that adapt and by concurrency limits.
    pub fn set_start_level(&mut self, used: u64) {
        let used = used.min(self.capacity());
        match &mut self.0 {
            State::Bucket(bucket) => bucket.charge(Instant::ZERO, used),
            State::CountingWindow(counting) => counting.set_start_level(used),
        }
    }

    /// Sets what is used now, at most the capacity, whatever was charged before. Returns `false` and does nothing for a
    /// concurrency limit, whose level is the number of calls in flight. Charges from before must not be settled any more.
    pub fn set_used(&mut self, now: Instant, used: u64) -> bool {
        let used = used.min(self.capacity());
        match &mut self.0 {
            State::Bucket(bucket) => bucket.set_used(now, used),
            State::CountingWindow(counting) => return counting.set_used(used),
        }
        true
    }

    /// Advances to `now`, which must not be earlier than the last instant.
    #[inline]
    pub fn advance_to(&mut self, now: Instant) {
        if let State::CountingWindow(counting) = &mut self.0 {
            counting.advance_to(now);
        }
    }

    /// Returns `true` if `amount` fits. Zero fits unless the window is overdrawn.
    #[must_use]
    #[inline(always)]
    pub fn admits(&self, now: Instant, amount: u64) -> bool {
        query!(self, now, admits(amount))
    }

    /// Returns `true` if the limit is overdrawn, even by a fraction of a unit: not even zero fits.
    #[must_use]
    pub fn is_overdrawn(&self, now: Instant) -> bool {
        !self.admits(now, 0)
    }

    /// Charges `amount`, whether or not it fits.
    #[inline]
    pub fn charge(&mut self, now: Instant, amount: u64) {
        match &mut self.0 {
            State::Bucket(bucket) => bucket.charge(now, amount),
            State::CountingWindow(counting) => counting.charge(amount),
        }
    }

    /// Replaces the charge of `reserved` at `charged_at` by one of `actual`; does nothing if that charge has expired. Charges
    /// of buckets and concurrency limits do not expire.
    #[inline]
    pub fn settle(&mut self, now: Instant, charged_at: Instant, reserved: u64, actual: u64) {
        match &mut self.0 {
            State::Bucket(bucket) => bucket.settle(now, reserved, actual),
            State::CountingWindow(counting) => counting.settle(charged_at, reserved, actual),
        }
    }

    /// Returns the remaining whole units, truncated toward zero; negative if the window is overdrawn.
    #[must_use]
    #[inline]
    pub fn remaining(&self, now: Instant) -> i64 {
        query!(self, now, remaining())
    }

    /// Returns the least that has remained of a bucket so far; `None` for the other policies.
    #[must_use]
    pub fn least_remaining(&self) -> Option<i64> {
        match &self.0 {
            State::Bucket(bucket) => Some(bucket.least_remaining()),
            State::CountingWindow(_) => None,
        }
    }

    /// Returns the largest amount that is ever admitted.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        match &self.0 {
            State::Bucket(bucket) => bucket.capacity(),
            State::CountingWindow(counting) => counting.capacity(),
        }
    }

    /// Returns the current limit if the refill policy adapts it; `None` for a constant limit.
    #[must_use]
    pub fn current_limit(&self) -> Option<u64> {
        match &self.0 {
            State::CountingWindow(CountingWindow::Adaptive(adaptive)) => Some(adaptive.limit()),
            State::Bucket(_) | State::CountingWindow(_) => None,
        }
    }

    /// Returns `true` if the refill policy is the token bucket.
    #[must_use]
    pub fn is_bucket(&self) -> bool {
        matches!(self.0, State::Bucket(_))
    }

    /// Returns the earliest instant from `now` on at which `amount` is admitted if nothing is charged or settled until
    /// then; `None` if waiting alone does not help, as while a concurrency limit is full.
    #[must_use]
    pub fn earliest_admission(&self, now: Instant, amount: u64) -> Option<Instant> {
        query!(self, now, earliest_admission(amount))
    }

    /// Returns the earliest instant from `now` on at which the limit is unused if nothing is charged or settled until then;
    /// `None` if waiting alone does not help.
    #[must_use]
    pub fn earliest_unused(&self, now: Instant) -> Option<Instant> {
        query!(self, now, earliest_unused())
    }
}
