//! The concurrency limit: a bound on the attempts in flight, and the bounded first-in, first-out queue of jobs that wait
//! for one of them to end.

use super::fifo::{Fifo, Links};
use crate::ids::Slot;

/// Counts attempts in flight and queues jobs while the cap is reached.
#[derive(Debug)]
pub(super) struct ConcurrencyQueue {
    /// The most attempts in flight; `None`: no bound.
    in_flight_max: Option<u32>,
    in_flight: u32,
    /// The most jobs in the queue.
    waiting_max: u32,
    waiting: u32,
    order: Fifo,
    links: Links,
}

/// The queue has no room for another job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

impl ConcurrencyQueue {
    /// Creates an empty queue with nothing in flight.
    pub(super) fn new(in_flight_max: Option<u32>, waiting_max: u32) -> Self {
        Self {
            in_flight_max,
            in_flight: 0,
            waiting_max,
            waiting: 0,
            order: Fifo::default(),
            links: Links::default(),
        }
    }

    /// Returns `true` if no further attempt may be sent now.
    #[inline]
    pub(super) fn is_capped(&self) -> bool {
        self.in_flight_max.is_some_and(|max| self.in_flight >= max)
    }

    /// Counts an attempt that is sent.
    #[inline]
    pub(super) fn acquire(&mut self) {
        assert!(
            !self.is_capped(),
            "law 14: attempts in flight stay within the cap of {:?}",
            self.in_flight_max
        );
        self.in_flight += 1;
    }

    /// Counts an attempt that ended.
    #[inline]
    pub(super) fn release(&mut self) {
        assert!(self.in_flight > 0, "invariant: an attempt that ends is in flight");
        self.in_flight -= 1;
    }

    /// Appends a job and returns the new length of the queue.
    pub(super) fn push(&mut self, slot: Slot) -> Result<u32, QueueFull> {
        debug_assert!(self.is_capped(), "invariant: jobs queue only while the cap is reached");
        if self.waiting >= self.waiting_max {
            return Err(QueueFull);
        }
        self.links.push(&mut self.order, slot);
        self.waiting += 1;
        Ok(self.waiting)
    }

    /// Removes the first job; `None` if the queue is empty or the cap is reached.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Slot> {
        if self.waiting == 0 || self.is_capped() {
            return None;
        }
        self.waiting -= 1;
        self.links.pop(&mut self.order)
    }

    /// Removes a job that ended while it queued.
    pub(super) fn remove(&mut self, slot: Slot) {
        assert!(self.waiting > 0, "invariant: a job that leaves the queue is in it");
        self.waiting -= 1;
        self.links.remove(&mut self.order, slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_leave_in_order_while_attempts_are_below_the_cap() {
        let mut queue = ConcurrencyQueue::new(Some(1), 2);
        assert!(!queue.is_capped());
        queue.acquire();
        assert_eq!((queue.push(Slot(7)), queue.push(Slot(3))), (Ok(1), Ok(2)));
        assert_eq!(queue.push(Slot(4)), Err(QueueFull));
        assert_eq!(queue.pop(), None);
        queue.release();
        assert_eq!(queue.pop(), Some(Slot(7)));
        queue.acquire();
        queue.remove(Slot(3));
        queue.release();
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn no_cap_is_never_reached() {
        let mut queue = ConcurrencyQueue::new(None, 0);
        (0..1_000).for_each(|_| queue.acquire());
        assert!(!queue.is_capped());
    }

    #[test]
    #[should_panic(expected = "law 14")]
    fn an_attempt_above_the_cap_panics() {
        let mut queue = ConcurrencyQueue::new(Some(1), 0);
        queue.acquire();
        queue.acquire();
    }
}
