//! The seeds of a scenario's replicas.

use provider::RandomStream;

/// Returns the seed of a replica: the scenario's own for replica 0, one drawn from it for every other.
///
/// Drawn seeds have 32 bits, which is short enough to type and makes a seed shared by two scenarios unlikely.
#[must_use]
pub fn replica_seed(scenario_seed: u64, replica: u64) -> u64 {
    if replica == 0 {
        scenario_seed
    } else {
        RandomStream::new(scenario_seed, "replica", replica).next_u64() >> 32
    }
}

/// Returns the seeds of the first `count` replicas, the scenario's own first.
pub fn replica_seeds(scenario_seed: u64, count: usize) -> impl Iterator<Item = u64> {
    (0..).map(move |replica| replica_seed(scenario_seed, replica)).take(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_of_different_scenario_seeds_do_not_overlap() {
        let seeds: Vec<u64> = (0..200).flat_map(|own| replica_seeds(own, 50)).collect();
        assert_eq!((seeds[0], seeds[50], seeds.len()), (0, 1, 10_000));
        let mut unique = seeds.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), seeds.len());
    }

    #[test]
    fn fewer_replicas_are_a_prefix_of_more() {
        let more: Vec<u64> = replica_seeds(7, 9).collect();
        assert_eq!(replica_seeds(7, 3).collect::<Vec<_>>(), more[..3]);
    }
}
