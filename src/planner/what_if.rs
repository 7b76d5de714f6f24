//! What each change is worth, measured on the same traffic, and which are worth more together than apart. What leaves
//! a tactic out is measured alike, and goes no further.

use super::change::Change;
use super::runner::{Run, Runner};
use super::search::{CeilingEstimate, LEAST, Search};
use super::summary::{Kind, Pair, WhatIf};
use crate::ceiling::Ceiling;
use crate::formatting::rounded;
use crate::scenario::Scenario;
use rayon::prelude::*;

/// To what share of itself the ceiling of a change is found: coarser than that of the plan as it is.
pub(super) const TOLERANCE: f64 = 0.03;
/// The same where a tactic is left out: what it is worth matters, and whether it is anything, but nobody buys it.
pub(super) const WITHOUT_TOLERANCE: f64 = 0.05;
/// How far around the expected ceiling the first step goes at most.
const STEP: f64 = 1.08;
/// Lifts no further apart than this are alike: then the cheaper is the better.
const ALIKE: f64 = 0.02;
/// To what share of itself the ceiling of a pair is found, once it is known to be worth more than its parts.
pub(super) const PAIR_TOLERANCE: f64 = 0.1;
/// How far the first step goes at most, of that search.
const PAIR_STEP: f64 = 1.2;
/// What a pair must be worth together by what it is worth apart, so that the tolerance alone does not explain it.
const BEYOND: f64 = 1.04;
/// So many pairs are tried.
const PAIRED: usize = 3;

/// The plan as it is: what changes are measured against.
pub(super) struct Baseline<'a> {
    pub(super) lab: Runner<'a>,
    pub(super) scenario: &'a Scenario,
    /// On the scenario's own seed.
    pub(super) found: &'a CeilingEstimate,
    pub(super) present: &'a Run,
    /// The arithmetic ceiling, as a multiple.
    pub(super) analytic: f64,
    /// The highest multiple to try.
    pub(super) most: f64,
}

/// A change that was measured.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) change: Change,
    pub(super) worth: WhatIf,
}

