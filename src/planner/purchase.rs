//! The cheapest set of changes that holds a target load, proved by simulation.
//!
//! 1. Arithmetic gives the first set: changes are added by marginal cost at the target load until the analytic ceiling,
//!    corrected by each measured lift, reaches the target. Other models and changes to the traffic are left to the next steps.
//! 2. The set is simulated and repaired: the limit that stops a failing run says which provider needs more quota; if that
//!    does not help, the change is added that lets the run go on for longest until a rule breaks.
//! 3. If no single change helps, combinations are tried one after the other.
//! 4. Changes are removed in turn until each one that is left is needed.
//! 5. The set is proved on seeds that the search has not used, as many as the claim needs (see [`seeds_of_proof`]). If it
//!    fails, these seeds join those of the search, the set is repaired and reduced on all of them, and the next proof uses
//!    fresh ones.
//!
//! Rules on cost are judged at the end and never stop the search, since more quota does not lower the cost.
//! When the time is up the search ends with the best set until then.

mod candidates;
mod combinations;
mod offers;
#[cfg(test)]
mod tests;
mod tried;

pub(super) use offers::{MAX_FREE_ACCOUNTS, has_free_accounts};

use super::plan::{BrokenRule, Purchase, TargetLoad};
use super::replicas::{COVERAGE, COVERAGE_CONFIDENCE};
use super::request::RunKind;
use super::rules::only_cost;
use super::runner::{Run, Runner, distinct};
use super::violation;
use super::what_if::{Measured, Unchanged};
use crate::formatting::{rounded, significant};
use crate::scenario::Scenario;
use candidates::{Candidates, Concession, copies};
use provider::Nanos;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use tried::Tried;

/// The number of seeds on which a set is tried before it is proved.
const SCREENING_SEEDS: u32 = 3;
/// The number of seeds, or of combinations, that are simulated at a time.
const BATCH: u32 = 6;

/// The most proofs that are tried.
pub(super) const MAX_PROOFS: i32 = 3;
/// The probability with which a proof may err, divided by that of the proof before it.
const ERROR_RATIO: f64 = 0.2;

/// A search for a set of changes.
struct Search<'a> {
    candidates: Candidates<'a>,
    /// Judges by all rules, those on cost included.
    runner: Runner<'a>,
    /// The multiple to hold.
    target: f64,
    /// When the time is up, by the clock of the plan.
    until: Option<Nanos>,
    /// The number of seeds on which sets are chosen, from the first; a proof uses later ones.
    search_seeds: u32,
    /// Whether the time was up before the search ended.
    was_cut: AtomicBool,
}

/// Finds the cheapest changes that hold `target` times the load. `unchanged` and `measured` are without the rules on cost
/// if cost breaks first; `runner` judges by all rules. The time limit counts from the beginning of the plan, but the search
/// gets at least half of it.
pub(super) fn buy(
    unchanged: &Unchanged<'_>,
    runner: Runner<'_>,
    measured: &[Measured],
    target: f64,
    time_limit: Option<Nanos>,
) -> Purchase {
    assert!(target > 0.0 && target.is_finite(), "invariant: a positive target, found {target}");
    let until = time_limit.map(|limit| limit.max(runner.count.elapsed() + Nanos(limit.0 / 2)));
    let candidates = Candidates::new(unchanged, measured, target);
    let search_seeds = SCREENING_SEEDS;
    let mut search =
        Search { candidates, runner, target, until, search_seeds, was_cut: AtomicBool::new(false) };
    let (tried, needed) = search.run();
    search.into_purchase(tried, needed, unchanged.present.summary.ceiling.offered_jobs_per_min)
}

/// Returns how many fresh seeds must all hold in a proof, numbered from 0 within its search. If fewer than [`COVERAGE`] of
/// all seeds hold, `n` fresh ones all do with a probability below `COVERAGE^n`. All proofs of a search together may err
/// with a probability of `1 - COVERAGE_CONFIDENCE`: the first with 8 %, each further one with a fifth of the probability
/// before it. Three proofs need 50, 81 and 112 seeds; a single one would need 45.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and a few hundred")]
pub(super) fn seeds_of_proof(proof: i32) -> u32 {
    assert!((0..MAX_PROOFS).contains(&proof), "invariant: a search has few proofs, found {proof}");
    let error = (1.0 - COVERAGE_CONFIDENCE) * (1.0 - ERROR_RATIO) * libm::pow(ERROR_RATIO, f64::from(proof));
    libm::ceil(libm::log(error) / libm::log(COVERAGE)) as u32
}

