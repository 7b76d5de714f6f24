//! The picks `random` and `weighted`: one free target by chance, as in the load balancing of LiteLLM (`simple-shuffle`), Portkey
//! (`loadbalance`) and Helicone (`weighted`). Unlike in Portkey, a target that is not free takes no part: the others share its
//! jobs in proportion to their weights.

use super::FreeTargets;
use provider::RandomStream;

/// Returns each free target as often as any other.
pub(super) fn uniform(free: FreeTargets, stream: &mut RandomStream) -> usize {
    free.nth(stream.below(free.count()))
}

/// Returns each free target in proportion to its weight, which is at least 1.
pub(super) fn weighted(free: FreeTargets, weights: &[u32], stream: &mut RandomStream) -> usize {
    let total: u64 = free.iter().map(|index| u64::from(weights[index])).sum();
    let mut draw = stream.below(total);
    for index in free.iter() {
        match draw.checked_sub(u64::from(weights[index])) {
            None => return index,
            Some(rest) => draw = rest,
        }
    }
    unreachable!("invariant: a draw is below the sum of the weights, {total}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every target that is free is drawn about as often as its weight says, every other one never.
        #[test]
        fn weights_are_the_shares_of_the_free_targets(
            weights in prop::collection::vec(1u32..100, 1..8),
            closed in 0u64..255,
            seed: u64,
        ) {
            const DRAWS: u32 = 4_000;
            let mut free = FreeTargets::default();
            (0..weights.len()).filter(|index| closed >> index & 1 == 0).for_each(|index| free.add(index));
            prop_assume!(!free.is_empty());
            let mut stream = RandomStream::new(seed, "weights", 0);
            let mut counts = vec![0u32; weights.len()];
            (0..DRAWS).for_each(|_| counts[weighted(free, &weights, &mut stream)] += 1);
            let total: u32 = free.iter().map(|index| weights[index]).sum();
            for (index, count) in counts.into_iter().enumerate() {
                if free.iter().any(|other| other == index) {
                    let share = f64::from(weights[index]) / f64::from(total);
                    let mean = share * f64::from(DRAWS);
                    // Six standard deviations of a binomial variable, and one for the rounding.
                    let bound = 6.0 * (mean * (1.0 - share)).sqrt() + 1.0;
                    prop_assert!((f64::from(count) - mean).abs() <= bound, "{count} of {mean} at {index}");
                } else {
                    prop_assert_eq!(count, 0, "{} is not free", index);
                }
            }
        }

        #[test]
        fn equal_weights_are_uniform(count in 1usize..64, seed: u64) {
            let mut free = FreeTargets::default();
            (0..count).for_each(|index| free.add(index));
            let weights = vec![1; count];
            let stream = || RandomStream::new(seed, "uniform", 0);
            prop_assert_eq!(uniform(free, &mut stream()), weighted(free, &weights, &mut stream()));
        }
    }
}
