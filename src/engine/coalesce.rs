//! Coalescer identical jobs under way, which others call request coalescing or single-flight: a job that asks what
//! another, still under way, has asked already is not sent, but stands by for that one's answer.
//!
//! ```text
//!  submit ─▶ a fresh answer in the cache?  ──yes─▶ done
//!            an identical job under way?   ──yes─▶ follow it, at the end of its line
//!            neither                       ──────▶ lead: go the way of every job
//!  the leader is served    ─▶ its followers are served with it, at that instant
//!  the leader is given up  ─▶ the first follower leads in its place, the others follow that one
//! ```
//!
//! Who takes over begins anew: its own attempts, its own deadline, nothing tried yet, so that it costs no retry of the
//! budget. The attempt of a leader that ran out of time ends with it. One goes at a time, however many follow, so a
//! leader's failure lets no herd loose; the price is that followers of several that fail get their chance late.
//!
//! Every job has the same time to its deadline, so a leader's comes before its followers': none expires while it
//! follows. The followers of a leader are a list through their places, so a job allocates nothing.

use super::Engine;
use super::driver::Driver;
use super::jobs::JobState;
use crate::event::{EventKind, JobEnd, JobOutcome};
use crate::ids::{JobId, Slot};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Who leads, and who follows whom.
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    /// By fingerprint, the place of the job that leads.
    leaders: FxHashMap<u64, Slot>,
    /// By place. What is kept of a place that nobody has is not read.
    links: Vec<Link>,
    /// Those who lead since this move began and have yet to decide on theirs.
    heirs: VecDeque<(Slot, JobId)>,
}

/// The place of a job in the line behind a leader.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Who follows next.
    next: Option<Slot>,
    /// Of a leader: the last of the line, itself where nobody follows.
    last: Slot,
}

impl Coalescer {
    /// Lets the job at `slot` lead those with its fingerprint, or follow the one that does; returns whom it follows.
    fn lead_or_follow(&mut self, fingerprint: u64, slot: Slot) -> Option<Slot> {
        let link = Link { next: None, last: slot };
        if self.links.len() <= slot.index() {
            self.links.resize(slot.index() + 1, link);
        }
        self.links[slot.index()] = link;
        let leader = *self.leaders.entry(fingerprint).or_insert(slot);
        if leader == slot {
            return None;
        }
        let last = std::mem::replace(&mut self.links[leader.index()].last, slot);
        self.links[last.index()].next = Some(slot);
        Some(leader)
    }

    /// Ends the lead of `slot`, if it leads; returns its first follower.
    fn end(&mut self, fingerprint: u64, slot: Slot) -> Option<Slot> {
        self.leaders.get(&fingerprint).filter(|leader| **leader == slot)?;
        self.leaders.remove(&fingerprint);
        self.links[slot.index()].next
    }

    /// Hands the lead of `slot`, if it leads, to its first follower, which it returns.
    fn promote_next(&mut self, fingerprint: u64, slot: Slot) -> Option<Slot> {
        let heir = self.end(fingerprint, slot)?;
        self.leaders.insert(fingerprint, heir);
        self.links[heir.index()].last = self.links[slot.index()].last;
        Some(heir)
    }
}

/// Where joining is off each of these is a look at an option, and what stands behind it is out of the loop's way.
impl Engine {
    /// Lets the job at a place follow an identical one that is under way; whether there is one.
    #[inline]
    pub(super) fn follows(&mut self, driver: &mut impl Driver, slot: Slot) -> bool {
        self.joining.is_some() && self.follow(driver, slot)
    }

    /// Serves those who followed a job that was served, and has left its place: with its answer, whole and now.
    #[inline]
    pub(super) fn serve_followers(&mut self, driver: &mut impl Driver, leader: Slot, fingerprint: u64) {
        let first = self.joining.as_mut().and_then(|joining| joining.end(fingerprint, leader));
        if let Some(first) = first {
            self.serve_from(driver, first);
        }
    }