impl Search<'_> {
    fn is_time_up(&self) -> bool {
        let count = self.runner.count;
        let is_up = count.is_ended() || self.until.is_some_and(|until| count.elapsed() >= until);
        if is_up {
            self.was_cut.store(true, Ordering::Relaxed);
        }
        is_up
    }

    /// Returns `true` if the search must end: the time is up, or a run is missing that another process has to make.
    fn is_over(&self) -> bool {
        self.is_time_up() || self.runner.count.lacks_runs()
    }

    /// Searches, reduces and proves. Returns the set with its runs, and the number of fresh runs that all have to hold to prove
    /// it.
    fn run(&mut self) -> (Tried, u32) {
        let present = self.judged(Vec::new());
        let mut found = if present.serves() { present } else { self.serving(present) };
        for number in 0..MAX_PROOFS {
            let needed = seeds_of_proof(number);
            if !found.serves() {
                return (found, needed);
            }
            found = self.reduced(found);
            let proof = self.proof(&found.chosen, needed);
            if proof.runs.is_empty() {
                return (found, needed);
            }
            if proof.serves() || number + 1 == MAX_PROOFS || self.is_over() {
                return (proof, needed);
            }
            self.search_seeds += needed;
            let repaired = self.repaired(self.judged(found.chosen));
            found = if repaired.serves() { repaired } else { self.combined(repaired) };
        }
        unreachable!("invariant: the last proof ends the search")
    }

    /// Searches for a set that serves. Returns the best set if none was found.
    fn serving(&mut self, present: Tried) -> Tried {
        if !self.is_over() {
            self.rank();
        }
        let by_arithmetic = self.candidates.expected_to_hold();
        let first = if by_arithmetic.is_empty() { present.clone() } else { self.judged(by_arithmetic) };
        if first.runs.is_empty() {
            return first;
        }
        let start = if first.is_better_than(&present) { first } else { present };
        let repaired = self.repaired(start);
        if repaired.serves() { repaired } else { self.combined(repaired) }
    }

    /// Simulates a set at the target load on some seeds. Returns the runs that ended before the time was up.
    fn simulate(&self, chosen: &[usize], seeds: std::ops::Range<u32>) -> Vec<(u32, Run)> {
        let scenario = self.candidates.scenario(chosen);
        let is_time_up = || self.is_time_up();
        let verdict = |replica| {
            let run = self.runner.run_for_verdict(&scenario, self.target, replica, &is_time_up)?;
            Some((replica, run))
        };
        seeds.into_par_iter().filter_map(verdict).collect()
    }

    /// Makes a whole run of a set at the target load; `None` if the time is up before it ends.
    fn whole(&self, chosen: &[usize], replica: u32) -> Option<Run> {
        let scenario = self.candidates.scenario(chosen);
        self.runner.timed_run(&scenario, self.target, replica, &|| self.is_time_up())
    }

    /// Simulates a set on the seeds of the search: on one, and as long as all serve, on more at a time.
    fn judged(&self, chosen: Vec<usize>) -> Tried {
        let mut tried = Tried { runs: self.simulate(&chosen, 0..1), chosen };
        let mut first = 1;
        while tried.serves() && first < self.search_seeds && !self.is_over() {
            let until = self.search_seeds.min(first + BATCH);
            tried.runs.extend(self.simulate(&tried.chosen, first..until));
            first = until;
        }
        tried
    }

    /// Simulates a set on fresh seeds, `needed` of them, or until a batch does not serve.
    fn proof(&self, chosen: &[usize], needed: u32) -> Tried {
        let mut tried = Tried { runs: Vec::new(), chosen: chosen.to_vec() };
        let (mut first, last) = (self.search_seeds, self.search_seeds + needed);
        self.runner.announce(&self.candidates.scenario(chosen), (self.target, first..last), RunKind::Verdict);
        while tried.failing().is_none() && first < last && !self.is_over() {
            let until = last.min(first + BATCH);
            tried.runs.extend(self.simulate(chosen, first..until));
            first = until;
        }
        tried
    }

    /// Returns `true` if a set served on every seed of the search.
    fn passes(&self, tried: &Tried) -> bool {
        tried.serves() && tried.runs.len() >= self.search_seeds as usize
    }

    /// Measures what candidates cost at the target load, since a change that is hardly used at the present load looks cheap
    /// there. Candidates whose run, or the run without changes, does not end count as the most expensive.
    fn rank(&mut self) {
        let without = self.whole(&[], 0);
        let priced = self.candidates.priced();
        let cost = |index: &usize| {
            let without = without.as_ref()?;
            let with = self.whole(&self.candidates.with_needs(*index), 0)?;
            Some(marginal_cost(&with, without))
        };
        let cost = |index: &usize| cost(index).unwrap_or(f64::INFINITY);
        let costs: Vec<f64> = priced.par_iter().map(cost).collect();
        for (index, cost) in priced.into_iter().zip(costs) {
            self.candidates.set_cost(index, cost);
        }
    }

    /// Adds changes until the set serves, no single change helps, or the time is up. Returns the best set.
    fn repaired(&self, mut best: Tried) -> Tried {
        // The changes to the limits of a target that were tried in vain since the last change that helped.
        let mut useless = BTreeSet::new();
        let mut repeated = (usize::MAX, 1);
        while !best.serves() && !self.is_over() {
            let Some((_, run)) = best.failing() else { break };
            let scenario = self.candidates.scenario(&best.chosen);
            let violation = violation::first(run, self.runner.rules, &scenario);
            let stopped_by = violation.and_then(|violation| violation.target);
            let lifting = stopped_by.and_then(|target| self.lifting(&best, &target, &useless));
            let with = if let Some(next) = lifting {
                // A change that is chosen repeatedly is added in doubling numbers; the surplus is removed afterwards.
                repeated = if repeated.0 == next { (next, 2 * repeated.1) } else { (next, 1) };
                let Some(longer) = self.candidates.with(&best.chosen, next, repeated.1) else { break };
                useless.insert(next);
                self.judged(longer)
            } else if let Some(longer) = self.improved(&best, &useless) {
                self.judged(longer)
            } else {
                break;
            };
            if with.is_better_than(&best) {
                useless.clear();
                best = with;
            } else if lifting.is_none() {
                break;
            }
        }
        best
    }

    /// Returns the cheapest change that raises the limits of a target and is not known to be useless.
    fn lifting(&self, best: &Tried, target: &str, useless: &BTreeSet<usize>) -> Option<usize> {
        let lifts = |index: &usize| {
            !useless.contains(index)
                && self.candidates.lifts(&best.chosen, *index, target)
                && self.candidates.with(&best.chosen, *index, 1).is_some()
        };
        self.candidates.by_cost().into_iter().find(lifts)
    }

    /// Returns the set with the change that helps most on the seed that fails; the cheapest of equal ones. Other
    /// models are tried only if no other change helps, changes to the traffic after them. Returns `None` if no change helps.
    fn improved(&self, best: &Tried, useless: &BTreeSet<usize>) -> Option<Vec<usize>> {
        let &(seed, ref failing) = best.failing()?;
        let alone = Tried { chosen: best.chosen.clone(), runs: vec![(seed, failing.clone())] };
        let best_of = |concession: Concession| {
            let is_tried =
                |index: &usize| self.candidates.concession(*index) == concession && !useless.contains(index);
            let indices: Vec<usize> = self.candidates.by_cost().into_iter().filter(is_tried).collect();
            let with = |index: usize| {
                let chosen = self.candidates.with(&best.chosen, index, 1)?;
                Some(Tried { runs: self.simulate(&chosen, seed..seed + 1), chosen })
            };
            let tried: Vec<Option<Tried>> = indices.into_par_iter().map(with).collect();
            let helping = tried.into_iter().flatten().filter(|with| with.is_better_than(&alone));
            helping.reduce(|first, next| if next.is_better_than(&first) { next } else { first })
        };
        Concession::ALL.into_iter().find_map(best_of).map(|found| found.chosen)
    }

    /// Tries combinations until one passes or the time is up. Returns it, or `best` if none passes.
    fn combined(&self, best: Tried) -> Tried {
        for sets in combinations::combinations(&self.candidates).chunks(BATCH as usize) {
            if self.is_over() {
                break;
            }
            let first_seed = |set: &Vec<usize>| Tried { runs: self.simulate(set, 0..1), chosen: set.clone() };
            let tried: Vec<Tried> = sets.par_iter().map(first_seed).collect();
            for set in tried.into_iter().filter(Tried::serves) {
                let judged = self.judged(set.chosen);
                if self.passes(&judged) {
                    return judged;
                }
            }
        }
        best
    }

    /// Removes every change that is not needed, the most expensive first, until each one left is needed or the time is
    /// up. Of several copies of a change, all are removed if the rest suffices, else half of them, and so on down to one.
    fn reduced(&self, mut best: Tried) -> Tried {
        loop {
            let before = best.chosen.len();
            for change in self.candidates.most_expensive_first(&best.chosen) {
                let mut number = copies(&best.chosen, change);
                while number > 0 && !self.is_over() {
                    let fewer = without(&best.chosen, change, number);
                    let judged = self.candidates.is_valid(&fewer).then(|| self.judged(fewer));
                    match judged.filter(|judged| self.passes(judged)) {
                        Some(judged) => best = judged,
                        None => number /= 2,
                    }
                    number = number.min(copies(&best.chosen, change));
                }
            }
            if best.chosen.len() == before || self.is_over() {
                return best;
            }
        }
    }

    /// Returns the result of the search.
    fn into_purchase(self, tried: Tried, needed: u32, offered_per_min: f64) -> Purchase {
        let is_complete = !self.was_cut.load(Ordering::Relaxed);
        // The failing run may have been ended early, and a whole run may break further rules, so it is repeated to its end.
        let fails = |run: &&Run| !only_cost(&run.broken);
        let failing = tried.failing().and_then(|(seed, _)| self.whole(&tried.chosen, *seed));
        let own = tried.runs.iter().map(|(_, run)| run).filter(|run| failing.is_none() || !fails(run));
        let runs: Vec<&Run> = own.chain(&failing).collect();
        let whole = match tried.failing() {
            Some(_) => failing.as_ref(),
            None => runs.first().copied(),
        };
        let mut broken: Vec<BrokenRule> = distinct(runs.iter().flat_map(|run| &run.broken));
        let jobs = whole.filter(|_| !broken.is_empty()).map(|run| run.summary.jobs.offered);
        let too_few = jobs.and_then(|jobs| self.runner.rules.undecidable(jobs));
        let of_windows =
            || runs.iter().find_map(|run| run.undecided()).filter(|_| broken.is_empty()).cloned();
        let undecided = too_few.or_else(of_windows);
        let holds = broken.is_empty() && undecided.is_none();
        let chosen: &[usize] = if undecided.is_some() { &[] } else { &tried.chosen };
        if undecided.is_some() {
            broken.clear();
        }
        let count = |runs: usize| u32::try_from(runs).expect("invariant: a proof has a few hundred runs");
        let replicas = count(tried.runs.len());
        Purchase {
            target: TargetLoad {
                multiple: rounded(self.target, 6),
                jobs_per_min: significant(self.target * offered_per_min),
                users: None,
            },
            holds: holds && replicas == needed,
            undecided,
            proof: needed,
            complete: is_complete,
            expected: self.candidates.is_expected_to_hold(chosen),
            not_compared: self.candidates.not_compared(chosen),
            changes: self.candidates.names(chosen),
            free_accounts: self.candidates.free_accounts(chosen),
            other_models: self.candidates.other_models(chosen),
            broken,
            cost_usd_per_day: whole.as_ref().map(|run| {
                let day = |day: &Scenario| self.runner.timed_run(day, self.target, 0, &|| self.is_time_up());
                let scenario = self.candidates.scenario(&tried.chosen);
                rounded(self.runner.cost_per_day_by(&scenario, run, day), 4)
            }),
            p95_s: runs
                .iter()
                .copied()
                .filter(|run| !fails(run))
                .chain(whole)
                .filter_map(Run::p95_s)
                .reduce(f64::max),
            failing_replicas: count(tried.runs.iter().map(|(_, run)| run).filter(fails).count()),
            replicas,
        }
    }
}

/// Returns a set without `number` copies of a change.
fn without(chosen: &[usize], change: usize, number: usize) -> Vec<usize> {
    let mut fewer = chosen.to_vec();
    for _ in 0..number {
        if let Some(position) = fewer.iter().rposition(|index| *index == change) {
            fewer.remove(position);
        }
    }
    fewer
}

/// Returns the extra cost per additional succeeded job, in USD: 0 if the change costs nothing more, infinite if it does and no
/// more jobs succeed.
fn marginal_cost(with: &Run, without: &Run) -> f64 {
    let extra = with.summary.charged_usd() - without.summary.charged_usd();
    let more = with.summary.jobs.succeeded.saturating_sub(without.summary.jobs.succeeded);
    if extra <= 0.0 { 0.0 } else { extra / more as f64 }
}
