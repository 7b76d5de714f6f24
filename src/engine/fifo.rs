//! First-in, first-out lists of slots with removal anywhere in constant time: the queue of the concurrency limit, the
//! followers of a leader, and the promoted leaders.
//!
//! All lists over the same slots share one vector of links, so nothing is allocated per job. A slot is in at most one
//! of the lists that share a [`Links`] (asserted).

use crate::ids::Slot;

/// The ends of one list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fifo {
    first: Option<Slot>,
    last: Option<Slot>,
}

impl Fifo {
    /// A list without slots.
    pub(super) const EMPTY: Self = Self { first: None, last: None };

    /// Returns `true` if no slot is in the list.
    pub(super) fn is_empty(self) -> bool {
        self.first.is_none()
    }

    /// Returns the first slot.
    pub(super) fn first(self) -> Option<Slot> {
        self.first
    }

    /// Returns the last slot.
    pub(super) fn last(self) -> Option<Slot> {
        self.last
    }
}

/// The links of all lists, by slot.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

/// The neighbours of a slot in its list. `linked` is `false` if it is in no list.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    linked: bool,
    previous: Option<Slot>,
    next: Option<Slot>,
}

impl Links {
    /// Appends a slot to a list.
    pub(super) fn push(&mut self, list: &mut Fifo, slot: Slot) {
        if self.0.len() <= slot.index() {
            self.0.resize(slot.index() + 1, Link::default());
        }
        assert!(!self.0[slot.index()].linked, "invariant: a slot is in one list at most, {slot:?} is in two");
        let previous = list.last.replace(slot);
        self.0[slot.index()] = Link { linked: true, previous, next: None };
        match previous {
            Some(previous) => self.0[previous.index()].next = Some(slot),
            None => list.first = Some(slot),
        }
    }

    /// Removes and returns the first slot of a list; `None` if the list is empty.
    pub(super) fn pop(&mut self, list: &mut Fifo) -> Option<Slot> {
        let first = list.first?;
        self.remove(list, first);
        Some(first)
    }

    /// Removes a slot from the list that it is in.
    pub(super) fn remove(&mut self, list: &mut Fifo, slot: Slot) {
        let Link { linked, previous, next } = std::mem::take(&mut self.0[slot.index()]);
        assert!(linked, "invariant: only a listed slot is removed, {slot:?} is in no list");
        match previous {
            Some(previous) => self.0[previous.index()].next = next,
            None => list.first = next,
        }
        match next {
            Some(next) => self.0[next.index()].previous = previous,
            None => list.last = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn lists_behave_as_queues_with_removal(moves in prop::collection::vec((0u8..3, 0usize..2, 0u32..8), 1..200)) {
            let mut links = Links::default();
            let mut lists = [Fifo::default(); 2];
            let mut model: [VecDeque<Slot>; 2] = Default::default();
            for (kind, list, number) in moves {
                let slot = Slot(number);
                let listed_in = model.iter().position(|queue| queue.contains(&slot));
                match (kind, listed_in) {
                    (0, None) => {
                        links.push(&mut lists[list], slot);
                        model[list].push_back(slot);
                    }
                    (1, Some(list)) => {
                        links.remove(&mut lists[list], slot);
                        model[list].retain(|other| *other != slot);
                    }
                    (2, _) => prop_assert_eq!(links.pop(&mut lists[list]), model[list].pop_front()),
                    _ => {}
                }
            }
            for (mut list, model) in lists.into_iter().zip(model) {
                for slot in model {
                    prop_assert_eq!(links.pop(&mut list), Some(slot));
                }
                prop_assert_eq!(links.pop(&mut list), None);
            }
        }
    }
}
