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
mod growth;
#[cfg(test)]
mod laws;
mod longer;
mod not_tried;
mod outage;
mod plan;
mod policies;
mod purchase;
mod replicas;
mod results;
mod rules;
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
pub use plan::*;
pub(crate) use rules::only_cost;
pub use runner::PlanProgress;
use year::CalendarMonths;
pub use year::{MAX_MONTHS, YearOptions};

use crate::ceiling::Ceiling;
use crate::record::LongWindow;
use crate::scenario::{Offers, Scenario, Shape};
use change::Change;
use conclusion::Conclusion;
use provider::Nanos;
use replicas::Replicas;
use results::{Results, Tables};
use rules::Rules;
use runner::{Run, RunCount, Runner};
use search::{CeilingEstimate, Search};
use std::borrow::Cow;
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

/// The highest multiple to try is that at which a run has this many jobs, within [`MAX_MULTIPLE_RANGE`], unless the rules
/// or the analytic ceiling need a higher one.
const MAX_JOBS: f64 = 5e6;
/// The range of the highest multiple to try, before the rules and the analytic ceiling raise it.
const MAX_MULTIPLE_RANGE: (f64, f64) = (4.0, 64.0);
/// The highest multiple to try is at least this many times the analytic ceiling, if there is one and no workload has users.
const BEYOND_ANALYTIC: f64 = 4.0;
/// The lowest multiple to try is at most the guess divided by this, even if runs then have too few jobs for the rules.
const MIN_BELOW_GUESS: f64 = 8.0;
/// The largest first step of the search around the expected ceiling, as a ratio.
const STEP: f64 = 1.1;

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
    let calendar = check(scenario, options)?;
    let offers = &scenario.offers;
    let scenario = &Scenario { offers: Offers::default(), ..scenario.clone() };
    let rules = Rules::of(scenario);
    let count = RunCount::new(progress).until(options.time_limit);
    let runner = Runner { rules: &rules, count: &count };
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
    let users = closed::user_load(&runner, &scenario, present, replicas, conclusion);
    if users.is_some() && count.is_stopped() {
        return Err(count.error());
    }
    let catalogue = catalogue::changes(&scenario);
    let catalogue_size = catalogue.len();
    let mut tables = tables(&unchanged, runner, replicas.first(), (catalogue, target), options);
    tables.year = options
        .growth
        .as_ref()
        .zip(options.year.as_ref())
        .and_then(|months| year::year(runner, (&scenario, present), offers, (months, calendar)));
    count.check_jobs()?;
    let batches = batch::batches(&runner, &scenario, present);
    let partial = count.cut_by().map(|by| Finding::Partial {
        by,
        seeds: replicas.estimates.len(),
        changes: tables.what_if.len(),
        of: catalogue_size,
        missing_outages: match options.incident {
            true => outage::missing(&scenario, &tables.outages),
            false => Vec::new(),
        },
        missing_year: options.year.is_some() && tables.year.is_none(),
    });
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

/// What is found about a scenario before any change.
struct Found {
    analytic: Ceiling,
    /// The run at the present load.
    present: Run,
    search: Search,
    replicas: Replicas,
    /// The ceiling without the rules on cost, if cost breaks first.
    without_cost_rules: Option<CeilingEstimate>,
    conclusion: Conclusion,
}

/// The most times that runs are made longer because they have too few jobs.
const MAX_LENGTHENINGS: usize = 2;

/// Searches for the ceiling. If the runs are short compared with the window of a limit, or have too few jobs for the rules,
/// they are made longer if that is possible. Returns the scenario with the duration of the runs, whether that was raised in
/// order to cover several windows of long limits, and what was found; `None` if the measurements were stopped before the
/// search on the scenario's own seed ended, or if a run had too many jobs in flight.
fn find_ceiling<'a>(
    runner: &Runner<'_>,
    scenario: &'a Scenario,
    options: &PlanOptions,
) -> Option<(Cow<'a, Scenario>, bool, Found)> {
    let over_windows = longer::over_long_windows(scenario, runner.rules, &Ceiling::of(scenario));
    let covers_windows = over_windows.is_some();
    let mut scenario = over_windows.map_or(Cow::Borrowed(scenario), Cow::Owned);
    let mut found = Found::of(runner, &scenario, options)?;
    for _ in 0..MAX_LENGTHENINGS {
        let Conclusion::TooFewJobs(few) = &found.conclusion else { break };
        let offered = jobs(&scenario, &found.analytic);
        let Some(longer) = longer::lengthened(&scenario, runner.rules, few, offered) else { break };
        let Some(more) = Found::of(runner, &longer, options) else { break };
        (scenario, found) = (Cow::Owned(longer), more);
    }
    Some((scenario, covers_windows, found))
}

