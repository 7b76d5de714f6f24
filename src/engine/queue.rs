//! The line for a place of the concurrency cap: first come, first served.

use super::Engine;
use super::driver::Driver;
use super::jobs::JobState;
use super::route::Candidate;
use crate::event::{EndReason, EventKind};
use crate::ids::Slot;

impl Engine {
    pub(super) fn is_full(&self) -> bool {
        self.client.concurrency.is_some_and(|places| self.in_flight >= places)
    }

    #[cold]
    pub(super) fn enqueue(&mut self, driver: &mut impl Driver, slot: Slot, booked: Option<Candidate>) {
        if self.waiting >= self.client.queue {
            booked.into_iter().for_each(|turn| self.release(slot, turn));
            return self.give_up(driver, slot, EndReason::QueueFull);
        }
        let work = self.jobs.at(slot);
        work.transition(self.now, JobState::Queued { booked });
        let job = work.job.id;
        self.line.push_back((slot, job));
        self.waiting += 1;
        self.log(driver, job, EventKind::Queued { waiting: self.waiting });
    }

    /// Gives the free places of the concurrency cap to those in line, after those who took over a place under way.
    pub(super) fn admit_queued(&mut self, driver: &mut impl Driver) {
        loop {
            self.run_promoted(driver);
            if self.is_full() {
                return;
            }
            let Some((slot, id)) = self.line.pop_front() else { return };
            let Some(work) = self.jobs.get_if_current(slot, id) else { continue };
            let JobState::Queued { booked } = work.state else {
                unreachable!("who is in line stands in line")
            };
            work.transition(self.now, JobState::Deciding);
            self.waiting -= 1;
            self.resume(driver, slot, booked);
        }
    }
}
