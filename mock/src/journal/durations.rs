//! The distribution of the times from the arrival of a request to the end of its reply, as metrics report it.

use crate::time::Nanos;

/// The upper bounds of the buckets, in seconds: those that Prometheus's clients use by default.
pub const BOUNDS_S: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counts of durations by [`BOUNDS_S`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Durations {
    /// For each bound, the number of durations up to it that exceed the bound before it.
    buckets: [u64; BOUNDS_S.len()],
    /// All durations.
    pub count: u64,
    /// Their sum in seconds.
    pub sum_s: f64,
}

impl Durations {
    pub(super) fn add(&mut self, duration: Nanos) {
        let seconds = duration.as_secs_f64();
        self.count += 1;
        self.sum_s += seconds;
        if let Some(bucket) = BOUNDS_S.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
    }

    /// Returns each bound in seconds with the number of durations up to it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let sum = |sum: &mut u64, (bound, count): (f64, u64)| {
            *sum += count;
            Some((bound, *sum))
        };
        BOUNDS_S.into_iter().zip(self.buckets).scan(0, sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_cumulative() {
        let mut durations = Durations::default();
        for ms in [1, 5, 6, 400, 20_000] {
            durations.add(Nanos::from_millis(ms));
        }
        let counts: Vec<_> = durations.cumulative().map(|(_, count)| count).collect();
        assert_eq!(counts, [2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4]);
        assert_eq!(durations.count, 5);
        assert!((durations.sum_s - 20.412).abs() < 1e-9);
    }
}