impl Baseline<'_> {
    /// Every change measured, best first.
    pub(super) fn measure(&self, changes: Vec<Change>) -> Vec<Measured> {
        // One after the other to whoever is free, since some take much longer than others.
        let measured = changes.into_iter().enumerate().par_bridge();
        let mut measured: Vec<_> = measured.map(|(place, change)| (place, self.measured(change))).collect();
        // Lifts in steps of what counts as alike, so that the order is one.
        let class = |worth: &WhatIf| libm::round(worth.lift / ALIKE) as u64;
        measured.sort_by(|(place, one), (other_place, other)| {
            let (one, other) = (&one.worth, &other.worth);
            let cheaper = one.extra_usd_per_day.total_cmp(&other.extra_usd_per_day);
            class(other).cmp(&class(one)).then(cheaper).then(place.cmp(other_place))
        });
        measured.into_iter().map(|(_, measured)| measured).collect()
    }

    fn measured(&self, change: Change) -> Measured {
        let scenario = Change::all(self.scenario, [&change]);
        let present = self.lab.run(&scenario, 1.0, 0);
        let tolerance = if change.is_offer() { TOLERANCE } else { WITHOUT_TOLERANCE };
        let found = Search { tolerance, ..self.search(&scenario) }.run(&self.lab, &scenario);
        let (lift, extra) = (self.lift(&found), present.cost_per_day() - self.present.cost_per_day());
        // A tenth of a cent a day is no price, and who leaves something out buys nothing.
        let per_usd = (extra > 1e-3 && change.is_offer()).then(|| rounded((lift - 1.0) / extra, 6));
        let breaks = found.high.as_ref().and_then(|trial| super::breaks::first(trial, self.lab.rules));
        let offered = self.present.summary.ceiling.offered_jobs_per_min;
        let worth = WhatIf {
            change: change.words.clone(),
            kind: change.kind,
            ceiling_jobs_per_min: found.ceiling().map(|multiple| rounded(multiple * offered, 3)),
            lift: rounded(lift, 4),
            p95_s: present.p95_s(),
            cost_usd_per_day: rounded(present.cost_per_day(), 4),
            extra_usd_per_day: rounded(extra, 4),
            lift_per_usd: per_usd,
            breaks: breaks.map(|breaks| breaks.rule),
        };
        Measured { change, worth }
    }

    /// A search for the ceiling of a changed plan, from where arithmetic expects it.
    fn search(&self, scenario: &Scenario) -> Search {
        let analytic = Ceiling::of(scenario).multiple / self.analytic;
        let ratio = if analytic.is_finite() && analytic > 0.0 { analytic } else { 1.0 };
        Search {
            guess: self.found.at_least() * ratio.min(4.0),
            step: STEP,
            steepness: self.found.steepness(),
            tolerance: TOLERANCE,
            most: self.most,
            replica: 0,
        }
    }

    fn lift(&self, found: &CeilingEstimate) -> f64 {
        let base = self.found.at_least();
        // Where nothing held before, whatever holds now is counted from the least that was tried.
        found.at_least() / if base > 0.0 { base } else { LEAST }
    }

    /// The pairs that are worth more together than apart, best first: of those in which either change has a part, the
    /// ones where arithmetic promises most beyond what each was found to be worth alone. One change may only move the
    /// strain to what the other widens.
    pub(super) fn pairs(&self, measured: &[Measured]) -> Vec<Pair> {
        let both_own =
            |one: &Measured, other: &Measured| one.change.kind == Kind::Own && other.change.kind == Kind::Own;
        let arithmetic = |changes: &[&Change]| {
            Ceiling::of(&Change::all(self.scenario, changes.iter().copied())).multiple / self.analytic
        };
        let offers = measured.iter().filter(|one| one.change.is_offer());
        let alone: Vec<(f64, &Measured)> = offers.map(|one| (arithmetic(&[&one.change]), one)).collect();
        let mut promised = Vec::new();
        for (first, &(promise, one)) in alone.iter().enumerate() {
            for &(other_promise, other) in &alone[first + 1..] {
                let together = arithmetic(&[&one.change, &other.change]);
                let has_part = |one: &Measured, without: f64| {
                    one.worth.lift > 1.0 + ALIKE || together > without * BEYOND
                };
                if !both_own(one, other) && has_part(one, other_promise) && has_part(other, promise) {
                    promised.push((together / (one.worth.lift * other.worth.lift), one, other));
                }
            }
        }
        promised.sort_by(|one, other| other.0.total_cmp(&one.0));
        promised.truncate(PAIRED);
        let pairs = promised.into_par_iter().filter_map(|(_, one, other)| self.pair(one, other));
        let mut pairs: Vec<Pair> = pairs.collect();
        pairs.sort_by(|one, other| other.lift.total_cmp(&one.lift));
        pairs
    }

    /// What two changes are worth at once, where one run shows that it is more than the product of their lifts.
    fn pair(&self, one: &Measured, other: &Measured) -> Option<Pair> {
        let scenario = Change::all(self.scenario, [&one.change, &other.change]);
        let apart = one.worth.lift * other.worth.lift;
        let beyond = self.found.at_least() * apart * BEYOND;
        // Where nothing holds at present, there is nothing to be beyond.
        let trial = (beyond > 0.0 && beyond < self.most)
            .then(|| self.lab.run(&scenario, beyond, 0))
            .filter(Run::holds)?;
        let search = Search { tolerance: PAIR_TOLERANCE, step: PAIR_STEP, ..self.search(&scenario) };
        let found = search.run_above(&self.lab, &scenario, &trial);
        Some(Pair {
            changes: [one.worth.change.clone(), other.worth.change.clone()],
            lift: rounded(self.lift(&found), 4),
            apart: rounded(apart, 4),
        })
    }
}
