//! The effect of each change, measured on the same traffic, and the pairs that are worth more together than separately.
//! Ablations, and changes that cut more answers without a rule that judges this, are measured like the others, but neither
//! proposed nor paired.

use super::change::Change;
use super::cut_answers::more_cut;
use super::plan::{ChangeEffect, ChangeKind, Comparison, Pair};
use super::replicas;
use super::rules::Rules;
use super::runner::{Run, Runner};
use super::search::{CeilingEstimate, Search};
use super::{closed, day_cost, violation};
use crate::ceiling::Ceiling;
use crate::formatting::{rounded, significant};
use crate::scenario::Scenario;
use provider::Nanos;
use rayon::prelude::*;

/// The relative tolerance of the search for the ceiling of a change: coarser than for the present ceiling.
pub(super) const TOLERANCE: f64 = 0.03;
/// The same for an ablation: only the size of its effect matters.
pub(super) const ABLATION_TOLERANCE: f64 = 0.05;
/// The largest first step away from the expected ceiling, as a ratio.
const STEP: f64 = 1.08;
/// Lifts are rounded to multiples of this to rank changes; of equal ones the cheaper change is the better one. A change
/// whose lift exceeds one by no more is paired only if it contributes by arithmetic.
const EQUAL_LIFTS: f64 = 0.02;
/// The relative tolerance of the search for the ceiling of a pair that is known to be worth more than its parts.
pub(super) const PAIR_TOLERANCE: f64 = 0.1;
/// The largest first step of that search, as a ratio.
const PAIR_STEP: f64 = 1.2;
/// The lift of a pair divided by the product of its parts' lifts must exceed this, so that the tolerances of both parts and
/// of the present ceiling do not explain it.
const MIN_SYNERGY: f64 = 1.0 + 2.0 * (TOLERANCE + replicas::TOLERANCE);
/// The most pairs that are simulated.
const MAX_PAIRS: usize = 3;
/// A search starts at most this far above the present ceiling, as a ratio.
const MAX_GUESS_RATIO: f64 = 4.0;
/// The smallest extra cost for which a lift per USD is computed, in USD per day.
const MIN_EXTRA_USD: f64 = 1e-3;

/// The scenario without changes and its measured results, with which changes are compared.
pub(super) struct Unchanged<'a> {
    pub(super) runner: Runner<'a>,
    pub(super) scenario: &'a Scenario,
    /// The ceiling on the scenario's own seed.
    pub(super) estimate: &'a CeilingEstimate,
    /// The standard deviation of the ceilings of several seeds, relative to their mean; 0 with one seed.
    pub(super) spread: f64,
    /// The run at the present load.
    pub(super) present: &'a Run,
    /// The cost of a day at the present load, in USD.
    pub(super) present_cost_per_day: f64,
    /// All rules, if those on cost break first, so that [`Self::runner`] judges without them; otherwise `None`.
    pub(super) with_cost_rules: Option<&'a Rules>,
    /// The analytic ceiling, as a multiple.
    pub(super) analytic: f64,
    /// The lowest multiple to try.
    pub(super) min_multiple: f64,
    /// The highest multiple to try.
    pub(super) max_multiple: f64,
}

/// A change with its measured effect.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) change: Change,
    pub(super) effect: ChangeEffect,
}

impl<'a> Unchanged<'a> {
    /// Measures every change; the best first. If the plan is ended early, those that are not measured by then are left out.
    pub(super) fn measure_all(&self, changes: Vec<Change>) -> Vec<Measured> {
        // One change per task: search times differ widely, so larger tasks would leave cores idle.
        let measured = changes.into_iter().enumerate().par_bridge();
        let mut measured: Vec<_> =
            measured.filter_map(|(index, change)| Some((index, self.measure(change)?))).collect();
        // Lifts are compared in classes of equal lifts, which makes the order total.
        let class = |effect: &ChangeEffect| libm::round(effect.lift / EQUAL_LIFTS) as u64;
        measured.sort_by(|(index, one), (other_index, other)| {
            let (one, other) = (&one.effect, &other.effect);
            let cheaper = one.extra_usd_per_day.total_cmp(&other.extra_usd_per_day);
            class(other).cmp(&class(one)).then(cheaper).then(index.cmp(other_index))
        });
        measured.into_iter().map(|(_, measured)| measured).collect()
    }