impl Found {
    fn of(runner: &Runner<'_>, scenario: &Scenario, options: &PlanOptions) -> Option<Self> {
        let (rules, analytic) = (runner.rules, Ceiling::of(scenario));
        runner.count.stage("the present load");
        let present = runner.run(scenario, 1.0, 0)?;
        runner.count.stage("the ceiling");
        let search = search(scenario, &analytic, rules);
        let service_rules = rules.without_cost_rules();
        let service = Runner { rules: &service_rules, ..*runner };
        let (without_cost_rules, replicas) = rayon::join(
            || (service_rules.kept.len() < rules.kept.len()).then(|| coarse(&search).run(&service, scenario)),
            || {
                let guess = search.guess.min(rules.proportional_bound(&present.summary));
                Replicas::run(runner, scenario, Search { guess, ..search }, options.replicas)
            },
        );
        let replicas = replicas?;
        let without_cost_rules = without_cost_rules.flatten().filter(|_| cost_breaks_first(replicas.first()));
        // Users who wait send fewer jobs than arithmetic expects.
        let offered = match closed::has_users(scenario) {
            true => present.summary.jobs.offered as f64,
            false => jobs(scenario, &analytic),
        };
        let conclusion = Conclusion::of(runner, scenario, &replicas, offered);
        Some(Self { analytic, present, search, replicas, without_cost_rules, conclusion })
    }
}

/// Returns the number of jobs that a run of the scenario offers on average; for users, the most that they can send.
fn jobs(scenario: &Scenario, analytic: &Ceiling) -> f64 {
    analytic.offered_jobs_per_min * scenario.duration.as_secs_f64() / 60.0
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
/// rules.
fn tables(
    unchanged: &Unchanged<'_>,
    runner: Runner<'_>,
    estimate: &CeilingEstimate,
    (catalogue, target): (Vec<Change>, Option<f64>),
    options: &PlanOptions,
) -> Tables {
    let scenario = unchanged.scenario;
    runner.count.stage("what-ifs and the curve");
    // The runs of the curve use the cores that are idle while the last changes are measured.
    let ((measured, pairs), curve) = rayon::join(
        || {
            let measured = unchanged.measure_all(catalogue);
            let pairs = unchanged.pairs(&measured);
            (measured, pairs)
        },
        || curve::curve(&runner, scenario, estimate, (unchanged.present, unchanged.present_cost_per_day)),
    );
    runner.count.stage("the target load and outages");
    let buy = target.map(|target| purchase::buy(unchanged, runner, &measured, target, options.time_limit));
    let outages = if options.incident { outage::outages(&runner, scenario) } else { Vec::new() };
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

/// Returns the search for the ceiling. It starts at the analytic ceiling of traffic whose hours are all as busy as the
/// busiest one, or at the present load if arithmetic gives no ceiling or a workload has users.
fn search(scenario: &Scenario, analytic: &Ceiling, rules: &Rules) -> Search {
    let shapes = scenario.workloads.iter().filter_map(|workload| workload.shape.as_ref());
    let peak = shapes.flat_map(Shape::factors).copied().fold(1.0, f64::max);
    let jobs = jobs(scenario, analytic);
    let expected = Ceiling::cached(scenario).map_or(analytic.multiple, |cached| cached.multiple);
    // The limits do not bound the number of users.
    let has_analytic_guess = expected.is_finite() && expected > 0.0 && !closed::has_users(scenario);
    let full_windows = rules.multiple_of_full_windows(scenario).min(MAX_JOBS / jobs);
    let enough = (rules.min_jobs() / jobs).max(full_windows) * longer::MARGIN;
    let max_multiple = (MAX_JOBS / jobs).clamp(MAX_MULTIPLE_RANGE.0, MAX_MULTIPLE_RANGE.1).max(enough);
    let guess = if has_analytic_guess { expected / peak } else { 1.0 };
    Search {
        guess,
        step: STEP,
        steepness: 1.0,
        tolerance: replicas::TOLERANCE,
        min_multiple: enough.min(guess / MIN_BELOW_GUESS),
        max_multiple: if has_analytic_guess {
            max_multiple.max(expected * BEYOND_ANALYTIC)
        } else {
            max_multiple
        },
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
