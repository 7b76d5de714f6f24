//! What is known of the sets of offers at the loads of the months, and the runs by which it becomes known.

use super::Question;
use super::offers::micros;
use super::order::Micros;
use crate::planner::plan::{FailedProof, FirstViolation, TooFewJobs};
use crate::planner::purchase::{MAX_PROOFS, seeds_of_proof};
use crate::planner::request::RunKind;
use crate::planner::runner::Run;
use crate::planner::search::Search;
use crate::planner::what_if;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The first replica of a proof: no search and no check of a ceiling uses as many.
const FIRST_REPLICA: u32 = 10_000;
/// The distance between the first replicas of two proofs of the same month, more than the seeds of one.
const REPLICAS_PER_PROOF: u32 = 1_000;
/// The number of seeds that are simulated at a time.
const BATCH: u32 = 10;
/// The largest first step of the search for the largest load of a set, as a ratio.
const STEP: f64 = 1.1;
/// That search ends at this multiple of the load of the month, or at the month's load divided by it.
const RANGE: f64 = 64.0;

/// Why the order is not found.
pub(super) enum Stop {
    /// The measurements were stopped.
    Ended,
    /// A rule cannot be judged.
    Undecided(TooFewJobs),
}

/// What is known so far. Sets are indices, months are counted from 1.
pub(super) struct Measurements<'a> {
    question: &'a Question<'a>,
    /// By set and month: the cost of use in the month, if every rule holds on the scenario's own seed.
    usage: BTreeMap<(usize, u32), Micros>,
    /// By set and month: the fresh seeds on which all rules hold.
    proofs: BTreeMap<(usize, u32), u32>,
    /// By set and month: the replica on which a rule is known to break.
    broken: BTreeMap<(usize, u32), u32>,
    /// By set and month: the proofs that failed.
    failed_proofs: BTreeMap<(usize, u32), FailedProof>,
}

impl<'a> Measurements<'a> {
    /// Returns nothing known.
    pub(super) fn new(question: &'a Question<'a>) -> Self {
        Self {
            question,
            usage: BTreeMap::new(),
            proofs: BTreeMap::new(),
            broken: BTreeMap::new(),
            failed_proofs: BTreeMap::new(),
        }
    }

    /// Returns the cost of use of a set in a month, 0 if it is not known; `None` if a rule is known to break.
    pub(super) fn usage(&self, set: usize, month: u32) -> Option<Micros> {
        let mut known = self.broken.range((set, 0)..=(set, month));
        let breaks = known.any(|((_, earlier), _)| self.question.is_as_demanding(month, *earlier));
        (!breaks).then(|| self.usage.get(&(set, month)).copied().unwrap_or(0))
    }

    /// Returns the number of seeds of the proof of a set in a month.
    pub(super) fn proof(&self, set: usize, month: u32) -> u32 {
        self.proofs.get(&(set, month)).copied().unwrap_or(0)
    }

    /// Returns the proof of a set in a month that failed; `None` if there was none, or it did not fail.
    pub(super) fn failed_proof(&self, set: usize, month: u32) -> Option<FailedProof> {
        self.failed_proofs.get(&(set, month)).copied()
    }

    /// Runs the sets at the loads of months of which nothing is known on the scenario's own seed. Returns `false` if there are
    /// none.
    pub(super) fn measure(&mut self, cells: &[(usize, u32)]) -> Result<bool, Stop> {
        let is_unknown = |cell: &&(usize, u32)| !self.usage.contains_key(cell);
        let unknown: Vec<(usize, u32)> = cells.iter().filter(is_unknown).copied().collect();
        let runs: Vec<Option<Run>> =
            unknown.par_iter().map(|(set, month)| self.run(*set, *month, 0)).collect();
        for ((set, month), run) in unknown.iter().copied().zip(runs) {
            let run = run.ok_or(Stop::Ended)?;
            if let Some(few) = self.undecided(&run) {
                return Err(Stop::Undecided(few));
            }
            if run.breaks() {
                self.breaks(set, month, 0);
            } else {
                let usage = micros(run.cost_per_day() * self.question.days(month));
                self.usage.insert((set, month), usage);
            }
        }
        Ok(!unknown.is_empty())
    }

