//! Request coalescing (single-flight): of identical jobs in flight, one leader is sent and the others follow it.
//!
//! ```text
//!  submit ─▶ identical job in flight? ──no──▶ it leads
//!                                     ──yes─▶ it follows the leader, first in, first out
//!  leader served                 ─▶ its followers are served with it, at the same instant
//!  leader given up               ─▶ its first follower is promoted: it leads the others, with no attempts so far
//!  leader cancelled while sent   ─▶ its first follower is promoted and takes the attempt over
//!  follower expired or cancelled ─▶ it leaves the list; the others stay
//! ```
//!
//! A promoted follower has its own attempts and its own deadline. Unless it takes an attempt over, it has tried no target,
//! so its first attempt costs no retry budget. One job per fingerprint is sent at a time, however many follow (law 15): the
//! failure of a leader starts one attempt, not one per follower.
//!
//! Promoted jobs are queued here until the end of the input that promoted them, because what the input makes due may include a
//! promoted job's own deadline.

use super::fifo::{Fifo, Links};
use crate::ids::Slot;
use rustc_hash::FxHashMap;

/// Leaders, their followers, and promoted leaders that have not run yet.
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    /// The leader of each fingerprint.
    leaders: FxHashMap<u64, Slot>,
    /// By the leader's slot; empty for slots that do not lead.
    followers: Vec<Fifo>,
    promoted: Fifo,
    links: Links,
}

impl Coalescer {
    /// Registers the job at `slot` as the leader for its fingerprint, or as a follower of the current leader. Returns
    /// the leader's slot for a follower, `None` for a leader.
    pub(super) fn join_leader(&mut self, fingerprint: u64, slot: Slot) -> Option<Slot> {
        if self.followers.len() <= slot.index() {
            self.followers.resize(slot.index() + 1, Fifo::default());
        }
        let leader = *self.leaders.entry(fingerprint).or_insert(slot);
        if leader == slot {
            debug_assert!(
                self.followers[slot.index()].is_empty(),
                "invariant: a new leader has no followers"
            );
            return None;
        }
        self.links.push(&mut self.followers[leader.index()], slot);
        Some(leader)
    }

    /// Returns `true` if the job at `slot` leads its fingerprint.
    pub(super) fn leads(&self, fingerprint: u64, slot: Slot) -> bool {
        self.leaders.get(&fingerprint) == Some(&slot)
    }

    /// Ends the lead of a job that was served. Its followers are returned by [`Self::pop_follower`].
    pub(super) fn end_lead(&mut self, fingerprint: u64, leader: Slot) {
        assert!(self.leads(fingerprint, leader), "law 15: only a leader is served, {leader:?} does not lead");
        self.leaders.remove(&fingerprint);
    }

    /// Removes the first follower of a job; `None` if there is none.
    pub(super) fn pop_follower(&mut self, leader: Slot) -> Option<Slot> {
        self.links.pop(&mut self.followers[leader.index()])
    }

    /// Ends the lead of the job at `slot` without an answer and makes its first follower the leader of the others.
    /// Returns the new leader; `None` if the job did not lead or has no followers.
    pub(super) fn promote_next(&mut self, fingerprint: u64, slot: Slot) -> Option<Slot> {
        if !self.leads(fingerprint, slot) {
            return None;
        }
        let Some(next) = self.pop_follower(slot) else {
            self.leaders.remove(&fingerprint);
            return None;
        };
        self.leaders.insert(fingerprint, next);
        self.followers[next.index()] = std::mem::take(&mut self.followers[slot.index()]);
        Some(next)
    }

    /// Removes a follower that ended before its leader.
    pub(super) fn remove_follower(&mut self, fingerprint: u64, slot: Slot) {
        let leader = self.leaders[&fingerprint];
        assert_ne!(leader, slot, "invariant: a follower does not lead");
        self.links.remove(&mut self.followers[leader.index()], slot);
    }

    /// Queues a promoted job that has no attempt in flight.
    pub(super) fn push_promoted(&mut self, slot: Slot) {
        self.links.push(&mut self.promoted, slot);
    }

