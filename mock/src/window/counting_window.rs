//! The windows of all limits that are not buckets: they keep counts and must be advanced to an instant before they are queried.

use super::{Adaptive, ConcurrencyLimit, FirstRequest, Fixed, SlidingCounter, SlidingLog};
use crate::time::Instant;

/// The state of a limit that is not a bucket.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CountingWindow {
    Fixed(Fixed),
    FirstRequest(FirstRequest),
    SlidingLog(SlidingLog),
    SlidingCounter(SlidingCounter),
    Adaptive(Adaptive),
    ConcurrencyLimit(ConcurrencyLimit),
}

/// Evaluates an expression for the state of any variant.
macro_rules! with_state {
    ($window:expr, $state:ident => $value:expr) => {
        match $window {
            CountingWindow::Fixed($state) => $value,
            CountingWindow::FirstRequest($state) => $value,
            CountingWindow::SlidingLog($state) => $value,
            CountingWindow::SlidingCounter($state) => $value,
            CountingWindow::Adaptive($state) => $value,
            CountingWindow::ConcurrencyLimit($state) => $value,
        }
    };
}

// Never inlined, so that the bucket's path through `Window` stays small.
impl CountingWindow {
    #[inline(never)]
    pub(super) fn advance_to(&mut self, now: Instant) {
        with_state!(self, state => state.advance_to(now));
    }

    /// Sets what is used at the start of the run. Does nothing for an adaptive limit and a concurrency limit.
    pub(super) fn set_start_level(&mut self, used: u64) {
        match self {
            Self::Fixed(fixed) => fixed.charge(used),
            Self::FirstRequest(window) => window.set_used(used),
            Self::SlidingLog(log) => log.set_start_level(used),
            Self::SlidingCounter(counter) => counter.set_start_level(used),
            Self::Adaptive(_) | Self::ConcurrencyLimit(_) => {}
        }
    }

    /// Sets what is used now. Returns `false` and does nothing for a concurrency limit.
    pub(super) fn set_used(&mut self, used: u64) -> bool {
        match self {
            Self::Fixed(fixed) => fixed.set_used(used),
            Self::FirstRequest(window) => window.set_used(used),
            Self::SlidingLog(log) => log.set_used(used),
            Self::SlidingCounter(counter) => counter.set_used(used),
            Self::Adaptive(adaptive) => adaptive.set_used(used),
            Self::ConcurrencyLimit(_) => return false,
        }
        true
    }

    #[inline(never)]
    pub(super) fn admits(&self, amount: u64) -> bool {
        with_state!(self, state => state.admits(amount))
    }

    #[inline(never)]
    pub(super) fn charge(&mut self, amount: u64) {
        with_state!(self, state => state.charge(amount));
    }

    #[inline(never)]
    pub(super) fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        with_state!(self, state => state.settle(charged_at, reserved, actual));
    }

    #[inline(never)]
    pub(super) fn remaining(&self) -> i64 {
        with_state!(self, state => state.remaining())
    }

    #[inline(never)]
    pub(super) fn capacity(&self) -> u64 {
        with_state!(self, state => state.capacity())
    }

    #[inline(never)]
    pub(super) fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        with_state!(self, state => state.earliest_admission(amount))
    }

    #[inline(never)]
    pub(super) fn earliest_unused(&self) -> Option<Instant> {
        with_state!(self, state => state.earliest_unused())
    }
}
