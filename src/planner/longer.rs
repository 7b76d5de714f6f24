//! Longer runs, for rules that the jobs of the scenario's own duration cannot tell.

use super::plan::TooFewJobs;
use super::rules::Rules;
use crate::scenario::{Arrivals, Metric, Scenario, Workload};
use provider::Nanos;

/// The jobs of a longer run, relative to those that the rules need: samples vary.
pub(super) const MARGIN: f64 = 1.25;
/// The most jobs to simulate in longer runs, about half a minute on two cores.
const MAX_JOBS: f64 = 5e7;
/// About how many runs a plan makes near the ceiling, and at the present load.
const RUNS: (f64, f64) = (150.0, 8.0);

/// Returns the same scenario over as many times its duration as its rules need, or `None` if longer runs would be other
/// traffic, would change what a rule means, or take too long. `ceiling` is the multiple at which a run has `few.jobs`;
/// `offered` is the number of jobs at the present load.
pub(super) fn lengthened(
    scenario: &Scenario,
    rules: &Rules,
    few: &TooFewJobs,
    offered: f64,
) -> Option<Scenario> {
    assert!(few.jobs < few.needed, "invariant: a run has too few jobs, found {few:?}");
    if !is_periodic(scenario) || rules.kept.iter().any(|rule| rule.metric == Metric::Cost) {
        return None;
    }
    let needed = few.needed as f64 * MARGIN;
    let factor = libm::ceil(needed / (few.jobs as f64).max(1.0));
    if RUNS.0 * needed + RUNS.1 * offered * factor > MAX_JOBS {
        return None;
    }
    let duration = Nanos::from_secs_f64(scenario.duration.as_secs_f64() * factor);
    let mut longer = scenario.clone();
    lengthen(&mut longer, duration);
    Some(longer)
}

fn lengthen(scenario: &mut Scenario, duration: Nanos) {
    scenario.duration = duration;
    for what_if in &mut scenario.what_if {
        lengthen(&mut what_if.scenario, duration);
    }
}

/// Returns `true` if the traffic repeats itself after the scenario's duration, and nothing happens only once.
fn is_periodic(scenario: &Scenario) -> bool {
    let has_incidents = scenario.providers.iter().any(|provider| !provider.incidents.is_empty());
    let repeats = |workload: &Workload| {
        let is_whole = |period: Nanos| period.0 > 0 && scenario.duration.0.is_multiple_of(period.0);
        let arrivals = match &workload.arrivals {
            Arrivals::Constant(_) | Arrivals::Poisson(_) | Arrivals::Users { .. } => true,
            Arrivals::Burst { every, .. } => is_whole(*every),
            Arrivals::Ramp(..) | Arrivals::Steps(_) | Arrivals::Trace { .. } => false,
        };
        arrivals && (workload.shape.is_none() || is_whole(Nanos::DAY))
    };
    let own = scenario
        .what_if
        .iter()
        .all(|what_if| what_if.scenario.duration == scenario.duration && is_periodic(&what_if.scenario));
    !has_incidents && scenario.workloads.iter().all(repeats) && own
}