    /// Returns `true` if a promoted job is queued.
    pub(super) fn has_promoted(&self) -> bool {
        !self.promoted.is_empty()
    }

    /// Removes the promoted job that was queued first; `None` if none is queued.
    pub(super) fn pop_promoted(&mut self) -> Option<Slot> {
        self.links.pop(&mut self.promoted)
    }

    /// Removes a promoted job that ended before it ran.
    pub(super) fn remove_promoted(&mut self, slot: Slot) {
        self.links.remove(&mut self.promoted, slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, VecDeque};

    #[test]
    fn followers_leave_in_any_order_and_the_others_stay() {
        let mut coalescer = Coalescer::default();
        let joined = [0, 1, 2, 3].map(|slot| coalescer.join_leader(9, Slot(slot)));
        assert_eq!(joined, [None, Some(Slot(0)), Some(Slot(0)), Some(Slot(0))]);
        coalescer.remove_follower(9, Slot(2));
        assert_eq!(coalescer.promote_next(9, Slot(0)), Some(Slot(1)));
        assert!(coalescer.leads(9, Slot(1)) && !coalescer.leads(9, Slot(0)));
        coalescer.end_lead(9, Slot(1));
        assert_eq!((coalescer.pop_follower(Slot(1)), coalescer.pop_follower(Slot(1))), (Some(Slot(3)), None));
        assert_eq!(coalescer.join_leader(9, Slot(5)), None, "the fingerprint is free again");
    }

    #[test]
    fn promoted_jobs_run_in_order_unless_they_end_first() {
        let mut coalescer = Coalescer::default();
        [4, 2, 7].into_iter().for_each(|slot| coalescer.push_promoted(Slot(slot)));
        coalescer.remove_promoted(Slot(2));
        assert_eq!([(); 3].map(|()| coalescer.pop_promoted()), [Some(Slot(4)), Some(Slot(7)), None]);
    }

    proptest! {
        /// Against a simple model: a queue per fingerprint, the first of which leads. Slots are used again.
        #[test]
        fn behaves_as_a_queue_per_fingerprint(
            moves in prop::collection::vec((0u64..5, 0u8..6), 1..300),
        ) {
            let mut coalescer = Coalescer::default();
            let mut model: BTreeMap<u64, VecDeque<Slot>> = BTreeMap::new();
            let (mut free, mut slots) = (Vec::new(), 0);
            for (fingerprint, kind) in moves {
                let queue = model.entry(fingerprint).or_default();
                match (kind, queue.len()) {
                    (0, 1..) => {
                        let leader = queue.pop_front().expect("not empty");
                        prop_assert_eq!(coalescer.promote_next(fingerprint, leader), queue.front().copied());
                        prop_assert_eq!(coalescer.promote_next(fingerprint, leader), None, "it leads no more");
                        free.push(leader);
                    }
                    (1, 1..) => {
                        let leader = queue.pop_front().expect("not empty");
                        coalescer.end_lead(fingerprint, leader);
                        while let Some(slot) = coalescer.pop_follower(leader) {
                            prop_assert_eq!(queue.pop_front(), Some(slot));
                            free.push(slot);
                        }
                        prop_assert!(queue.is_empty());
                        free.push(leader);
                    }
                    (2, length @ 2..) => {
                        let follower = queue.remove(length / 2).expect("not empty");
                        coalescer.remove_follower(fingerprint, follower);
                        free.push(follower);
                    }
                    _ => {
                        let slot = free.pop().unwrap_or_else(|| {
                            slots += 1;
                            Slot(slots - 1)
                        });
                        prop_assert_eq!(coalescer.join_leader(fingerprint, slot), queue.front().copied());
                        queue.push_back(slot);
                    }
                }
            }
            let leading = model.values().filter(|queue| !queue.is_empty()).count();
            prop_assert_eq!(coalescer.leaders.len(), leading, "no entry outlives its jobs");
        }
    }
}
