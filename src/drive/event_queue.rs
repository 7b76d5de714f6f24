//! The event queue of a simulation: the next event of each attempt in flight, ordered by instant.

use provider::Instant;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events in the order of their instants, and at one instant in the order in which they were scheduled.
#[derive(Debug, Default)]
pub(super) struct EventQueue {
    heap: BinaryHeap<Reverse<Entry>>,
    scheduled: u64,
}

/// A scheduled event of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    at: Instant,
    /// Unique, from one. An attempt waits for one entry at a time; an entry with another number is out of date.
    pub(super) number: u64,
    /// The driver's index of the attempt. 32 bits, because moving entries within the heap is a large part of its cost.
    flight: u32,
    pub(super) event: NetworkEvent,
}

/// What happens to an attempt between the client and the provider.
#[derive(Clone, Copy, Debug)]
pub(super) enum NetworkEvent {
    /// The request reaches the provider.
    RequestArrives,
    /// The provider has sent the last byte of the reply.
    ReplySent,
    /// The last byte of the reply reaches the client.
    ReplyArrives,
}

impl EventQueue {
    /// Returns the instant of the next event; [`Instant::MAX`] if none is scheduled.
    #[inline]
    pub(super) fn next_at(&self) -> Instant {
        self.heap.peek().map_or(Instant::MAX, |Reverse(entry)| entry.at)
    }

    /// Removes the next event; `None` if none is scheduled.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Schedules an event of an attempt and returns its number.
    #[inline]
    pub(super) fn schedule(&mut self, at: Instant, flight: usize, event: NetworkEvent) -> u64 {
        self.scheduled += 1;
        let flight = u32::try_from(flight).expect("invariant: fewer than 2^32 attempts are in flight");
        self.heap.push(Reverse(Entry { at, number: self.scheduled, flight, event }));
        self.scheduled
    }
}

impl Entry {
    /// Returns the driver's index of the attempt.
    #[inline]
    pub(super) const fn flight(&self) -> usize {
        self.flight as usize
    }

    /// Instant and number in one integer, so that the heap compares without a branch.
    fn order(&self) -> u128 {
        u128::from(self.at.0) << 64 | u128::from(self.number)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_one_instant_come_in_the_order_of_scheduling() {
        let mut queue = EventQueue::default();
        let scheduled = [5, 3, 5, 3].map(Instant);
        for (flight, at) in scheduled.into_iter().enumerate() {
            queue.schedule(at, flight, NetworkEvent::ReplyArrives);
        }
        assert_eq!(queue.next_at(), Instant(3));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|entry| entry.flight()).collect();
        assert_eq!(order, [1, 3, 0, 2]);
        assert_eq!(queue.next_at(), Instant::MAX);
    }
}
