//! The cheapest set of changes that holds a target load, proved by simulation.
//!
//! A search in four steps. Arithmetic gives the first set: changes are added by marginal cost at the target load, changes
//! to the traffic last, until the analytic ceiling, corrected by each measured lift, reaches the target. The set is then
//! simulated, and repaired: the limit that stops a failing run says which provider needs more quota; if no limit does, the
//! remaining changes are added one by one as long as they do no harm. The set is then pruned, since a later change may have
//! made an earlier one needless. At last it is proved on as many fresh seeds as the claim needs (see `proof`). Rules on cost are judged at the
//! end and never stop the search, since no change that is bought makes the bill smaller. When the time is up the search
//! ends with the best set until then.

mod candidates;

use super::plan::{BrokenRule, Purchase, TargetLoad, TooFewJobs};
use super::proof::{self, Proofs};
use super::replicas::COVERAGE;
use super::rules::only_cost;
use super::runner::{Run, Runner, broken_in_any};
use super::violation;
use super::what_if::{Baseline, Measured};
use crate::formatting::rounded;
use candidates::Candidates;
use provider::Nanos;
use rayon::prelude::*;

/// The number of seeds on which a set is tried before it is proved.
const SCREENING_SEEDS: u32 = 3;
/// The number of seeds that are simulated at a time during a proof.
const BATCH: u32 = 6;

/// A search for a set of changes. Sets hold indices of candidates, with repetitions.
struct Search<'a> {
    candidates: Candidates<'a>,
    /// Judges by all rules, those on cost included.
    runner: Runner<'a>,
    /// The multiple to hold.
    target: f64,
    /// When the time is up, by the clock of the plan.
    until: Option<Nanos>,
}

/// Finds the cheapest changes that hold `target` times the load. `baseline` and `measured` are without the rules on cost
/// if cost breaks first; `runner` judges by all rules.
pub(super) fn buy(
    baseline: &Baseline<'_>,
    runner: Runner<'_>,
    measured: &[Measured],
    target: f64,
    time_limit: Option<Nanos>,
) -> Purchase {
    assert!(target > 0.0 && target.is_finite(), "invariant: a positive target, found {target}");
    let until = time_limit.map(|limit| runner.count.elapsed() + limit);
    let candidates = Candidates::new(baseline, measured, target);
    let mut search = Search { candidates, runner, target, until };
    let mut proofs = Proofs::new();
    let (chosen, runs, needed) = search.run(&mut proofs);
    search.into_purchase(&chosen, (runs, needed), baseline.present.summary.ceiling.offered_jobs_per_min)
}

/// Returns `true` if no rule breaks except those on cost. No run is no proof.
fn serves(proof: &[Run]) -> bool {
    !proof.is_empty() && only_cost(proof.iter().flat_map(|run| &run.broken))
}

