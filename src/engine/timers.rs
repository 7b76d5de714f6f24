//! The timers of jobs: the ends of waits until a given instant, and the deadlines. The turns of jobs that wait for targets are in
//! `cool_down_queue`, the timeouts of attempts in `attempt_timeout`.
//!
//! Most jobs have the same time from schedule to deadline and arrive in the order of their schedule, so their deadlines
//! come in order and a queue holds them without sorting. A deadline that is earlier than the last one queued goes to a
//! heap.
//!
//! Timers are not removed when their job ends or its wait ends at another instant, except from the front of the queue and of the
//! heaps: the first of each is always one that a job waits for, so [`Timers::next`] is exact. A deadline whose job has ended is
//! recognised by its slot and job id, a wake-up that no job waits for by its instant as well. Memory is bounded by the jobs that
//! arrive within one deadline and by the replies that return quota while they wait for the pace.

use crate::ids::{JobId, Slot};
use crate::job::Priority;
use provider::Instant;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A timer of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) at: Instant,
    /// Timers of one instant are due in the order in which they were set.
    order: u64,
    pub(super) slot: Slot,
    pub(super) job: JobId,
}

/// The wake-ups and deadlines that are set.
#[derive(Debug)]
pub(super) struct Timers {
    /// Ends of waits until a given instant, by priority: those of interactive jobs that are due go first.
    wakes: [BinaryHeap<Reverse<Timer>>; 2],
    /// Deadlines that were set in order.
    deadlines: VecDeque<Timer>,
    /// Deadlines that are earlier than one set before them.
    early_deadlines: BinaryHeap<Reverse<Timer>>,
    /// The first deadline, cached because it is read at every event; [`Instant::MAX`] if none is set.
    first_deadline: Instant,
    /// The number of timers set so far, which is the `order` of the last one.
    timers_set: u64,
}

impl Timers {
    /// Creates an empty set of timers.
    pub(super) fn new() -> Self {
        Self {
            wakes: [BinaryHeap::new(), BinaryHeap::new()],
            deadlines: VecDeque::new(),
            early_deadlines: BinaryHeap::new(),
            first_deadline: Instant::MAX,
            timers_set: 0,
        }
    }

    /// Sets the end of a job's wait.
    pub(super) fn set_wake(&mut self, at: Instant, slot: Slot, (job, priority): (JobId, Priority)) {
        let timer = self.timer(at, slot, job);
        self.wakes[priority as usize].push(Reverse(timer));
    }

    /// Sets a job's deadline.
    #[inline]
    pub(super) fn set_deadline(&mut self, at: Instant, slot: Slot, job: JobId) {
        let timer = self.timer(at, slot, job);
        self.first_deadline = self.first_deadline.min(at);
        if self.deadlines.back().is_none_or(|last| last.at <= at) {
            self.deadlines.push_back(timer);
        } else {
            self.early_deadlines.push(Reverse(timer));
        }
    }

    /// Removes the next wake-up that is due at `now`, and the stale ones right behind it.
    pub(super) fn pop_due_wake(&mut self, now: Instant, is_stale: impl Fn(&Timer) -> bool) -> Option<Timer> {
        let is_due = |heap: &&mut BinaryHeap<Reverse<Timer>>| first_at(heap) <= now;
        let wakes = self.wakes.iter_mut().find(is_due)?;
        let Reverse(timer) = wakes.pop()?;
        pop_while(wakes, is_stale);
        Some(timer)
    }

    /// Returns the next deadline that is due at `now`. It is removed by [`Self::forget`] when its job ends.
    pub(super) fn due_deadline(&self, now: Instant) -> Option<Timer> {
        if self.first_deadline > now {
            return None;
        }
        self.next_deadline()
    }

