//! The instants at which bursts arrive, as intervals of length zero.

use super::peak::Intervals;
use crate::scenario::Scenario;
use crate::scenario::bursts::Bursts;
use provider::{Instant, Nanos};

/// The most bursts of one workload that are considered.
const MAX_BURSTS: u64 = 50_000;

/// Returns the instants of bursts before `end`, at most [`MAX_BURSTS`].
fn instants(bursts: &Bursts, end: Instant) -> impl Iterator<Item = Instant> + '_ {
    (0..bursts.before(end).min(MAX_BURSTS)).map(|number| bursts.instant(number))
}

/// Returns for each workload with bursts its first one and the one with which most jobs of other workloads arrive; and, if some jobs may
/// fail, all its bursts, with those of the workloads that send at every one of them.
pub(super) fn intervals(scenario: &Scenario, may_fail: &[f64]) -> Vec<Intervals> {
    let end = Instant::ZERO + scenario.duration;
    let bursts: Vec<Option<Bursts>> = scenario.workloads.iter().map(Bursts::of).collect();
    let at = |starts: Vec<Instant>, is_counted: &dyn Fn(&Bursts) -> bool| {
        let jobs = |burst: &Option<Bursts>| {
            burst.as_ref().map_or(0.0, |bursts| if is_counted(bursts) { f64::from(bursts.jobs) } else { 0.0 })
        };
        let jobs: Vec<f64> = bursts.iter().map(|burst| jobs(burst) * starts.len() as f64).collect();
        Intervals { starts, length: Nanos::ZERO, jobs }
    };
    let mut found: Vec<Intervals> = Vec::new();
    let mut add = |intervals: Intervals| {
        if intervals.jobs.iter().any(|jobs| *jobs > 0.0) && !found.contains(&intervals) {
            found.push(intervals);
        }
    };
    let arriving = |instant: Instant| -> f64 {
        bursts
            .iter()
            .flatten()
            .filter(|bursts| bursts.arrive_at(instant))
            .map(|bursts| f64::from(bursts.jobs))
            .sum()
    };
    // Of equally large bursts, the first is chosen.
    let larger = |best: Instant, next: Instant| if arriving(next) > arriving(best) { next } else { best };
    for own in bursts.iter().flatten() {
        let largest = instants(own, end).reduce(larger);
        for instant in instants(own, end).take(1).chain(largest) {
            add(at(vec![instant], &|bursts| bursts.arrive_at(instant)));
        }
    }
    if may_fail.iter().any(|jobs| *jobs > 0.0) {
        for own in bursts.iter().flatten() {
            let starts: Vec<Instant> = instants(own, end).collect();
            if !starts.is_empty() {
                add(at(starts.clone(), &|bursts| bursts.arrive_with_all_of(own, &starts)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{scenario, workload};
    use super::*;
    use crate::scenario::{Arrivals, Workload};

    /// Ten jobs every hour from the start, and five each day at nine: fifteen at nine, which is the tenth burst of the first workload.
    #[test]
    fn bursts_that_arrive_together_are_one() {
        let hour = Nanos::HOUR;
        let burst = |jobs, at, every| Workload {
            arrivals: Arrivals::Burst { jobs, at: Instant::ZERO + at, every },
            ..workload(0, 1.0)
        };
        let workloads = vec![burst(10, Nanos::ZERO, hour), burst(5, hour * 9, Nanos::DAY)];
        let scenario = Scenario { duration: Nanos::DAY * 2, ..scenario(&[vec![]], &[&[&[0]]], workloads) };
        let at = |hours: u64, jobs: [f64; 2]| Intervals {
            starts: vec![Instant::ZERO + hour * hours],
            length: Nanos::ZERO,
            jobs: jobs.to_vec(),
        };
        let found = intervals(&scenario, &[0.0, 0.0]);
        assert_eq!(found, [at(0, [10.0, 0.0]), at(9, [10.0, 5.0])]);
        let all = intervals(&scenario, &[1.0, 0.0]);
        let hourly: Vec<Instant> = (0..48).map(|index| Instant::ZERO + hour * index).collect();
        assert_eq!(all[2], Intervals { starts: hourly, length: Nanos::ZERO, jobs: vec![480.0, 0.0] });
        assert_eq!(all[3].starts, [Instant::ZERO + hour * 9, Instant::ZERO + hour * 33]);
        assert_eq!(all[3].jobs, [20.0, 10.0]);
    }
}
