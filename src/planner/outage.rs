//! The loss of a provider for up to an hour, at the busiest time.

use super::plan::Outage;
use super::runner::{Run, Runner, broken_in_any};
use crate::formatting::{moment, rounded};
use crate::record::Series;
use crate::scenario::Scenario;
use provider::config::{Fault, Incident};
use provider::{Instant, Nanos};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// The number of seeds on which an outage must be survived.
const SEEDS: u32 = 3;

/// Simulates, at the present load, the loss of each provider that has a target.
pub(super) fn outages(runner: &Runner<'_>, scenario: &Scenario, present: &Run) -> Vec<Outage> {
    let length = Nanos::HOUR.min(scenario.duration);
    let at = busiest(&present.summary.series, length, scenario.duration);
    let used: BTreeSet<u16> = scenario.targets.iter().map(|target| target.provider).collect();
    used.into_par_iter().map(|provider| outage(runner, scenario, provider, at, length)).collect()
}

fn outage(runner: &Runner<'_>, scenario: &Scenario, provider: u16, at: Instant, length: Nanos) -> Outage {
    let mut without = scenario.clone();
    let config = &mut without.providers[usize::from(provider)];
    let name = config.name.clone();
    config.incidents.push(Incident { at, until: at + length, fault: Fault::Status(503), share: 1.0 });
    let runs: Vec<Run> =
        (0..SEEDS).into_par_iter().map(|replica| runner.run(&without, 1.0, replica)).collect();
    let broken = broken_in_any(&runs);
    let success = runs.iter().map(success).fold(1.0, f64::min);
    assert!((0.0..=1.0).contains(&success), "invariant: success is a share, found {success}");
    Outage {
        provider: name,
        at: moment(at.as_secs_f64(), scenario.duration.as_secs_f64()),
        at_s: rounded(at.as_secs_f64(), 6),
        for_s: rounded(length.as_secs_f64(), 6),
        survives: broken.is_empty(),
        broken,
        success: rounded(success, 6),
        p95_s: runs.iter().filter_map(Run::p95_s).reduce(f64::max),
    }
}

/// Returns the share of the ended jobs that succeeded; 0 if none ended.
fn success(run: &Run) -> f64 {
    let jobs = &run.summary.jobs;
    jobs.succeeded as f64 / (jobs.succeeded + jobs.failed + jobs.shed).max(1) as f64
}

/// Returns the start of the interval of this length in which most jobs are offered.
fn busiest(series: &Series, length: Nanos, duration: Nanos) -> Instant {
    assert!(length <= duration, "invariant: an outage is not longer than the run, found {length:?}");
    let step = Nanos::from_secs_f64(series.step_s);
    let steps = (length.0 / step.0.max(1)).max(1) as usize;
    let windows = series.offered.windows(steps.min(series.offered.len().max(1)));
    let sums = windows.map(|window| window.iter().sum::<u64>());
    let (start, _) =
        (0u64..).zip(sums).fold((0, 0), |best, (start, sum)| if sum > best.1 { (start, sum) } else { best });
    let latest = duration.saturating_sub(length);
    Instant((step * start).0.min(latest.0))
}
