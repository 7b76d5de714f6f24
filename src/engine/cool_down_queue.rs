//! The queues of jobs that wait for targets in cool-down, or for the end of a probe.
//!
//! Jobs that wait for the same targets of one route share a queue. A queue is *open* while one of its targets is neither in
//! cool-down nor being probed. Its clock runs only while it is open, and the turn of a job comes when the clock has run for
//! the job's delay: what its back-off adds to a cool-down, or the whole back-off if the job waits for the end of a probe:
//!
//! ```text
//!  targets    ── cool-down ──┤ open ├── cool-down ──┤ open ├── …
//!  clock      0              0 ─▶ 2 2               2 ─▶ 4
//!  turns                      ▲                      ▲
//!                             delay 1: sent          delay 3: sent; delay 5: keeps its place
//! ```
//!
//! If the targets cool down again before a job's turn, the job keeps its place: no timer fires for it, and no event is
//! logged. So a cool-down costs the same however many jobs wait. Without a further cool-down, a turn comes `delay` after
//! the end of the cool-down. A job whose turn would come at or after its deadline decides again at once, which gives it
//! up or draws a shorter delay.
//!
//! A job enters a queue when at least [`MIN_WAITS_IN_VAIN`] waits since its last attempt have ended in further waits and
//! its back-off has reached its cap. Before that, it decides again after every wait, each of which doubles its back-off, so that
//! jobs that began to wait together are spread over the longest jitter. Those waits are at most a constant number per
//! attempt and log2(cap / base) per job.
//!
//! No turn comes while as many jobs as the concurrency limit admits at once have had their turn and now queue for that
//! limit.
//!
//! The turn of a batch job does not come while an interactive job is in its queue, even if its delay is shorter: turns are in
//! the order of the priorities, then of the delays.

use crate::ids::{RouteId, Slot};
use crate::job::Priority;
use provider::{Instant, Nanos};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The minimum number of waits since its last attempt after which a job enters a queue.
pub(super) const MIN_WAITS_IN_VAIN: u8 = 4;

/// What the jobs of one queue wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TargetSet {
    pub(super) route: RouteId,
    /// Targets, as a bit set of their positions in the route.
    pub(super) positions: u64,
    /// The retry budget blocks other targets of the route, so the queue is also open while the budget allows a retry.
    pub(super) or_budget: bool,
}

/// When a queue opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// The earliest known instant, which may be in the past; [`Instant::MAX`] if none is known.
    pub(super) at: Instant,
    /// `true` if the queue cannot open before `at`, except because the retry budget allows a retry.
    pub(super) is_earliest: bool,
}

/// The place of a job in the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    queue: u32,
    /// Unique within the run.
    pub(super) ticket: u64,
}

/// All queues of jobs that wait for targets.
#[derive(Debug)]
pub(super) struct CoolDownQueues {
    /// Queues that became empty are used again, for other targets.
    queues: Vec<Queue>,
    /// The earliest turn, cached because it is read at every event; [`Instant::MAX`] if none is known.
    next: Instant,
    /// Jobs in all queues.
    waiting: usize,
    /// Places given so far: the ticket of the next one.
    tickets: u64,
}

/// The jobs that wait for one set of targets. An entry of a heap is stale if its job has left the place.
#[derive(Debug)]
struct Queue {
    targets: TargetSet,
    waiting: usize,
    /// The time for which the queue had been open when it was last updated.
    clock: Nanos,
    /// The instant from which the clock runs on.
    opens: Opening,
    turns: BinaryHeap<Reverse<Turn>>,
    lateness: BinaryHeap<Reverse<LateAt>>,
}

/// A job's turn: when the clock shows `at` and no job of a higher priority waits. Turns at one reading are in the order in which
/// the jobs came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    priority: Priority,
    at: Nanos,
    ticket: u64,
    slot: Slot,
}

/// An entry of the heap that finds the jobs whose turn comes at or after their deadline. If the queue opens at `opens` with the
/// clock at `clock`, the turn of a job comes at `opens + (reading at its turn − clock)`. That is too late if `opens − clock` is
/// at least `difference`: the deadline minus the reading at the turn, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LateAt {
    difference: i128,
    ticket: u64,
    slot: Slot,
}

impl Queue {
    const fn new(targets: TargetSet) -> Self {
        Self {
            targets,
            waiting: 0,
            clock: Nanos::ZERO,
            opens: Opening { at: Instant::MAX, is_earliest: false },
            turns: BinaryHeap::new(),
            lateness: BinaryHeap::new(),
        }
    }

