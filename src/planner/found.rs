//! What is found about a scenario before any change: its run at the present load, its ceiling, and what follows from both.

use super::change::Change;
use super::conclusion::Conclusion;
use super::known_runs::KnownRuns;
use super::replicas::Replicas;
use super::request::RunKind;
use super::rules::{Rules, only_cost};
use super::run_count::RunCount;
use super::runner::{Run, Runner};
use super::search::{CeilingEstimate, Search};
use super::{PlanOptions, catalogue, closed, longer, outage, replicas, what_if};
use crate::ceiling::Ceiling;
use crate::scenario::{Scenario, Shape};
use std::borrow::Cow;

/// The highest multiple to try is that at which a run has this many jobs, within [`MAX_MULTIPLE_RANGE`], unless the rules
/// or the analytic ceiling need a higher one.
const MAX_JOBS: f64 = 5e6;
/// The range of the highest multiple to try, before the rules and the analytic ceiling raise it.
const MAX_MULTIPLE_RANGE: (f64, f64) = (4.0, 64.0);
/// The highest multiple to try is at least this many times the analytic ceiling, if there is one and no workload has users.
const BEYOND_ANALYTIC: f64 = 4.0;
/// The lowest multiple to try is at most the guess divided by this, even if runs then have too few jobs for the rules.
const MIN_BELOW_GUESS: f64 = 8.0;
/// The ratio of neighbours among the loads around the expected ceiling with which the search begins.
const WIDTH: f64 = 1.05;
/// The largest first step away from them, as a ratio.
const STEP: f64 = 1.1;

/// What is found about a scenario before any change.
pub(super) struct Found {
    pub(super) analytic: Ceiling,
    /// The run at the present load.
    pub(super) present: Run,
    pub(super) search: Search,
    pub(super) replicas: Replicas,
    /// The ceiling without the rules on cost, if cost breaks first.
    pub(super) without_cost_rules: Option<CeilingEstimate>,
    pub(super) conclusion: Conclusion,
}

/// The most times that runs are made longer because they have too few jobs.
const MAX_LENGTHENINGS: usize = 2;

/// Searches for the ceiling. If the runs are short compared with the window of a limit, or have too few jobs for the rules,
/// they are made longer if that is possible. Returns the scenario with the duration of the runs, whether that was raised in
/// order to cover several windows of long limits, and what was found; `None` if the measurements were stopped before the
/// search on the scenario's own seed ended, or if a run had too many jobs in flight.
pub(super) fn find_ceiling<'a>(
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
        if let Some(known) = runner.count.known {
            announce(runner, scenario, options, known);
        }
        let present = runner.run(scenario, 1.0, 0)?;
        runner.count.stage("the ceiling");
        let search = search(scenario, &analytic, rules);
        let guess = search.guess.min(rules.proportional_bound(&present.summary));
        let replicas =
            Replicas::run(runner, (scenario, &present), Search { guess, ..search }, options.replicas)?;
        let service_rules = rules.without_cost_rules();
        let without_cost_rules = cost_breaks_first(replicas.first())
            .then(|| coarse(&search).run(&Runner { rules: &service_rules, ..*runner }, scenario))
            .flatten();
        // Users who wait send fewer jobs than arithmetic expects.
        let offered = match closed::has_users(scenario) {
            true => present.summary.jobs.offered as f64,
            false => jobs(scenario, &analytic),
        };
        let conclusion = Conclusion::of(runner, scenario, &replicas, offered);
        Some(Self { analytic, present, search, replicas, without_cost_rules, conclusion })
    }
}

/// Announces the runs that depend on no other run.
fn announce(runner: &Runner<'_>, scenario: &Scenario, options: &PlanOptions, known: &KnownRuns) {
    if options.incident {
        // The plan counts these runs where it uses them.
        let count = RunCount::new(&()).from(known);
        let _outages = outage::outages(&Runner::new(runner.rules, &count), scenario);
    }
    for change in catalogue::changes(scenario) {
        let name = [change.name.clone()];
        runner.with_changes(&name).announce(&Change::all(scenario, [&change]), (1.0, 0..1), RunKind::Whole);
    }
}

/// Returns the number of jobs that a run of the scenario offers on average; for users, the most that they can send.
fn jobs(scenario: &Scenario, analytic: &Ceiling) -> f64 {
    analytic.offered_jobs_per_min * scenario.duration.as_secs_f64() / 60.0
}

/// Returns the search for the ceiling. It starts at the analytic ceiling of traffic whose hours are all as busy as the
/// busiest one, or at the present load if arithmetic gives no ceiling or a workload has users.
pub(super) fn search(scenario: &Scenario, analytic: &Ceiling, rules: &Rules) -> Search {
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
        width: WIDTH,
        step: STEP,
        steepness: 1.0,
        tolerance: replicas::TOLERANCE,
        min_multiple: enough.min(guess / MIN_BELOW_GUESS),
        max_multiple: if has_analytic_guess {
            max_multiple.max(expected * BEYOND_ANALYTIC)
        } else {
            max_multiple
        },
        at_once: 4,
        replica: 0,
    }
}

/// Returns the same search at the precision of changes.
fn coarse(search: &Search) -> Search {
    Search { tolerance: what_if::TOLERANCE, at_once: 2, ..*search }
}

/// Returns `true` if the first rules to break are on cost alone.
fn cost_breaks_first(estimate: &CeilingEstimate) -> bool {
    estimate.high.as_deref().is_some_and(|run: &Run| only_cost(&run.broken))
}
