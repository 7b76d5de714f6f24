//! The concurrency limit of the client: a bound on the attempts in flight, which may adapt itself, and the bounded queue of jobs that wait for one of
//! them to end. Interactive jobs leave it before batch jobs; jobs of one priority leave it in the order in which they came or, if the
//! client is fair, their flows in turn.

use super::adaptive_limit::{AdaptiveLimit, Signal};
use super::estimate::leaves_spare;
use super::fair_queue::FairQueue;
use super::fifo::Links;
use super::jobs::JobSlab;
use crate::ids::{AttemptId, Slot};
use crate::job::{Job, Priority};
use crate::scenario::{Client, Concurrency};

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
    /// The number of queued jobs that came from a queue of jobs that wait for targets, by priority.
    woken: [u32; 2],
    /// By priority.
    order: [FairQueue; 2],
    links: Links,
}

/// The queue has no room for another job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

impl ConcurrencyLimiter {
    /// Creates an empty queue with nothing in flight.
    pub(super) fn new(client: &Client) -> Self {
        let (max_in_flight, adaptive) = match client.concurrency {
            None => (None, None),
            Some(Concurrency::Fixed(max)) => (Some(max), None),
            Some(Concurrency::Adaptive(bounds)) => (Some(bounds.initial), Some(AdaptiveLimit::new(bounds))),
        };
        Self {
            max_in_flight,
            adaptive,
            in_flight: 0,
            max_queued: client.queue,
            woken: [0; 2],
            order: [client.fair; 2].map(FairQueue::new),
            links: Links::default(),
        }
    }

    /// Returns `true` if no further attempt may be sent now.
    #[inline]
    pub(super) fn is_at_limit(&self) -> bool {
        self.max_in_flight.is_some_and(|max| self.in_flight >= max)
    }

    /// Returns `true` if no job queues, and this share of the limit, in thousandths, is free after a further attempt.
    pub(super) fn has_spare(&self, permille: u32) -> bool {
        let left = |max: u32| i128::from(max) - i128::from(self.in_flight) - 1;
        let is_free = |max: u32| leaves_spare(left(max), max.into(), permille);
        self.queued() == 0 && self.max_in_flight.is_none_or(is_free)
    }

    /// Returns the number of jobs in the queue.
    fn queued(&self) -> u32 {
        self.order.iter().map(FairQueue::len).sum()
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
    pub(super) fn push(&mut self, slot: Slot, job: &Job, woken: bool) -> Result<u32, QueueFull> {
        debug_assert!(self.is_at_limit(), "invariant: jobs queue only while the limit is reached");
        if self.queued() >= self.max_queued {
            return Err(QueueFull);
        }
        self.order[job.priority as usize].push(&mut self.links, slot, job);
        self.woken[job.priority as usize] += u32::from(woken);
        Ok(self.queued())
    }

    /// Removes and returns the job whose turn is next; `None` if the queue is empty or the limit is reached.
    #[inline]
    pub(super) fn pop(&mut self, jobs: &JobSlab) -> Option<Slot> {
        if self.is_at_limit() {
            return None;
        }
        let queue = self.order.iter_mut().find(|queue| !queue.is_empty())?;
        let first = queue.first()?;
        queue.serve(&mut self.links, first, jobs.job(first));
        Some(first)
    }

    /// Removes and returns the first job that goes before one of this priority; `None` if there is none or the limit is reached.
    #[inline]
    pub(super) fn pop_before(&mut self, jobs: &JobSlab, priority: Priority) -> Option<Slot> {
        let is_waiting = self.order[..priority as usize].iter().any(|order| !order.is_empty());
        if is_waiting { self.pop(jobs) } else { None }
    }

    /// Returns the job that leaves a full queue for this one: the last of the longest flow of a lower priority or, if there is none, of its
    /// own priority, if that flow is still as long as the job's own one afterwards. Without fairness all jobs are one flow.
    pub(super) fn displaced_by(&self, job: &Job) -> Option<Slot> {
        let (upper, lower) = self.order.split_at(job.priority as usize + 1);
        let displaced = lower.iter().rev().find_map(FairQueue::last_of_longest).map(|(last, _)| last);
        displaced.or_else(|| {
            let (last, length) = upper.last()?.last_of_longest()?;
            (length > upper.last()?.len_of_flow(job) + 1).then_some(last)
        })
    }

    /// Removes a job that ended while it queued.
    pub(super) fn remove(&mut self, slot: Slot, job: &Job) {
        self.order[job.priority as usize].remove(&mut self.links, slot, job);
    }
}

#[cfg(test)]
mod tests {
    use super::super::jobs::ActiveJob;
    use super::*;
    use crate::ids::{EngineId, FlowId, JobId, RouteId, Tag, WorkloadId};
    use crate::scenario::Fairness;
    use provider::Instant;

    const FULL: (AttemptId, AttemptId) = (AttemptId(0), AttemptId(1));

    fn limiter(concurrency: Option<Concurrency>, queue: u32, fair: Fairness) -> ConcurrencyLimiter {
        ConcurrencyLimiter::new(&Client { concurrency, queue, fair, ..Client::default() })
    }

