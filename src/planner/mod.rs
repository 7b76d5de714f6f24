//! The planner: the ceiling of a scenario, what breaks first, what each change is worth, and the cheapest changes that
//! hold a target load.
//!
//! It finds the ceiling twice, by arithmetic and by a search over whole virtual runs, simulates loads around it for a
//! curve, measures changes on the same traffic, searches for the cheapest changes that hold a load, and simulates the loss
//! of each provider. A run is a pure function of a scenario, a multiple of its load and a seed, so runs are made on all
//! cores, and the plan is the same on any number of them, unless a time limit or an interruption ends the measurements.
//!
//! ```text
//!  Scenario ─▶ rules ─▶ search × replicas ─▶ curve, outages ───┐
//!                │          └─▶ catalogue ─▶ what_if ─▶ pairs, purchase ─▶ results ─▶ Plan (plan.json)
//!                └─▶ runner: scaled(multiple) ─▶ virtual time ─▶ Recorder ─▶ Run
//! ```
//!
//! A [`Plan`] holds typed findings; `report::plan` makes sentences, tables and pages of them.

mod batch;
mod catalogue;
mod change;
mod closed;
mod conclusion;
mod curve;
mod cut_answers;
mod day_cost;
mod difference;
mod early_end;
mod error;
mod finding;
mod found;
mod growth;
mod known_runs;
#[cfg(test)]
mod laws;
mod longer;
mod not_tried;
mod outage;
mod parts_error;
mod plan;
mod policies;
mod purchase;
mod replicas;
mod request;
mod results;
mod rounds;
mod rules;
mod run_count;
mod runner;
mod search;
#[cfg(test)]
mod tests;
mod verification;
mod violation;
mod what_if;
mod year;

pub use cut_answers::CutIncrease;
pub use error::PlanError;
pub use finding::{
    CheapestChange, CutReason, Difference, Finding, GiveUpBound, Improvement, NoUserCeiling, PlanNote,
    Refusals,
};
pub(crate) use growth::DAYS_PER_MONTH;
pub use growth::GrowthRate;
pub use not_tried::{NotTriedReason, UntriedChange};
pub use parts_error::{MissingShards, PartsError};
pub use plan::*;
pub use request::RunId;
pub use rounds::{ListedRun, Part, Parts, PlanStep, Round, plan_from, plan_id, plan_without};
pub(crate) use rules::only_cost;
pub use run_count::PlanProgress;
use year::CalendarMonths;
pub use year::{MAX_MONTHS, YearOptions};

use crate::ceiling::Ceiling;
use crate::record::LongWindow;
use crate::scenario::{Offers, Scenario};
use change::Change;
use found::{Found, find_ceiling};
use provider::Nanos;
use replicas::Replicas;
use results::{Results, Tables};
use rules::Rules;
use run_count::RunCount;
use runner::{Run, Runner};
use search::CeilingEstimate;
use what_if::Unchanged;

/// What a plan contains besides the ceiling and the changes, and how much is simulated for it.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// The load for which the cheapest changes are searched.
    pub target: Option<Target>,
    /// The growth of the load for which the plan states when it reaches the ceiling.
    pub growth: Option<GrowthRate>,
    /// The months of that growth for which purchases are planned.
    pub year: Option<YearOptions>,
    /// Whether the loss of each provider is simulated.
    pub incident: bool,
    /// The number of seeds on which the ceiling is searched, at least 1; `None`: 4 to 16, until the results are precise
    /// enough. If the first seed has no ceiling, it is the only one.
    pub replicas: Option<u32>,
    /// When the measurements end, by the clock of [`PlanProgress`]; the search for changes that hold the target gets at least
    /// half of this time after them. `None` for no limit.
    pub time_limit: Option<Nanos>,
    /// The command that reproduces the plan; may be empty.
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

/// Makes the plan of a scenario. `progress` is called as the work goes on.
///
/// # Errors
/// Fails if no job is ever offered, if the target is a rate although a workload has users, if a month cannot be priced or an offer
/// has no month in the plan, if the plan is ended before the ceiling is found, or if a run has too many jobs in flight.
pub fn plan(
    scenario: &Scenario,
    options: &PlanOptions,
    progress: &dyn PlanProgress,
) -> Result<Plan, PlanError> {
    let count = RunCount::new(progress).until(options.time_limit);
    make(scenario, options, &count)
}

