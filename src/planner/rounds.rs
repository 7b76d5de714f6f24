//! A plan that several processes make: rounds of independent runs, of which each shard makes its share.
//!
//! ```text
//!  parts of rounds 1 … k-1 ─▶ the plan, as far as it is known ─▶ list of round k ─▶ shards ─▶ parts of round k
//!                                        └─▶ no run is missing: the plan
//! ```
//!
//! Every process makes the plan from the parts of the earlier rounds, and so knows the runs of the next one without being told.
//! The plan from all parts is the plan that one process makes, byte for byte.

use super::known_runs::{KnownRuns, MissingRun};
use super::parts_error::{MissingShards, PartsError};
use super::request::{RunId, RunOutput, fingerprint};
use super::run_count::RunCount;
use super::{Plan, PlanError, PlanOptions, PlanProgress, make};
use crate::scenario::Scenario;
use crate::shard::Shard;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name and version of the schema of a part.
const SCHEMA: &str = "quotalab/plan-part/1";

/// What follows from the parts so far.
#[derive(Debug)]
pub enum PlanStep {
    /// The plan.
    Done(Box<Plan>),
    /// The runs without which the plan cannot be made.
    Round(Round),
}

/// The runs of a round, the largest first.
#[derive(Debug)]
pub struct Round {
    /// Counted from 1.
    pub number: u32,
    plan: String,
    runs: Vec<(RunId, MissingRun)>,
}

/// A line of the list of a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedRun {
    /// The round, counted from 1.
    pub round: u32,
    /// Identifies the run.
    pub id: RunId,
    /// The multiple of the load.
    pub multiple: f64,
    /// The seed.
    pub seed: u64,
    /// The changes to the scenario, in words.
    pub changes: Vec<String>,
    /// About how many jobs the run has.
    pub jobs: f64,
    /// Identifies the plan: its scenario, options and version.
    pub plan: String,
    /// The version of quotalab.
    pub version: String,
}

/// The runs that one shard made in one round.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    schema: String,
    version: String,
    plan: String,
    /// The round, counted from 1.
    pub round: u32,
    /// The number of the shard, from 0.
    pub shard: u32,
    /// The number of shards.
    pub of: u32,
    runs: Vec<PartRun>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartRun {
    id: RunId,
    #[serde(flatten)]
    output: RunOutput,
}

/// The parts of a plan by round, and the lists of the rounds.
#[derive(Debug, Default)]
pub struct Parts {
    /// By round: the name of the file of each part, and the part.
    parts: BTreeMap<u32, Vec<(String, Part)>>,
    /// By round: the identifiers of its runs.
    lists: BTreeMap<u32, Vec<RunId>>,
}

/// Returns what identifies a plan: its scenario and options, and the version of quotalab.
#[must_use]
pub fn plan_id(scenario: &Scenario, options: &PlanOptions) -> String {
    let PlanOptions { target, growth, year, incident, replicas, time_limit: _, reproduce: _ } = options;
    let options = (target, growth, year, incident, replicas);
    fingerprint(format_args!("{} {options:?} {scenario:?}", env!("CARGO_PKG_VERSION")))
}

/// Makes the plan from the parts of the first `rounds` rounds, as far as they suffice.
///
/// # Errors
/// As [`super::plan()`].
pub fn plan_from(
    scenario: &Scenario,
    options: &PlanOptions,
    parts: Parts,
    rounds: u32,
    progress: &dyn PlanProgress,
) -> Result<PlanStep, PlanError> {
    let known = KnownRuns::new(parts.outputs(rounds), Vec::new());
    let plan = make(scenario, options, &RunCount::new(progress).from(&known));
    if progress.is_interrupted() {
        return Err(PlanError::Interrupted);
    }
    if !known.lacks_runs() {
        return plan.map(|plan| PlanStep::Done(Box::new(plan)));
    }
    Ok(PlanStep::Round(Round {
        number: rounds + 1,
        plan: plan_id(scenario, options),
        runs: known.into_missing(),
    }))
}

/// Makes the plan from the parts of the first `rounds` rounds although these shards are missing, which the plan states.
///
/// # Errors
/// As [`super::plan()`], and if the ceiling cannot be found without them.
pub fn plan_without(
    scenario: &Scenario,
    options: &PlanOptions,
    parts: Parts,
    (rounds, missing): (u32, &[MissingShards]),
    progress: &dyn PlanProgress,
) -> Result<Plan, PlanError> {
    let missing = missing.iter().map(MissingShards::to_string).collect();
    let known = KnownRuns::new(parts.outputs(rounds), missing);
    make(scenario, options, &RunCount::new(progress).from(&known))
}

impl Round {
    /// Returns the list of the runs, a line each.
    #[must_use]
    pub fn list(&self) -> String {
        let line = |(id, run): &(RunId, MissingRun)| {
            let line = ListedRun {
                round: self.number,
                id: id.clone(),
                multiple: run.multiple,
                seed: run.seed,
                changes: run.changes.clone(),
                jobs: run.jobs,
                plan: self.plan.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            serde_json::to_string(&line).expect("invariant: a listed run is serialisable") + "\n"
        };
        self.runs.iter().map(line).collect()
    }

    /// Returns the number of runs.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.runs.len()
    }

    /// Returns `true` if there is no run.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Makes the runs of a shard: those whose position in the list is its own. Returns `None` if that was interrupted.
    #[must_use]
    pub fn simulate(&self, shard: Shard, progress: &dyn PlanProgress) -> Option<Part> {
        let count = RunCount::new(progress);
        let share = self.runs.par_iter().enumerate().filter(|(position, _)| shard.has(*position as u64));
        let runs =
            share.map(|(_, (id, run))| Some(PartRun { id: id.clone(), output: run.simulate(&count)? }));
        Some(Part {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: self.plan.clone(),
            round: self.number,
            shard: shard.index,
            of: shard.count,
            runs: runs.collect::<Option<_>>()?,
        })
    }
}