    /// Creates jobs with these priorities and flows. The slots count from zero.
    fn jobs(ranks: &[(Priority, u16)]) -> JobSlab {
        let mut jobs = JobSlab::default();
        for (id, (priority, flow)) in (0..).zip(ranks) {
            let job = Job {
                id: JobId(id),
                workload: WorkloadId(0),
                engine: EngineId(0),
                route: RouteId(0),
                scheduled: Instant::ZERO,
                priority: *priority,
                flow: FlowId(*flow),
                deadline: None,
                prompt_tokens: 1,
                max_tokens: Some(1),
                fingerprint: id,
            };
            jobs.insert(ActiveJob::new(job, Tag(0), Instant::MAX, Instant::ZERO));
        }
        jobs
    }

    #[test]
    fn jobs_leave_in_order_while_attempts_are_below_the_limit() {
        let mut limiter = limiter(Some(Concurrency::Fixed(1)), 2, Fairness::Off);
        let jobs = jobs(&[(Priority::Interactive, 0); 8]);
        assert!(!limiter.is_at_limit());
        limiter.acquire();
        let push = |limiter: &mut ConcurrencyLimiter, slot, woken| limiter.push(slot, jobs.job(slot), woken);
        assert_eq!((push(&mut limiter, Slot(7), true), push(&mut limiter, Slot(3), false)), (Ok(1), Ok(2)));
        assert_eq!(push(&mut limiter, Slot(4), true), Err(QueueFull));
        assert_eq!(limiter.displaced_by(jobs.job(Slot(4))), None);
        assert!(limiter.has_enough_woken(Priority::Interactive), "one of one");
        assert_eq!(limiter.pop(&jobs), None);
        limiter.release(FULL, Signal::None);
        assert_eq!(limiter.pop(&jobs), Some(Slot(7)));
        limiter.forget_woken(Priority::Interactive);
        assert!(!limiter.has_enough_woken(Priority::Interactive));
        limiter.acquire();
        limiter.remove(Slot(3), jobs.job(Slot(3)));
        limiter.release(FULL, Signal::None);
        assert_eq!(limiter.pop(&jobs), None);
    }

    #[test]
    fn interactive_jobs_leave_before_batch_jobs_that_came_earlier() {
        let mut limiter = limiter(Some(Concurrency::Fixed(1)), 4, Fairness::Off);
        let (interactive, batch) = ((Priority::Interactive, 0), (Priority::Batch, 0));
        let jobs = jobs(&[batch, batch, interactive]);
        limiter.acquire();
        for slot in [Slot(0), Slot(1), Slot(2)] {
            limiter.push(slot, jobs.job(slot), true).expect("room");
        }
        assert!(limiter.has_enough_woken(Priority::Interactive));
        limiter.forget_woken(Priority::Interactive);
        assert!(!limiter.has_enough_woken(Priority::Interactive), "batch jobs do not go before it");
        assert!(limiter.has_enough_woken(Priority::Batch));
        let displaced = [Slot(2), Slot(0)].map(|slot| limiter.displaced_by(jobs.job(slot)));
        assert_eq!(displaced, [Some(Slot(1)), None], "an interactive job displaces the last batch job");
        assert_eq!(limiter.pop_before(&jobs, Priority::Batch), None);
        limiter.release(FULL, Signal::None);
        assert_eq!(limiter.pop_before(&jobs, Priority::Batch), Some(Slot(2)));
        assert_eq!(limiter.pop_before(&jobs, Priority::Batch), None);
        let pop = |limiter: &mut ConcurrencyLimiter| limiter.pop(&jobs);
        assert_eq!(
            (pop(&mut limiter), pop(&mut limiter), pop(&mut limiter)),
            (Some(Slot(0)), Some(Slot(1)), None)
        );
    }

    /// A queue of four is full of one flow. Jobs of another flow displace the last ones until both have two.
    #[test]
    fn a_full_queue_is_shared_by_the_flows() {
        let mut limiter = limiter(Some(Concurrency::Fixed(1)), 4, Fairness::Requests);
        let (bulk, chat) = ((Priority::Interactive, 0), (Priority::Interactive, 1));
        let jobs = jobs(&[bulk, bulk, bulk, bulk, chat, chat, chat]);
        limiter.acquire();
        for slot in (0..4).map(Slot) {
            limiter.push(slot, jobs.job(slot), false).expect("room");
        }
        for (arrives, displaced) in [(4, Some(Slot(3))), (5, Some(Slot(2))), (6, None)] {
            let job = jobs.job(Slot(arrives));
            assert_eq!(limiter.displaced_by(job), displaced);
            if let Some(displaced) = displaced {
                limiter.remove(displaced, jobs.job(displaced));
                limiter.push(Slot(arrives), job, false).expect("room");
            }
        }
        limiter.release(FULL, Signal::None);
        let order: Vec<_> = std::iter::from_fn(|| limiter.pop(&jobs)).collect();
        assert_eq!(order, [0, 4, 1, 5].map(Slot));
    }

    #[test]
    fn without_a_limit_every_attempt_is_allowed() {
        let mut limiter = limiter(None, 0, Fairness::Off);
        (0..1_000).for_each(|_| limiter.acquire());
        assert!(!limiter.is_at_limit());
    }

    #[test]
    #[should_panic(expected = "invariant: attempts in flight")]
    fn an_attempt_above_the_limit_panics() {
        let mut limiter = limiter(Some(Concurrency::Fixed(1)), 0, Fairness::Off);
        limiter.acquire();
        limiter.acquire();
    }
}