    fn measure(&self, change: Change) -> Option<Measured> {
        let scenario = Change::all(self.scenario, [&change]);
        let names = [change.name.clone()];
        let runner = self.runner.with_changes(&names);
        let tolerance = if change.can_be_proposed() { TOLERANCE } else { ABLATION_TOLERANCE };
        let search = Search { tolerance, width: 1.0 + tolerance, ..self.search(&scenario) };
        let (changed, estimate) =
            rayon::join(|| runner.run(&scenario, 1.0, 0), || search.run(&runner, &scenario));
        let (changed, estimate) = (changed?, estimate?);
        let undecided = estimate.undecided().cloned();
        let cost_per_day = runner.cost_per_day(&scenario, &changed);
        let (lift, extra) = (self.lift(&estimate), cost_per_day - self.present_cost_per_day);
        let compared = match undecided {
            Some(_) => Comparison::Equal,
            None => self.compare(&estimate, lift, tolerance),
        };
        let is_equal = matches!(compared, Comparison::Equal | Comparison::Unknown);
        let costs_extra = extra > MIN_EXTRA_USD && change.can_be_proposed() && !is_equal;
        let violation =
            estimate.high.as_ref().and_then(|run| violation::first(run, self.runner.rules, &scenario));
        let offered = self.present.summary.ceiling.offered_jobs_per_min;
        let tried = |multiple: f64| Some(significant(multiple * offered));
        let lowest = estimate.high.as_ref().filter(|_| estimate.low <= 0.0 && undecided.is_none());
        let all_hold = estimate.high.is_none() && undecided.is_none();
        let effect = ChangeEffect {
            change: change.name.clone(),
            kind: change.kind,
            users: closed::has_users(self.scenario)
                .then(|| closed::users_at(&scenario, estimate.simulated_bound())),
            ceiling_jobs_per_min: estimate.ceiling().filter(|multiple| *multiple > 0.0).and_then(tried),
            below_jobs_per_min: lowest.and_then(|run| tried(run.multiple)),
            tried_jobs_per_min: all_hold.then(|| significant(estimate.low * offered)),
            lift: rounded(lift, 4),
            compared,
            undecided,
            p95_s: changed.p95_s(),
            cost_usd: rounded(changed.summary.charged_usd(), 4),
            cost_usd_per_day: rounded(cost_per_day, 4),
            extra_usd_per_day: rounded(extra, 4),
            ceiling_usd_per_day: rounded(ceiling_cost_per_day(&runner, &scenario, &estimate), 4),
            lift_per_usd: costs_extra.then(|| rounded((lift - 1.0) / extra, 6)),
            meets_budget: self.budget().map(|rules| rules.allows_cost(changed.summary.charged_usd())),
            broken_rule: violation.map(|violation| violation.rule),
            cuts: more_cut(self.scenario, &scenario, self.runner.rules),
        };
        Some(Measured { change, effect })
    }

