//! The interval of a run in which the most jobs are expected; it does not depend on the seed.

use crate::scenario::rate::jobs_before;
use crate::scenario::{Scenario, Workload};
use provider::{Instant, Nanos};

/// The number of starts that are compared within the length of an interval.
const STARTS_PER_LENGTH: u64 = 60;
/// The most starts that are compared over a run; those of longer runs are farther apart.
const MAX_STARTS: u64 = 1 << 20;
/// An interval is busier than another if it has more jobs by this ratio; less is rounding.
const BUSIER: f64 = 1.0 + 1e-9;

/// Returns the start of the interval of this length in which the most jobs of the workloads that `counts` selects are
/// expected; the first of equal ones.
pub(super) fn busiest(scenario: &Scenario, length: Nanos, counts: impl Fn(&Workload) -> bool) -> Instant {
    assert!(
        length <= scenario.duration,
        "invariant: the interval is not longer than the run, found {length:?}"
    );
    let latest = scenario.duration.saturating_sub(length);
    let step = Nanos((length.0 / STARTS_PER_LENGTH).max(latest.0 / MAX_STARTS).max(1));
    let starts: Vec<Instant> = (0..latest.0.div_ceil(step.0))
        .map(|number| Instant((step * number).0))
        .chain([Instant(latest.0)])
        .collect();
    let mut expected = vec![0.0; starts.len()];
    for workload in scenario.workloads.iter().filter(|workload| counts(workload)) {
        let before =
            |offset: Nanos| jobs_before(workload, scenario.duration, starts.iter().map(|at| *at + offset));
        // How many jobs the users of a closed workload send depends on the replies, so they are left out.
        let Some((jobs_before_start, jobs_before_end)) = before(Nanos::ZERO).zip(before(length)) else {
            continue;
        };
        for ((expected, start), end) in expected.iter_mut().zip(jobs_before_start).zip(jobs_before_end) {
            *expected += end - start;
        }
    }
    let busier =
        |best: usize, next: usize| if expected[next] > expected[best] * BUSIER { next } else { best };
    starts[(0..starts.len()).fold(0, busier)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, Overrides};

    /// Returns the start of the busiest hour, in hours.
    fn busiest_hour(duration: &str, arrivals: &str, seed: u64) -> f64 {
        let yaml = format!(
            "name: b\nduration: {duration}\nseed: {seed}\nproviders: {{ p: {{ models: {{ m: {{}} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
workload: [{{ name: w, route: r, arrivals: {{ {arrivals} }}, prompt: 1, completion: 1 }}]"
        );
        let scenario = scenario::parse("b", &yaml, &Overrides::default(), None).expect("a valid scenario");
        busiest(&scenario, Nanos::HOUR, |_| true).as_secs_f64() / 3600.0
    }

    #[track_caller]
    fn assert_hour(found: f64, hour: f64) {
        assert!((found - hour).abs() < 1e-9, "{found} is not {hour}");
    }

    #[test]
    fn the_busiest_hour_is_that_of_the_rate_on_any_seed() {
        for seed in 1..5 {
            assert_hour(busiest_hour("24h", "ramp: [1/min, 2/min]", seed), 23.0);
            assert_hour(
                busiest_hour(
                    "24h",
                    "steps: [{ at: 0s, rate: 1/min }, { at: 9h, rate: 3/min }, { at: 10h, rate: 1/min }]",
                    seed,
                ),
                9.0,
            );
            assert_hour(busiest_hour("24h", "poisson: 5/min", seed), 0.0);
        }
    }

    #[test]
    fn the_busiest_hour_of_a_long_run_is_found_to_the_minute() {
        // Two hours of a higher rate within 60 days, the second busier than the first: the second is found.
        let steps = "steps: [{ at: 0s, rate: 10/min }, { at: 1000h, rate: 11/min }, { at: 1001h, rate: 11.5/min }, { at: 1002h, rate: 10/min }]";
        assert_hour(busiest_hour("60d", steps, 1), 1001.0);
        let fifteen =
            "steps: [{ at: 0s, rate: 1/min }, { at: 500m, rate: 40/min }, { at: 515m, rate: 1/min }]";
        assert_hour(busiest_hour("7d", fifteen, 1), 455.0 / 60.0);
        assert_hour(busiest_hour("24h", "burst: 10, every: 7h", 1), 0.0);
    }
}
