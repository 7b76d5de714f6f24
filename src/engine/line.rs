//! The line for a place of the concurrency cap: first come, first served.

use super::Engine;
use super::driver::Driver;
use super::route::Turn;
use super::work::State;
use crate::event::{Kind, Reason};
use crate::ids::Slot;

impl Engine {
    pub(super) fn is_full(&self) -> bool {
        self.client.concurrency.is_some_and(|places| self.in_flight >= places)
    }

    #[cold]
    pub(super) fn stand_in_line(&mut self, driver: &mut impl Driver, slot: Slot, booked: Option<Turn>) {
        if self.waiting >= self.client.queue {
            booked.into_iter().for_each(|turn| self.unbook(slot, turn));
            return self.give_up(driver, slot, Reason::QueueFull);
        }
        let work = self.works.at(slot);
        work.enter(self.now, State::InLine { booked });
        let job = work.job.id;
        self.line.push_back((slot, job));
        self.waiting += 1;
        self.log(driver, job, Kind::Queued { waiting: self.waiting });
    }

    /// Gives the free places of the concurrency cap to those in line, after those who took over a place under way.
    pub(super) fn admit_from_line(&mut self, driver: &mut impl Driver) {
        loop {
            self.heirs_decide(driver);
            if self.is_full() {
                return;
            }
            let Some((slot, id)) = self.line.pop_front() else { return };
            let Some(work) = self.works.still(slot, id) else { continue };
            let State::InLine { booked } = work.state else { unreachable!("who is in line stands in line") };
            work.enter(self.now, State::Deciding);
            self.waiting -= 1;
            self.resume(driver, slot, booked);
        }
    }
}
