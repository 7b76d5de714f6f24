//! Which of the free targets of a step takes a job. A target is *free* if nothing blocks a send of the job to it now
//! ([`super::blockers`]): whatever the pick, a target that cools down or whose pace is used up is passed over, and another one of
//! the step takes the job.
//!
//! | pick | takes | where |
//! |---|---|---|
//! | `in_order` | the first | `route` |
//! | `round_robin` | the first after the last one taken | `route` |
//! | `most_room` | the one with the largest estimated share left of its tightest limit | here |
//! | `least_busy` | the one with the fewest attempts in flight | here |
//! | `random`, `weighted` | one at random, each as often, or in proportion to its weight | `draw` |
//! | `fastest` | of two at random, the one with the lower latency × attempts in flight | `fastest` |
//! | `cheapest` | the one with the lowest expected price of this job | `cheapest` |
//!
//! Of equal ones the first in the order of the step is taken, with `fastest` the first that was drawn.
//!
//! Random picks draw from a stream with the key (seed, job, attempts made): a choice among the same free targets depends on nothing
//! else, so it is the same in virtual time, in a live run and in a replay.

mod cheapest;
mod draw;
mod fastest;

pub(super) use cheapest::MeanCompletion;
pub(super) use fastest::PeakEwma;

use super::target::TargetState;
use crate::job::Job;
use crate::scenario::{Pick, Step};
use provider::meter::Charge;
use provider::{Instant, RandomStream, random};
use std::iter;

/// The free targets of a step, as a bit set of their indices in the step. A route has at most 64 targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FreeTargets(u64);

impl FreeTargets {
    /// Adds the target at an index of the step.
    pub(super) fn add(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    /// Returns `true` if no target is free.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the number of free targets.
    fn count(self) -> u64 {
        u64::from(self.0.count_ones())
    }

    /// Iterates over the indices in ascending order.
    fn iter(self) -> impl Iterator<Item = usize> + Clone {
        let mut left = self.0;
        iter::from_fn(move || {
            let index = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(index)
        })
    }

    /// Returns the index of the n-th free target, from zero.
    fn nth(self, n: u64) -> usize {
        let mut left = self.0;
        for _ in 0..n {
            left &= left.wrapping_sub(1);
        }
        assert!(left != 0, "invariant: more than {n} targets are free");
        left.trailing_zeros() as usize
    }
}

/// What a pick reads: the job, the step, and the state of all targets.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) now: Instant,
    pub(super) job: &'a Job,
    /// The attempts that the job has made.
    pub(super) attempts: u8,
    /// What the client assumes that the job uses.
    pub(super) cost: &'a Charge,
    pub(super) step: &'a Step,
    /// By [`crate::ids::TargetId`].
    pub(super) targets: &'a [TargetState],
    /// Of the answers on the job's route.
    pub(super) completion: MeanCompletion,
    /// The key of the random picks, made of the seed.
    pub(super) key: u64,
}

impl Choice<'_> {
    /// Returns the index in the step of the free target that takes the job.
    pub(super) fn among(&self, free: FreeTargets) -> usize {
        match self.step.pick {
            Pick::InOrder | Pick::RoundRobin => free.nth(0),
            Pick::MostRoom => self.most_room(free),
            Pick::Weighted => draw::weighted(free, &self.step.weights, &mut self.stream()),
            Pick::Random => draw::uniform(free, &mut self.stream()),
            Pick::LeastBusy => self.least(free, TargetState::in_flight),
            Pick::Fastest => {
                fastest::faster_of_two(free, &mut self.stream(), |index| self.target(index).load(self.now))
            }
            Pick::Cheapest => {
                let completion = self.completion.expected(self.job);
                self.least(free, |target| {
                    cheapest::expected_price(target.prices(), self.job.prompt_tokens, completion)
                })
            }
        }
    }

    fn target(&self, index: usize) -> &TargetState {
        &self.targets[self.step.targets[index].index()]
    }

    /// Returns the first free target with the least `measure`.
    fn least<M: Ord>(&self, free: FreeTargets, measure: impl Fn(&TargetState) -> M) -> usize {
        let least = free.iter().min_by_key(|index| measure(self.target(*index)));
        least.expect("invariant: a pick chooses among free targets")
    }

    /// Returns the first free target with the largest estimated share left of its tightest limit after the job.
    fn most_room(&self, free: FreeTargets) -> usize {
        let mut best: Option<(f64, usize)> = None;
        for index in free.iter() {
            let room = self.target(index).room(self.now, self.cost);
            best = best.filter(|(largest, _)| *largest >= room).or(Some((room, index)));
        }
        best.expect("invariant: a pick chooses among free targets").1
    }

    /// Returns the random stream of the choice.
    fn stream(&self) -> RandomStream {
        RandomStream::keyed(self.key, random::mix(self.job.id.0) ^ u64::from(self.attempts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn free_targets_are_a_set(indices in prop::collection::btree_set(0usize..64, 0..64)) {
            let mut free = FreeTargets::default();
            indices.iter().for_each(|index| free.add(*index));
            prop_assert_eq!(free.is_empty(), indices.is_empty());
            prop_assert_eq!(free.count(), indices.len() as u64);
            prop_assert_eq!(free.iter().collect::<BTreeSet<_>>(), indices.clone());
            for (n, index) in (0..).zip(indices) {
                prop_assert_eq!(free.nth(n), index);
            }
        }
    }
}
