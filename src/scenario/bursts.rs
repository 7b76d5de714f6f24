//! The instants of bursts.

use super::{Arrivals, Workload};
use provider::calendar::LocalClock;
use provider::{Instant, Nanos};

/// The bursts of a workload.
#[derive(Clone, Debug)]
pub struct Bursts {
    /// Jobs per burst.
    pub jobs: u32,
    first: Instant,
    every: Nanos,
    /// The local time of the run, if the bursts come after whole days: then they keep their time of day.
    clock: Option<LocalClock>,
}

impl Bursts {
    /// Returns the bursts of a workload; `None` if it has other arrivals.
    #[must_use]
    pub fn of(workload: &Workload) -> Option<Self> {
        let Arrivals::Burst { jobs, at, every } = workload.arrivals else { return None };
        let every = every.max(Nanos(1));
        let is_daily = every.0.is_multiple_of(Nanos::DAY.0) && workload.clock.has_date();
        Some(Self { jobs, first: at, every, clock: is_daily.then(|| workload.clock.clone()) })
    }

    /// Returns the instant of the burst with this number, from zero.
    #[must_use]
    pub fn instant(&self, number: u64) -> Instant {
        let after = self.every * number;
        self.clock.as_ref().map_or_else(|| self.first + after, |clock| clock.days_after(self.first, after))
    }

    /// Returns the number of bursts before an instant.
    #[must_use]
    pub fn before(&self, at: Instant) -> u64 {
        let even = at.since(self.first).0.div_ceil(self.every.0);
        // Changes of the clocks move a burst by less than the days between two.
        if self.clock.is_none() {
            return even;
        }
        let is_before = |number: &u64| *number == 0 || self.instant(number - 1) < at;
        (even.saturating_sub(1)..=even + 1).rev().find(is_before).unwrap_or(0)
    }

    /// Returns `true` if a burst arrives at `at`.
    #[must_use]
    pub fn arrive_at(&self, at: Instant) -> bool {
        self.instant(self.before(at)) == at
    }

    /// Returns `true` if a burst arrives with every one of `other`, whose instants are given.
    #[must_use]
    pub fn arrive_with_all_of(&self, other: &Self, instants: &[Instant]) -> bool {
        if self.clock.is_some() || other.clock.is_some() {
            return instants.iter().all(|at| self.arrive_at(*at));
        }
        self.arrive_at(other.first) && other.every.0.is_multiple_of(self.every.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The n-th burst has n before it, and n + 1 an instant later, also when clocks change: the starts are days before such changes.
        #[test]
        fn bursts_are_counted_where_they_arrive(
            first in 0..Nanos::DAY.0 * 3, days in 1u64..4, start in 0usize..4, number in 0u64..40,
        ) {
            let start = [
                "2026-10-20T00:00 Europe/Berlin",
                "2026-03-25T02:30 Europe/Berlin",
                "2026-10-30T01:30 America/Los_Angeles",
                "2026-09-30T02:15 Australia/Lord_Howe",
            ][start];
            let clock = LocalClock::parse(start).expect("a start");
            let bursts = Bursts { jobs: 1, first: Instant(first), every: Nanos::DAY * days, clock: Some(clock) };
            let at = bursts.instant(number);
            prop_assert_eq!(bursts.before(at), number);
            prop_assert_eq!(bursts.before(at + Nanos(1)), number + 1);
            prop_assert!(bursts.arrive_at(at) && !bursts.arrive_at(at + Nanos::MINUTE));
        }
    }
}
