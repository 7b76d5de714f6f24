//! The busiest interval of a run by the rates of its workloads, which no seed changes.

use crate::scenario::rate::{Clock, Rate};
use crate::scenario::{Arrivals, Scenario, Workload};
use provider::{Instant, Nanos};

/// The number of intervals into which a run is divided.
const INTERVALS: usize = 1_440;
/// The number of instants by which the arrivals of a rate are represented.
const INSTANTS: u32 = 100_000;
/// An interval is busier than another if it has more jobs by this ratio; less is the rounding of the instants.
const BUSIER: f64 = 1.002;

/// Returns the start of the interval of this length in which the most jobs are expected; the first of equal ones.
pub(super) fn busiest(scenario: &Scenario, length: Nanos) -> Instant {
    assert!(length <= scenario.duration, "invariant: not longer than the run, found {length:?}");
    let step = Nanos((scenario.duration.0 / INTERVALS as u64).max(1));
    let mut expected = vec![0.0; INTERVALS];
    for workload in &scenario.workloads {
        let mut add = |at: Instant, jobs: f64| {
            expected[((at.0 / step.0) as usize).min(INTERVALS - 1)] += jobs;
        };
        arrivals(scenario, workload, &mut add);
    }
    let steps = ((length.0 / step.0) as usize).clamp(1, INTERVALS);
    let sums = expected.windows(steps).map(|window| window.iter().sum::<f64>());
    let first = (0, 0.0f64);
    let (start, _) =
        (0u64..).zip(sums).fold(first, |best, next| if next.1 > best.1 * BUSIER { next } else { best });
    Instant((step * start).0.min(scenario.duration.saturating_sub(length).0))
}

/// Calls `add` with the instants of a workload's expected arrivals, and how many jobs each stands for. The users of a closed
/// workload arrive evenly and change nothing.
fn arrivals(scenario: &Scenario, workload: &Workload, add: &mut impl FnMut(Instant, f64)) {
    let end = Instant::ZERO + scenario.duration;
    match &workload.arrivals {
        Arrivals::Burst { jobs, every } => {
            let bursts = (0u64..).map(|number| Instant((*every * number).0)).take_while(|at| *at < end);
            bursts.for_each(|at| add(at, f64::from(*jobs)));
        }
        Arrivals::Trace { rows } => rows.iter().filter(|row| row.at < end).for_each(|row| add(row.at, 1.0)),
        Arrivals::Users { .. } => {}
        Arrivals::Constant(_) | Arrivals::Poisson(_) | Arrivals::Ramp(..) | Arrivals::Steps(_) => {
            let Some(rate) = Rate::of(workload, scenario.duration) else { return };
            let each = rate.jobs() / f64::from(INSTANTS);
            let mut clock = Clock::new(rate);
            let instants = (0..INSTANTS).map_while(|number| clock.when(f64::from(number) * each));
            instants.for_each(|at| add(at, each));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, Overrides};

    #[test]
    fn the_busiest_hour_is_that_of_the_rate_on_any_seed() {
        let busiest_hour = |arrivals: &str, seed: u64| {
            let yaml = format!(
                "name: b\nduration: 24h\nseed: {seed}\nproviders: {{ p: {{ models: {{ m: {{}} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
workload: [{{ name: w, route: r, arrivals: {{ {arrivals} }}, prompt: 1, completion: 1 }}]"
            );
            let scenario =
                scenario::parse("b", &yaml, &Overrides::default(), None).expect("a valid scenario");
            busiest(&scenario, Nanos::HOUR).as_secs_f64() / 3600.0
        };
        for seed in 1..5 {
            assert!((busiest_hour("ramp: [1/min, 2/min]", seed) - 23.0).abs() < 0.02);
            let steps = "steps: [{ at: 0s, rate: 1/min }, { at: 9h, rate: 3/min }, { at: 10h, rate: 1/min }]";
            assert!((busiest_hour(steps, seed) - 9.0).abs() < 0.02);
            assert!(busiest_hour("poisson: 5/min", seed) < 0.01, "an even rate has no busiest hour");
        }
    }
}
