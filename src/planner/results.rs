//! The plan from the planner's results: ids become names, and numbers are rounded to the precision of results.

use super::conclusion::Conclusion;
use super::difference::differences;
use super::finding::{Finding, PlanNote, findings};
use super::plan::{
    AnalyticCeiling, BatchPlan, CachedCeiling, Ceilings, ChangeEffect, ChangeKind, CheckedSeeds,
    ComparedCeiling, FewestJobs, Load, NotMet, Outage, Pair, Plan, PlanningCeiling, Point, Purchase, SCHEMA,
    SimulatedCeiling, Simulations, UndecidedCheck, UndecidedSeeds, UserLoad, Year,
};
use super::replicas::{self, CONFIDENCE, COVERAGE, COVERAGE_CONFIDENCE, Replicas};
use super::rules::Rules;
use super::runner::Run;
use super::search::CeilingEstimate;
use super::{PlanOptions, catalogue, closed, day_cost, violation, what_if};
use crate::ceiling::Ceiling;
use crate::formatting::{rounded, significant};
use crate::record::{CeilingPeak, CeilingTarget, CutAnswers, LongWindow, RouteOrderCeiling, TargetLimit};
use crate::scenario::Scenario;
use provider::Nanos;

/// The results for the scenario without changes.
pub(super) struct Results<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) options: &'a PlanOptions,
    pub(super) rules: &'a Rules,
    pub(super) analytic: &'a Ceiling,
    /// The run at the present load.
    pub(super) present: &'a Run,
    /// The cost of a day at the present load, in USD.
    pub(super) present_cost_per_day: f64,
    pub(super) replicas: &'a Replicas,
    /// The load of the closed workloads; `None` if there are none.
    pub(super) users: Option<UserLoad>,
    pub(super) batches: Vec<BatchPlan>,
    /// The ceiling without the rules on cost, as a multiple; `None` unless cost breaks first.
    pub(super) without_cost_rules: Option<f64>,
    /// The ceiling with which those of the changes are compared, and whether it is without the rules on cost.
    pub(super) compared: (&'a CeilingEstimate, bool),
    pub(super) conclusion: &'a Conclusion,
    /// The scenario's own duration, if runs are longer.
    pub(super) own_duration: Option<Nanos>,
    /// The limit whose window is half of the scenario's own duration or longer, if the load uses a notable share of one.
    pub(super) long_window: Option<LongWindow>,
    /// Whether runs are longer in order to cover several windows of long limits.
    pub(super) covers_windows: bool,
}

/// The tables of a plan.
pub(super) struct Tables {
    pub(super) curve: Vec<Point>,
    pub(super) what_if: Vec<ChangeEffect>,
    pub(super) pairs: Vec<Pair>,
    pub(super) buy: Option<Purchase>,
    pub(super) outages: Vec<Outage>,
    /// `None` unless it was asked for and measured to the end.
    pub(super) year: Option<Year>,
}

