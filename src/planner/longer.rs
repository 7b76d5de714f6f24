//! Longer runs: for rules that cannot be judged from the jobs of the scenario's own duration, and for limits with long windows.

use super::plan::TooFewJobs;
use super::rules::Rules;
use crate::ceiling::{self, Ceiling};
use crate::scenario::{Arrivals, Metric, Scenario, Workload};
use provider::Nanos;
use provider::config::Limit;

/// The jobs of a longer run, relative to those that the rules need: samples vary.
pub(super) const MARGIN: f64 = 1.25;
/// The most jobs to simulate in longer runs, about half a minute on two cores.
const MAX_JOBS: f64 = 5e7;
/// About how many runs a plan makes near the ceiling, and at the present load.
const RUNS: (f64, f64) = (150.0, 8.0);

/// Returns the scenario with its duration multiplied so that runs have as many jobs as the rules need. `None` if the
/// traffic of a longer run would differ, or if a longer run would change what a rule means, would not fill the windows of a
/// rule, or would take too long. `few` states how many jobs a run has at the ceiling, and how many the rules need;
/// `offered` is the number of jobs of a run at the present load.
pub(super) fn lengthened(
    scenario: &Scenario,
    rules: &Rules,
    few: &TooFewJobs,
    offered: f64,
) -> Option<Scenario> {
    assert!(few.jobs < few.needed, "invariant: a run has too few jobs, found {few:?}");
    // A longer run has more windows, not more jobs in each.
    if few.window_s.is_some()
        || !is_periodic(scenario)
        || rules.kept.iter().any(|rule| rule.metric == Metric::Cost)
    {
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

/// The numbers of windows of a long limit that a run may cover. With so many windows, the level of the limit at the start
/// and the random number and sizes of the jobs in a window hardly affect the ceiling.
const WINDOWS: [u64; 6] = [240, 120, 60, 30, 14, 7];
/// A limit of which the load uses a smaller share per window at the analytic ceiling does not bind.
const MIN_BINDING_SHARE: f64 = 0.4;
/// With this number of jobs at the ceiling no more windows are needed.
const ENOUGH_JOBS: f64 = 1e4;
/// The most jobs to simulate in runs that cover long windows, a few seconds on two cores.
const MAX_WINDOW_JOBS: f64 = 5e6;

/// Returns the scenario with its duration multiplied so that runs cover several windows of each limit that earlier traffic
/// may have used and that can bind at the ceiling. `None` if there is no such limit, if the scenario covers the windows
/// already, if the traffic of a longer run would differ, or if a longer run would change what a rule means or take too
/// long.
///
/// A run of one window or less shows what such a limit happens to admit rather than what it sustains, so that its ceiling
/// differs from that of a longer run of the same traffic. The number of windows does not depend on the scenario's duration.
pub(super) fn over_long_windows(scenario: &Scenario, rules: &Rules, analytic: &Ceiling) -> Option<Scenario> {
    let depends_on_duration =
        rules.kept.iter().any(|rule| rule.metric == Metric::Cost || rule.window.is_some());
    if depends_on_duration || !analytic.multiple.is_finite() || !is_periodic(scenario) {
        return None;
    }
    let has_history = |limit: &Limit| scenario.start.has_history(limit);
    let longest = ceiling::offered_shares(scenario, has_history)
        .into_iter()
        .filter(|(.., share)| share * analytic.multiple >= MIN_BINDING_SHARE)
        .filter_map(|(_, limit, _)| limit.window)
        .max()?;
    let jobs = |windows: u64| {
        analytic.offered_jobs_per_min / 60.0 * longest.as_secs_f64() * windows as f64 // At the present load.
    };
    let simulated = |windows: u64| jobs(windows) * (RUNS.0 * analytic.multiple + RUNS.1);
    let is_enough = |windows: &&u64| jobs(**windows) * analytic.multiple >= ENOUGH_JOBS;
    let wanted = WINDOWS.iter().rev().find(is_enough).unwrap_or(&WINDOWS[0]);
    let mut fewer = WINDOWS.iter().skip_while(|windows| *windows > wanted);
    let windows = fewer.find(|windows| simulated(**windows) <= MAX_WINDOW_JOBS)?;
    let factor = longest.0.saturating_mul(*windows).div_ceil(scenario.duration.0.max(1));
    if factor < 2 {
        return None;
    }
    let mut longer = scenario.clone();
    lengthen(&mut longer, Nanos(scenario.duration.0.checked_mul(factor)?));
    Some(longer)
}

fn lengthen(scenario: &mut Scenario, duration: Nanos) {
    scenario.duration = duration;
    for what_if in &mut scenario.what_if {
        lengthen(&mut what_if.scenario, duration);
    }
}

/// Returns `true` if the traffic repeats itself after the scenario's duration, and nothing happens only once.
pub(super) fn is_periodic(scenario: &Scenario) -> bool {
    let has_incidents = scenario.providers.iter().any(|provider| !provider.incidents.is_empty());
    let repeats = |workload: &Workload| {
        let is_whole = |period: Nanos| period.0 > 0 && scenario.duration.0.is_multiple_of(period.0);
        let arrivals_repeat = match &workload.arrivals {
            Arrivals::Constant(_)
            | Arrivals::Poisson(_)
            | Arrivals::Renewal { .. }
            | Arrivals::Users { .. } => true,
            Arrivals::Burst { .. } | Arrivals::Steps { .. } => {
                workload.arrivals.period().is_some_and(is_whole)
            }
            Arrivals::Ramp(..) | Arrivals::Batch { .. } | Arrivals::Trace { .. } => false,
        };
        arrivals_repeat && workload.shape.as_ref().is_none_or(|shape| is_whole(shape.period()))
    };
    let what_ifs_repeat = scenario
        .what_if
        .iter()
        .all(|what_if| what_if.scenario.duration == scenario.duration && is_periodic(&what_if.scenario));
    !has_incidents && scenario.workloads.iter().all(repeats) && what_ifs_repeat
}