impl Search<'_> {
    fn is_time_up(&self) -> bool {
        self.until.is_some_and(|until| self.runner.count.elapsed() >= until)
    }

    /// Searches, prunes and proves. Returns the set, the runs that show how it does, and how many are needed to prove that it
    /// holds.
    fn run(&mut self, proofs: &mut Proofs) -> (Vec<usize>, Vec<Run>, u32) {
        let mut chosen = Vec::new();
        let mut runs = self.screen(&chosen);
        if !serves(&runs) && !self.is_time_up() {
            self.rank();
            if self.candidates.extend(&mut chosen) {
                runs = self.screen(&chosen);
            }
        }
        (chosen, runs) = self.repaired(chosen, runs, |search, chosen| search.screen(chosen));
        if serves(&runs) {
            (chosen, runs) = self.pruned(chosen, runs);
            let mut needed = proofs.needed();
            let proof = self.prove(&chosen, proofs);
            if !proof.is_empty() {
                (chosen, runs) = self.repaired(chosen, proof, |search, chosen| {
                    let next = proofs.needed();
                    let proof = search.prove(chosen, proofs);
                    needed = if proof.is_empty() { needed } else { next };
                    proof
                });
                return (chosen, runs, needed);
            }
        }
        (chosen, runs, proofs.needed())
    }

    /// Simulates a set at the target load on some seeds. Returns the runs that ended before the time was up.
    fn simulate(&self, chosen: &[usize], seeds: std::ops::Range<u32>) -> Vec<Run> {
        let scenario = self.candidates.scenario(chosen);
        let is_time_up = || self.is_time_up();
        let verdict = |replica| self.runner.verdict(&scenario, self.target, replica, &is_time_up);
        seeds.into_par_iter().filter_map(verdict).collect()
    }

    /// Makes a whole run of a set at the target load; `None` if the time is up before it ends.
    fn whole(&self, chosen: &[usize]) -> Option<Run> {
        let scenario = self.candidates.scenario(chosen);
        self.runner.timed_run(&scenario, self.target, 0, &|| self.is_time_up())
    }

    /// Simulates a set on one seed, and if that serves, on the other seeds of a screening.
    fn screen(&self, chosen: &[usize]) -> Vec<Run> {
        let mut runs = self.simulate(chosen, 0..1);
        if serves(&runs) {
            runs.extend(self.simulate(chosen, 1..SCREENING_SEEDS));
        }
        runs
    }

    /// Simulates a set on the seeds of the next proof, or until a batch of them does not serve.
    fn prove(&self, chosen: &[usize], proofs: &mut Proofs) -> Vec<Run> {
        let mut runs = Vec::new();
        let seeds = proofs.next();
        for first in seeds.clone().step_by(BATCH as usize) {
            runs.extend(self.simulate(chosen, first..seeds.end.min(first + BATCH)));
            if !serves(&runs) || self.is_time_up() {
                break;
            }
        }
        runs
    }

    /// Measures what each candidate costs at the target load, since a change that is hardly used at the present load looks
    /// cheap there. Candidates that are not measured before the time is up are the most expensive.
    fn rank(&mut self) {
        let Some(without) = self.whole(&[]) else { return };
        let cost = |index| self.whole(&[index]).map_or(f64::INFINITY, |with| marginal_cost(&with, &without));
        let costs: Vec<f64> = (0..self.candidates.len()).into_par_iter().map(cost).collect();
        assert!(costs.iter().all(|cost| *cost >= 0.0), "invariant: costs are not negative, found {costs:?}");
        self.candidates.rank(costs);
    }

    /// Adds changes until the set serves on the seeds of `simulate`, nothing is left to add, or the time is up. Returns the
    /// last set, or the given one if the runs of the last were cut off.
    fn repaired(
        &self,
        mut chosen: Vec<usize>,
        mut runs: Vec<Run>,
        mut simulate: impl FnMut(&Self, &[usize]) -> Vec<Run>,
    ) -> (Vec<usize>, Vec<Run>) {
        let mut repeated = (usize::MAX, 1);
        while !serves(&runs) && !self.is_time_up() {
            let Some(run) = runs.iter().find(|run| !only_cost(&run.broken)) else { break };
            let stopped_by = violation::first(run, self.runner.rules).and_then(|violation| violation.target);
            let mut longer = chosen.clone();
            if let Some(next) = self.candidates.lifting(&chosen, stopped_by.as_deref()) {
                // The same change again and again is added in doubling numbers; pruning removes what is too much.
                repeated = if repeated.0 == next { (next, 2 * repeated.1) } else { (next, 1) };
                for _ in 0..repeated.1 {
                    if self.candidates.is_allowed(&longer, next) {
                        longer.push(next);
                    }
                }
            } else if let Some(next) = self.harmless(&chosen) {
                longer.push(next);
            } else {
                break;
            }
            let with = simulate(self, &longer);
            if with.is_empty() {
                break;
            }
            (chosen, runs) = (longer, with);
        }
        (chosen, runs)
    }

    /// Returns the cheapest allowed change with which no more jobs are lost on the first seed; `None` if there is none.
    fn harmless(&self, chosen: &[usize]) -> Option<usize> {
        let without = self.whole(chosen)?;
        let lost = |run: &Run| {
            let jobs = &run.summary.jobs;
            (jobs.failed + jobs.shed) as f64 / (jobs.succeeded + jobs.failed + jobs.shed).max(1) as f64
        };
        let is_harmless = |index: &usize| {
            let with: Vec<usize> = chosen.iter().copied().chain([*index]).collect();
            self.whole(&with).is_some_and(|with| with.holds() || lost(&with) <= lost(&without))
        };
        self.candidates.by_cost(chosen).into_iter().find(is_harmless)
    }

    /// Removes every change that is not needed, the most expensive first. Returns the runs of the remaining set.
    fn pruned(&self, mut chosen: Vec<usize>, mut runs: Vec<Run>) -> (Vec<usize>, Vec<Run>) {
        for change in self.candidates.most_expensive_first(&chosen) {
            while let Some(position) = chosen.iter().rposition(|index| *index == change) {
                let mut fewer = chosen.clone();
                fewer.remove(position);
                let without = self.screen(&fewer);
                if !serves(&without) || self.is_time_up() {
                    break;
                }
                (chosen, runs) = (fewer, without);
            }
        }
        assert!(serves(&runs), "invariant: pruning keeps a set that serves the target load");
        (chosen, runs)
    }

    /// Returns the result of the search.
    fn into_purchase(
        self,
        chosen: &[usize],
        (mut proof, needed): (Vec<Run>, u32),
        offered_per_min: f64,
    ) -> Purchase {
        // The run that shows that the load does not hold was ended early: the whole run says which rules it breaks.
        let mut is_whole = true;
        if let Some(failing) = proof.iter().position(|run| !only_cost(&run.broken)) {
            let scenario = self.candidates.scenario(chosen);
            let replica = proof[failing].replica;
            let whole = self.runner.timed_run(&scenario, self.target, replica, &|| self.is_time_up());
            is_whole = whole.is_some();
            proof[failing] = whole.unwrap_or_else(|| proof[failing].clone());
            proof.swap(0, failing);
        }
        let mut broken: Vec<BrokenRule> = broken_in_any(&proof);
        let jobs =
            proof.first().filter(|_| is_whole && !broken.is_empty()).map(|run| run.summary.jobs.offered);
        let too_few = jobs.and_then(|jobs| Some((jobs, self.runner.rules.undecidable(jobs)?)));
        let undecided =
            too_few.map(|(jobs, (rule, needed))| TooFewJobs { rule: rule.rule.clone(), jobs, needed });
        let holds = broken.is_empty();
        let chosen: &[usize] = if undecided.is_some() { &[] } else { chosen };
        if undecided.is_some() {
            broken.clear();
        }
        let replicas = u32::try_from(proof.len()).expect("invariant: a proof has a few hundred runs");
        Purchase {
            target: TargetLoad {
                multiple: rounded(self.target, 6),
                jobs_per_min: rounded(self.target * offered_per_min, 3),
                users: None,
            },
            holds: holds && replicas == needed,
            undecided,
            proof: needed,
            share: COVERAGE,
            confidence: proof::CONFIDENCE,
            timed_out: self.is_time_up(),
            changes: chosen.iter().map(|index| self.candidates.name(*index).to_owned()).collect(),
            broken,
            cost_usd_per_day: proof.first().filter(|_| is_whole).map(|run| rounded(run.cost_per_day(), 4)),
            p95_s: proof.iter().filter(|_| is_whole).filter_map(Run::p95_s).reduce(f64::max),
            replicas,
        }
    }
}

/// Returns the extra cost per additional succeeded job, in USD: 0 if the change saves money, infinite if no more jobs
/// succeed.
fn marginal_cost(with: &Run, without: &Run) -> f64 {
    let extra = with.summary.cost_usd - without.summary.cost_usd;
    let more = with.summary.jobs.succeeded.saturating_sub(without.summary.jobs.succeeded);
    if extra <= 0.0 { 0.0 } else { extra / more as f64 }
}
