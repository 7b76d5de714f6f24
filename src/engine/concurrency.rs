//! The concurrency limit of the client: a bound on the attempts in flight, which may adapt itself, and the bounded queue of jobs that wait for one of
//! them to end. Interactive jobs leave it before batch jobs; jobs of one priority leave it in the order in which they came.

use super::adaptive_limit::{AdaptiveLimit, Signal};
use super::fifo::{Fifo, Links};
use crate::ids::{AttemptId, Slot};
use crate::job::Priority;
use crate::scenario::Concurrency;

/// Counts attempts in flight and queues jobs while the limit is reached.
#[derive(Debug)]
pub(super) struct ConcurrencyLimiter {
    /// The most attempts in flight; `None`: no limit.
    max_in_flight: Option<u32>,
    /// Sets `max_in_flight`; `None`: it is fixed.
    adaptive: Option<AdaptiveLimit>,
    in_flight: u32,
    /// The most jobs in the queue.
    max_queued: u32,
    queued: u32,
    /// The number of queued jobs that came from a queue of jobs that wait for targets, by priority.
    woken: [u32; 2],
    /// By priority.
    order: [Fifo; 2],
    links: Links,
}

/// The queue has no room for another job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

impl ConcurrencyLimiter {
    /// Creates an empty queue with nothing in flight.
    pub(super) fn new(limit: Option<Concurrency>, max_queued: u32) -> Self {
        let (max_in_flight, adaptive) = match limit {
            None => (None, None),
            Some(Concurrency::Fixed(max)) => (Some(max), None),
            Some(Concurrency::Adaptive(bounds)) => (Some(bounds.initial), Some(AdaptiveLimit::new(bounds))),
        };
        Self {
            max_in_flight,
            adaptive,
            in_flight: 0,
            max_queued,
            queued: 0,
            woken: [0; 2],
            order: [Fifo::default(); 2],
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

    /// Counts an attempt that ended, of which `signal` is known. `next` is the attempt that is sent next.
    #[inline]
    pub(super) fn release(&mut self, (attempt, next): (AttemptId, AttemptId), signal: Signal) {
        assert!(self.in_flight > 0, "invariant: an attempt that ends is in flight");
        if let Some(adaptive) = &mut self.adaptive {
            adaptive.update((attempt, next), self.in_flight, signal);
            self.max_in_flight = Some(adaptive.get());
        }
        self.in_flight -= 1;
    }

    /// Returns `true` if the queue holds as many woken jobs that go before a further one of this priority as the limit admits
    /// attempts at once. Waking that job would then only lengthen the queue.
    #[inline]
    pub(super) fn has_enough_woken(&self, priority: Priority) -> bool {
        let woken: u32 = self.woken[..=priority as usize].iter().sum();
        self.max_in_flight.is_some_and(|max| woken >= max)
    }

    /// Records that a woken job has left the queue.
    pub(super) fn forget_woken(&mut self, priority: Priority) {
        let woken = &mut self.woken[priority as usize];
        assert!(*woken > 0, "invariant: a woken job that leaves the queue was counted");
        *woken -= 1;
    }

    /// Appends a job and returns the new length of the queue. `woken`: it comes from a queue of jobs that wait for
    /// targets.
    pub(super) fn push(&mut self, slot: Slot, priority: Priority, woken: bool) -> Result<u32, QueueFull> {
        debug_assert!(self.is_at_limit(), "invariant: jobs queue only while the limit is reached");
        if self.queued >= self.max_queued {
            return Err(QueueFull);
        }
        self.links.push(&mut self.order[priority as usize], slot);
        self.queued += 1;
        self.woken[priority as usize] += u32::from(woken);
        Ok(self.queued)
    }

    /// Removes and returns the first job; `None` if the queue is empty or the limit is reached.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Slot> {
        if self.queued == 0 || self.is_at_limit() {
            return None;
        }
        self.queued -= 1;
        let first = self.order.iter_mut().find(|order| !order.is_empty());
        self.links.pop(first.expect("invariant: a queue with jobs has a first one"))
    }

    /// Removes and returns the first job that goes before one of this priority; `None` if there is none or the limit is reached.
    #[inline]
    pub(super) fn pop_before(&mut self, priority: Priority) -> Option<Slot> {
        let is_waiting = self.order[..priority as usize].iter().any(|order| !order.is_empty());
        if is_waiting { self.pop() } else { None }
    }

    /// Returns the last job that a job of this priority goes before.
    pub(super) fn last_after(&self, priority: Priority) -> Option<Slot> {
        self.order[priority as usize + 1..].iter().rev().find_map(|order| order.last())
    }

    /// Removes a job that ended while it queued.
    pub(super) fn remove(&mut self, slot: Slot, priority: Priority) {
        assert!(self.queued > 0, "invariant: a job that leaves the queue is in it");
        self.queued -= 1;
        self.links.remove(&mut self.order[priority as usize], slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_leave_in_order_while_attempts_are_below_the_limit() {
        let mut limiter = ConcurrencyLimiter::new(Some(Concurrency::Fixed(1)), 2);
        assert!(!limiter.is_at_limit());
        limiter.acquire();
        let push =
            |limiter: &mut ConcurrencyLimiter, slot, woken| limiter.push(slot, Priority::Interactive, woken);
        assert_eq!((push(&mut limiter, Slot(7), true), push(&mut limiter, Slot(3), false)), (Ok(1), Ok(2)));
        assert_eq!(push(&mut limiter, Slot(4), true), Err(QueueFull));
        assert!(limiter.has_enough_woken(Priority::Interactive), "one of one");
        assert_eq!(limiter.pop(), None);
        limiter.release((AttemptId(0), AttemptId(1)), Signal::None);
        assert_eq!(limiter.pop(), Some(Slot(7)));
        limiter.forget_woken(Priority::Interactive);
        assert!(!limiter.has_enough_woken(Priority::Interactive));
        limiter.acquire();
        limiter.remove(Slot(3), Priority::Interactive);
        limiter.release((AttemptId(0), AttemptId(1)), Signal::None);
        assert_eq!(limiter.pop(), None);
    }

    #[test]
    fn interactive_jobs_leave_before_batch_jobs_that_came_earlier() {
        let mut limiter = ConcurrencyLimiter::new(Some(Concurrency::Fixed(1)), 4);
        limiter.acquire();
        for (slot, priority) in [(1, Priority::Batch), (2, Priority::Batch), (3, Priority::Interactive)] {
            limiter.push(Slot(slot), priority, true).expect("room");
        }
        assert!(limiter.has_enough_woken(Priority::Interactive));
        limiter.forget_woken(Priority::Interactive);
        assert!(!limiter.has_enough_woken(Priority::Interactive), "batch jobs do not go before it");
        assert!(limiter.has_enough_woken(Priority::Batch));
        assert_eq!(limiter.last_after(Priority::Interactive), Some(Slot(2)));
        assert_eq!((limiter.last_after(Priority::Batch), limiter.pop_before(Priority::Batch)), (None, None));
        limiter.release((AttemptId(0), AttemptId(1)), Signal::None);
        assert_eq!(limiter.pop_before(Priority::Batch), Some(Slot(3)));
        assert_eq!(limiter.pop_before(Priority::Batch), None);
        assert_eq!((limiter.pop(), limiter.pop(), limiter.pop()), (Some(Slot(1)), Some(Slot(2)), None));
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
        let mut limiter = ConcurrencyLimiter::new(Some(Concurrency::Fixed(1)), 0);
        limiter.acquire();
        limiter.acquire();
    }
}
