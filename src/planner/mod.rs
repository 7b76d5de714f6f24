//! The planner: will it hold, and if not, what is the cheapest thing that makes it hold?
//!
//! It finds the ceiling twice, by arithmetic and by bisection over whole virtual runs, walks the curve
//! through it, measures changes on the same traffic, and buys the cheapest that hold a load. Every run is
//! a pure function of a plan, a multiple of its load and a seed, so runs go on all cores and the report is
//! the same on any number of them.
//!
//! ```text
//!  Plan ─▶ rules ─▶ search × replicas ─▶ curve
//!             │          │
//!             │          └─▶ catalogue ─▶ what_if ─▶ pairs, buy
//!             └─▶ lab: scaled(multiple) ─▶ virt ─▶ Recorder ─▶ Trial          all ─▶ summary::Report ─▶ text, plan.json
//! ```

mod breaks;
mod buy;
mod catalogue;
mod change;
mod curve;
mod lab;
mod replicas;
mod risk;
mod rules;
mod search;
mod summary;
mod what_if;
mod words;

pub use lab::Watch;
pub use risk::Growing;
pub use summary::*;
pub use words::repeated;

use crate::ceiling::Ceiling;
use crate::record::words::rounded;
use crate::record::{Binding, CeilingAxis, CeilingTarget};
use crate::scenario::Plan;
use lab::{Lab, Tally, Trial};
use replicas::{CONFIDENCE, Interval, Replicas};
use rules::{Rules, is_on_cost};
use search::{Found, Search};
use what_if::Base;

