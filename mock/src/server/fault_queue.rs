//! Faults that were asked for while the server runs: for so many requests, a share of them, or a time.

use crate::call::{DrawPurpose, Truth};
use crate::config::Fault;
use crate::fault::ActiveFaults;
use crate::time::Instant;
use serde_json::Value;

/// The faults that stand, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct FaultQueue {
    orders: Vec<InjectedFault>,
    /// How many were ever asked for: the next one's number.
    asked: u32,
}

/// One fault that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InjectedFault {
    /// The fault in the words in which it was asked for.
    pub(super) said: Value,
    pub(super) fault: Fault,
    /// How many more requests it meets; `None` where they are not counted.
    pub(super) left: Option<u64>,
    /// The share of requests that it meets, in `0..=1`.
    pub(super) share: f64,
    /// When it ends, exclusive.
    pub(super) until: Instant,
    /// Its number; also the key of its draws.
    pub(super) id: u32,
}

/// The most faults that stand at once.
pub(super) const MOST_FAULTS: usize = 64;

impl FaultQueue {
    /// Adds a fault and gives it its number; returns it, or nothing where there is no room.
    pub(super) fn add(&mut self, order: InjectedFault, now: Instant) -> Option<&InjectedFault> {
        self.forget_past(now);
        if self.orders.len() >= MOST_FAULTS {
            return None;
        }
        self.orders.push(InjectedFault { id: self.asked, ..order });
        self.asked = self.asked.wrapping_add(1);
        self.orders.last()
    }

    /// Adds to the trouble of a call what stands in its way, and counts the meeting.
    pub(super) fn meet(&mut self, now: Instant, truth: Truth, trouble: &mut ActiveFaults) {
        self.forget_past(now);
        for order in &mut self.orders {
            // Numbered from the other end than the incidents of a scenario, so that the draws differ.
            if truth.stream_for(DrawPurpose::Incident(u32::MAX - order.id)).unit() < order.share {
                trouble.add(order.fault);
                order.left = order.left.map(|left| left - 1);
            }
        }
    }

    /// Those that still stand.
    pub(super) fn orders(&mut self, now: Instant) -> &[InjectedFault] {
        self.forget_past(now);
        &self.orders
    }

    /// Lifts all.
    pub(super) fn clear(&mut self) {
        self.orders.clear();
    }

    fn forget_past(&mut self, now: Instant) {
        self.orders.retain(|order| now < order.until && order.left != Some(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(left: Option<u64>, share: f64, until: Instant) -> InjectedFault {
        InjectedFault { said: Value::Null, fault: Fault::Status(503), left, share, until, id: 0 }
    }

    /// How many of these calls meet a fault.
    fn met(standing: &mut FaultQueue, calls: impl Iterator<Item = (Instant, u64)>) -> usize {
        let hit = |&(now, draw): &(Instant, u64)| {
            let mut trouble = ActiveFaults::NONE;
            standing.meet(now, Truth { draw, ..Truth::default() }, &mut trouble);
            trouble.replacement.is_some()
        };
        calls.filter(hit).count()
    }

    #[test]
    fn a_fault_ends_by_number_by_time_and_when_it_is_lifted() {
        let mut standing = FaultQueue::default();
        standing.add(order(Some(3), 1.0, Instant::MAX), Instant::ZERO).unwrap();
        assert_eq!(met(&mut standing, (0..10).map(|draw| (Instant(draw), draw))), 3);
        standing.add(order(None, 1.0, Instant(10)), Instant::ZERO).unwrap();
        assert_eq!(met(&mut standing, (0..20).map(|draw| (Instant(draw), draw))), 10);
        assert!(standing.orders(Instant(10)).is_empty(), "what is over is forgotten");
        standing.add(order(None, 1.0, Instant::MAX), Instant::ZERO).unwrap();
        standing.clear();
        assert_eq!(met(&mut standing, [(Instant::ZERO, 1)].into_iter()), 0);
    }

    #[test]
    fn a_share_is_a_share_and_only_those_it_meets_are_counted() {
        let mut standing = FaultQueue::default();
        standing.add(order(Some(300), 0.2, Instant::MAX), Instant::ZERO).unwrap();
        let calls = |range: std::ops::Range<u64>| range.map(|draw| (Instant::ZERO, draw));
        // The standard error of a fifth of a thousand is 13.
        assert!(met(&mut standing, calls(0..1_000)).abs_diff(200) < 52);
        assert!(met(&mut standing, calls(1_000..10_000)) < 140, "three hundred and no more");
        assert!(standing.orders(Instant::ZERO).is_empty());
    }

    #[test]
    fn there_is_a_bound_on_them() {
        let mut standing = FaultQueue::default();
        for id in 0..MOST_FAULTS {
            assert_eq!(standing.add(order(None, 1.0, Instant(5)), Instant::ZERO).unwrap().id as usize, id);
        }
        assert_eq!(standing.add(order(None, 1.0, Instant(5)), Instant::ZERO), None);
        assert!(standing.add(order(None, 1.0, Instant(9)), Instant(5)).is_some(), "the past makes room");
    }
}
