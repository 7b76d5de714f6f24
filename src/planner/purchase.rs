//! The cheapest set of changes that holds a load, proved by simulation.
//!
//! Which set is tried next is arithmetic: the analytic ceiling of the changed plan, times what each change
//! was measured to be worth beyond (or short of) that. Greedy: the cheapest first, by what one more answer
//! costs at that load, changes to the traffic itself last, until the load should be held; then a proof on
//! several seeds; then pruning, since what was taken early may have become needless. Money is not quota: a
//! rule on cost is judged at the end and never stops the search, as nothing that is bought makes a bill
//! smaller.

use super::change::Change;
use super::rules::is_on_cost;
use super::runner::{Run, Runner};
use super::summary::{Aim, Buy, Kind};
use super::what_if::{Baseline, Measured};
use crate::ceiling::Ceiling;
use crate::formatting::rounded;
use crate::scenario::Scenario;
use rayon::prelude::*;

/// Seeds on which a set is proved.
const SEEDS: u32 = 3;
/// The most changes in a set, repetitions counted.
const MOST: usize = 40;
/// What must be expected beyond the aim after a proof that failed, as a ratio.
const SPARE: f64 = 1.05;
/// What a change must be expected to gain to be taken.
const GAIN: f64 = 1.005;

/// The search for a set.
struct GreedySearch<'a> {
    base: &'a Baseline<'a>,
    /// Judges by all rules, those on cost included.
    lab: Runner<'a>,
    candidates: Vec<&'a Measured>,
    /// Per candidate, its measured lift ÷ its analytic one.
    beyond: Vec<f64>,
    /// Per candidate, what it costs at the aim: see [`dearness`].
    dear: Vec<f64>,
    aim: f64,
}

/// The cheapest of the changes on offer that hold `aim` times the load; `base` and what was `measured` go without rules
/// on cost, `lab` judges by all.
pub(super) fn buy(base: &Baseline<'_>, lab: Runner<'_>, measured: &[Measured], aim: f64) -> Buy {
    let candidates: Vec<&Measured> = measured.iter().filter(|one| one.change.is_offer()).collect();
    let beyond = candidates.iter().map(|one| {
        let analytic = Ceiling::of(&Change::all(base.scenario, [&one.change])).multiple / base.analytic;
        if analytic.is_finite() && analytic > 0.0 { one.worth.lift / analytic } else { 1.0 }
    });
    let beyond = beyond.collect();
    let mut shop = GreedySearch { base, lab, candidates, beyond, dear: Vec::new(), aim };
    let mut chosen = Vec::new();
    let mut proof = shop.proof(&chosen);
    if !serve(&proof) {
        shop.dear = shop.prices(&proof[0]);
    }
    let mut spare = 1.0;
    while !serve(&proof) && shop.fill(&mut chosen, spare) {
        proof = shop.proof(&chosen);
        spare = SPARE;
    }
    if serve(&proof) {
        proof = shop.prune(&mut chosen, proof);
    }
    shop.receipt(&chosen, &proof)
}

/// What a job costs, in USD, that is answered with a change and would not be without it; nothing where the change
/// saves money, and infinite where it answers no more.
fn dearness(with: &Run, without: &Run) -> f64 {
    let extra = with.summary.cost_usd - without.summary.cost_usd;
    let more = with.summary.jobs.succeeded.saturating_sub(without.summary.jobs.succeeded);
    if extra <= 0.0 { 0.0 } else { extra / more as f64 }
}

/// Whether users are served as expected, whatever it costs.
fn serve(proof: &[Run]) -> bool {
    proof.iter().flat_map(Run::broken).all(is_on_cost)
}

