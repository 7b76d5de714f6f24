//! From what was found to the report: names for numbers, and everything rounded to what results say.

use super::replicas::{self, CONFIDENCE, Replicas};
use super::rules::Rules;
use super::runner::Run;
use super::summary::{
    Analytic, Buy, CachedCeiling, Ceilings, Load, Outage, Pair, Plan, Point, SCHEMA, Simulated, Simulations,
    WhatIf,
};
use super::{PlanOptions, breaks, catalogue, what_if, words};
use crate::ceiling::Ceiling;
use crate::formatting::rounded;
use crate::record::{Binding, CeilingAxis, CeilingTarget};
use crate::scenario::Scenario;

/// What was found about the plan as it is.
pub(super) struct Findings<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) ask: &'a PlanOptions,
    pub(super) rules: &'a Rules,
    pub(super) analytic: &'a Ceiling,
    pub(super) present: &'a Run,
    pub(super) replicas: &'a Replicas,
    pub(super) without_cost_rules: Option<f64>,
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
    pub(super) fn report(&self, tables: Tables, runs: Simulations) -> Plan {
        let (scenario, simulated) = (self.scenario, self.simulated());
        let above = self.replicas.found[0].high.as_deref();
        let growth = self.ask.growth.as_ref();
        let mut report = Plan {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            seed: scenario.seed,
            duration_s: rounded(scenario.duration.as_secs_f64(), 6),
            reproduce: self.ask.reproduce.clone(),
            verdict: Vec::new(),
            notes: [self.rules.notes.clone(), how(scenario, &simulated, &tables.what_if)].concat(),
            scenario_notes: scenario.notes.clone(),
            load: load(self.present),
            headroom: simulated.multiple,
            targets: targets(scenario, self.analytic),
            ceiling: Ceilings {
                words: words::difference(scenario, self.analytic, &simulated, above),
                analytic: by_arithmetic(scenario, self.analytic),
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
            without_cost_rules: self.without_cost_rules.map(|multiple| rounded(multiple, 4)),
        }
    }
}

fn load(present: &Run) -> Load {
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

fn by_arithmetic(scenario: &Scenario, analytic: &Ceiling) -> Analytic {
    let finite = |value: f64| value.is_finite().then(|| rounded(value, 6));
    Analytic {
        jobs_per_min: finite(analytic.jobs_per_min),
        multiple: finite(analytic.multiple),
        binding: analytic.binding.map(|(target, axis)| Binding {
            target: scenario.targets[target.index()].name.clone(),
            axis: axis.name().to_owned(),
        }),
        cached: Ceiling::cached(scenario).map(|cached| CachedCeiling {
            hit_share: rounded(cached.hit_share, 6),
            jobs_per_min: rounded(cached.jobs_per_min, 6),
            multiple: rounded(cached.multiple, 6),
        }),
    }
}

fn targets(scenario: &Scenario, analytic: &Ceiling) -> Vec<CeilingTarget> {
    let each = analytic.targets.iter().map(|target| CeilingTarget {
        name: scenario.targets[target.target.index()].name.clone(),
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
fn how(scenario: &Scenario, simulated: &Simulated, changes: &[WhatIf]) -> Vec<String> {
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
    notes.extend(catalogue::notes(scenario));
    notes.extend(words::left_out(changes));
    if simulated.without_cost_rules.is_some() {
        notes.push(
            "Money is spent before any limit is reached, so the changes are measured without the rules on cost."
                .to_owned(),
        );
    }
    notes
}