    /// Advances the clock to `now`. From then on it runs from the instant of `opens`.
    fn update(&mut self, now: Instant, opens: Opening) {
        if now > self.opens.at {
            self.clock += now.since(self.opens.at);
        }
        self.opens = Opening { at: opens.at.max(now), ..opens };
    }

    /// Returns the instant of the first turn; [`Instant::MAX`] if it is not known.
    fn next(&self) -> Instant {
        match self.turns.peek() {
            Some(Reverse(turn)) if self.waiting > 0 => self.opens.at + turn.at.saturating_sub(self.clock),
            _ => Instant::MAX,
        }
    }

    /// Returns the priority of the first turn; the lowest if no job waits.
    fn first_priority(&self) -> Priority {
        match self.turns.peek() {
            Some(Reverse(turn)) if self.waiting > 0 => turn.priority,
            _ => Priority::Batch,
        }
    }

    /// Returns when the first turn comes and its priority.
    fn first_turn(&self) -> (Instant, Priority) {
        (self.next(), self.first_priority())
    }

    /// Returns the first job whose turn comes at or after its deadline.
    fn first_late(&self) -> Option<Slot> {
        let Reverse(late) = self.lateness.peek()?;
        let opens_after = i128::from(self.opens.at.0) - i128::from(self.clock.0);
        (self.opens.is_earliest && opens_after >= late.difference).then_some(late.slot)
    }

    /// Counts a job that leaves, and removes stale entries: those at the front of each heap, and all of them if they are more
    /// than half of a heap.
    fn leave(&mut self, is_stale: &impl Fn(Slot, u64) -> bool) {
        self.waiting -= 1;
        if self.waiting == 0 {
            self.turns.clear();
            self.lateness.clear();
            return;
        }
        while self.turns.peek().is_some_and(|Reverse(turn)| is_stale(turn.slot, turn.ticket)) {
            self.turns.pop();
        }
        while self.lateness.peek().is_some_and(|Reverse(late)| is_stale(late.slot, late.ticket)) {
            self.lateness.pop();
        }
        if self.turns.len() > 2 * self.waiting {
            self.turns.retain(|Reverse(turn)| !is_stale(turn.slot, turn.ticket));
        }
        if self.lateness.len() > 2 * self.waiting {
            self.lateness.retain(|Reverse(late)| !is_stale(late.slot, late.ticket));
        }
    }
}

impl CoolDownQueues {
    /// Creates an empty set of queues.
    pub(super) const fn new() -> Self {
        Self { queues: Vec::new(), next: Instant::MAX, waiting: 0, tickets: 0 }
    }

    /// Returns `true` if no job waits.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Returns the instant of the earliest turn; [`Instant::MAX`] if none is known.
    #[inline]
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Returns the priority of the next turn; [`Priority::Batch`] if no job waits.
    pub(super) fn next_priority(&self) -> Priority {
        self.queues.iter().map(Queue::first_turn).min().map_or(Priority::Batch, |(_, priority)| priority)
    }

    /// Returns the priority of the first turn of the queue of these targets; [`Priority::Batch`] if no job waits for them.
    pub(super) fn first_priority(&self, targets: TargetSet) -> Priority {
        let queue = self.queues.iter().find(|queue| queue.waiting > 0 && queue.targets == targets);
        queue.map_or(Priority::Batch, Queue::first_priority)
    }

    /// Adds a job whose turn comes when the queue has been open for `delay`, and returns its place.
    ///
    /// # Panics
    /// If there are 2^32 queues.
    pub(super) fn push(
        &mut self,
        now: Instant,
        (targets, opens): (TargetSet, Opening),
        delay: Nanos,
        (slot, priority, deadline): (Slot, Priority, Instant),
    ) -> Place {
        let position = |wanted: &dyn Fn(&Queue) -> bool| self.queues.iter().position(wanted);
        let found = position(&|queue| queue.waiting > 0 && queue.targets == targets);
        let index = found.or_else(|| position(&|queue| queue.waiting == 0)).unwrap_or(self.queues.len());
        if found.is_none() {
            match self.queues.get_mut(index) {
                Some(empty) => (empty.targets, empty.clock) = (targets, Nanos::ZERO),
                None => self.queues.push(Queue::new(targets)),
            }
            self.queues[index].opens = opens;
        }
        let queue = &mut self.queues[index];
        queue.update(now, opens);
        let ticket = self.tickets;
        self.tickets += 1;
        let at = queue.clock + delay;
        let difference = i128::from(deadline.0) - i128::from(at.0);
        queue.turns.push(Reverse(Turn { priority, at, ticket, slot }));
        queue.lateness.push(Reverse(LateAt { difference, ticket, slot }));
        queue.waiting += 1;
        self.waiting += 1;
        self.next = self.earliest();
        Place { queue: u32::try_from(index).expect("invariant: there are fewer than 2^32 queues"), ticket }
    }

