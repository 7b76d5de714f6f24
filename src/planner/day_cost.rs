//! The cost of a day at the load of a run: that of the run, scaled to a day, unless a limit per day does not admit so much
//! traffic.

use super::longer::is_periodic;
use super::runner::{Run, Runner};
use crate::scenario::{Scenario, Target};
use provider::config::Limit;
use provider::{Axis, Nanos};

/// The most jobs of a day that is simulated for its cost, which takes a second or two.
const MAX_JOBS: f64 = 1e6;

impl Runner<'_> {
    /// Returns the cost of a day at the load of `run`, a run of `scenario` on its own seed, in USD: that of the run, scaled. If
    /// a limit per day admits less than the traffic of the run would use until the end of a day, a day is simulated instead, if
    /// the traffic repeats itself, a day has at most [`MAX_JOBS`] jobs, and the time is not up.
    pub(super) fn cost_per_day(&self, scenario: &Scenario, run: &Run) -> f64 {
        self.cost_per_day_by(scenario, run, |day| self.run(day, run.multiple, 0))
    }

    /// Returns the same; `simulate` makes the run of a day, if it is needed and there is time for it.
    pub(super) fn cost_per_day_by(
        &self,
        scenario: &Scenario,
        run: &Run,
        simulate: impl FnOnce(&Scenario) -> Option<Run>,
    ) -> f64 {
        let scaled = run.cost_per_day();
        let days = Nanos::DAY.as_secs_f64() / run.summary.duration_s;
        let can_simulate = days > 1.0 && run.summary.jobs.offered as f64 * days <= MAX_JOBS;
        if !can_simulate || scaled <= 0.0 || !exceeds_day(scenario, run, days) || !is_periodic(scenario) {
            return scaled;
        }
        let day = Scenario { duration: Nanos::DAY, ..scenario.clone() };
        simulate(&day).map_or(scaled, |day| day.summary.charged_usd())
    }
}

/// Returns `true` if a target has a limit per day, so that the cost of a day need not be that of a shorter run, scaled.
pub(super) fn has_daily_limits(scenario: &Scenario) -> bool {
    scenario.targets.iter().any(|target| daily_limits(scenario, target).next().is_some())
}

fn daily_limits<'a>(scenario: &'a Scenario, target: &Target) -> impl Iterator<Item = &'a Limit> + use<'a> {
    let model = &scenario.providers[usize::from(target.provider)].models[usize::from(target.model)];
    model.limits.iter().filter(|limit| matches!(limit.axis, Axis::Rpd | Axis::Tpd))
}

/// Returns `true` if `days` times what a run used of a limit per day is more than the limit admits in a day. Models of a family
/// share their limits.
fn exceeds_day(scenario: &Scenario, run: &Run, days: f64) -> bool {
    let meter = |target: &Target| {
        let config = &scenario.providers[usize::from(target.provider)];
        (target.provider, target.account, config.meter_of(usize::from(target.model)))
    };
    scenario.targets.iter().any(|limited| {
        let targets = scenario.targets.iter().zip(&run.summary.targets);
        let sharing = targets.filter(|(target, _)| meter(target) == meter(limited));
        let (requests, tokens) = sharing.fold((0, 0), |(requests, tokens), (target, used)| {
            let completion = used.tokens.completion * u64::from(target.counting.output_weight);
            (requests + used.ok, tokens + used.tokens.prompt + completion)
        });
        daily_limits(scenario, limited).any(|limit| {
            let used = if limit.axis == Axis::Rpd { requests } else { tokens };
            used as f64 * days > limit.max_units_in(Nanos::DAY)
        })
    })
}
