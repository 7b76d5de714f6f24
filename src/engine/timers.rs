//! The engine's deadlines, all on one page: wake-ups of sleeping jobs in a heap, and the deadlines of
//! jobs in a line.
//!
//! Every job has the same time from its schedule to its deadline, and jobs come in order of their
//! schedule, so deadlines form a line of their own: no heap, nothing to cancel. An entry whose job is
//! gone is skipped when it comes to the front.

use crate::ids::{JobId, Slot};
use provider::Instant;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Which job to look at, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) at: Instant,
    /// First set, first due, at one instant.
    order: u64,
    pub(super) slot: Slot,
    pub(super) job: JobId,
}

/// Wake-ups and deadlines.
#[derive(Debug, Default)]
pub(super) struct Timers {
    wakes: BinaryHeap<Reverse<Timer>>,
    deadlines: VecDeque<Timer>,
    set: u64,
}

impl Timers {
    /// Sets a wake-up.
    pub(super) fn wake(&mut self, at: Instant, slot: Slot, job: JobId) {
        let timer = self.timer(at, slot, job);
        self.wakes.push(Reverse(timer));
    }

    /// Sets a deadline; it may not be earlier than the one set before it, or it is kept for that instant.
    pub(super) fn deadline(&mut self, at: Instant, slot: Slot, job: JobId) {
        let at = self.deadlines.back().map_or(at, |last| at.max(last.at));
        let timer = self.timer(at, slot, job);
        self.deadlines.push_back(timer);
    }

    /// The next wake-up that is due, taken.
    pub(super) fn due_wake(&mut self, now: Instant) -> Option<Timer> {
        self.wakes.peek().filter(|Reverse(timer)| timer.at <= now)?;
        self.wakes.pop().map(|Reverse(timer)| timer)
    }

    /// The next deadline that is due, taken.
    pub(super) fn due_deadline(&mut self, now: Instant) -> Option<Timer> {
        self.deadlines.front().filter(|timer| timer.at <= now)?;
        self.deadlines.pop_front()
    }

    /// Forgets the deadlines at the front of the line whose job is gone.
    pub(super) fn forget(&mut self, gone: impl Fn(&Timer) -> bool) {
        while self.deadlines.front().is_some_and(&gone) {
            self.deadlines.pop_front();
        }
    }

    /// The earliest instant at which something is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let wake = self.wakes.peek().map(|Reverse(timer)| timer.at);
        let deadline = self.deadlines.front().map(|timer| timer.at);
        match (wake, deadline) {
            (Some(wake), Some(deadline)) => Some(wake.min(deadline)),
            _ => wake.or(deadline),
        }
    }

    fn timer(&mut self, at: Instant, slot: Slot, job: JobId) -> Timer {
        self.set += 1;
        Timer { at, order: self.set, slot, job }
    }
}