    /// Advances all clocks to `now`. `opens` returns when a queue opens next, given its targets and the priority of its first
    /// turn.
    pub(super) fn update(&mut self, now: Instant, opens: impl Fn(TargetSet, Priority) -> Opening) {
        for queue in self.queues.iter_mut().filter(|queue| queue.waiting > 0) {
            queue.update(now, opens(queue.targets, queue.first_priority()));
        }
        self.next = self.earliest();
    }

    /// Returns the job with the earliest turn, if that is due at `now`; the caller removes it with [`Self::remove`].
    pub(super) fn first_due(&self, now: Instant) -> Option<Slot> {
        if self.next > now {
            return None;
        }
        let queue = self.queues.iter().min_by_key(|queue| queue.first_turn())?;
        queue.turns.peek().map(|Reverse(turn)| turn.slot)
    }

    /// Returns a job whose turn comes at or after its deadline; the caller removes it with [`Self::remove`].
    pub(super) fn first_late(&self) -> Option<Slot> {
        self.queues.iter().filter(|queue| queue.waiting > 0).find_map(Queue::first_late)
    }

    /// Removes the job that has left this place. `is_stale` returns `true` if the job at a slot does not hold the place
    /// with this ticket.
    pub(super) fn remove(&mut self, place: Place, is_stale: impl Fn(Slot, u64) -> bool) {
        self.waiting -= 1;
        self.queues[place.queue as usize].leave(&is_stale);
        self.next = self.earliest();
    }

    /// Returns what the job at a place waits for.
    pub(super) fn targets(&self, place: Place) -> TargetSet {
        self.queues[place.queue as usize].targets
    }

