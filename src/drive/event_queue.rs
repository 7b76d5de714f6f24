//! The event queue of a simulation: the next event of each attempt in flight, and those of attempts that were cancelled, ordered by
//! instant.
//!
//! The delays of a network are mostly equal, so requests and replies mostly arrive in the order in which they were sent. An
//! arrival that is not before the last one of its kind is added to a queue, without sorting; any other event goes to a heap.

use crate::job::MAX_JOBS_IN_FLIGHT;
use provider::Instant;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

/// The bits of an entry that hold the driver's index of an attempt, and the kind of the event. The others hold its number.
const FLIGHT_BITS: u32 = 23;
const EVENT_BITS: u32 = 2;
const _: () = assert!(2 * MAX_JOBS_IN_FLIGHT < 1 << FLIGHT_BITS, "a job has two attempts in flight at most");

/// Events in the order of their instants, and at one instant in the order in which they were scheduled.
#[derive(Debug)]
pub(super) struct EventQueue {
    requests: VecDeque<Entry>,
    replies: VecDeque<Entry>,
    heap: BinaryHeap<Reverse<Entry>>,
    scheduled: u64,
}

/// A scheduled event of an attempt. Two words, because moving entries within the heap is a large part of its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    at: Instant,
    /// From the highest bit: the number of the entry, the kind of the event, the index of the attempt.
    packed: u64,
}

/// What happens to an attempt between the client and the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NetworkEvent {
    /// The request reaches the provider.
    RequestArrives,
    /// The first token of the reply reaches a client that hedges.
    FirstToken,
    /// The provider has sent the last byte of the reply.
    ReplySent,
    /// The last byte of the reply reaches the client.
    ReplyArrives,
}

impl EventQueue {
    /// Creates an empty queue.
    pub(super) const fn new() -> Self {
        Self { requests: VecDeque::new(), replies: VecDeque::new(), heap: BinaryHeap::new(), scheduled: 0 }
    }

    /// Returns the instant of the next event; [`Instant::MAX`] if none is scheduled.
    #[inline]
    pub(super) fn next_at(&self) -> Instant {
        let at = |entry: Option<&Entry>| entry.map_or(Instant::MAX, |entry| entry.at);
        let heap = self.heap.peek().map(|Reverse(entry)| entry);
        at(self.requests.front()).min(at(self.replies.front())).min(at(heap))
    }

    /// Removes the next event; `None` if none is scheduled.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let order = |entry: Option<&Entry>| entry.map_or(u128::MAX, |entry| entry.order());
        let (request, reply) = (order(self.requests.front()), order(self.replies.front()));
        let heap = order(self.heap.peek().map(|Reverse(entry)| entry));
        if heap < request.min(reply) {
            self.heap.pop().map(|Reverse(entry)| entry)
        } else if request < reply {
            self.requests.pop_front()
        } else {
            self.replies.pop_front()
        }
    }

    /// Schedules an event of an attempt and returns its number.
    ///
    /// # Panics
    /// If the driver's index of the attempt is 2^23 or more, or after 2^39 events.
    #[inline]
    pub(super) fn schedule(&mut self, at: Instant, flight: usize, event: NetworkEvent) -> u64 {
        self.scheduled += 1;
        let entry = Entry::new(at, self.scheduled, event, flight);
        let queue = match event {
            NetworkEvent::RequestArrives => Some(&mut self.requests),
            NetworkEvent::ReplyArrives => Some(&mut self.replies),
            NetworkEvent::FirstToken | NetworkEvent::ReplySent => None,
        };
        match queue.filter(|queue| queue.back().is_none_or(|last| last.at <= at)) {
            Some(queue) => queue.push_back(entry),
            None => self.heap.push(Reverse(entry)),
        }
        self.scheduled
    }
}

impl Entry {
    #[inline]
    fn new(at: Instant, number: u64, event: NetworkEvent, flight: usize) -> Self {
        assert!(
            flight >> FLIGHT_BITS == 0 && number.leading_zeros() >= FLIGHT_BITS + EVENT_BITS,
            "invariant: fewer than 2^23 attempts in flight and 2^39 events, found {flight} and {number}"
        );
        Self { at, packed: (number << EVENT_BITS | event as u64) << FLIGHT_BITS | flight as u64 }
    }

    /// Returns the driver's index of the attempt.
    #[inline]
    pub(super) const fn flight(self) -> usize {
        (self.packed & ((1 << FLIGHT_BITS) - 1)) as usize
    }

    /// Returns the number of the entry: unique, from one. An attempt waits for one entry at a time; an entry with another number
    /// is out of date.
    #[inline]
    pub(super) const fn number(self) -> u64 {
        self.packed >> (FLIGHT_BITS + EVENT_BITS)
    }

    /// Returns what happens.
    #[inline]
    pub(super) const fn event(self) -> NetworkEvent {
        match (self.packed >> FLIGHT_BITS) & ((1 << EVENT_BITS) - 1) {
            0 => NetworkEvent::RequestArrives,
            1 => NetworkEvent::FirstToken,
            2 => NetworkEvent::ReplySent,
            _ => NetworkEvent::ReplyArrives,
        }
    }

    /// Instant and number in one integer, so that the heap compares without a branch.
    #[inline]
    fn order(self) -> u128 {
        u128::from(self.at.0) << 64 | u128::from(self.packed)
    }
}

impl Ord for Entry {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Entry {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [NetworkEvent; 4] = [
        NetworkEvent::RequestArrives,
        NetworkEvent::FirstToken,
        NetworkEvent::ReplySent,
        NetworkEvent::ReplyArrives,
    ];

    proptest! {
        /// Law: events come in the order of their instants, and at one instant in the order of scheduling, whatever their kinds
        /// and whenever they are scheduled.
        #[test]
        fn events_come_in_order(
            steps in proptest::collection::vec((0u64..50, 0usize..4, 0usize..3), 1..200),
        ) {
            let mut queue = EventQueue::new();
            let (mut expected, mut now) = (std::collections::BTreeSet::new(), 0);
            for (flight, (delay, kind, pops)) in steps.into_iter().enumerate() {
                let at = Instant(now + delay);
                let number = queue.schedule(at, flight, KINDS[kind]);
                expected.insert((at, number, flight, kind));
                for _ in 0..pops {
                    prop_assert_eq!(queue.next_at(), expected.first().map_or(Instant::MAX, |(at, ..)| *at));
                    let popped = queue.pop();
                    let parts = popped.map(|entry| (entry.at, entry.number(), entry.flight(), entry.event() as usize));
                    prop_assert_eq!(parts, expected.pop_first());
                    now = popped.map_or(now, |entry| entry.at.0);
                }
            }
        }
    }
}
