//! The cost of a day at the load of a run: that of the run, scaled to a day, unless a limit per day does not admit so much
//! traffic, or the budgets of the clients do not allow it.

use super::longer::is_periodic;
use super::runner::{Run, Runner};
use crate::scenario::{Note, Scenario, SpendingBudget, Target};
use provider::config::Limit;
use provider::{Axis, Nanos};

/// The most jobs of a day that is simulated for its cost, which takes a second or two.
const MAX_JOBS: f64 = 1e6;

impl Runner<'_> {
    /// Returns the cost of a day at the load of `run`, a run of `scenario` on its own seed, in USD: that of the run, scaled. If
    /// a limit per day admits less than the traffic of the run would use until the end of a day, or budgets allow less, a day is
    /// simulated instead, if the traffic repeats itself, a day has at most [`MAX_JOBS`] jobs, and the time is not up. If no day is
    /// simulated, the cost is at most what the budgets allow.
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
        let days = Nanos::DAY.as_secs_f64() / run.summary.duration_s;
        let budget = if days > 1.0 { budget_per_day(scenario) } else { f64::INFINITY };
        let (unbounded, scaled) = (run.cost_per_day(), run.cost_per_day().min(budget));
        let can_simulate = days > 1.0 && run.summary.jobs.offered as f64 * days <= MAX_JOBS;
        let is_too_much = unbounded > budget || exceeds_day(scenario, run, days);
        if !can_simulate || scaled <= 0.0 || !is_too_much || !is_periodic(scenario) {
            return scaled;
        }
        let day = Scenario { duration: Nanos::DAY, ..scenario.clone() };
        // Jobs of a day may be sent after its end, from the budget of the next one.
        simulate(&day).map_or(scaled, |day| day.summary.charged_usd().min(budget))
    }
}

/// Returns `true` if a target has a limit per day or a client has a budget, so that the cost of a day need not be that of a shorter
/// run, scaled.
pub(super) fn has_daily_limits(scenario: &Scenario) -> bool {
    scenario.targets.iter().any(|target| daily_limits(scenario, target).next().is_some())
        || scenario.clients_in_use().any(|(_, client)| client.budget.is_some())
}

/// Returns what the budgets of all clients together allow in a day, in USD; infinite if a client has none, or if jobs whose completion
/// nothing bounds can exceed one.
fn budget_per_day(scenario: &Scenario) -> f64 {
    let is_exceeded =
        |note: &Note| matches!(note, Note::ClientBudget { unbounded, .. } if !unbounded.is_empty());
    if scenario.notes.iter().any(is_exceeded) {
        return f64::INFINITY;
    }
    let of_client = |budget: SpendingBudget| {
        let per_day = budget.usd_per_day.unwrap_or(f64::INFINITY);
        per_day.min(budget.usd_per_hour.map_or(f64::INFINITY, |hour| hour * 24.0))
    };
    scenario.clients_in_use().map(|(_, client)| client.budget.map_or(f64::INFINITY, of_client)).sum()
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
