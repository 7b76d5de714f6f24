//! A limit as the script in Redis computes with it: in grains, a unit in which both a unit of the limit and the refill of a millisecond are
//! whole numbers. They stay below 2^52, so that Lua's numbers hold them exactly.

use crate::scenario::KnownLimit;
use provider::window::Bucket;
use provider::{Axis, Instant, Nanos};

/// A shared limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SharedLimit {
    pub(super) axis: Axis,
    /// Grains that a millisecond earns.
    pub(super) per_ms: u64,
    /// Grains that a unit costs.
    pub(super) per_unit: u64,
    /// Units that the bucket holds.
    pub(super) burst: u64,
    /// Units per window.
    limit: u64,
    window: Nanos,
}

impl SharedLimit {
    /// Returns the shared form of a limit; `None` if it has no window, as concurrency has none, or admits nothing: then
    /// the provider decides.
    ///
    /// Where the exact numbers would exceed 2^52, the refill is rounded down to a ratio of smaller numbers, by less than 0.1 %. If
    /// that is not possible, because the limit is much smaller than the burst, the burst is reduced.
    pub(super) fn new(&KnownLimit { axis, limit, window, burst, .. }: &KnownLimit) -> Option<Self> {
        let window = window?;
        if limit == 0 || burst == 0 {
            return None;
        }
        let window_ms = window.0 / NANOS_PER_MS;
        let (limit, burst) = (limit.min(MAX_UNITS), burst.min(MAX_UNITS));
        let divisor = greatest_common_divisor(limit, window_ms);
        let (mut per_ms, mut per_unit, mut burst) = (limit / divisor, window_ms / divisor, burst);
        if burst > MAX_GRAINS / per_unit {
            let smaller = MAX_GRAINS / burst;
            let rounded = u128::from(limit) * u128::from(smaller) / u128::from(window_ms);
            match u64::try_from(rounded) {
                Ok(rounded) if rounded >= MIN_ROUNDED_RATE => (per_ms, per_unit) = (rounded, smaller),
                _ => burst = MAX_GRAINS / per_unit,
            }
        }
        Some(Self { axis, per_ms, per_unit, burst, limit, window })
    }

    /// Returns the bucket of the limit, of which `left` units are left at `now`.
    pub(super) fn bucket_with(&self, now: Instant, left: i64) -> Bucket {
        let mut bucket = Bucket::new(self.limit, self.window, self.burst);
        let used = i128::from(self.burst) - i128::from(left);
        bucket.charge(now, u64::try_from(used).unwrap_or(0));
        bucket
    }

    /// Returns the units that refill within `time`, rounded down.
    pub(super) fn refill_within(&self, time: Nanos) -> u64 {
        let units = u128::from(self.limit) * u128::from(time.0) / u128::from(self.window.0);
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// Returns `true` if the window of the limit is at most a minute.
    pub(super) fn is_short(&self) -> bool {
        self.window <= Nanos::MINUTE
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if a == 0 { b } else { greatest_common_divisor(b % a, a) }
}

const NANOS_PER_MS: u64 = 1_000_000;

/// The most grains of a full bucket: twice as many are still exact in a double.
const MAX_GRAINS: u64 = 1 << 52;

/// The most units of a limit or a burst: more is as good as no limit.
const MAX_UNITS: u64 = 1 << 40;

/// The smallest rate that may be rounded down: by less than one in a thousand.
const MIN_ROUNDED_RATE: u64 = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(axis: Axis, limit: u64, burst: u64) -> KnownLimit {
        KnownLimit { burst, ..KnownLimit::from(&provider::config::Limit::new(axis, limit)) }
    }

    proptest! {
        /// Law: what Lua computes with is exact, and a limit is never rounded up.
        #[test]
        fn grains_are_exact_and_admit_no_more_than_the_limit(
            axis in proptest::sample::select(vec![Axis::Rpm, Axis::Ash, Axis::Tpd]),
            limit in prop_oneof![1..1000_u64, 1..1_u64 << 40, any::<u64>()],
            burst in prop_oneof![1..1000_u64, 1..1_u64 << 40, any::<u64>()],
        ) {
            let (limit, burst) = (limit.max(1), burst.max(1));
            let shared = SharedLimit::new(&known(axis, limit, burst)).expect("a limit with a window");
            prop_assert!(u128::from(shared.burst) * u128::from(shared.per_unit) <= 1 << 52);
            prop_assert!(shared.per_ms < 1 << 52 && shared.burst <= burst);
            let window_ms = u128::from(axis.window_length().expect("a window").0 / 1_000_000);
            // per_ms / per_unit <= limit / window, and by less than 0.1 % less unless the limit is beyond the largest.
            let earned = u128::from(shared.per_ms) * window_ms;
            let exact = u128::from(limit.min(1 << 40)) * u128::from(shared.per_unit);
            prop_assert!(earned <= exact && earned * 1000 >= exact * 999, "{earned} for {exact}");
        }
    }

    #[test]
    fn usual_limits_are_exact() {
        for (axis, limit) in
            [(Axis::Rpm, 30), (Axis::Tpm, 6_000), (Axis::Rpd, 14_400), (Axis::Tpd, 500_000_000)]
        {
            let shared = SharedLimit::new(&known(axis, limit, limit)).expect("a limit with a window");
            let window_ms = axis.window_length().expect("a window").0 / 1_000_000;
            assert_eq!((shared.per_ms * window_ms, shared.burst), (shared.per_unit * limit, limit), "{axis}");
        }
        assert_eq!(SharedLimit::new(&known(Axis::Concurrency, 4, 4)), None);
        assert_eq!(SharedLimit::new(&known(Axis::Rpm, 0, 5)), None, "the provider says what it means");
    }
}