    /// Returns all rules if those on cost break first and are broken at the present load.
    fn budget(&self) -> Option<&'a Rules> {
        self.with_cost_rules.filter(|rules| !rules.allows_cost(self.present.summary.charged_usd()))
    }

    /// Returns the search for the ceiling of a changed scenario, which starts at the present ceiling times the analytic lift.
    fn search(&self, scenario: &Scenario) -> Search {
        let analytic_lift = Ceiling::of(scenario).multiple / self.analytic;
        let ratio = if analytic_lift.is_finite() && analytic_lift > 0.0 { analytic_lift } else { 1.0 };
        Search {
            guess: (self.estimate.at_least() * ratio.min(MAX_GUESS_RATIO)).max(self.min_multiple),
            width: 1.0 + TOLERANCE,
            step: STEP,
            steepness: self.estimate.steepness(),
            tolerance: TOLERANCE,
            min_multiple: self.min_multiple,
            max_multiple: self.max_multiple,
            at_once: 2,
            replica: 0,
        }
    }

    /// Returns the ceiling of a change divided by the present one, or by the lowest multiple to try if nothing holds at
    /// present. At least 0: 0 if nothing holds after the change.
    fn lift(&self, estimate: &CeilingEstimate) -> f64 {
        let present = self.estimate.at_least();
        let lift = estimate.at_least() / if present > 0.0 { present } else { self.min_multiple };
        assert!(
            lift >= 0.0 && lift.is_finite(),
            "invariant: a lift is finite and not negative, found {lift}"
        );
        lift
    }

    /// Compares a new ceiling, found to `tolerance`, with the present one.
    fn compare(&self, new: &CeilingEstimate, lift: f64, tolerance: f64) -> Comparison {
        let margin = self.spread + tolerance + replicas::TOLERANCE;
        let holds_now = self.estimate.at_least() > 0.0;
        let is_lower_bound = self.estimate.high.is_none();
        match () {
            () if !holds_now && lift > 0.0 => Comparison::Higher,
            () if !holds_now => Comparison::Equal,
            // The present ceiling is somewhere above what was tried.
            () if is_lower_bound && (new.high.is_none() || lift >= 1.0 - margin) => Comparison::Unknown,
            () if lift > 1.0 + margin => Comparison::Higher,
            () if lift < 1.0 - margin => Comparison::Lower,
            () => Comparison::Equal,
        }
    }

    /// Measures the pairs that are worth more together than separately; the best first.
    pub(super) fn pairs(&self, measured: &[Measured]) -> Vec<Pair> {
        let candidates = self.pair_candidates(measured);
        let pairs = candidates.into_par_iter().filter_map(|(one, other)| self.pair(one, other));
        let mut pairs: Vec<Pair> = pairs.collect();
        pairs.sort_by(|one, other| other.lift.total_cmp(&one.lift));
        pairs
    }

    /// Returns at most [`MAX_PAIRS`] pairs: those with the highest analytic lift relative to the product of the measured
    /// lifts. Both changes must contribute; the second may help only because the first makes its limit the binding one. Two of
    /// the scenario's own what-ifs are no pair, since each replaces the whole scenario.
    fn pair_candidates<'m>(&self, measured: &'m [Measured]) -> Vec<(&'m Measured, &'m Measured)> {
        let analytic_lift = |changes: &[&Change]| {
            Ceiling::of(&Change::all(self.scenario, changes.iter().copied())).multiple / self.analytic
        };
        let both_own = |one: &Measured, other: &Measured| {
            one.change.kind == ChangeKind::Own && other.change.kind == ChangeKind::Own
        };
        let proposed = measured.iter().filter(|one| one.effect.may_be_proposed());
        let alone: Vec<(f64, &Measured)> = proposed.map(|one| (analytic_lift(&[&one.change]), one)).collect();
        let mut candidates = Vec::new();
        for (index, &(lift, one)) in alone.iter().enumerate() {
            for &(other_lift, other) in &alone[index + 1..] {
                let together = analytic_lift(&[&one.change, &other.change]);
                let contributes = |one: &Measured, without: f64| {
                    one.effect.lift > 1.0 + EQUAL_LIFTS || together > without * MIN_SYNERGY
                };
                if !both_own(one, other) && contributes(one, other_lift) && contributes(other, lift) {
                    candidates.push((together / (one.effect.lift * other.effect.lift), one, other));
                }
            }
        }
        candidates.sort_by(|one, other| other.0.total_cmp(&one.0));
        candidates.truncate(MAX_PAIRS);
        candidates.into_iter().map(|(_, one, other)| (one, other)).collect()
    }

    /// Measures two changes together. Returns `None` if a run shows that they are not worth more than the product of their
    /// lifts, if nothing holds at present, if that product lies above the highest multiple to try, or if a run did not end.
    fn pair(&self, one: &Measured, other: &Measured) -> Option<Pair> {
        let scenario = Change::all(self.scenario, [&one.change, &other.change]);
        let names = [one.change.name.clone(), other.change.name.clone()];
        let runner = self.runner.with_changes(&names);
        let product_of_lifts = one.effect.lift * other.effect.lift;
        let multiple_to_exceed = self.estimate.at_least() * product_of_lifts * MIN_SYNERGY;
        // If nothing holds at present, the present ceiling is 0, and no multiple follows from the lifts.
        let held = (multiple_to_exceed > 0.0 && multiple_to_exceed < self.max_multiple)
            .then(|| runner.run(&scenario, multiple_to_exceed, 0))
            .flatten()
            .filter(Run::holds)?;
        let search = Search { tolerance: PAIR_TOLERANCE, step: PAIR_STEP, ..self.search(&scenario) };
        let (estimate, _) = search.run_from(&runner, &scenario, &held)?;
        let lift = self.lift(&estimate);
        assert!(
            lift > product_of_lifts,
            "invariant: the pair holds beyond {product_of_lifts} times the ceiling, found {lift}"
        );
        Some(Pair {
            changes: [one.effect.change.clone(), other.effect.change.clone()],
            lift: rounded(lift, 4),
            apart: rounded(product_of_lifts, 4),
        })
    }
}

/// Returns the cost of a day at the ceiling of a change, in USD, or at the highest load that held if every load did; 0 if none
/// does.
fn ceiling_cost_per_day(runner: &Runner<'_>, scenario: &Scenario, estimate: &CeilingEstimate) -> f64 {
    let scaled = estimate.cost_per_day();
    if scaled <= 0.0 || scenario.duration >= Nanos::DAY || !day_cost::has_daily_limits(scenario) {
        return scaled;
    }
    let run = runner.run(scenario, estimate.at_least(), 0);
    run.map_or(scaled, |run| runner.cost_per_day(scenario, &run))
}
