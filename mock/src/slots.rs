//! The server slots of a model, and the queue in front of them: first come, first served.
//!
//! A slot serves one call at a time and becomes free when the call has been served or its client has disconnected. The start
//! of a call is therefore unknown while it waits, because a call before it may be cancelled. When a slot becomes free, the
//! first call in the queue starts.
//!
//! Invariants: a call waits only while all slots are in use; calls start in the order of their tickets.

use crate::time::Instant;
use std::collections::VecDeque;

/// The server slots of one model.
#[derive(Clone, Debug)]
pub struct ServerSlots {
    count: u32,
    in_use: u32,
    /// In the order of arrival, which is that of ticket numbers. The first call is not abandoned.
    queue: VecDeque<QueuedCall>,
    /// The number of abandoned calls in the queue.
    abandoned: usize,
}

#[derive(Clone, Copy, Debug)]
struct QueuedCall {
    ticket: u64,
    arrived_at: Instant,
    /// Its client has disconnected, so it will not start.
    abandoned: bool,
}

/// A call that waited for a server slot and has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartedCall {
    /// The number of its ticket.
    pub ticket_number: u64,
    /// The start of its service.
    pub at: Instant,
}

impl ServerSlots {
    /// Creates `count` free slots.
    ///
    /// # Panics
    /// If `count` is zero.
    #[must_use]
    pub fn new(count: u32) -> Self {
        assert!(count > 0, "invariant: a model has at least one server slot");
        Self { count, in_use: 0, queue: VecDeque::new(), abandoned: 0 }
    }

    /// Adds a call that arrives at `now`. Returns when it starts: now if a slot is free; `None` if it waits.
    ///
    /// # Panics
    /// If a call with this or a later ticket waits.
    pub fn enter(&mut self, ticket: u64, now: Instant) -> Option<Instant> {
        if self.in_use < self.count {
            assert!(self.queue.is_empty(), "invariant: no call waits while a slot is free, found {self:?}");
            self.in_use += 1;
            return Some(now);
        }
        let last = self.queue.back().map(|last| last.ticket);
        assert!(last < Some(ticket), "invariant: tickets ascend, found {ticket} after {last:?}");
        self.queue.push_back(QueuedCall { ticket, arrived_at: now, abandoned: false });
        None
    }

    /// Removes a call that has been served or cancelled at `now`. If this frees a slot, the first call in the queue starts
    /// and is returned. It starts at `now`, or at its arrival if that is later: the end of a call may be reported late, with
    /// its true instant.
    ///
    /// # Panics
    /// If no call is served, or if the ticket is after the first in the queue and does not wait there. An earlier ticket is
    /// taken for that of a call that is served.
    pub fn leave(&mut self, ticket: u64, now: Instant) -> Option<StartedCall> {
        // Calls start in the order of their tickets, so a call with an earlier ticket than the first has started.
        if self.queue.front().is_some_and(|first| first.ticket <= ticket) {
            self.abandon(ticket);
            return None;
        }
        assert!(self.in_use > 0, "invariant: a call that leaves is served or waits, found {self:?}");
        let Some(QueuedCall { ticket, arrived_at, abandoned }) = self.queue.pop_front() else {
            self.in_use -= 1;
            return None;
        };
        debug_assert!(!abandoned, "invariant: the first call in the queue is not abandoned, found {ticket}");
        self.drop_abandoned();
        Some(StartedCall { ticket_number: ticket, at: now.max(arrived_at) })
    }

    /// Marks a call that waits as abandoned.
    fn abandon(&mut self, ticket: u64) {
        let index = self.queue.binary_search_by_key(&ticket, |call| call.ticket);
        let call = &mut self.queue[index.expect("invariant: a call not before the first of the queue waits")];
        assert!(!call.abandoned, "invariant: a call leaves once, found {ticket} twice");
        call.abandoned = true;
        self.abandoned += 1;
        self.drop_abandoned();
    }

    /// Drops abandoned calls from the front, and all of them if they are more than half of the queue: each call is then
    /// moved a bounded number of times on average, and the queue is at most twice as long as necessary.
    fn drop_abandoned(&mut self) {
        while self.queue.front().is_some_and(|first| first.abandoned) {
            self.queue.pop_front();
            self.abandoned -= 1;
        }
        if self.abandoned * 2 > self.queue.len() {
            self.queue.retain(|call| !call.abandoned);
            self.abandoned = 0;
        }
        debug_assert!(
            self.queue.iter().take(8).filter(|call| call.abandoned).count() <= self.abandoned,
            "invariant: abandoned calls are counted"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_third_call_starts_as_soon_as_one_of_two_slots_becomes_free() {
        let mut slots = ServerSlots::new(2);
        assert_eq!(
            [0, 1, 2].map(|at| slots.enter(at, Instant(at))),
            [Some(Instant(0)), Some(Instant(1)), None]
        );
        assert_eq!(slots.leave(1, Instant(5)), Some(StartedCall { ticket_number: 2, at: Instant(5) }));
        assert_eq!([0, 2].map(|ticket| slots.leave(ticket, Instant(10))), [None, None]);
        assert_eq!(slots.enter(3, Instant(20)), Some(Instant(20)));
    }

    #[test]
    fn a_call_whose_client_leaves_the_queue_takes_no_slot() {
        let mut slots = ServerSlots::new(1);
        assert_eq!(slots.enter(0, Instant(0)), Some(Instant(0)));
        assert_eq!([1, 2, 3].map(|ticket| slots.enter(ticket, Instant(1))), [None; 3]);
        assert_eq!([1, 2].map(|ticket| slots.leave(ticket, Instant(2))), [None, None]);
        assert_eq!(slots.leave(0, Instant(3)), Some(StartedCall { ticket_number: 3, at: Instant(3) }));
        assert_eq!(slots.leave(3, Instant(4)), None);
        assert_eq!(slots.in_use, 0);
    }

    #[test]
    fn an_end_that_is_reported_late_starts_no_call_before_its_arrival() {
        let mut slots = ServerSlots::new(1);
        slots.enter(0, Instant(0));
        slots.enter(1, Instant(8));
        assert_eq!(slots.leave(0, Instant(5)), Some(StartedCall { ticket_number: 1, at: Instant(8) }));
    }

    proptest! {
        /// The queue agrees with a plain list from which calls are removed.
        #[test]
        fn calls_start_in_order_without_those_that_left(
            count in 1..5_u32, steps in prop::collection::vec((any::<bool>(), 0..40_usize), 1..200),
        ) {
            let mut slots = ServerSlots::new(count);
            let (mut serving, mut waiting) = (Vec::new(), Vec::new());
            for (step, (enters, which)) in (0..).zip(steps) {
                let now = Instant(step);
                if enters {
                    let starts = serving.len() < count as usize;
                    prop_assert_eq!(slots.enter(step, now), starts.then_some(now));
                    if starts { serving.push(step) } else { waiting.push(step) }
                } else if which < serving.len() + waiting.len() {
                    let (left, next) = if which < serving.len() {
                        let left = serving.remove(which);
                        let next = (!waiting.is_empty()).then(|| waiting.remove(0));
                        serving.extend(next);
                        (left, next)
                    } else {
                        (waiting.remove(which - serving.len()), None)
                    };
                    let expected = next.map(|ticket| StartedCall { ticket_number: ticket, at: now });
                    prop_assert_eq!(slots.leave(left, now), expected);
                }
                prop_assert!(slots.queue.len() <= 2 * waiting.len());
                prop_assert_eq!(slots.in_use as usize, serving.len());
            }
        }
    }
}
