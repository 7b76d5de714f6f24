//! The cheapest set of changes that holds a target load, proved by simulation.
//!
//! A greedy search. Which set is tried next is arithmetic: the analytic ceiling of the changed scenario, times the
//! ratio of each change's measured lift to its analytic one. Changes are added by marginal cost at the target load,
//! changes to the traffic last, until the load is expected to hold; then the set is simulated on several seeds; then it
//! is pruned, since a later change may have made an earlier one needless. Rules on cost are judged at the end and never
//! stop the search, since no change that is bought makes the bill smaller.

use super::change::Change;
use super::plan::{BrokenRule, ChangeKind, Purchase, TargetLoad};
use super::rules::only_cost;
use super::runner::{Run, Runner, broken_in_any};
use super::what_if::{Baseline, Measured};
use crate::ceiling::Ceiling;
use crate::formatting::rounded;
use crate::scenario::Scenario;
use rayon::prelude::*;
use std::cmp::Ordering;

/// The number of seeds on which a set is proved.
const SEEDS: u32 = 3;
/// The most changes in a set, repetitions counted.
const MAX_CHANGES: usize = 40;
/// After a failed proof the expected ceiling must exceed the target by this ratio.
const RESERVE: f64 = 1.05;
/// The smallest expected gain for which a change is added, as a ratio.
const MIN_GAIN: f64 = 1.005;

/// The search for a set of changes. Sets hold indices of `candidates`, with repetitions.
struct GreedySearch<'a> {
    baseline: &'a Baseline<'a>,
    /// Judges by all rules, those on cost included.
    runner: Runner<'a>,
    candidates: Vec<&'a Measured>,
    /// Per candidate, its measured lift divided by its analytic one.
    corrections: Vec<f64>,
    /// Per candidate, its marginal cost at the target load: see [`marginal_cost`].
    cost_rank: Vec<f64>,
    /// The multiple to hold.
    target: f64,
}

/// Finds the cheapest changes that hold `target` times the load. `baseline` and `measured` are without the rules on cost
/// if cost breaks first; `runner` judges by all rules.
pub(super) fn buy(
    baseline: &Baseline<'_>,
    runner: Runner<'_>,
    measured: &[Measured],
    target: f64,
) -> Purchase {
    assert!(target > 0.0 && target.is_finite(), "invariant: a positive target, found {target}");
    let candidates: Vec<&Measured> = measured.iter().filter(|one| one.change.is_offer()).collect();
    let corrections = candidates.iter().map(|one| {
        let analytic =
            Ceiling::of(&Change::all(baseline.scenario, [&one.change])).multiple / baseline.analytic;
        if analytic.is_finite() && analytic > 0.0 { one.effect.lift / analytic } else { 1.0 }
    });
    let corrections = corrections.collect();
    let mut search =
        GreedySearch { baseline, runner, candidates, corrections, cost_rank: Vec::new(), target };
    let mut chosen = Vec::new();
    let mut proof = search.proof(&chosen);
    if !serves(&proof) {
        search.cost_rank = search.marginal_costs(&proof[0]);
    }
    let mut reserve = 1.0;
    while !serves(&proof) && search.extend(&mut chosen, reserve) {
        proof = search.proof(&chosen);
        reserve = RESERVE;
    }
    if serves(&proof) {
        proof = search.prune(&mut chosen, proof);
    }
    search.into_purchase(&chosen, &proof)
}

/// Returns the extra cost per additional succeeded job, in USD: 0 if the change saves money, infinite if no more jobs
/// succeed.
fn marginal_cost(with: &Run, without: &Run) -> f64 {
    let extra = with.summary.cost_usd - without.summary.cost_usd;
    let more = with.summary.jobs.succeeded.saturating_sub(without.summary.jobs.succeeded);
    if extra <= 0.0 { 0.0 } else { extra / more as f64 }
}

/// Returns `true` if no rule breaks except those on cost.
fn serves(proof: &[Run]) -> bool {
    assert!(!proof.is_empty(), "invariant: a proof has at least one run");
    only_cost(proof.iter().flat_map(|run| &run.broken))
}