/// Makes the plan with the runs of `count`. The result is not valid if the plan still waits for runs of other processes.
fn make(scenario: &Scenario, options: &PlanOptions, count: &RunCount<'_>) -> Result<Plan, PlanError> {
    let calendar = check(scenario, options)?;
    let offers = &scenario.offers;
    let scenario = &Scenario { offers: Offers::default(), ..scenario.clone() };
    let rules = Rules::of(scenario);
    let runner = Runner::new(&rules, count);
    let own_duration = scenario.duration;
    let (scenario, covers_windows, found) =
        find_ceiling(&runner, scenario, options).ok_or_else(|| count.error())?;
    let Found { analytic, present, search, replicas, without_cost_rules, conclusion } = &found;
    let service_rules = rules.without_cost_rules();
    let service = Runner { rules: &service_rules, ..runner };
    let unchanged = Unchanged {
        runner: if without_cost_rules.is_some() { service } else { runner },
        scenario: &scenario,
        estimate: without_cost_rules.as_ref().unwrap_or(replicas.first()),
        spread: replicas.spread(),
        present,
        present_cost_per_day: runner.cost_per_day(&scenario, present),
        with_cost_rules: without_cost_rules.is_some().then_some(&rules),
        analytic: analytic.multiple,
        min_multiple: search.min_multiple,
        max_multiple: search.max_multiple,
    };
    let target = options.target.map(|target| target.multiple(analytic));
    let is_waiting = count.is_waiting();
    let users = match is_waiting {
        // The changes do not depend on the other seeds, so their runs need not wait for those.
        true => None,
        false => closed::user_load(&runner, &scenario, present, replicas, conclusion),
    };
    if users.is_some() && count.is_stopped() {
        return Err(count.error());
    }
    let catalogue = catalogue::changes(&scenario);
    let catalogue_size = catalogue.len();
    let mut tables =
        tables(&unchanged, runner, (replicas.first(), &replicas.runs), (catalogue, target), options);
    if count.is_waiting() {
        return Err(count.error());
    }
    tables.year = options
        .growth
        .as_ref()
        .zip(options.year.as_ref())
        .and_then(|months| year::year(runner, (&scenario, present), offers, (months, calendar)));
    count.check_jobs()?;
    let batches = batch::batches(&runner, &scenario, present);
    let partial = partial(count, (&scenario, options), replicas, (&tables, catalogue_size));
    let results = Results {
        scenario: &scenario,
        options,
        batches,
        rules: &rules,
        analytic,
        present,
        present_cost_per_day: unchanged.present_cost_per_day,
        replicas,
        users,
        without_cost_rules: without_cost_rules.as_ref().and_then(CeilingEstimate::ceiling),
        compared: (unchanged.estimate, without_cost_rules.is_some()),
        conclusion,
        own_duration: (own_duration != scenario.duration).then_some(own_duration),
        long_window: long_window(&runner, &scenario, own_duration, present),
        covers_windows,
    };
    let mut plan = results.into_plan(tables, count.simulations());
    plan.findings.splice(0..0, partial);
    Ok(plan)
}

/// Returns the statement that a plan was ended before everything was measured; `None` if it was not.
fn partial(
    count: &RunCount<'_>,
    (scenario, options): (&Scenario, &PlanOptions),
    replicas: &Replicas,
    (tables, catalogue_size): (&Tables, usize),
) -> Option<Finding> {
    Some(Finding::Partial {
        by: count.cut_by()?,
        missing_shards: count.known.map(|known| known.missing_shards.clone()).unwrap_or_default(),
        seeds: replicas.estimates.len(),
        changes: tables.what_if.len(),
        of: catalogue_size,
        missing_outages: match options.incident {
            true => outage::missing(scenario, &tables.outages),
            false => Vec::new(),
        },
        missing_year: options.year.is_some() && tables.year.is_none(),
    })
}

/// Returns the months if each of them is simulated as a whole, or an error if the input is known to be wrong before the first run.
fn check(scenario: &Scenario, options: &PlanOptions) -> Result<Option<CalendarMonths>, PlanError> {
    if Ceiling::of(scenario).offered_jobs_per_min <= 0.0 {
        return Err(PlanError::NothingOffered);
    }
    if closed::has_users(scenario) && matches!(options.target, Some(Target::JobsPerMin(_))) {
        return Err(PlanError::RateOfUsers);
    }
    let months = options.year.as_ref().zip(options.growth.as_ref());
    months.map_or(Ok(None), |(months, growth)| year::check(scenario, months, growth))
}

/// Returns the limit whose window is half of `own_duration` or longer, the duration of the scenario before it was lengthened,
/// and of which the load uses the largest share; `None` if the load uses little of each.
fn long_window(
    runner: &Runner<'_>,
    scenario: &Scenario,
    own_duration: Nanos,
    present: &Run,
) -> Option<LongWindow> {
    if own_duration == scenario.duration {
        return present.summary.long_window.clone();
    }
    LongWindow::of(&Scenario { duration: own_duration, ..runner.prepare(scenario, (1.0, 0), &|| false) })
}

/// Makes the tables of a plan. `runner` judges by all rules, those on cost included; `estimate` is the ceiling by these
/// rules, and `known` are the runs with which it was found.
fn tables(
    unchanged: &Unchanged<'_>,
    runner: Runner<'_>,
    (estimate, known): (&CeilingEstimate, &[Run]),
    (catalogue, target): (Vec<Change>, Option<f64>),
    options: &PlanOptions,
) -> Tables {
    let scenario = unchanged.scenario;
    runner.count.stage("what-ifs and the curve");
    // The runs of the curve use the cores that are idle while the last changes are measured.
    let ((measured, pairs), curve) = rayon::join(
        || {
            let measured = unchanged.measure_all(catalogue);
            let pairs = if runner.count.is_waiting() { Vec::new() } else { unchanged.pairs(&measured) };
            (measured, pairs)
        },
        || {
            curve::curve(
                &runner,
                scenario,
                (estimate, known),
                (unchanged.present, unchanged.present_cost_per_day),
            )
        },
    );
    runner.count.stage("the target load and outages");
    let outages = if options.incident { outage::outages(&runner, scenario) } else { Vec::new() };
    // The search for the cheapest changes begins with the measured ones.
    let buy = target
        .filter(|_| !runner.count.is_waiting())
        .map(|target| purchase::buy(unchanged, runner, &measured, target, options.time_limit));
    Tables {
        year: None,
        curve,
        what_if: measured.into_iter().map(|one| one.effect).collect(),
        pairs,
        buy,
        outages,
    }
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
