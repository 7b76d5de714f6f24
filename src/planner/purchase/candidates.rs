//! The changes from which a set is bought: which may be added to a set, what arithmetic expects of a set, and their order
//! by cost.

use crate::ceiling::Ceiling;
use crate::planner::catalogue::{self, MAX_FREE_ACCOUNTS};
use crate::planner::change::{Change, Edit};
use crate::planner::plan::ChangeKind;
use crate::planner::what_if::{Baseline, Measured};
use crate::scenario::Scenario;
use std::cmp::Ordering;

/// The most changes in a set, repetitions counted.
const MAX_CHANGES: usize = 40;
/// The smallest expected gain for which arithmetic adds a change, as a ratio.
const MIN_GAIN: f64 = 1.005;

/// The candidates of a search.
pub(super) struct Candidates<'a> {
    baseline: &'a Baseline<'a>,
    each: Vec<Candidate>,
    /// The multiple to hold.
    target: f64,
}

struct Candidate {
    change: Change,
    /// Its measured lift divided by its analytic one; 1 if it was not measured.
    correction: f64,
    /// The extra cost per additional succeeded job at the target load, in USD.
    cost: f64,
    /// How often it may be chosen.
    max_copies: usize,
}

impl<'a> Candidates<'a> {
    /// Returns the measured changes that can be proposed, and those that are tried only for a target.
    pub(super) fn new(baseline: &'a Baseline<'a>, measured: &[Measured], target: f64) -> Self {
        let offers = measured.iter().filter(|one| one.change.is_offer());
        let measured = offers.map(|one| (one.change.clone(), Some(one.effect.lift)));
        let mut each: Vec<Candidate> = Vec::new();
        let others = catalogue::for_a_target(baseline.scenario).into_iter().map(|change| (change, None));
        for (change, lift) in measured.chain(others) {
            if each.iter().all(|known| known.change.name != change.name) {
                each.push(Candidate::new(baseline, change, lift));
            }
        }
        Self { baseline, each, target }
    }

    pub(super) fn len(&self) -> usize {
        self.each.len()
    }

    pub(super) fn name(&self, index: usize) -> &str {
        &self.each[index].change.name
    }

    /// Returns the scenario with the chosen changes.
    pub(super) fn scenario(&self, chosen: &[usize]) -> Scenario {
        Change::all(self.baseline.scenario, chosen.iter().map(|&index| &self.each[index].change))
    }

    /// Sets the cost of every candidate.
    pub(super) fn rank(&mut self, costs: Vec<f64>) {
        assert_eq!(costs.len(), self.each.len(), "invariant: every candidate has a cost");
        self.each.iter_mut().zip(costs).for_each(|(candidate, cost)| candidate.cost = cost);
    }

    /// Compares two candidates by cost: changes to the traffic last, then by marginal cost.
    fn compare(&self, one: usize, other: usize) -> Ordering {
        let is_traffic = |index: usize| self.each[index].change.kind == ChangeKind::Traffic;
        let cost = |index: usize| self.each[index].cost;
        is_traffic(one).cmp(&is_traffic(other)).then(cost(one).total_cmp(&cost(other)))
    }

    /// Returns `true` if a candidate may be added to a set. Of the scenario's own what-ifs, one may be.
    pub(super) fn is_allowed(&self, chosen: &[usize], index: usize) -> bool {
        let is_own = |index: usize| self.each[index].change.kind == ChangeKind::Own;
        let copies = chosen.iter().filter(|other| **other == index).count();
        let is_second_own = is_own(index) && chosen.iter().any(|other| is_own(*other));
        chosen.len() < MAX_CHANGES && copies < self.each[index].max_copies && !is_second_own
    }

    /// Returns the candidates that may be added to a set and are not in it, the cheapest first.
    pub(super) fn by_cost(&self, chosen: &[usize]) -> Vec<usize> {
        let is_new = |index: &usize| !chosen.contains(index) && self.is_allowed(chosen, *index);
        let mut new: Vec<usize> = (0..self.len()).filter(is_new).collect();
        new.sort_by(|one, other| self.compare(*one, *other));
        new
    }

    /// Returns the cheapest candidate that raises the limits of a target and may be added to a set.
    pub(super) fn lifting(&self, chosen: &[usize], target: Option<&str>) -> Option<usize> {
        let provider = target?.split('/').next()?;
        let position = self.baseline.scenario.providers.iter().position(|config| config.name == provider)?;
        let lifts = |index: &usize| match self.each[*index].change.edit {
            Edit::Account { provider } | Edit::Tier { provider, .. } | Edit::OtherModel { provider, .. } => {
                usize::from(provider) == position
            }
            _ => false,
        };
        let allowed = (0..self.len()).filter(|index| self.is_allowed(chosen, *index));
        allowed.filter(lifts).min_by(|one, other| self.compare(*one, *other))
    }

    /// Returns the indices of a set, each once, the most expensive first.
    pub(super) fn most_expensive_first(&self, chosen: &[usize]) -> Vec<usize> {
        let mut distinct = chosen.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        distinct.sort_by(|&one, &other| self.compare(other, one));
        distinct
    }

    /// Returns the multiple that a set is expected to hold.
    fn expected(&self, chosen: &[usize]) -> f64 {
        let analytic = Ceiling::of(&self.scenario(chosen)).multiple / self.baseline.analytic;
        let analytic = if analytic.is_nan() { 1.0 } else { analytic };
        let correction = |index: usize| self.each[index].correction;
        let distinct = self.most_expensive_first(chosen).into_iter().map(correction);
        self.baseline.estimate.at_least() * analytic * distinct.product::<f64>()
    }

    /// Adds the cheapest changes with a gain until the set is expected to hold the target. Returns `true` if any was added.
    pub(super) fn extend(&self, chosen: &mut Vec<usize>) -> bool {
        let before = chosen.len();
        let mut expected = self.expected(chosen);
        while expected < self.target {
            let Some((next, reached)) = self.gaining(chosen, expected) else { break };
            chosen.push(next);
            expected = reached;
        }
        chosen.len() > before
    }

    /// Returns the cheapest candidate with a gain, and what the set is expected to hold with it.
    fn gaining(&self, chosen: &[usize], expected: f64) -> Option<(usize, f64)> {
        let allowed = (0..self.len()).filter(|index| self.is_allowed(chosen, *index));
        let gains = allowed.filter_map(|index| {
            let with: Vec<usize> = chosen.iter().copied().chain([index]).collect();
            let reached = self.expected(&with);
            (reached > expected * MIN_GAIN).then_some((index, reached))
        });
        gains.min_by(|one, other| self.compare(one.0, other.0).then(other.1.total_cmp(&one.1)))
    }
}

impl Candidate {
    fn new(baseline: &Baseline<'_>, change: Change, lift: Option<f64>) -> Self {
        let analytic = Ceiling::of(&Change::all(baseline.scenario, [&change])).multiple / baseline.analytic;
        let is_known = analytic.is_finite() && analytic > 0.0;
        let is_free =
            |provider: u16| catalogue::has_free_accounts(&baseline.scenario.providers[usize::from(provider)]);
        let max_copies = match change.edit {
            Edit::Account { provider } if is_free(provider) => MAX_FREE_ACCOUNTS,
            _ if change.is_repeatable() => MAX_CHANGES,
            _ => 1,
        };
        let correction = lift.map_or(1.0, |lift| if is_known { lift / analytic } else { lift });
        Self { change, correction, cost: 0.0, max_copies }
    }
}
