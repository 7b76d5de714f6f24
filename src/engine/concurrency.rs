//! The concurrency limit of the client: a bound on the attempts in flight, and the bounded first-in, first-out queue of
//! jobs that wait for one of them to end.

use super::fifo::{Fifo, Links};
use crate::ids::Slot;

/// Counts attempts in flight and queues jobs while the limit is reached.
#[derive(Debug)]
pub(super) struct ConcurrencyLimiter {
    /// The most attempts in flight; `None`: no limit.
    max_in_flight: Option<u32>,
    in_flight: u32,
    /// The most jobs in the queue.
    max_queued: u32,
    queued: u32,
    /// The number of queued jobs that came from a queue of jobs that wait for targets.
    woken: u32,
    order: Fifo,
    links: Links,
}

/// The queue has no room for another job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

impl ConcurrencyLimiter {
    /// Creates an empty queue with nothing in flight.
    pub(super) fn new(max_in_flight: Option<u32>, max_queued: u32) -> Self {
        Self {
            max_in_flight,
            in_flight: 0,
            max_queued,
            queued: 0,
            woken: 0,
            order: Fifo::default(),
            links: Links::default(),
        }
    }

    /// Returns `true` if no further attempt may be sent now.
    #[inline]
    pub(super) fn is_at_limit(&self) -> bool {
        self.max_in_flight.is_some_and(|max| self.in_flight >= max)
    }

    /// Counts an attempt that is sent.
    #[inline]
    pub(super) fn acquire(&mut self) {
        assert!(
            !self.is_at_limit(),
            "invariant: attempts in flight stay within the limit of {:?}",
            self.max_in_flight
        );
        self.in_flight += 1;
    }

    /// Counts an attempt that ended.
    #[inline]
    pub(super) fn release(&mut self) {
        assert!(self.in_flight > 0, "invariant: an attempt that ends is in flight");
        self.in_flight -= 1;
    }

    /// Returns `true` if the woken jobs in the queue are as many as the attempts that the limit admits at once: a further
    /// one could not be sent soon.
    #[inline]
    pub(super) fn has_enough_woken(&self) -> bool {
        self.max_in_flight.is_some_and(|max| self.woken >= max)
    }

    /// Records that a woken job has left the queue.
    pub(super) fn forget_woken(&mut self) {
        assert!(self.woken > 0, "invariant: a woken job that leaves the queue was counted");
        self.woken -= 1;
    }

    /// Appends a job and returns the new length of the queue. `woken`: it comes from a queue of jobs that wait for
    /// targets.
    pub(super) fn push(&mut self, slot: Slot, woken: bool) -> Result<u32, QueueFull> {
        debug_assert!(self.is_at_limit(), "invariant: jobs queue only while the limit is reached");
        if self.queued >= self.max_queued {
            return Err(QueueFull);
        }
        self.links.push(&mut self.order, slot);
        self.queued += 1;
        self.woken += u32::from(woken);
        Ok(self.queued)
    }

    /// Removes and returns the first job; `None` if the queue is empty or the limit is reached.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Slot> {
        if self.queued == 0 || self.is_at_limit() {
            return None;
        }
        self.queued -= 1;
        self.links.pop(&mut self.order)
    }

    /// Removes a job that ended while it queued.
    pub(super) fn remove(&mut self, slot: Slot) {
        assert!(self.queued > 0, "invariant: a job that leaves the queue is in it");
        self.queued -= 1;
        self.links.remove(&mut self.order, slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_leave_in_order_while_attempts_are_below_the_limit() {
        let mut limiter = ConcurrencyLimiter::new(Some(1), 2);
        assert!(!limiter.is_at_limit());
        limiter.acquire();
        assert_eq!((limiter.push(Slot(7), true), limiter.push(Slot(3), false)), (Ok(1), Ok(2)));
        assert_eq!(limiter.push(Slot(4), true), Err(QueueFull));
        assert!(limiter.has_enough_woken(), "one of one");
        assert_eq!(limiter.pop(), None);
        limiter.release();
        assert_eq!(limiter.pop(), Some(Slot(7)));
        limiter.forget_woken();
        assert!(!limiter.has_enough_woken());
        limiter.acquire();
        limiter.remove(Slot(3));
        limiter.release();
        assert_eq!(limiter.pop(), None);
    }

    #[test]
    fn without_a_limit_every_attempt_is_allowed() {
        let mut limiter = ConcurrencyLimiter::new(None, 0);
        (0..1_000).for_each(|_| limiter.acquire());
        assert!(!limiter.is_at_limit());
    }

    #[test]
    #[should_panic(expected = "invariant: attempts in flight")]
    fn an_attempt_above_the_limit_panics() {
        let mut limiter = ConcurrencyLimiter::new(Some(1), 0);
        limiter.acquire();
        limiter.acquire();
    }
}
