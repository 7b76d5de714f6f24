//! The planner: the ceiling of a scenario, what breaks first, what each change is worth, and the cheapest changes that
//! hold a target load.
//!
//! It finds the ceiling twice, by arithmetic and by a search over whole virtual runs, follows the curve through it,
//! measures changes on the same traffic, and searches for the cheapest changes that hold a load. A run is a pure
//! function of a scenario, a multiple of its load and a seed, so runs are made on all cores, and the plan is the same on
//! any number of them.
//!
//! ```text
//!  Scenario ─▶ rules ─▶ search × replicas ─▶ curve ────────────┐
//!                │          └─▶ catalogue ─▶ what_if ─▶ pairs, purchase ─▶ results ─▶ Plan (plan.json)
//!                └─▶ runner: scaled(multiple) ─▶ virtual time ─▶ Recorder ─▶ Run
//! ```
//!
//! A [`Plan`] holds typed findings; `report::plan` makes sentences, tables and pages of them.

mod catalogue;
mod change;
mod closed;
mod curve;
mod difference;
mod early_end;
mod finding;
mod growth;
mod outage;
mod plan;
mod purchase;
mod replicas;
mod results;
mod rules;
mod runner;
mod search;
#[cfg(test)]
mod tests;
mod violation;
mod what_if;

pub use finding::{Difference, Finding, Improvement, NotTriedReason, PlanNote, UntriedChange};
pub use growth::GrowthRate;
pub use plan::*;
pub(crate) use rules::only_cost;
pub use runner::PlanProgress;

use crate::ceiling::Ceiling;
use crate::scenario::Scenario;
use provider::Nanos;
use replicas::Replicas;
use results::{Results, Tables};
use rules::Rules;
use runner::{Run, RunCount, Runner};
use search::{CeilingEstimate, Search};
use what_if::Baseline;

/// What a plan contains besides the ceiling and the changes.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// The load for which the cheapest changes are searched.
    pub target: Option<Target>,
    /// The growth for which the plan says when it reaches the ceiling.
    pub growth: Option<GrowthRate>,
    /// Whether the loss of each provider is simulated.
    pub incident: bool,
    /// The number of seeds on which the ceiling is searched, at least 1; `None`: as many as a narrow interval needs.
    pub replicas: Option<u32>,
    /// How long changes that hold the target are searched for, by the clock of [`PlanProgress`]; `None`: to the end.
    pub time_limit: Option<Nanos>,
    /// The command that makes the plan again; may be empty.
    pub reproduce: String,
}

/// A load to hold; positive and finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// A multiple of the present load.
    Multiple(f64),
    /// Jobs per minute.
    JobsPerMin(f64),
}

/// The error of [`plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The scenario has no load.
    #[error("the scenario offers no jobs, so there is no load to multiply: give a workload a rate")]
    NothingOffered,
    /// The target is a rate, and a workload has users.
    #[error(
        "the load of a workload with users is their number, not a rate: give the target as a multiple, such as 5x"
    )]
    RateOfUsers,
}

/// The most jobs in the largest run of a search, unless the ceiling is higher.
const MAX_JOBS: f64 = 5e6;
/// The range of the highest multiple to try if no ceiling is in sight.
const MAX_MULTIPLE: (f64, f64) = (4.0, 64.0);
/// A search goes at least this far beyond the analytic ceiling, as a ratio.
const BEYOND_ANALYTIC: f64 = 4.0;
/// The search goes at least down to the guess divided by this, even if runs then have too few jobs for the rules.
const MIN_BELOW_GUESS: f64 = 8.0;
/// The largest first step of the search around the expected ceiling, as a ratio.
const STEP: f64 = 1.1;

