//! The time of the Redis server, as a replica estimates it: the ages of answers are counted by that clock, which all replicas share.

use provider::{Instant, Nanos};

/// An estimate that is never later than the clock of the server, so that no answer seems younger than it is, and earlier by at most the
/// length of one call. Between two calls this holds if both clocks run at the same rate and neither is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerClock {
    /// What is added to an instant of this replica, in nanoseconds.
    offset: i64,
}

impl ServerClock {
    /// Returns the estimate after a call that was made and answered at these instants, and that the server answered at `now_ms`, in
    /// milliseconds since 1970. `past`: the estimate before it, which is kept if it is the better one and may still be true.
    pub(super) fn new(past: Option<Self>, (asked, answered): (Instant, Instant), now_ms: u64) -> Self {
        let offset = |ms: u64, at: Instant| {
            nanos(Nanos::from_millis(ms)).saturating_sub(nanos(at.since(Instant::ZERO)))
        };
        let (earliest, latest) = (offset(now_ms, answered), offset(now_ms.saturating_add(1), asked));
        let past = past.map(|past| past.offset).filter(|past| (earliest..=latest).contains(past));
        Self { offset: past.unwrap_or(earliest) }
    }

    /// Returns the time of the server at an instant of this replica, in whole milliseconds since 1970.
    pub(super) fn ms_at(self, at: Instant) -> u64 {
        let nanos = nanos(at.since(Instant::ZERO)).saturating_add(self.offset);
        u64::try_from(nanos).unwrap_or(0) / NANOS_PER_MS
    }
}

fn nanos(length: Nanos) -> i64 {
    i64::try_from(length.0).unwrap_or(i64::MAX)
}

pub(super) const NANOS_PER_MS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The estimate is never later than the clock of the server, and becomes no worse while that clock runs as ours does.
        #[test]
        fn the_estimate_is_never_late(
            start_ms in 0..4_000_000_000_000u64, calls in prop::collection::vec((0..2_000_000_000u64, 0..50_000_000u64, 0..50_000_000u64), 1..20),
        ) {
            let server_ns = |at: Instant| start_ms * NANOS_PER_MS + at.0;
            let (mut now, mut clock, mut worst) = (Instant::ZERO, None, u64::MAX);
            for (pause, there, back) in calls {
                let asked = now + Nanos(pause);
                let decided = asked + Nanos(there);
                now = decided + Nanos(back);
                let next = ServerClock::new(clock, (asked, now), server_ns(decided) / NANOS_PER_MS);
                prop_assert!(next.ms_at(now) <= server_ns(now) / NANOS_PER_MS);
                let error = server_ns(now) / NANOS_PER_MS - next.ms_at(now);
                prop_assert!(error <= back / NANOS_PER_MS + 2 || error <= worst, "{error} ms after {worst} ms");
                (clock, worst) = (Some(next), error + 1);
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_back_is_followed() {
        let at = |seconds: u64| Instant::ZERO + Nanos::from_secs(seconds);
        let clock = ServerClock::new(None, (at(1), at(1)), 1_000_000);
        assert_eq!(clock.ms_at(at(3)), 1_002_000);
        let clock = ServerClock::new(Some(clock), (at(4), at(4)), 500_000);
        assert_eq!((clock.ms_at(at(4)), clock.ms_at(Instant::ZERO)), (500_000, 496_000));
    }
}