impl Part {
    /// Returns the part as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("invariant: a part is serialisable")
    }

    fn shard(&self) -> Shard {
        Shard { index: self.shard, count: self.of }
    }
}

impl Parts {
    /// Adds the list of a round, the content of `file`.
    ///
    /// # Errors
    /// If it is not the list of that round of this plan.
    pub fn add_list(&mut self, round: u32, file: &str, content: &str, plan: &str) -> Result<(), PartsError> {
        let unreadable = |reason: String| PartsError::Unreadable { file: file.to_owned(), reason };
        let lines = content.lines().map(serde_json::from_str::<ListedRun>);
        let lines = lines.collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(|error| unreadable(format!("not a list of runs: {error}")))?;
        if let Some(foreign) = lines.iter().find(|line| line.plan != plan) {
            return Err(PartsError::Foreign { file: file.to_owned(), version: foreign.version.clone() });
        }
        if lines.iter().any(|line| line.round != round) {
            return Err(unreadable(format!("not a list of runs of round {round}")));
        }
        self.lists.insert(round, lines.into_iter().map(|line| line.id).collect());
        Ok(())
    }

    /// Adds the part in the content of `file`.
    ///
    /// # Errors
    /// If it is no part of this plan.
    pub fn add(&mut self, file: &str, content: &str, plan: &str) -> Result<(), PartsError> {
        let unreadable = |reason: String| PartsError::Unreadable { file: file.to_owned(), reason };
        let part: Part = serde_json::from_str(content)
            .map_err(|error| unreadable(format!("not a part of a plan: {error}")))?;
        if part.schema != SCHEMA {
            return Err(unreadable(format!("its schema is `{}`, not `{SCHEMA}`", part.schema)));
        }
        if part.plan != plan {
            return Err(PartsError::Foreign { file: file.to_owned(), version: part.version });
        }
        if part.shard >= part.of {
            return Err(unreadable(format!("shard {} of {} does not exist", part.shard, part.of)));
        }
        self.parts.entry(part.round).or_default().push((file.to_owned(), part));
        Ok(())
    }

    /// Returns the round whose parts are to be made: the last one that is listed, or the first.
    #[must_use]
    pub fn current_round(&self) -> u32 {
        self.lists.keys().next_back().copied().unwrap_or(1)
    }

    /// Returns `true` if the list of a round is known.
    #[must_use]
    pub fn is_listed(&self, round: u32) -> bool {
        self.lists.contains_key(&round)
    }

    /// Returns `true` if there is a part of a round with the runs of this shard.
    #[must_use]
    pub fn is_whole(&self, round: u32, shard: Shard) -> bool {
        let parts = self.parts.get(&round).into_iter().flatten();
        parts.filter(|(_, part)| part.shard() == shard).any(|(_, part)| self.has_its_runs(part))
    }

    /// Returns `true` if a round was shared among as many shards, and the part of this one is not there.
    #[must_use]
    pub fn lacks(&self, round: u32, shard: Shard) -> bool {
        let first = self.parts.get(&round).and_then(|parts| parts.first());
        first.is_some_and(|(_, part)| part.of == shard.count) && !self.is_whole(round, shard)
    }

    fn has_its_runs(&self, part: &Part) -> bool {
        let Some(list) = self.lists.get(&part.round) else { return false };
        let share = (0..).zip(list).filter(|(position, _)| part.shard().has(*position)).map(|(_, id)| id);
        share.eq(part.runs.iter().map(|run| &run.id))
    }

    /// Checks that every shard of the listed rounds is there once, with the runs of its share.
    ///
    /// # Errors
    /// Names the first file that does not fit, or all shards that are missing.
    pub fn check(&self) -> Result<(), PartsError> {
        let mut missing = Vec::new();
        for round in self.lists.keys().copied() {
            let parts = self.parts.get(&round).map_or(&[][..], Vec::as_slice);
            let Some((first_file, first)) = parts.first() else {
                missing.push(MissingShards { round, shards: Vec::new() });
                continue;
            };
            let mut files: BTreeMap<u32, &str> = BTreeMap::new();
            for (name, part) in parts {
                let (file, shard) = (name.clone(), part.shard());
                if part.of != first.of {
                    let (other, other_of) = (first_file.clone(), first.of);
                    return Err(PartsError::OtherNumber { file, of: part.of, other, other_of, round });
                }
                if let Some(other) = files.insert(part.shard, name) {
                    return Err(PartsError::Doubled { file, other: other.to_owned(), shard, round });
                }
                if !self.has_its_runs(part) {
                    return Err(PartsError::OtherRuns { file, shard, round });
                }
            }
            let shards = (0..first.of).filter(|index| !files.contains_key(index));
            let shards: Vec<Shard> = shards.map(|index| Shard { index, count: first.of }).collect();
            if !shards.is_empty() {
                missing.push(MissingShards { round, shards });
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(PartsError::Missing(missing)) }
    }

    /// Returns the results of the runs of the first rounds.
    fn outputs(self, rounds: u32) -> impl Iterator<Item = (RunId, RunOutput)> {
        let parts = self.parts.into_iter().filter(move |(round, _)| *round <= rounds);
        let parts = parts.flat_map(|(_, parts)| parts);
        parts.flat_map(|(_, part)| part.runs.into_iter().map(|run| (run.id, run.output)))
    }
}