/// Makes the plan of a scenario. `progress` is called as the work goes on.
///
/// # Errors
/// Fails if no job is ever offered, or if the target of closed workloads is a rate.
pub fn plan(
    scenario: &Scenario,
    options: &PlanOptions,
    progress: &dyn PlanProgress,
) -> Result<Plan, PlanError> {
    let analytic = Ceiling::of(scenario);
    if analytic.offered_jobs_per_min <= 0.0 {
        return Err(PlanError::NothingOffered);
    }
    if closed::has_users(scenario) && matches!(options.target, Some(Target::JobsPerMin(_))) {
        return Err(PlanError::RateOfUsers);
    }
    let rules = Rules::of(scenario);
    let count = RunCount::new(progress);
    let runner = Runner { rules: &rules, count: &count };
    count.stage("the present load");
    let present = runner.run(scenario, 1.0, 0);
    count.stage("the ceiling");
    let search = search(scenario, &analytic, &rules);
    let service_rules = rules.without_cost_rules();
    let service = Runner { rules: &service_rules, ..runner };
    let (ceiling, replicas) = rayon::join(
        || (service_rules.kept.len() < rules.kept.len()).then(|| coarse(&search).run(&service, scenario)),
        || {
            let guess = search.guess.min(rules.proportional_bound(&present.summary));
            Replicas::run(&runner, scenario, Search { guess, ..search }, options.replicas)
        },
    );
    let without_cost_rules = ceiling.filter(|_| cost_breaks_first(replicas.first()));
    let baseline = Baseline {
        runner: if without_cost_rules.is_some() { service } else { runner },
        scenario,
        estimate: without_cost_rules.as_ref().unwrap_or(replicas.first()),
        present: &present,
        analytic: analytic.multiple,
        min_multiple: search.min_multiple,
        max_multiple: search.max_multiple,
    };
    let target = options.target.map(|target| target.multiple(&analytic));
    let tables = tables(&baseline, runner, replicas.first(), target, options);
    let results = Results {
        scenario,
        options,
        rules: &rules,
        analytic: &analytic,
        present: &present,
        replicas: &replicas,
        users: closed::user_load(&runner, scenario, &present, &replicas),
        without_cost_rules: without_cost_rules.as_ref().and_then(CeilingEstimate::ceiling),
    };
    Ok(results.into_plan(tables, count.simulations()))
}

/// Makes the tables of a plan. `runner` judges by all rules, those on cost included; `estimate` is its ceiling.
fn tables(
    baseline: &Baseline<'_>,
    runner: Runner<'_>,
    estimate: &CeilingEstimate,
    target: Option<f64>,
    options: &PlanOptions,
) -> Tables {
    let (scenario, present) = (baseline.scenario, baseline.present);
    runner.count.stage("what-ifs and the curve");
    // The curve occupies the cores that are idle while the last changes are measured.
    let ((measured, pairs), curve) = rayon::join(
        || {
            let measured = baseline.measure_all(catalogue::changes(scenario));
            let pairs = baseline.pairs(&measured);
            (measured, pairs)
        },
        || curve::curve(&runner, scenario, estimate, present),
    );
    runner.count.stage("the target load and outages");
    let buy = target.map(|target| purchase::buy(baseline, runner, &measured, target, options.time_limit));
    let incidents = if options.incident { outage::outages(&runner, scenario) } else { Vec::new() };
    Tables { curve, what_if: measured.into_iter().map(|one| one.effect).collect(), pairs, buy, incidents }
}

impl Target {
    fn multiple(self, analytic: &Ceiling) -> f64 {
        let multiple = match self {
            Self::Multiple(multiple) => multiple,
            Self::JobsPerMin(jobs) => jobs / analytic.offered_jobs_per_min,
        };
        assert!(multiple > 0.0 && multiple.is_finite(), "a target load is positive and finite: {self:?}");
        multiple
    }
}

/// Returns the search for the ceiling, from where arithmetic expects it for the busiest hour.
fn search(scenario: &Scenario, analytic: &Ceiling, rules: &Rules) -> Search {
    let shapes = scenario.workloads.iter().filter_map(|workload| workload.shape);
    let peak = shapes.flatten().fold(1.0, f64::max);
    let jobs = analytic.offered_jobs_per_min * scenario.duration.as_secs_f64() / 60.0;
    let expected = Ceiling::cached(scenario).map_or(analytic.multiple, |cached| cached.multiple);
    // The limits do not bound the number of users.
    let is_known = expected.is_finite() && expected > 0.0 && !closed::has_users(scenario);
    let max_multiple = (MAX_JOBS / jobs).clamp(MAX_MULTIPLE.0, MAX_MULTIPLE.1);
    let guess = if is_known { expected / peak } else { 1.0 };
    Search {
        guess,
        step: STEP,
        steepness: 1.0,
        tolerance: replicas::TOLERANCE,
        min_multiple: (rules.min_jobs() / jobs).min(guess / MIN_BELOW_GUESS),
        max_multiple: if is_known { max_multiple.max(expected * BEYOND_ANALYTIC) } else { max_multiple },
        replica: 0,
    }
}

/// Returns the same search at the precision of changes.
fn coarse(search: &Search) -> Search {
    Search { tolerance: what_if::TOLERANCE, ..*search }
}

/// Returns `true` if the first rules to break are on cost alone.
fn cost_breaks_first(estimate: &CeilingEstimate) -> bool {
    estimate.high.as_deref().is_some_and(|run: &Run| only_cost(&run.broken))
}