    /// Lets the first of those who followed a job that was given up, and has left its place, lead the others.
    #[inline]
    pub(super) fn promote_next(&mut self, driver: &mut impl Driver, leader: (Slot, JobId), fingerprint: u64) {
        let heir = self.joining.as_mut().and_then(|joining| joining.promote_next(fingerprint, leader.0));
        if let Some(heir) = heir {
            self.promote(driver, heir, leader.1);
        }
    }

    /// Lets those decide who took over, those among them whose deadline has not come meanwhile. Who gives up at once
    /// has an heir in turn, which comes last.
    #[inline]
    pub(super) fn run_promoted(&mut self, driver: &mut impl Driver) {
        while let Some((slot, job)) = self.joining.as_mut().and_then(|joining| joining.heirs.pop_front()) {
            if self.jobs.get_if_current(slot, job).is_some() {
                self.decide(driver, slot);
            }
        }
    }

    #[cold]
    fn follow(&mut self, driver: &mut impl Driver, slot: Slot) -> bool {
        let Some(joining) = &mut self.joining else { return false };
        let job = self.jobs.at(slot).job;
        let Some(leader) = joining.lead_or_follow(job.fingerprint, slot) else { return false };
        self.jobs.at(slot).transition(self.now, JobState::Waiting);
        let leader = self.jobs.at(leader).job.id;
        self.log(driver, job.id, EventKind::Coalesced { leader });
        true
    }

    #[cold]
    fn serve_from(&mut self, driver: &mut impl Driver, first: Slot) {
        let mut next = Some(first);
        while let Some(slot) = next {
            next = self.joining.as_ref().and_then(|joining| joining.links[slot.index()].next);
            let work = self.jobs.at(slot);
            work.transition(self.now, JobState::Deciding);
            let (job, waited) = (work.job.id, self.now.since(work.job.scheduled));
            let ending = JobEnd { first_token: Some(waited), ..work.ending(JobOutcome::Succeeded) };
            self.finish(driver, slot, job, ending);
        }
    }

    /// The heir decides at the end of this move: what else is due now may be its own deadline.
    #[cold]
    fn promote(&mut self, driver: &mut impl Driver, heir: Slot, from: JobId) {
        let work = self.jobs.at(heir);
        work.transition(self.now, JobState::Deciding);
        let job = work.job.id;
        if let Some(joining) = &mut self.joining {
            joining.heirs.push_back((heir, job));
        }
        self.log(driver, job, EventKind::Promoted { leader: from });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Against the obvious model: a queue per fingerprint, whose head leads. Places are used again.
        #[test]
        fn behaves_as_a_queue_for_each_fingerprint(
            moves in prop::collection::vec((0u64..5, 0u8..4), 1..300),
        ) {
            let mut joining = Coalescer::default();
            let mut model: BTreeMap<u64, VecDeque<Slot>> = BTreeMap::new();
            let (mut free, mut places) = (Vec::new(), 0);
            for (fingerprint, what) in moves {
                let line = model.entry(fingerprint).or_default();
                if what > 1 || line.is_empty() {
                    let slot = free.pop().unwrap_or_else(|| {
                        places += 1;
                        Slot(places - 1)
                    });
                    prop_assert_eq!(joining.lead_or_follow(fingerprint, slot), line.front().copied());
                    line.push_back(slot);
                } else if what == 1 {
                    let leader = line.pop_front().expect("the line is not empty");
                    prop_assert_eq!(joining.promote_next(fingerprint, leader), line.front().copied());
                    // Who leads no more is asked in vain.
                    prop_assert_eq!(joining.promote_next(fingerprint, leader), None);
                    free.push(leader);
                } else {
                    let leader = line.pop_front().expect("the line is not empty");
                    free.push(leader);
                    let mut next = joining.end(fingerprint, leader);
                    while let Some(slot) = next {
                        prop_assert_eq!(line.pop_front(), Some(slot));
                        next = joining.links[slot.index()].next;
                        free.push(slot);
                    }
                    prop_assert!(line.is_empty());
                }
            }
            let leading = model.values().filter(|line| !line.is_empty()).count();
            prop_assert_eq!(joining.leaders.len(), leading, "nothing is kept of what is over");
        }
    }
}