    /// Proves that the sets hold the loads of their months. Returns `true` if a proof failed.
    pub(super) fn prove(&mut self, cells: &[(usize, u32)]) -> Result<bool, Stop> {
        for (set, month) in cells.iter().copied().filter(|cell| !self.proofs.contains_key(cell)) {
            let (needed, first) = self.next_proof(month);
            let (scenario, question) = (self.question.scenario(set, month), self.question);
            let seeds = (question.multiple(month), first..first + needed);
            question.runner.announce(&scenario, seeds, RunKind::Verdict);
        }
        for (set, month) in cells.iter().copied() {
            if !self.proofs.contains_key(&(set, month)) && self.fails(set, month)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Simulates a set at the load of a month on fresh seeds until some do not hold. Returns the first replica that does not, `None` if
    /// all hold.
    fn fails(&mut self, set: usize, month: u32) -> Result<Option<u32>, Stop> {
        let (needed, first) = self.next_proof(month);
        let mut seeds = 0;
        while seeds < needed {
            let until = needed.min(seeds + BATCH);
            let runs: Vec<Option<Run>> =
                (seeds..until).into_par_iter().map(|seed| self.run(set, month, first + seed)).collect();
            let runs: Vec<Run> = runs.into_iter().collect::<Option<_>>().ok_or(Stop::Ended)?;
            if let Some(few) = runs.iter().find_map(|run| self.undecided(run)) {
                return Err(Stop::Undecided(few));
            }
            let failing = runs.iter().filter(|run| run.breaks()).count() as u32;
            if let Some(place) = runs.iter().position(Run::breaks) {
                self.failed_proofs.insert((set, month), FailedProof { failing, seeds: until });
                let replica = first + seeds + place as u32;
                self.breaks(set, month, replica);
                return Ok(Some(replica));
            }
            seeds = until;
        }
        self.proofs.insert((set, month), needed);
        Ok(None)
    }

    /// Returns the number of seeds of the next proof of a month, and its first replica.
    fn next_proof(&self, month: u32) -> (u32, u32) {
        let failed = self.failed_proofs.keys().filter(|(_, other)| *other == month).count() as u32;
        let number = i32::try_from(failed).map_or(MAX_PROOFS - 1, |failed| failed.min(MAX_PROOFS - 1));
        (seeds_of_proof(number), FIRST_REPLICA + failed * REPLICAS_PER_PROOF)
    }

    fn breaks(&mut self, set: usize, month: u32, replica: u32) {
        self.broken.entry((set, month)).or_insert(replica);
    }

    /// Runs a set at the load of a month; ends early if a rule on success is broken for certain.
    fn run(&self, set: usize, month: u32, replica: u32) -> Option<Run> {
        let (question, count) = (self.question, self.question.runner.count);
        let scenario = question.scenario(set, month);
        question.runner.run_for_verdict(&scenario, question.multiple(month), replica, &|| count.is_stopped())
    }

    /// Returns why a run gives no verdict; `None` if it gives one.
    fn undecided(&self, run: &Run) -> Option<TooFewJobs> {
        run.undecided().cloned()
    }

    /// Returns what breaks with a set at the load of a month: on the seed on which it is known to break, on the scenario's own, or on
    /// one of a proof, which is made if nothing is known. `None` if every rule holds.
    pub(super) fn violation(&mut self, set: usize, month: u32) -> Result<Option<FirstViolation>, Stop> {
        let known = self.broken.get(&(set, month)).copied();
        if known.is_none() && !self.usage.contains_key(&(set, month)) {
            let run = self.whole(set, month, 0).ok_or(Stop::Ended)?;
            if run.breaks() {
                return Ok(self.question.first_violation(&run, (set, month)));
            }
        }
        let failing = match known {
            None if self.proofs.contains_key(&(set, month)) => None,
            None => self.fails(set, month)?,
            known => known,
        };
        let Some(replica) = failing else { return Ok(None) };
        let run = self.whole(set, month, replica).ok_or(Stop::Ended)?;
        Ok(self.question.first_violation(&run, (set, month)))
    }

    /// Makes a whole run, which shows the cause of a violation.
    fn whole(&self, set: usize, month: u32, replica: u32) -> Option<Run> {
        let scenario = self.question.scenario(set, month);
        self.question.runner.run(&scenario, self.question.multiple(month), replica)
    }

    /// Returns the set that holds the largest load on the scenario's own seed, and that load; of equal ones the first. `None` if
    /// the measurements were stopped.
    pub(super) fn best(&self, sets: Vec<usize>, month: u32) -> Option<(usize, Option<f64>)> {
        let guess = self.question.multiple(month);
        let search = Search {
            guess,
            width: STEP,
            step: STEP,
            steepness: 1.0,
            tolerance: what_if::TOLERANCE,
            min_multiple: guess / RANGE,
            max_multiple: guess * RANGE,
            at_once: 2,
            replica: 0,
        };
        let search = |set: usize| {
            let estimate = search.run(&self.question.runner, &self.question.scenario(set, month))?;
            Some((set, estimate.low))
        };
        let found: Vec<Option<(usize, f64)>> = sets.into_par_iter().map(search).collect();
        let found = found.into_iter().collect::<Option<Vec<(usize, f64)>>>()?;
        let best = found.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(set, low)| (set, Some(low).filter(|low| *low > 0.0)))
    }
}