impl GreedySearch<'_> {
    /// Returns the scenario with the chosen changes.
    fn scenario(&self, chosen: &[usize]) -> Scenario {
        let changes = chosen.iter().map(|&index| &self.candidates[index].change);
        Change::all(self.baseline.scenario, changes)
    }

    /// Returns the marginal cost of each candidate. It is measured at the target load, since a change that is hardly used
    /// at the present load looks cheap there.
    fn marginal_costs(&self, without: &Run) -> Vec<f64> {
        let cost = |index| marginal_cost(&self.runner.run(&self.scenario(&[index]), self.target, 0), without);
        let costs: Vec<f64> = (0..self.candidates.len()).into_par_iter().map(cost).collect();
        assert!(costs.iter().all(|cost| *cost >= 0.0), "invariant: costs are not negative, found {costs:?}");
        costs
    }

    fn kind(&self, index: usize) -> ChangeKind {
        self.candidates[index].change.kind
    }

    /// Compares two candidates by cost: changes to the traffic last, then by marginal cost.
    fn by_cost(&self, one: usize, other: usize) -> Ordering {
        let is_traffic = |index| self.kind(index) == ChangeKind::Traffic;
        is_traffic(one).cmp(&is_traffic(other)).then(self.cost_rank[one].total_cmp(&self.cost_rank[other]))
    }

    /// Returns the multiple that a set is expected to hold.
    fn expected(&self, chosen: &[usize]) -> f64 {
        let analytic = Ceiling::of(&self.scenario(chosen)).multiple / self.baseline.analytic;
        let analytic = if analytic.is_nan() { 1.0 } else { analytic };
        let correction: f64 = distinct(chosen).into_iter().map(|index| self.corrections[index]).product();
        self.baseline.estimate.at_least() * analytic * correction
    }

    /// Adds changes until the expected ceiling is `reserve` times the target. Returns `true` if any was added.
    fn extend(&self, chosen: &mut Vec<usize>, reserve: f64) -> bool {
        let before = chosen.len();
        let mut expected = self.expected(chosen);
        let enough = (self.target * reserve).max(if before > 0 { expected * MIN_GAIN } else { 0.0 });
        while expected < enough && chosen.len() < MAX_CHANGES {
            let Some((next, reached)) = self.next(chosen, expected) else { break };
            chosen.push(next);
            expected = reached;
        }
        chosen.len() > before
    }

    /// Returns the cheapest candidate with a gain, and what the set is expected to hold with it.
    fn next(&self, chosen: &[usize], expected: f64) -> Option<(usize, f64)> {
        let is_own = |index: usize| self.kind(index) == ChangeKind::Own;
        let is_allowed = |index: &usize| {
            let again = chosen.contains(index) && !self.candidates[*index].change.is_repeatable();
            let two_own = is_own(*index) && chosen.iter().any(|other| is_own(*other));
            !again && !two_own
        };
        let offers = (0..self.candidates.len()).filter(is_allowed).filter_map(|index| {
            let with: Vec<usize> = chosen.iter().copied().chain([index]).collect();
            let reached = self.expected(&with);
            (reached > expected * MIN_GAIN).then_some((index, reached))
        });
        offers.min_by(|one, other| self.by_cost(one.0, other.0).then(other.1.total_cmp(&one.1)))
    }

    /// Simulates a set at the target load: on one seed, and if that serves, on the others.
    fn proof(&self, chosen: &[usize]) -> Vec<Run> {
        let scenario = self.scenario(chosen);
        let mut runs = vec![self.runner.run(&scenario, self.target, 0)];
        if serves(&runs) {
            let others = (1..SEEDS).into_par_iter();
            runs.par_extend(others.map(|replica| self.runner.run(&scenario, self.target, replica)));
        }
        runs
    }

    /// Removes every change that is not needed, the most expensive first. Returns the proof of the remaining set.
    fn prune(&self, chosen: &mut Vec<usize>, mut proof: Vec<Run>) -> Vec<Run> {
        let mut order = distinct(chosen);
        order.sort_by(|&one, &other| self.by_cost(other, one));
        for change in order {
            while let Some(position) = chosen.iter().rposition(|index| *index == change) {
                let mut fewer = chosen.clone();
                fewer.remove(position);
                let without = self.proof(&fewer);
                if !serves(&without) {
                    break;
                }
                (*chosen, proof) = (fewer, without);
            }
        }
        assert!(serves(&proof), "invariant: pruning keeps a set that serves the target load");
        proof
    }

    /// Returns the result of the search.
    fn into_purchase(self, chosen: &[usize], proof: &[Run]) -> Purchase {
        let broken: Vec<BrokenRule> = broken_in_any(proof);
        let offered = self.baseline.present.summary.ceiling.offered_jobs_per_min;
        let name = |&index: &usize| self.candidates[index].effect.change.clone();
        Purchase {
            target: TargetLoad {
                multiple: rounded(self.target, 6),
                jobs_per_min: rounded(self.target * offered, 3),
            },
            holds: broken.is_empty(),
            changes: chosen.iter().map(name).collect(),
            broken,
            cost_usd_per_day: rounded(proof[0].cost_per_day(), 4),
            p95_s: proof.iter().filter_map(Run::p95_s).reduce(f64::max),
            replicas: u32::try_from(proof.len()).expect("invariant: a proof has at most SEEDS runs"),
        }
    }
}

/// Returns the indices of a set, each once, in ascending order.
fn distinct(chosen: &[usize]) -> Vec<usize> {
    let mut distinct = chosen.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}
