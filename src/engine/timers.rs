//! The engine's deadlines, all on one page: wake-ups of sleeping jobs in a heap, and the deadlines of
//! jobs in a line.
//!
//! Every job has the same time from its schedule to its deadline, and jobs come in order of their
//! schedule, so deadlines form a line of their own: no heap, nothing to cancel. An entry whose job is
//! gone stays in the line until it comes to the front, and never longer: the job at the front is under way.

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
#[derive(Debug)]
pub(super) struct Timers {
    wakes: BinaryHeap<Reverse<Timer>>,
    deadlines: VecDeque<Timer>,
    /// When the first of those is due, since it is asked for at every move; [`Instant::MAX`] where there is none.
    first_deadline: Instant,
    set: u64,
}

impl Timers {
    /// None set.
    pub(super) fn new() -> Self {
        Self { wakes: BinaryHeap::new(), deadlines: VecDeque::new(), first_deadline: Instant::MAX, set: 0 }
    }

    /// Sets a wake-up.
    pub(super) fn wake(&mut self, at: Instant, slot: Slot, job: JobId) {
        let timer = self.timer(at, slot, job);
        self.wakes.push(Reverse(timer));
    }

    /// Sets a deadline; it may not be earlier than the one set before it, or it is kept for that instant.
    pub(super) fn deadline(&mut self, at: Instant, slot: Slot, job: JobId) {
        let at = self.deadlines.back().map_or(at, |last| at.max(last.at));
        let timer = self.timer(at, slot, job);
        self.first_deadline = self.first_deadline.min(at);
        self.deadlines.push_back(timer);
    }

    /// The next wake-up that is due, taken.
    pub(super) fn due_wake(&mut self, now: Instant) -> Option<Timer> {
        self.wakes.peek().filter(|Reverse(timer)| timer.at <= now)?;
        self.wakes.pop().map(|Reverse(timer)| timer)
    }

    /// The next deadline that is due, left in its place: it goes with its job.
    pub(super) fn due_deadline(&self, now: Instant) -> Option<Timer> {
        self.deadlines.front().copied().filter(|timer| timer.at <= now)
    }

    /// Forgets the deadline of a job that is over, where it is the first in line, and of those behind it that were
    /// over before.
    pub(super) fn forget(&mut self, over: JobId, gone: impl Fn(&Timer) -> bool) {
        if self.deadlines.front().is_some_and(|timer| timer.job == over) {
            self.deadlines.pop_front();
            while self.deadlines.front().is_some_and(&gone) {
                self.deadlines.pop_front();
            }
            self.first_deadline = self.deadlines.front().map_or(Instant::MAX, |timer| timer.at);
        }
    }

    /// The earliest instant at which something is due; [`Instant::MAX`] where nothing is.
    pub(super) fn next(&self) -> Instant {
        self.wakes.peek().map_or(self.first_deadline, |Reverse(timer)| timer.at.min(self.first_deadline))
    }

    fn timer(&mut self, at: Instant, slot: Slot, job: JobId) -> Timer {
        self.set += 1;
        Timer { at, order: self.set, slot, job }
    }
}