impl Results<'_> {
    /// Makes the plan. Its findings come last, since they are derived from everything else.
    pub(super) fn into_plan(self, tables: Tables, simulations: Simulations) -> Plan {
        let (scenario, simulated) = (self.scenario, self.simulated());
        let above = self.replicas.first().high.as_deref();
        let is_decided = !matches!(self.conclusion, Conclusion::TooFewJobs(_));
        let growth = self.options.growth.as_ref().filter(|_| self.has_answer());
        let mut plan = Plan {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            seed: scenario.seed,
            duration_s: rounded(scenario.duration.as_secs_f64(), 6),
            starts_at: scenario.clock.has_date().then(|| scenario.clock.to_string()),
            reproduce: self.options.reproduce.clone(),
            file: String::new(), // set by the caller
            findings: Vec::new(),
            notes: self.notes(&simulated, &tables.what_if),
            load: self.load(&simulated),
            planning_multiple: simulated.planning.map(|ceiling| ceiling.multiple).or(simulated.multiple),
            targets: CeilingTarget::all(scenario, self.analytic, self.analytic.servable_share),
            users: None,
            ceiling: Ceilings {
                differences: differences(scenario, self.analytic, &simulated, above),
                analytic: analytic(scenario, self.analytic),
                simulated,
            },
            curve: tables.curve,
            compared: self.compared().filter(|_| is_decided),
            what_if: if is_decided { tables.what_if } else { Vec::new() },
            pairs: if is_decided { tables.pairs } else { Vec::new() },
            buy: tables.buy,
            growth: growth.map(|growth| {
                let of_rates = || self.replicas.planning_ceiling().or_else(|| self.replicas.mean());
                // Users are a whole number, so their ceiling is lower than that of the search.
                let ceiling = self.users.as_ref().map_or_else(of_rates, |load| Some(load.ceiling?.multiple));
                growth.reaches(ceiling, self.replicas.interval())
            }),
            batches: self.batches,
            year: tables.year,
            outages: tables.outages,
            simulations,
            not_met: Vec::new(),
        };
        if let Some(users) = self.users {
            plan.restate_for_users(users, scenario, self.present);
        }
        plan.not_met = plan.find_not_met();
        if self.options.year.is_some() && plan.year.is_none() {
            plan.not_met.push(NotMet::Year { month: None });
        }
        let scenario_s = self.own_duration.unwrap_or(scenario.duration).as_secs_f64();
        let scenario_s = rounded(scenario_s, 6);
        let long_window = self.long_window.map(|window| Finding::LongWindow { window, scenario_s });
        let mut findings = findings(&plan, self.conclusion);
        // Inserted after the first finding, which states the ceiling.
        findings.splice(1..1, CutAnswers::of(&self.present.summary).map(Finding::CutAnswers));
        plan.findings = long_window.into_iter().chain(findings).collect();
        plan
    }

    /// Returns the ceiling with which those of the changes are compared; `None` if no load holds.
    fn compared(&self) -> Option<ComparedCeiling> {
        let (estimate, without_cost_rules) = self.compared;
        let multiple = Some(estimate.at_least()).filter(|multiple| *multiple > 0.0)?;
        Some(ComparedCeiling {
            jobs_per_min: significant(multiple * self.analytic.offered_jobs_per_min),
            multiple: significant(multiple),
            users: closed::has_users(self.scenario)
                .then(|| closed::users_at(self.scenario, estimate.simulated_bound())),
            seed: (self.replicas.estimates.len() > 1).then_some(self.scenario.seed),
            without_cost_rules,
            is_bound: estimate.high.is_none(),
        })
    }

    fn simulated(&self) -> SimulatedCeiling {
        let first = self.replicas.first();
        let has_ceiling = *self.conclusion == Conclusion::Ceiling;
        let only = |value: Option<f64>| value.filter(|_| has_ceiling);
        let (mean, planning) = (only(self.replicas.mean()), only(self.replicas.planning_ceiling()));
        let interval = self.replicas.interval().filter(|_| has_ceiling);
        let (offered, verified) = (self.analytic.offered_jobs_per_min, self.replicas.verified.as_ref());
        let tried = significant(first.high.as_ref().map_or(first.highest_unbroken(), |run| run.multiple));
        let none_held = matches!(self.conclusion, Conclusion::NoLoadHolds { .. } | Conclusion::NoneHeld);
        let undecided = match self.conclusion {
            Conclusion::TooFewJobs(few) => Some(few.clone()),
            _ => None,
        };
        let shown = first.high.as_ref().filter(|_| undecided.is_none());
        let ceilings = if has_ceiling { self.replicas.ceilings() } else { Vec::new() };
        SimulatedCeiling {
            jobs_per_min: mean.map(|mean| significant(mean * offered)),
            multiple: mean.map(significant),
            lowest_tried: none_held.then_some(tried),
            planning: planning.map(|multiple| PlanningCeiling {
                jobs_per_min: significant(multiple * offered),
                multiple: significant(multiple),
                share: COVERAGE,
                confidence: COVERAGE_CONFIDENCE,
                checked: verified.map(|check| CheckedSeeds { seeds: check.seeds, held: check.held }),
            }),
            broken_above: verified
                .filter(|_| has_ceiling)
                .and_then(|check| Some(check.broken_above.as_ref()?.0.rule.clone())),
            low: interval.map(|interval| significant(interval.low)),
            high: interval.map(|interval| significant(interval.high)),
            confidence: CONFIDENCE,
            replicas: ceilings.into_iter().map(significant).collect(),
            tolerance: replicas::TOLERANCE,
            search_bound: tried,
            undecided_seeds: self.undecided_seeds().filter(|_| undecided.is_some()),
            rules: self.rules.kept.iter().map(|rule| rule.text.clone()).collect(),
            judged_from: self.rules.undecidable(0).map(|few| FewestJobs { rule: few.rule, jobs: few.needed }),
            first_violation: shown.and_then(|run| violation::first(run, self.rules, self.scenario)),
            without_cost_rules: only(self.without_cost_rules).map(significant),
            undecided,
        }
    }

    /// Returns the seeds of a ceiling that cannot be determined, since a rule cannot be judged; `None` if that is not the
    /// cause.
    fn undecided_seeds(&self) -> Option<UndecidedSeeds> {
        self.replicas.undecided()?;
        let estimates = &self.replicas.estimates;
        let undecided = estimates.iter().filter(|estimate| estimate.undecided().is_some()).count();
        let number = |seeds: usize| u32::try_from(seeds).expect("invariant: at most a few dozen replicas");
        let (first, offered) = (self.replicas.first(), self.analytic.offered_jobs_per_min);
        let jobs = |multiple: f64| significant(multiple * offered);
        let check = self.replicas.verified.as_ref().filter(|_| undecided == 0);
        let fresh = check.and_then(|check| {
            let (_, undecided) = check.undecided.as_ref()?;
            let jobs_per_min = jobs(check.multiple);
            Some(UndecidedCheck { jobs_per_min, seeds: check.seeds, undecided: *undecided })
        });
        Some(UndecidedSeeds {
            fresh,
            seeds: number(estimates.len()),
            undecided: number(undecided),
            held_jobs_per_min: (first.low > 0.0).then(|| jobs(first.low)),
            broken_jobs_per_min: first.high.as_ref().map(|run| jobs(run.multiple)),
        })
    }

    fn load(&self, simulated: &SimulatedCeiling) -> Load {
        let load = load(self.present, self.present_cost_per_day);
        let has_too_few = self.rules.undecidable(self.present.summary.jobs.offered).is_some();
        let holds = match self.conclusion {
            // The loads below one that holds are taken to hold.
            Conclusion::Ceiling => match (simulated.planning, simulated.multiple) {
                (Some(planning), _) => planning.multiple >= 1.0,
                (None, Some(multiple)) if has_too_few => multiple >= 1.0,
                _ => !self.present.breaks(),
            },
            Conclusion::Unbounded => has_too_few || !self.present.breaks(),
            Conclusion::NoLoadHolds { .. } | Conclusion::NoneHeld | Conclusion::TooFewJobs(_) => false,
        };
        let undecided = match self.conclusion {
            // A broken rule is no verdict if the run has too few jobs, but it is one if only windows have too few. The
            // present run may have enough jobs although runs at lower loads have not.
            Conclusion::TooFewJobs(few)
                if (few.window_s.is_none() && has_too_few) || !self.present.breaks() =>
            {
                Some(few)
            }
            // A load below one that holds is taken to hold if its run has too few jobs, but not if only its windows have.
            Conclusion::Ceiling | Conclusion::Unbounded if holds => {
                self.present.undecided().filter(|few| few.window_s.is_some())
            }
            _ => None,
        };
        Load { holds: holds && undecided.is_none(), undecided: undecided.cloned(), ..load }
    }

    /// Returns `true` if there is a ceiling, or if every load that was tried holds.
    fn has_answer(&self) -> bool {
        matches!(self.conclusion, Conclusion::Ceiling | Conclusion::Unbounded)
    }

    /// Returns the relative difference from the present ceiling that the tolerance of its search and the variation between
    /// seeds explain.
    fn explained_difference(&self) -> f64 {
        replicas::TOLERANCE + self.replicas.spread()
    }

    /// Returns how the plan was found and what was left out; the scenario's own notes last.
    fn notes(&self, simulated: &SimulatedCeiling, changes: &[ChangeEffect]) -> Vec<PlanNote> {
        let mut notes = self.rules.notes.clone();
        notes.push(PlanNote::Method {
            replicas: self.replicas.estimates.len(),
            confidence: simulated.confidence,
            tolerance: simulated.tolerance,
            other_seeds_tolerance: replicas::OTHER_SEEDS_TOLERANCE,
            change_tolerance: what_if::TOLERANCE,
            ablation_tolerance: what_if::ABLATION_TOLERANCE,
            pair_tolerance: what_if::PAIR_TOLERANCE,
            equal: rounded(what_if::TOLERANCE + self.explained_difference(), 6),
            ablation_equal: rounded(what_if::ABLATION_TOLERANCE + self.explained_difference(), 6),
        });
        notes.extend(self.own_duration.map(|own| PlanNote::LongerRuns {
            from_s: rounded(own.as_secs_f64(), 6),
            to_s: rounded(self.scenario.duration.as_secs_f64(), 6),
            covers_windows: self.covers_windows,
        }));
        if self.present.summary.charged_usd() > 0.0 && self.scenario.duration != Nanos::DAY {
            notes.push(PlanNote::CostPerDay {
                run_s: rounded(self.scenario.duration.as_secs_f64(), 6),
                has_daily_limits: day_cost::has_daily_limits(self.scenario),
            });
        }
        notes.extend(catalogue::notes(self.scenario));
        let ablations: Vec<String> = changes
            .iter()
            .filter(|change| change.kind == ChangeKind::Ablation)
            .map(|change| change.change.clone())
            .collect();
        if !ablations.is_empty() {
            notes.push(PlanNote::Ablations { changes: ablations });
        }
        notes.extend(changes.iter().filter(|change| !change.cuts.is_empty()).map(|change| {
            PlanNote::CutsAnswers { change: change.change.clone(), workloads: change.cuts.clone() }
        }));
        if self.compared.1 {
            notes.push(PlanNote::MeasuredWithoutCostRules);
        }
        if !self.has_answer() {
            let growth = self.options.growth.iter();
            notes.extend(growth.map(|growth| PlanNote::GrowthWithoutCeiling { rate: growth.text.clone() }));
        }
        notes.extend(self.scenario.notes.iter().map(|note| PlanNote::Scenario { note: note.clone() }));
        notes
    }
}