impl GreedySearch<'_> {
    /// The plan with what was chosen.
    fn scenario(&self, chosen: &[usize]) -> Scenario {
        Change::all(self.base.scenario, chosen.iter().map(|&index| &self.candidates[index].change))
    }

    /// What each candidate costs at the aim, where nothing that is cheap only because it is little used looks so.
    fn prices(&self, without: &Run) -> Vec<f64> {
        let price = |index| dearness(&self.lab.run(&self.scenario(&[index]), self.aim, 0), without);
        (0..self.candidates.len()).into_par_iter().map(price).collect()
    }

    /// The multiple that a set is expected to hold.
    fn expected(&self, chosen: &[usize]) -> f64 {
        let analytic = Ceiling::of(&self.scenario(chosen)).multiple / self.base.analytic;
        let analytic = if analytic.is_nan() { 1.0 } else { analytic };
        let mut once = chosen.to_vec();
        once.sort_unstable();
        once.dedup();
        let beyond: f64 = once.iter().map(|&index| self.beyond[index]).product();
        self.base.found.at_least() * analytic * beyond
    }

    /// Adds changes until the aim should be held with `factor` to spare; whether any was added.
    fn fill(&self, chosen: &mut Vec<usize>, factor: f64) -> bool {
        let before = chosen.len();
        let mut expected = self.expected(chosen);
        let enough = (self.aim * factor).max(if before > 0 { expected * GAIN } else { 0.0 });
        while expected < enough && chosen.len() < MOST {
            let Some((next, reached)) = self.next(chosen, expected) else { break };
            chosen.push(next);
            expected = reached;
        }
        chosen.len() > before
    }

    /// The change with the cheapest gain, and what is expected with it.
    fn next(&self, chosen: &[usize], expected: f64) -> Option<(usize, f64)> {
        let own = |index: usize| self.candidates[index].change.kind == Kind::Own;
        let allowed = |index: &usize| {
            let again = chosen.contains(index) && !self.candidates[*index].change.repeats();
            let two_own = own(*index) && chosen.iter().any(|other| own(*other));
            !again && !two_own
        };
        let offers = (0..self.candidates.len()).filter(allowed).filter_map(|index| {
            let with: Vec<usize> = chosen.iter().copied().chain([index]).collect();
            let reached = self.expected(&with);
            (reached > expected * GAIN).then_some((index, reached))
        });
        offers.min_by(|one, other| {
            let price = |(index, _): &(usize, f64)| self.dear[*index];
            let last = |(index, _): &(usize, f64)| self.candidates[*index].change.kind == Kind::Traffic;
            last(one)
                .cmp(&last(other))
                .then(price(one).total_cmp(&price(other)))
                .then(other.1.total_cmp(&one.1))
        })
    }

    /// Runs at the aim: on one seed, and where that holds on the others.
    fn proof(&self, chosen: &[usize]) -> Vec<Run> {
        let scenario = self.scenario(chosen);
        let mut trials = vec![self.lab.run(&scenario, self.aim, 0)];
        if serve(&trials) {
            trials.par_extend(
                (1..SEEDS).into_par_iter().map(|replica| self.lab.run(&scenario, self.aim, replica)),
            );
        }
        trials
    }

    /// Takes out whatever is not needed, the dearest first; the proof of what is left.
    fn prune(&self, chosen: &mut Vec<usize>, mut proof: Vec<Run>) -> Vec<Run> {
        let mut order = chosen.clone();
        order.sort_unstable();
        order.dedup();
        order.sort_by(|one, other| {
            let price = |index: usize| self.dear[index];
            let traffic = |index: usize| self.candidates[index].change.kind == Kind::Traffic;
            traffic(*other).cmp(&traffic(*one)).then(price(*other).total_cmp(&price(*one)))
        });
        for change in order {
            while let Some(place) = chosen.iter().rposition(|index| *index == change) {
                let mut fewer = chosen.clone();
                fewer.remove(place);
                let without = self.proof(&fewer);
                if !serve(&without) {
                    break;
                }
                (*chosen, proof) = (fewer, without);
            }
        }
        proof
    }

    /// What was bought.
    fn receipt(&self, chosen: &[usize], proof: &[Run]) -> Buy {
        let mut broken: Vec<String> = Vec::new();
        for rule in proof.iter().flat_map(Run::broken) {
            if !broken.iter().any(|known| known == rule) {
                broken.push(rule.to_owned());
            }
        }
        let offered = self.base.present.summary.ceiling.offered_jobs_per_min;
        Buy {
            target: Aim { multiple: rounded(self.aim, 6), jobs_per_min: rounded(self.aim * offered, 3) },
            holds: broken.is_empty(),
            changes: chosen.iter().map(|&index| self.candidates[index].worth.change.clone()).collect(),
            broken,
            cost_usd_per_day: rounded(proof[0].cost_per_day(), 4),
            p95_s: proof.iter().filter_map(Run::p95_s).reduce(f64::max),
            replicas: u32::try_from(proof.len()).expect("a few seeds"),
        }
    }
}
