//! The planner: will it hold, and if not, what is the cheapest thing that makes it hold?
//!
//! It finds the ceiling twice, by arithmetic and by bisection over whole virtual runs, walks the curve
//! through it, measures changes on the same traffic, and buys the cheapest that hold a load. Every run is
//! a pure function of a plan, a multiple of its load and a seed, so runs go on all cores and the report is
//! the same on any number of them.
//!
//! ```text
//!  Scenario ─▶ rules ─▶ search × replicas ─▶ curve
//!             │          │
//!             │          └─▶ catalogue ─▶ what_if ─▶ pairs, buy
//!             └─▶ lab: scaled(multiple) ─▶ virt ─▶ Recorder ─▶ Run          all ─▶ summary::Plan ─▶ text, plan.json
//! ```

mod breaks;
mod buy;
mod catalogue;
mod change;
mod curve;
mod findings;
mod replicas;
mod risk;
mod rules;
mod runner;
mod search;
mod summary;
#[cfg(test)]
mod tests;
mod what_if;
mod words;

pub use risk::GrowthRate;
pub use runner::PlanProgress;
pub use summary::*;
pub use words::repeated;

use crate::ceiling::Ceiling;
use crate::scenario::Scenario;
use findings::{Findings, Tables};
use replicas::Replicas;
use rules::{Rules, is_on_cost};
use runner::{RunCount, Runner};
use search::{CeilingEstimate, Search};
use what_if::Baseline;

/// What is asked beside the ceiling.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Buy the cheapest changes that hold this load.
    pub target: Option<Target>,
    /// Say when growth reaches the ceiling.
    pub growth: Option<GrowthRate>,
    /// Say what the loss of each provider does.
    pub incident: bool,
    /// So many seeds instead of as many as it takes; at least 1.
    pub replicas: Option<u32>,
    /// The command that makes the plan again.
    pub reproduce: String,
}

/// A load to hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// So many times the present load.
    Multiple(f64),
    /// Jobs per minute.
    JobsPerMin(f64),
}

/// Why there is nothing to plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scenario offers no jobs, so there is nothing to multiply: give a workload a rate")]
pub struct NothingOffered;

/// Jobs in the largest run of a search, where nothing stops it earlier.
const MOST_JOBS: f64 = 5e6;
/// Multiples to which a search goes without any ceiling in sight: the least and the most.
const MOST: (f64, f64) = (4.0, 64.0);
/// How far around the analytic ceiling the first steps go, as a ratio.
const STEP: f64 = 1.1;

/// Plans a scenario; `watch` is told how the work goes on.
///
/// # Errors
/// Where no job is ever offered.
pub fn plan(
    scenario: &Scenario,
    ask: &PlanOptions,
    watch: &dyn PlanProgress,
) -> Result<Plan, NothingOffered> {
    let analytic = Ceiling::of(scenario);
    if analytic.offered_jobs_per_min <= 0.0 {
        return Err(NothingOffered);
    }
    let rules = Rules::of(scenario);
    let tally = RunCount::new(watch);
    let lab = Runner { rules: &rules, tally: &tally };
    tally.stage("the load as it is");
    let present = lab.run(scenario, 1.0, 0);
    tally.stage("the ceiling");
    let search = search(scenario, &analytic);
    let near = Search { guess: search.guess.min(rules.reached_at(&present.summary)), ..search };
    let service = rules.without_cost_rules();
    let unpaid = Runner { rules: &service, ..lab };
    let coarse = Search { tolerance: what_if::TOLERANCE, ..search };
    let is_bounded_by_money = service.kept.len() < rules.kept.len();
    let (without_cost_rules, replicas) = rayon::join(
        || is_bounded_by_money.then(|| coarse.run(&unpaid, scenario)),
        || Replicas::run(&lab, scenario, near, ask.replicas),
    );
    let first = &replicas.found[0];
    let without_cost_rules = without_cost_rules.filter(|_| money_first(first));
    let base = Baseline {
        lab: if without_cost_rules.is_some() { unpaid } else { lab },
        scenario,
        found: without_cost_rules.as_ref().unwrap_or(first),
        present: &present,
        analytic: analytic.multiple,
        most: search.most,
    };
    // The curve keeps the cores busy where few changes are left.
    tally.stage("what-ifs, and the curve");
    let ((measured, pairs), curve) = rayon::join(
        || {
            let measured = base.measure(catalogue::changes(scenario));
            let pairs = base.pairs(&measured);
            (measured, pairs)
        },
        || curve::curve(&lab, scenario, first, &present),
    );
    tally.stage("what was asked besides");
    let aim = ask.target.map(|target| target.multiple(&analytic));
    let buy = aim.map(|aim| buy::buy(&base, lab, &measured, aim));
    let incidents = if ask.incident { risk::outages(&lab, scenario, &present) } else { Vec::new() };
    let found = Findings {
        scenario,
        ask,
        rules: &rules,
        analytic: &analytic,
        present: &present,
        replicas: &replicas,
        without_cost_rules: without_cost_rules.as_ref().and_then(CeilingEstimate::ceiling),
    };
    let what_if = measured.into_iter().map(|one| one.worth).collect();
    Ok(found.report(Tables { curve, what_if, pairs, buy, incidents }, tally.simulations()))
}

impl Target {
    fn multiple(self, analytic: &Ceiling) -> f64 {
        match self {
            Self::Multiple(multiple) => multiple,
            Self::JobsPerMin(jobs) => jobs / analytic.offered_jobs_per_min,
        }
    }
}

/// Where to look for the ceiling: where arithmetic expects it for the busiest hour.
fn search(scenario: &Scenario, analytic: &Ceiling) -> Search {
    let shapes = scenario.workloads.iter().filter_map(|workload| workload.shape);
    let peak = shapes.flatten().fold(1.0, f64::max);
    let jobs = analytic.offered_jobs_per_min * scenario.duration.as_secs_f64() / 60.0;
    let cached = Ceiling::cached(scenario).map_or(analytic.multiple, |cached| cached.multiple);
    let finite = cached.is_finite() && cached > 0.0;
    let most = (MOST_JOBS / jobs).clamp(MOST.0, MOST.1).max(if finite { cached * 4.0 } else { 0.0 });
    Search {
        guess: if finite { cached / peak } else { 1.0 },
        step: STEP,
        steepness: 1.0,
        tolerance: replicas::TOLERANCE,
        most,
        replica: 0,
    }
}

/// Whether a rule on money breaks first.
fn money_first(found: &CeilingEstimate) -> bool {
    let broken = found.high.as_ref().map(|trial| trial.broken().all(is_on_cost));
    broken.unwrap_or(false)
}