fn load(present: &Run, cost_per_day: f64) -> Load {
    let summary = &present.summary;
    let busiest = summary.series.offered.iter().copied().max().unwrap_or(0);
    let share = |jobs: u64| rounded(jobs as f64 / summary.jobs.offered.max(1) as f64, 6);
    Load {
        jobs_per_min: summary.ceiling.offered_jobs_per_min,
        peak_jobs_per_min: rounded(busiest as f64 * 60.0 / summary.series.step_s.min(summary.duration_s), 3),
        holds: present.holds(),
        undecided: None,
        expect: summary.expect.clone(),
        p95_s: present.p95_s(),
        cost_usd: rounded(summary.charged_usd(), 4),
        cost_usd_per_day: rounded(cost_per_day, 4),
        cached_share: share(summary.jobs.cached),
        coalesced_share: share(summary.jobs.joined),
    }
}

fn analytic(scenario: &Scenario, analytic: &Ceiling) -> AnalyticCeiling {
    let finite = |value: f64| value.is_finite().then(|| rounded(value, 6));
    AnalyticCeiling {
        // Jobs that are too large are part of the load, as in the simulated ceiling.
        jobs_per_min: finite(analytic.multiple * analytic.offered_jobs_per_min),
        multiple: finite(analytic.multiple),
        binding: analytic.binding.map(|limit| TargetLimit::of(scenario, limit)),
        peak: CeilingPeak::of(analytic),
        cached: Ceiling::cached(scenario).map(|cached| CachedCeiling {
            hit_share: rounded(cached.hit_share, 6),
            jobs_per_min: rounded(cached.jobs_per_min, 6),
            multiple: rounded(cached.multiple, 6),
        }),
        servable_share: Some(rounded(analytic.servable_share, 6))
            .filter(|share| *share > 0.0 && *share < 1.0),
        in_route_order: RouteOrderCeiling::of(scenario, analytic).map(|order| RouteOrderCeiling {
            jobs_per_min: rounded(order.multiple * analytic.offered_jobs_per_min, 6),
            ..order
        }),
    }
}
