//! The plan from the planner's results: ids become names, and numbers are rounded to the precision of results.

use super::difference::differences;
use super::finding::{Finding, PlanNote, findings};
use super::plan::{
    Analytic, CachedCeiling, Ceilings, ChangeKind, Load, Outage, Pair, Plan, PlanningCeiling, Point,
    Purchase, SCHEMA, Simulated, Simulations, UserLoad, WhatIf,
};
use super::replicas::{self, CONFIDENCE, COVERAGE, COVERAGE_CONFIDENCE, Replicas};
use super::rules::Rules;
use super::runner::Run;
use super::{PlanOptions, catalogue, violation, what_if};
use crate::ceiling::Ceiling;
use crate::formatting::{rounded, significant};
use crate::record::{Binding, CeilingAxis, CeilingTarget};
use crate::scenario::Scenario;

/// The results for the scenario as it is.
pub(super) struct Results<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) options: &'a PlanOptions,
    pub(super) rules: &'a Rules,
    pub(super) analytic: &'a Ceiling,
    /// The run at the present load.
    pub(super) present: &'a Run,
    pub(super) replicas: &'a Replicas,
    /// The load of the closed workloads; `None` if there are none.
    pub(super) users: Option<UserLoad>,
    /// The ceiling without the rules on cost, as a multiple; `None` unless cost breaks first.
    pub(super) without_cost_rules: Option<f64>,
}

/// The tables of a plan.
pub(super) struct Tables {
    pub(super) curve: Vec<Point>,
    pub(super) what_if: Vec<WhatIf>,
    pub(super) pairs: Vec<Pair>,
    pub(super) buy: Option<Purchase>,
    pub(super) incidents: Vec<Outage>,
}

impl Results<'_> {
    /// Makes the plan. Its findings come last, since they are derived from everything else.
    pub(super) fn into_plan(self, tables: Tables, simulations: Simulations) -> Plan {
        let (scenario, simulated) = (self.scenario, self.simulated());
        let too_few_jobs = self.too_few_jobs();
        let above = self.replicas.first().high.as_deref();
        let growth = self.options.growth.as_ref();
        let mut plan = Plan {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            seed: scenario.seed,
            duration_s: rounded(scenario.duration.as_secs_f64(), 6),
            reproduce: self.options.reproduce.clone(),
            findings: Vec::new(),
            notes: self.notes(&simulated, &tables.what_if),
            load: self.load(&simulated),
            headroom: simulated.planning.map(|ceiling| ceiling.multiple).or(simulated.multiple),
            targets: targets(scenario, self.analytic),
            users: None,
            ceiling: Ceilings {
                differences: differences(scenario, self.analytic, &simulated, above),
                analytic: analytic(scenario, self.analytic),
                simulated,
            },
            curve: tables.curve,
            what_if: tables.what_if,
            pairs: tables.pairs,
            buy: tables.buy,
            growth: growth.map(|growth| {
                let ceiling = self.replicas.planning_ceiling().or_else(|| self.replicas.mean());
                growth.reaches(ceiling, self.replicas.interval())
            }),
            incidents: tables.incidents,
            simulated: simulations,
            not_met: Vec::new(),
        };
        if let Some(users) = self.users {
            plan.restate_for_users(users, scenario, self.present);
        }
        plan.not_met = plan.find_not_met();
        plan.findings = findings(&plan, too_few_jobs);
        plan
    }

    fn simulated(&self) -> Simulated {
        let first = self.replicas.first();
        let (mean, interval) = (self.replicas.mean(), self.replicas.interval());
        let offered = self.analytic.offered_jobs_per_min;
        let planning = self.replicas.planning_ceiling();
        Simulated {
            jobs_per_min: mean.map(|mean| significant(mean * offered)),
            multiple: mean.map(significant),
            planning: planning.map(|multiple| PlanningCeiling {
                jobs_per_min: significant(multiple * offered),
                multiple: significant(multiple),
                share: COVERAGE,
                confidence: COVERAGE_CONFIDENCE,
            }),
            low: interval.map(|interval| significant(interval.low)),
            high: interval.map(|interval| significant(interval.high)),
            confidence: CONFIDENCE,
            replicas: self.replicas.ceilings().iter().map(|ceiling| significant(*ceiling)).collect(),
            tolerance: replicas::TOLERANCE,
            tried: significant(first.high.as_ref().map_or(first.low, |run| run.multiple)),
            rules: self.rules.kept.iter().map(|rule| rule.rule.clone()).collect(),
            breaks: first.high.as_ref().and_then(|run| violation::first(run, self.rules)),
            without_cost_rules: self.without_cost_rules.map(significant),
        }
    }

    /// Returns a finding if the run just above the ceiling has too few jobs for a rule.
    fn too_few_jobs(&self) -> Option<Finding> {
        let run = self.replicas.first().high.as_deref().unwrap_or(self.present);
        let jobs = run.summary.jobs.offered;
        let (rule, needed) = self.rules.undecidable(jobs)?;
        Some(Finding::TooFewJobs { rule: rule.rule.clone(), jobs, needed })
    }

    fn load(&self, simulated: &Simulated) -> Load {
        let load = load(self.present);
        Load { holds: simulated.planning.map_or(load.holds, |ceiling| ceiling.multiple >= 1.0), ..load }
    }

    /// Returns how the plan was found and what was left out; the scenario's own notes last.
    fn notes(&self, simulated: &Simulated, changes: &[WhatIf]) -> Vec<PlanNote> {
        let mut notes = self.rules.notes.clone();
        notes.push(PlanNote::Method {
            replicas: simulated.replicas.len(),
            confidence: simulated.confidence,
            tolerance: simulated.tolerance,
            other_seeds_tolerance: replicas::OTHER_SEEDS_TOLERANCE,
            change_tolerance: what_if::TOLERANCE,
            ablation_tolerance: what_if::ABLATION_TOLERANCE,
            pair_tolerance: what_if::PAIR_TOLERANCE,
        });
        notes.extend(catalogue::notes(self.scenario));
        let ablations: Vec<String> = changes
            .iter()
            .filter(|change| change.kind == ChangeKind::Ablation)
            .map(|change| change.change.clone())
            .collect();
        if !ablations.is_empty() {
            notes.push(PlanNote::Ablations { changes: ablations });
        }
        if simulated.without_cost_rules.is_some() {
            notes.push(PlanNote::MeasuredWithoutCostRules);
        }
        notes.extend(self.scenario.notes.iter().map(|note| PlanNote::Scenario { note: note.clone() }));
        notes
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

fn analytic(scenario: &Scenario, analytic: &Ceiling) -> Analytic {
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