/// What is asked beside the ceiling.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Buy the cheapest changes that hold this load.
    pub target: Option<Target>,
    /// Say when growth reaches the ceiling.
    pub growth: Option<Growing>,
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
pub fn plan(plan: &Plan, ask: &Ask, watch: &dyn Watch) -> Result<Report, NothingOffered> {
    let analytic = Ceiling::of(plan);
    if analytic.offered_jobs_per_min <= 0.0 {
        return Err(NothingOffered);
    }
    let rules = Rules::of(plan);
    let tally = Tally::new(watch);
    let lab = Lab { rules: &rules, tally: &tally };

    tally.stage("the load as it is");
    let present = lab.run(plan, 1.0, 0);
    tally.stage("the ceiling");
    let search = search(plan, &analytic);
    let near = Search { guess: search.guess.min(rules.reached_at(&present.summary)), ..search };
    let replicas = Replicas::run(&lab, plan, near, ask.replicas);
    let service = rules.but_for_cost();
    let unpaid = Lab { rules: &service, ..lab };
    let but_for_cost =
        money_first(&replicas).then(|| Search { tolerance: what_if::TOLERANCE, ..search }.run(&unpaid, plan));
    let simulated = simulated(&lab, &replicas, but_for_cost.as_ref(), &analytic);
    tally.stage("the curve");
    let knee = replicas.found[0].at_least();
    let curve = curve::curve(&lab, plan, if knee > 0.0 { knee } else { 1.0 }, &present);

    tally.stage("what-ifs");
    let base = Base {
        lab: if but_for_cost.is_some() { unpaid } else { lab },
        plan,
        found: but_for_cost.as_ref().unwrap_or(&replicas.found[0]),
        present: &present,
        analytic: analytic.multiple,
        most: search.most,
    };
    let changes = catalogue::changes(plan);
    let measured = base.measure(changes);
    tally.stage("pairs");
    let pairs = base.pairs(&measured);
    let aim = ask.target.map(|target| target.multiple(&analytic));
    let buy = aim.map(|aim| {
        tally.stage("what to buy");
        buy::buy(&base, lab, &measured, aim)
    });
    let incidents = if ask.incident {
        tally.stage("outages");
        risk::outages(&lab, plan, &present)
    } else {
        Vec::new()
    };

    let interval = simulated.multiple.map(|_| Interval::of(&replicas.ceilings()));
    let mut notes = rules.notes.clone();
    notes.extend(how(&simulated));
    notes.extend(plan.notes.iter().cloned());
    let above = replicas.found[0].high.as_deref();
    let mut report = Report {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario: plan.name.clone(),
        about: plan.about.clone(),
        seed: plan.seed,
        duration_s: rounded(plan.duration.as_secs_f64(), 6),
        reproduce: ask.reproduce.clone(),
        verdict: Vec::new(),
        notes,
        load: load(&present),
        headroom: simulated.multiple,
        targets: targets(plan, &analytic),
        ceiling: Ceilings {
            words: words::difference(plan, &analytic, &simulated, above),
            analytic: by_arithmetic(plan, &analytic),
            simulated,
        },
        curve,
        what_if: measured.into_iter().map(|one| one.worth).collect(),
        pairs,
        buy,
        growth: ask.growth.as_ref().map(|growing| growing.reaches(interval)),
        incidents,
        simulated: tally.simulations(),
    };
    report.verdict = words::verdict(&report);
    Ok(report)
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
fn search(plan: &Plan, analytic: &Ceiling) -> Search {
    let shapes = plan.workloads.iter().filter_map(|workload| workload.shape);
    let peak = shapes.flatten().fold(1.0, f64::max);
    let jobs = analytic.offered_jobs_per_min * plan.duration.as_secs_f64() / 60.0;
    let cached = Ceiling::cached(plan).map_or(analytic.multiple, |cached| cached.multiple);
    let finite = cached.is_finite() && cached > 0.0;
    let most = (MOST_JOBS / jobs).clamp(MOST.0, MOST.1).max(if finite { cached * 4.0 } else { 0.0 });
    Search {
        guess: if finite { cached / peak } else { 1.0 },
        step: STEP,
        tolerance: replicas::TOLERANCE,
        most,
        replica: 0,
    }
}

/// Whether a rule on money breaks first.
fn money_first(replicas: &Replicas) -> bool {
    let broken = replicas.found[0].high.as_ref().map(|trial| trial.broken().all(is_on_cost));
    broken.unwrap_or(false)
}

fn simulated(
    lab: &Lab<'_>,
    replicas: &Replicas,
    but_for_cost: Option<&Found>,
    analytic: &Ceiling,
) -> Simulated {
    let first = &replicas.found[0];
    let ceilings = replicas.ceilings();
    let interval = first.ceiling().map(|_| Interval::of(&ceilings));
    let breaks = first.high.as_ref().and_then(|trial| breaks::first(trial, lab.rules));
    let multiple = interval.map(|interval| rounded(interval.mean, 4));
    Simulated {
        jobs_per_min: interval.map(|interval| rounded(interval.mean * analytic.offered_jobs_per_min, 3)),
        multiple,
        low: interval.map(|interval| rounded(interval.low, 4)),
        high: interval.map(|interval| rounded(interval.high, 4)),
        confidence: CONFIDENCE,
        replicas: ceilings.iter().map(|ceiling| rounded(*ceiling, 4)).collect(),
        tolerance: replicas::TOLERANCE,
        tried: rounded(first.high.as_ref().map_or(first.low, |trial| trial.multiple), 4),
        rules: lab.rules.kept.iter().map(|rule| rule.rule.clone()).collect(),
        breaks,
        but_for_cost: but_for_cost.and_then(Found::ceiling).map(|multiple| rounded(multiple, 4)),
    }
}

fn load(present: &Trial) -> Load {
    let summary = &present.summary;
    let busiest = summary.series.offered.iter().copied().max().unwrap_or(0);
    Load {
        jobs_per_min: summary.ceiling.offered_jobs_per_min,
        peak_jobs_per_min: rounded(busiest as f64 * 60.0 / summary.series.step_s, 3),
        holds: present.holds(),
        expect: summary.expect.clone(),
        p95_s: present.p95_s(),
        cost_usd_per_day: rounded(present.cost_per_day(), 4),
        cached_share: rounded(summary.jobs.cached as f64 / summary.jobs.offered.max(1) as f64, 6),
    }
}

fn by_arithmetic(plan: &Plan, analytic: &Ceiling) -> Analytic {
    let finite = |value: f64| value.is_finite().then(|| rounded(value, 6));
    Analytic {
        jobs_per_min: finite(analytic.jobs_per_min),
        multiple: finite(analytic.multiple),
        binding: analytic.binding.map(|(target, axis)| Binding {
            target: plan.targets[target.index()].name.clone(),
            axis: axis.name().to_owned(),
        }),
        cached: Ceiling::cached(plan).map(|cached| CachedCeiling {
            hit_share: rounded(cached.hit_share, 6),
            jobs_per_min: rounded(cached.jobs_per_min, 6),
            multiple: rounded(cached.multiple, 6),
        }),
    }
}

fn targets(plan: &Plan, analytic: &Ceiling) -> Vec<CeilingTarget> {
    let each = analytic.targets.iter().map(|target| CeilingTarget {
        name: plan.targets[target.target.index()].name.clone(),
        axes: target
            .axes
            .iter()
            .filter(|axis| axis.jobs_per_min.is_finite())
            .map(|axis| CeilingAxis {
                axis: axis.axis.name().to_owned(),
                limit: axis.limit,
                jobs_per_min: rounded(axis.jobs_per_min, 6),
            })
            .collect(),
    });
    each.collect()
}

/// How it was found.
fn how(simulated: &Simulated) -> Vec<String> {
    let mut notes = vec![
        format!(
            "Every run is a whole one. The ceiling is the mean over {} seeds, each searched to {} %, with the {} % \
             interval of the mean; the curve and the changes are on the scenario's own seed, the changes to {} %.",
            simulated.replicas.len(),
            simulated.tolerance * 100.0,
            simulated.confidence * 100.0,
            what_if::TOLERANCE * 100.0
        ),
        "Not tried: joining identical jobs that are under way at the same time, which the engine cannot do."
            .to_owned(),
    ];
    if simulated.but_for_cost.is_some() {
        notes.push(
            "Money is spent before any limit is reached, so the changes are measured without the rules on cost."
                .to_owned(),
        );
    }
    notes
}
