//! The laws that count, behind one door: each is told the time before it is asked. Only the bucket, which knows
//! what a moment is worth by arithmetic alone, is none of them.

use super::{Adaptive, ConcurrencyLimit, Fixed, SlidingCounter, SlidingLog};
use crate::time::Instant;

/// A machine of one of the counting laws.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CountingWindow {
    Fixed(Fixed),
    SlidingLog(SlidingLog),
    SlidingCounter(SlidingCounter),
    Adaptive(Adaptive),
    ConcurrencyLimit(ConcurrencyLimit),
}

/// Asks or tells whichever machine it is.
macro_rules! machine {
    ($counter:expr, $machine:ident => $answer:expr) => {
        match $counter {
            CountingWindow::Fixed($machine) => $answer,
            CountingWindow::SlidingLog($machine) => $answer,
            CountingWindow::SlidingCounter($machine) => $answer,
            CountingWindow::Adaptive($machine) => $answer,
            CountingWindow::ConcurrencyLimit($machine) => $answer,
        }
    };
}

// Never inlined, so that the short way of the bucket stays short.
impl CountingWindow {
    #[inline(never)]
    pub(super) fn roll(&mut self, now: Instant) {
        machine!(self, machine => machine.roll(now));
    }

    #[inline(never)]
    pub(super) fn admits(&self, amount: u64) -> bool {
        machine!(self, machine => machine.admits(amount))
    }

    #[inline(never)]
    pub(super) fn charge(&mut self, amount: u64) {
        machine!(self, machine => machine.charge(amount));
    }

    #[inline(never)]
    pub(super) fn settle(&mut self, charged_at: Instant, reserved: u64, actual: u64) {
        machine!(self, machine => machine.settle(charged_at, reserved, actual));
    }

    #[inline(never)]
    pub(super) fn remaining(&self) -> i64 {
        machine!(self, machine => machine.remaining())
    }

    #[inline(never)]
    pub(super) fn capacity(&self) -> u64 {
        machine!(self, machine => machine.capacity())
    }

    #[inline(never)]
    pub(super) fn earliest_admission(&self, amount: u64) -> Option<Instant> {
        machine!(self, machine => machine.earliest_admission(amount))
    }

    #[inline(never)]
    pub(super) fn full_at(&self) -> Option<Instant> {
        machine!(self, machine => machine.full_at())
    }
}
