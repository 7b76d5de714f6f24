//! Ends waits: those until a given instant (`timers`), and those for targets (`cool_down_queue`).

use super::Engine;
use super::concurrency::ConcurrencyLimiter;
use super::cool_down_queue::{Opening, Place, TargetSet};
use super::driver::Driver;
use super::jobs::JobState;
use super::route::Router;
use super::timers::Timer;
use crate::ids::{Slot, TargetId};
use crate::job::Priority;
use provider::{Instant, Nanos};

impl Engine {
    /// Ends the earliest wait that is due: one whose instant has come, or one for targets whose turn has come. Returns
    /// `false` if none is due.
    pub(super) fn wake_next(&mut self, driver: &mut impl Driver) -> bool {
        if self.is_turn_first()
            && let Some(slot) = self.cool_down_queues.first_due(self.now)
        {
            self.take_turn(driver, slot);
        } else if let Some(Timer { at, slot, job, .. }) =
            self.timers.pop_due_wake(self.now, |timer| !self.jobs.wakes_at(timer.slot, timer.job, timer.at))
        {
            // Of two timers for one instant, the first has ended the wait.
            if !self.jobs.wakes_at(slot, job, at) {
                return true;
            }
            let active = self.jobs.at(slot);
            match active.state {
                JobState::Waiting { awaits, .. } => {
                    let priority = active.job.priority;
                    active.begin_round(self.now);
                    self.end_await(awaits, priority);
                    self.decide(driver, slot);
                }
                JobState::InPaceQueue { candidate, .. } => self.take_pace_turn(driver, slot, candidate),
                state => unreachable!("invariant: a wake-up ends a wait, found {state:?}"),
            }
        } else {
            return false;
        }
        self.update_cool_down_queues();
        true
    }

    /// Returns `true` if the next turn in the queues of targets comes before the next wake-up. At one instant interactive jobs go
    /// first, and wake-ups before turns.
    fn is_turn_first(&self) -> bool {
        let (turn, (wake, priority)) = (self.cool_down_queues.next(), self.timers.next_wake());
        turn < wake
            || (turn == wake
                && priority == Priority::Batch
                && self.cool_down_queues.next_priority() < priority)
    }

    /// Counts a job that no longer waits for the end of a target's cool-down. Does nothing if `awaits` is `None`.
    pub(super) fn end_await(&mut self, awaits: Option<TargetId>, priority: Priority) {
        if let Some(target) = awaits {
            self.router.target(target).end_await(priority);
        }
    }

    /// Adds a job in state `Deciding` to the queue of its targets.
    pub(super) fn enter_cool_down_queue(&mut self, slot: Slot, targets: TargetSet, delay: Nanos) {
        let active = self.jobs.at(slot);
        let priority = active.job.priority;
        let first = self.cool_down_queues.first_priority(targets).min(priority);
        let opens = opens(&self.router, &self.concurrency, self.now, (targets, first));
        let job = (slot, priority, active.deadline);
        let place = self.cool_down_queues.push(self.now, (targets, opens), delay, job);
        self.router.begin_await(targets, priority);
        active.transition(self.now, JobState::InCoolDownQueue(place));
    }

    /// Removes a job that ended in the queue of its targets, and records what it waited for.
    pub(super) fn leave_cool_down_queue(&mut self, slot: Slot, place: Place) {
        let targets = self.cool_down_queues.targets(place);
        let priority = self.jobs.at(slot).job.priority;
        self.router.end_await(targets, priority);
        self.cool_down_queues.remove(place, |slot, ticket| !self.jobs.holds_place(slot, ticket));
        if let Some(obstacle) = self.router.obstacle(self.now, targets) {
            self.jobs.at(slot).obstacle = Some(obstacle);
        }
    }

    /// Continues one job whose turn has come or would come too late. Returns `false` if there is none.
    pub(super) fn take_next_turn(&mut self, driver: &mut impl Driver) -> bool {
        self.update_cool_down_queues();
        if self.cool_down_queues.is_empty() {
            return false;
        }
        let (late, due) = (self.cool_down_queues.first_late(), self.cool_down_queues.first_due(self.now));
        match late.or(due) {
            Some(slot) => self.take_turn(driver, slot),
            None => return false,
        }
        true
    }

    /// Updates the queues after a change of a target, of the budget, or of the queue of the concurrency limit.
    #[inline]
    pub(super) fn update_cool_down_queues(&mut self) {
        if !self.cool_down_queues.is_empty() {
            let Self { cool_down_queues, router, concurrency, now, .. } = self;
            cool_down_queues
                .update(*now, |targets, first| opens(router, concurrency, *now, (targets, first)));
        }
    }

    /// Lets the job at `slot` leave the queue of its targets and decide again, or queue for the concurrency limit.
    fn take_turn(&mut self, driver: &mut impl Driver, slot: Slot) {
        let active = self.jobs.at(slot);
        let JobState::InCoolDownQueue(place) = active.state else {
            unreachable!("invariant: state == InCoolDownQueue, found {:?} at a turn", active.state)
        };
        active.begin_round(self.now);
        let (is_expired, priority) = (self.now >= active.deadline, active.job.priority);
        self.router.end_await(self.cool_down_queues.targets(place), priority);
        self.cool_down_queues.remove(place, |slot, ticket| !self.jobs.holds_place(slot, ticket));
        if self.concurrency.is_at_limit() && !is_expired {
            self.enqueue(driver, slot, None, true);
        } else {
            self.decide(driver, slot);
        }
    }
}

/// Returns when the queue of these targets opens for a job of this priority.
fn opens(
    router: &Router,
    concurrency: &ConcurrencyLimiter,
    now: Instant,
    (targets, priority): (TargetSet, Priority),
) -> Opening {
    if concurrency.has_enough_woken(priority) {
        Opening { at: Instant::MAX, is_earliest: false }
    } else {
        router.opens(now, targets)
    }
}