    /// Returns the earliest turn of all queues; [`Instant::MAX`] if none is known.
    fn earliest(&self) -> Instant {
        self.queues.iter().map(Queue::next).min().unwrap_or(Instant::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TARGETS: TargetSet = TargetSet { route: RouteId(0), positions: 1, or_budget: false };
    const FOREVER: Instant = Instant(1_000_000);

    fn opens(at: u64) -> Opening {
        Opening { at: Instant(at), is_earliest: true }
    }

    /// Adds jobs with these delays at instant 0; slots count from zero, the queue opens at 10.
    fn queues(delays: &[u64]) -> (CoolDownQueues, Vec<Place>) {
        let mut queues = CoolDownQueues::new();
        let push = |(slot, delay): (u32, &u64)| {
            queues.push(
                Instant(0),
                (TARGETS, opens(10)),
                Nanos(*delay),
                (Slot(slot), Priority::Interactive, FOREVER),
            )
        };
        let places = (0..).zip(delays).map(push).collect();
        (queues, places)
    }

    /// Removes the first job if its turn has come.
    fn pop(queues: &mut CoolDownQueues, places: &mut [Place], now: u64) -> Option<u32> {
        let slot = queues.first_due(Instant(now))?;
        let place = std::mem::replace(&mut places[slot.index()], Place { queue: 0, ticket: u64::MAX });
        queues.remove(place, |slot, ticket| places[slot.index()].ticket != ticket);
        Some(slot.0)
    }

    #[test]
    fn a_cool_down_before_a_turn_delays_it_by_the_time_that_the_queue_is_closed() {
        let (mut queues, mut places) = queues(&[5, 1, 3]);
        assert_eq!(queues.next(), Instant(11));
        assert_eq!((pop(&mut queues, &mut places, 10), pop(&mut queues, &mut places, 11)), (None, Some(1)));
        // Closed again at 12, when the clock shows 2, until 100.
        queues.update(Instant(12), |_, _| opens(100));
        assert_eq!(queues.next(), Instant(101));
        // A job that comes now with a delay of 2 has its turn at 4.
        places.push(queues.push(
            Instant(50),
            (TARGETS, opens(100)),
            Nanos(2),
            (Slot(3), Priority::Interactive, FOREVER),
        ));
        let turns = [101, 102, 103].map(|now| pop(&mut queues, &mut places, now));
        assert_eq!(turns, [Some(2), Some(3), Some(0)]);
        assert!(queues.is_empty());
        assert_eq!(queues.next(), Instant::MAX);
    }

    #[test]
    fn a_turn_at_or_after_the_deadline_is_known_when_the_queue_closes() {
        let mut queues = CoolDownQueues::new();
        for (slot, deadline) in [(0, 40), (1, 30)] {
            queues.push(
                Instant(0),
                (TARGETS, opens(10)),
                Nanos(5),
                (Slot(slot), Priority::Interactive, Instant(deadline)),
            );
        }
        assert_eq!(queues.first_late(), None);
        queues.update(Instant(12), |_, _| Opening { at: Instant(90), is_earliest: false });
        assert_eq!(queues.first_late(), None, "it may open earlier");
        // The clock shows 2: both turns come 3 after the opening.
        for (opening, late) in [(26, None), (27, Some(Slot(1)))] {
            queues.update(Instant(12), |_, _| opens(opening));
            assert_eq!(queues.first_late(), late);
        }
    }

    #[test]
    fn the_turn_of_a_batch_job_comes_after_those_of_interactive_jobs() {
        let mut queues = CoolDownQueues::new();
        let mut places = Vec::new();
        for (slot, priority, delay) in [
            (0, Priority::Batch, 1),
            (1, Priority::Interactive, 5),
            (2, Priority::Interactive, 3),
            (3, Priority::Batch, 2),
        ] {
            let job = (Slot(slot), priority, FOREVER);
            places.push(queues.push(Instant(0), (TARGETS, opens(10)), Nanos(delay), job));
        }
        assert_eq!((queues.next(), queues.next_priority()), (Instant(13), Priority::Interactive));
        assert_eq!(
            pop(&mut queues, &mut places, 12),
            None,
            "a batch job waits while an interactive one does"
        );
        let order: Vec<_> = (13..16)
            .flat_map(|now| {
                std::iter::from_fn({
                    let (queues, places) = (&mut queues, &mut places);
                    move || pop(queues, places, now)
                })
                .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(order, [2, 1, 0, 3]);
        assert_eq!((queues.next(), queues.first_priority(TARGETS)), (Instant::MAX, Priority::Batch));
    }

    #[test]
    fn queues_of_other_targets_have_clocks_of_their_own() {
        let others = TargetSet { positions: 2, ..TARGETS };
        let mut queues = CoolDownQueues::new();
        queues.push(Instant(0), (TARGETS, opens(10)), Nanos(8), (Slot(0), Priority::Interactive, FOREVER));
        let place =
            queues.push(Instant(0), (others, opens(20)), Nanos(1), (Slot(1), Priority::Interactive, FOREVER));
        assert_eq!(queues.targets(place), others);
        queues.update(Instant(15), |targets, _| if targets == TARGETS { opens(50) } else { opens(20) });
        assert_eq!((queues.next(), queues.first_due(Instant(21))), (Instant(21), Some(Slot(1))));
        queues.remove(place, |_, _| true);
        assert_eq!(queues.next(), Instant(53), "the first clock shows 5 and runs on at 50");
    }

    proptest! {
        /// Against a simple model: turns in the order of their readings, whatever leaves in between.
        #[test]
        fn turns_are_in_order_and_memory_is_bounded_by_the_jobs_that_wait(
            moves in prop::collection::vec((0u64..20, any::<bool>()), 1..200),
        ) {
            let (mut queues, mut places) = (CoolDownQueues::new(), Vec::new());
            let mut model: Vec<(u64, u32)> = Vec::new();
            for (slot, (delay, leaves)) in (0..).zip(moves) {
                let job = (Slot(slot), Priority::Interactive, FOREVER);
                places.push(queues.push(Instant(0), (TARGETS, opens(10)), Nanos(delay), job));
                model.push((delay, slot));
                if leaves {
                    let (_, gone) = model.swap_remove(model.len() / 2);
                    let place = std::mem::replace(&mut places[gone as usize], Place { queue: 0, ticket: u64::MAX });
                    queues.remove(place, |slot, ticket| places[slot.index()].ticket != ticket);
                }
                let lengths = |queue: &Queue| queue.turns.len().max(queue.lateness.len());
                let entries: usize = queues.queues.iter().map(lengths).sum();
                prop_assert!(entries <= 2 * model.len() + 1, "{entries} entries for {} jobs", model.len());
            }
            model.sort_unstable();
            for (delay, slot) in model {
                prop_assert_eq!(queues.next(), Instant(10 + delay));
                prop_assert_eq!(pop(&mut queues, &mut places, 10 + delay), Some(slot));
            }
            prop_assert!(queues.is_empty());
        }
    }
}
