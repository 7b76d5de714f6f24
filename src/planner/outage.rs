//! The loss of a provider for up to an hour, at the busiest time, judged by the jobs that arrive while it lasts.

mod busiest;
mod window;

use super::plan::{BrokenRule, Outage};
use super::runner::{Run, Runner, broken_in_any};
use crate::formatting::{moment, rounded};
use crate::scenario::{Metric, Scenario};
use provider::config::{Fault, Incident};
use provider::{Instant, Nanos};
use rayon::prelude::*;
use std::collections::BTreeSet;
use window::Window;

/// The number of seeds on which an outage must be survived.
const SEEDS: u32 = 3;
/// The share of success from which users count as served again, if no rule says so.
const SERVED: f64 = 0.99;

/// Simulates, at the present load, the loss of each provider that has a target. It takes an hour, or half of a shorter run,
/// so that the recovery can be seen.
pub(super) fn outages(runner: &Runner<'_>, scenario: &Scenario) -> Vec<Outage> {
    let length = Nanos::HOUR.min(Nanos((scenario.duration.0 / 2).max(1)));
    let at = busiest::busiest(scenario, length);
    let used: BTreeSet<u16> = scenario.targets.iter().map(|target| target.provider).collect();
    used.into_par_iter().map(|provider| outage(runner, scenario, provider, at, length)).collect()
}

fn outage(runner: &Runner<'_>, scenario: &Scenario, provider: u16, at: Instant, length: Nanos) -> Outage {
    let mut without = scenario.clone();
    let config = &mut without.providers[usize::from(provider)];
    let name = config.name.clone();
    config.incidents.push(Incident { at, until: at + length, fault: Fault::Status(503), share: 1.0 });
    let simulate = |replica| {
        let mut window = Window::new(&without, at, at + length);
        let run = runner.run_with(&without, (1.0, replica), &mut window);
        (run, window)
    };
    let (runs, windows): (Vec<Run>, Vec<Window>) = (0..SEEDS).into_par_iter().map(simulate).unzip();
    let rules = &runner.rules.kept;
    let mut broken = broken_in_any(&runs);
    for rule in windows.iter().flat_map(|window| window.broken(rules)) {
        let rule = BrokenRule { rule: rule.rule.clone(), metric: rule.metric };
        if !broken.contains(&rule) {
            broken.push(rule);
        }
    }
    let success = |window: &Window| window.all().success().unwrap_or(1.0);
    let worst = windows.iter().min_by(|one, other| success(one).total_cmp(&success(other)));
    let worst = worst.expect("invariant: an outage is simulated on at least one seed");
    let served = rules.iter().filter(|rule| rule.metric == Metric::Success).map(|rule| rule.value);
    let served = served.reduce(f64::max).unwrap_or(SERVED);
    let recoveries = windows.iter().map(|window| window.recovery_s(served)).collect::<Option<Vec<f64>>>();
    let all = worst.all();
    Outage {
        provider: name,
        at: moment(at.as_secs_f64(), scenario.duration.as_secs_f64()),
        at_s: rounded(at.as_secs_f64(), 6),
        for_s: rounded(length.as_secs_f64(), 6),
        survives: broken.is_empty(),
        broken,
        success: all.success(),
        p95_s: all.p95_s(),
        fallback_share: all.fallback_share(),
        cost_usd: worst.cost_usd(),
        workloads: worst.workloads(scenario),
        recovery_s: recoveries.map(|recoveries| recoveries.into_iter().fold(0.0, f64::max)),
    }
}