    /// Removes the timers of a job that has ended if they are first, and the stale ones right behind them. A deadline is
    /// stale if its job has ended, a wake-up also if its job does not wait until then.
    #[inline]
    pub(super) fn forget(
        &mut self,
        ended: JobId,
        is_stale: impl Fn(&Timer) -> bool,
        is_stale_wake: impl Fn(&Timer) -> bool,
    ) {
        if self.deadlines.front().is_some_and(|timer| timer.job == ended) {
            self.deadlines.pop_front();
            while self.deadlines.front().is_some_and(&is_stale) {
                self.deadlines.pop_front();
            }
            self.first_deadline = self.next_deadline().map_or(Instant::MAX, |timer| timer.at);
        }
        if is_first(&self.early_deadlines, ended) {
            pop_while(&mut self.early_deadlines, &is_stale);
            self.first_deadline = self.next_deadline().map_or(Instant::MAX, |timer| timer.at);
        }
        for wakes in &mut self.wakes {
            if is_first(wakes, ended) {
                pop_while(wakes, &is_stale_wake);
            }
        }
    }

    /// Returns the instant of the next wake-up and its priority; [`Instant::MAX`] if none is set.
    pub(super) fn next_wake(&self) -> (Instant, Priority) {
        let [interactive, batch] = &self.wakes;
        let (interactive, batch) = (first_at(interactive), first_at(batch));
        if interactive <= batch { (interactive, Priority::Interactive) } else { (batch, Priority::Batch) }
    }

    /// Returns the earliest instant at which one of these timers is due; [`Instant::MAX`] if none is set.
    #[inline]
    pub(super) fn next(&self) -> Instant {
        let [interactive, batch] = &self.wakes;
        first_at(interactive).min(first_at(batch)).min(self.first_deadline)
    }

    /// Returns the first deadline; `None` if none is set.
    fn next_deadline(&self) -> Option<Timer> {
        let early = self.early_deadlines.peek().map(|Reverse(timer)| *timer);
        self.deadlines.front().copied().into_iter().chain(early).min()
    }

    /// Creates a timer that comes after all others of its instant.
    fn timer(&mut self, at: Instant, slot: Slot, job: JobId) -> Timer {
        self.timers_set += 1;
        Timer { at, order: self.timers_set, slot, job }
    }
}

/// Returns the instant of the first timer of a heap; [`Instant::MAX`] if it is empty.
#[inline]
fn first_at(heap: &BinaryHeap<Reverse<Timer>>) -> Instant {
    heap.peek().map_or(Instant::MAX, |Reverse(timer)| timer.at)
}

/// Returns `true` if the first timer of a heap belongs to `job`.
fn is_first(heap: &BinaryHeap<Reverse<Timer>>, job: JobId) -> bool {
    heap.peek().is_some_and(|Reverse(timer)| timer.job == job)
}

/// Removes timers from the front of a heap while the first one is stale.
fn pop_while(heap: &mut BinaryHeap<Reverse<Timer>>, is_stale: impl Fn(&Timer) -> bool) {
    while heap.peek().is_some_and(|Reverse(timer)| is_stale(timer)) {
        heap.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Against a simple model: the deadlines of the jobs in flight, sorted by instant and then by arrival.
        #[test]
        fn deadlines_are_due_in_order_whatever_the_order_they_are_set_in(
            moves in prop::collection::vec((0u64..50, any::<bool>()), 1..200),
        ) {
            let mut timers = Timers::new();
            let mut model: BTreeMap<(Instant, u64), JobId> = BTreeMap::new();
            for (job, (at, ends)) in (0..).zip(moves) {
                timers.set_deadline(Instant(at), Slot(0), JobId(job));
                model.insert((Instant(at), job), JobId(job));
                if ends {
                    // Some job ends before its deadline.
                    let key = *model.keys().nth(model.len() / 2).expect("not empty");
                    let ended = model.remove(&key).expect("it is in flight");
                    timers.forget(ended, |timer| !model.values().any(|job| *job == timer.job), |_| true);
                }
                prop_assert_eq!(timers.next(), model.keys().next().map_or(Instant::MAX, |(at, _)| *at));
            }
            while let Some(timer) = timers.due_deadline(Instant::MAX) {
                let (_, job) = model.pop_first().expect("as many deadlines as jobs");
                prop_assert_eq!(timer.job, job);
                timers.forget(job, |timer| !model.values().any(|job| *job == timer.job), |_| true);
            }
            prop_assert!(model.is_empty());
            prop_assert_eq!(timers.next(), Instant::MAX);
        }
    }
}
