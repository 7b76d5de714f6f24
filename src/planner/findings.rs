//! From what was found to the report: names for numbers, and everything rounded to what results say.

use super::lab::Trial;
use super::replicas::{self, CONFIDENCE, Replicas};
use super::rules::Rules;
use super::summary::{
    Analytic, Buy, CachedCeiling, Ceilings, Load, Outage, Pair, Point, Report, SCHEMA, Simulated,
    Simulations, WhatIf,
};
use super::{Ask, breaks, catalogue, what_if, words};
use crate::ceiling::Ceiling;
use crate::record::words::rounded;
use crate::record::{Binding, CeilingAxis, CeilingTarget};
use crate::scenario::Plan;

/// What was found about the plan as it is.
pub(super) struct Findings<'a> {
    pub(super) plan: &'a Plan,
    pub(super) ask: &'a Ask,
    pub(super) rules: &'a Rules,
    pub(super) analytic: &'a Ceiling,
    pub(super) present: &'a Trial,
    pub(super) replicas: &'a Replicas,
    pub(super) but_for_cost: Option<f64>,
}

/// The tables of the report.
pub(super) struct Tables {
    pub(super) curve: Vec<Point>,
    pub(super) what_if: Vec<WhatIf>,
    pub(super) pairs: Vec<Pair>,
    pub(super) buy: Option<Buy>,
    pub(super) incidents: Vec<Outage>,
}

impl Findings<'_> {
    /// The report, its sentences last, since they tell of all the rest.
    pub(super) fn report(&self, tables: Tables, runs: Simulations) -> Report {
        let (plan, simulated) = (self.plan, self.simulated());
        let above = self.replicas.found[0].high.as_deref();
        let growth = self.ask.growth.as_ref();
        let mut report = Report {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: plan.name.clone(),
            about: plan.about.clone(),
            seed: plan.seed,
            duration_s: rounded(plan.duration.as_secs_f64(), 6),
            reproduce: self.ask.reproduce.clone(),
            verdict: Vec::new(),
            notes: [self.rules.notes.clone(), how(plan, &simulated, &tables.what_if), plan.notes.clone()]
                .concat(),
            load: load(self.present),
            headroom: simulated.multiple,
            targets: targets(plan, self.analytic),
            ceiling: Ceilings {
                words: words::difference(plan, self.analytic, &simulated, above),
                analytic: by_arithmetic(plan, self.analytic),
                simulated,
            },
            curve: tables.curve,
            what_if: tables.what_if,
            pairs: tables.pairs,
            buy: tables.buy,
            growth: growth.map(|growing| growing.reaches(self.replicas.interval())),
            incidents: tables.incidents,
            simulated: runs,
        };
        report.verdict = words::verdict(&report);
        report
    }

    fn simulated(&self) -> Simulated {
        let first = &self.replicas.found[0];
        let interval = self.replicas.interval();
        let offered = self.analytic.offered_jobs_per_min;
        Simulated {
            jobs_per_min: interval.map(|interval| rounded(interval.mean * offered, 3)),
            multiple: interval.map(|interval| rounded(interval.mean, 4)),
            low: interval.map(|interval| rounded(interval.low, 4)),
            high: interval.map(|interval| rounded(interval.high, 4)),
            confidence: CONFIDENCE,
            replicas: self.replicas.ceilings().iter().map(|ceiling| rounded(*ceiling, 4)).collect(),
            tolerance: replicas::TOLERANCE,
            tried: rounded(first.high.as_ref().map_or(first.low, |trial| trial.multiple), 4),
            rules: self.rules.kept.iter().map(|rule| rule.rule.clone()).collect(),
            breaks: first.high.as_ref().and_then(|trial| breaks::first(trial, self.rules)),
            but_for_cost: self.but_for_cost.map(|multiple| rounded(multiple, 4)),
        }
    }
}

fn load(present: &Trial) -> Load {
    let summary = &present.summary;
    let busiest = summary.series.offered.iter().copied().max().unwrap_or(0);
    let share = |jobs: u64| rounded(jobs as f64 / summary.jobs.offered.max(1) as f64, 6);
    Load {
        jobs_per_min: summary.ceiling.offered_jobs_per_min,
        peak_jobs_per_min: rounded(busiest as f64 * 60.0 / summary.series.step_s, 3),
        holds: present.holds(),
        expect: summary.expect.clone(),
        p95_s: present.p95_s(),
        cost_usd_per_day: rounded(present.cost_per_day(), 4),
        cached_share: share(summary.jobs.cached),
        joined_share: share(summary.jobs.joined),
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
fn how(plan: &Plan, simulated: &Simulated, changes: &[WhatIf]) -> Vec<String> {
    let mut notes = vec![format!(
        "Every run is a whole one. The ceiling is the mean over {} seeds, the first searched to {} % and the others \
             to {} %, with the {} % interval of the mean; the curve and the changes are on the scenario's own seed, the changes to {} %, tactics that are left out to {} %, pairs to {} %.",
        simulated.replicas.len(),
        simulated.tolerance * 100.0,
        replicas::OTHERS * 100.0,
        simulated.confidence * 100.0,
        what_if::TOLERANCE * 100.0,
        what_if::WITHOUT_TOLERANCE * 100.0,
        what_if::PAIR_TOLERANCE * 100.0
    )];
    notes.extend(catalogue::notes(plan));
    notes.extend(words::left_out(changes));
    if simulated.but_for_cost.is_some() {
        notes.push(
            "Money is spent before any limit is reached, so the changes are measured without the rules on cost."
                .to_owned(),
        );
    }
    notes
}
