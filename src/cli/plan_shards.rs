//! `quotalab plan` in several processes: the files of a folder that they share, and what each process does.
//!
//! `round-01.jsonl` lists the runs of a round, and `round-01-shard-3-of-16.json` has the results of one shard. Only `--merge` begins
//! the next round, so that a shard that is repeated belongs to the round that it belonged to before. Files appear whole or not
//! at all.

use super::output::print_to_stderr;
use super::{VerbError, input_error, output_file, run_error};
use crate::formatting::{path_name, plural};
use crate::planner::{
    self, MissingShards, Parts, PartsError, Plan, PlanError, PlanOptions, PlanProgress, PlanStep, Round,
};
use crate::scenario::Scenario;
use crate::shard::Shard;
use anyhow::{Context as _, anyhow};
use clap::Args;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The options of a plan that several processes make.
#[derive(Debug, Args)]
pub(super) struct ShardOptions {
    /// Write the runs of the current round of the plan to this file, one JSON object per line, and make none: of the round that
    /// the folder --out is in, or of the first
    #[arg(long, value_name = "FILE", conflicts_with_all = ["shard", "merge", "time_limit"])]
    list_runs: Option<PathBuf>,
    /// Make the share of one of several processes in the current round of the plan, such as 0/4, and write it to the folder --out,
    /// which they share; `env` takes the shard from Slurm, Kubernetes or Open MPI
    #[arg(long, value_name = "I/N", value_parser = parse_shard, requires = "out", conflicts_with_all = ["merge", "time_limit", "json"])]
    shard: Option<Shard>,
    /// Make the plan from the shards in this folder, the same as without shards; if runs are missing that follow from those, begin
    /// the next round and exit with code 4
    #[arg(long, value_name = "DIR", conflicts_with = "time_limit")]
    merge: Option<PathBuf>,
    /// Make the plan although shards are missing, and say which
    #[arg(long, requires = "merge")]
    allow_partial: bool,
}

/// What a process does for a plan.
#[derive(Debug)]
pub(super) enum PlanTask<'a> {
    /// It makes the whole plan.
    Whole,
    /// It lists the runs of a round.
    List(&'a Path),
    /// It makes a share of a round.
    Shard(Shard),
    /// It makes the plan from the shards.
    Merge(&'a Path),
}

/// What came of the task.
pub(super) enum Done {
    /// The plan.
    Plan(Box<Plan>),
    /// The shards of a round are to be made.
    AnotherRound,
    /// A list or a part was written, or was there already.
    Written,
}

impl ShardOptions {
    /// Returns what this process is to do.
    pub(super) fn task(&self) -> PlanTask<'_> {
        match (&self.list_runs, self.shard, &self.merge) {
            (Some(file), ..) => PlanTask::List(file),
            (None, Some(shard), _) => PlanTask::Shard(shard),
            (None, None, Some(folder)) => PlanTask::Merge(folder),
            (None, None, None) => PlanTask::Whole,
        }
    }

    /// Does a task other than the whole plan. `out` is the folder of the parts, except for a merge.
    pub(super) fn run(
        &self,
        (scenario, options): (&Scenario, &PlanOptions),
        out: Option<&Path>,
        progress: &dyn PlanProgress,
    ) -> Result<Done, VerbError> {
        let plan = planner::plan_id(scenario, options);
        match self.task() {
            PlanTask::Whole => planner::plan(scenario, options, progress)
                .map(|plan| Done::Plan(Box::new(plan)))
                .map_err(plan_error),
            PlanTask::List(file) => {
                let (parts, number) = match out {
                    Some(folder) => Folder(folder).read(&plan, |_| true)?,
                    None => (Parts::default(), 1),
                };
                let round = current_round(scenario, options, (parts, number), progress)?;
                write(file, &round.list())?;
                note(&format!("round {number}: {} listed in {}", runs(&round), path_name(file)));
                Ok(Done::Written)
            }
            PlanTask::Shard(shard) => {
                let folder = Folder(out.expect("invariant: --shard requires --out"));
                folder.make_share((scenario, options), &plan, shard, progress)
            }
            PlanTask::Merge(folder) => self.merge((scenario, options), &plan, &Folder(folder), progress),
        }
    }

    fn merge(
        &self,
        (scenario, options): (&Scenario, &PlanOptions),
        plan: &str,
        folder: &Folder<'_>,
        progress: &dyn PlanProgress,
    ) -> Result<Done, VerbError> {
        let (parts, number) = folder.read(plan, |_| true)?;
        if !parts.is_listed(number) {
            return Err(input_error(anyhow!(
                "error: {} has no shards of a plan\n  help: make them first, such as with `--shard 0/1 --out {0}`",
                path_name(folder.0)
            )));
        }
        let step = match (parts.check(), self.allow_partial) {
            (Ok(()), _) => {
                planner::plan_from(scenario, options, parts, number, progress).map_err(plan_error)?
            }
            (Err(PartsError::Missing(missing)), true) => {
                let plan = planner::plan_without(scenario, options, parts, (number, &missing), progress);
                PlanStep::Done(Box::new(plan.map_err(|error| without(&missing, error))?))
            }
            (Err(error), _) => return Err(parts_error(&error)),
        };
        match step {
            PlanStep::Done(plan) => Ok(Done::Plan(plan)),
            PlanStep::Round(round) => {
                write(&folder.list(round.number), &round.list())?;
                note(&format!(
                    "round {number} is whole; round {} has {}: run every shard again, and merge then",
                    round.number,
                    runs(&round)
                ));
                Ok(Done::AnotherRound)
            }
        }
    }
}

/// Parses a shard, such as `3/16`, or `env`.
fn parse_shard(text: &str) -> Result<Shard, String> {
    Shard::parse(text, &|name| std::env::var(name).ok())
}

/// The folder that the processes of a plan share.
struct Folder<'a>(&'a Path);

impl Folder<'_> {
    fn list(&self, round: u32) -> PathBuf {
        self.0.join(format!("round-{round:02}.jsonl"))
    }

    fn part(&self, round: u32, Shard { index, count }: Shard) -> PathBuf {
        self.0.join(format!("round-{round:02}-shard-{index}-of-{count}.json"))
    }

    /// Reads the lists, and the parts of the rounds that are wanted. Returns them with the current round.
    fn read(&self, plan: &str, is_wanted: impl Fn(u32) -> bool) -> Result<(Parts, u32), VerbError> {
        let mut parts = Parts::default();
        let names = match fs::read_dir(self.0) {
            Ok(entries) => {
                let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
                let mut names: Vec<String> = names.collect();
                names.sort_unstable();
                names
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unreadable(self.0, error)),
        };
        for name in &names {
            let Some((round, is_part)) = parse_name(name).filter(|(round, part)| !part || is_wanted(*round))
            else {
                continue;
            };
            let path = self.0.join(name);
            let content = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
            let file = path_name(&path);
            let added = match is_part {
                true => parts.add(&file, &content, plan),
                false => parts.add_list(round, &file, &content, plan),
            };
            added.map_err(|error| parts_error(&error))?;
        }
        let current = parts.current_round();
        Ok((parts, current))
    }

    /// Makes the share of one shard in the current round, and in earlier ones from which it was removed, unless it is there.
    fn make_share(
        &self,
        (scenario, options): (&Scenario, &PlanOptions),
        plan: &str,
        shard: Shard,
        progress: &dyn PlanProgress,
    ) -> Result<Done, VerbError> {
        fs::create_dir_all(self.0)
            .with_context(|| format!("error: cannot write to {}", path_name(self.0)))
            .map_err(input_error)?;
        loop {
            let (parts, current) = self.read(plan, |_| true)?;
            let number = (1..current).find(|round| parts.lacks(*round, shard)).unwrap_or(current);
            let path = self.part(number, shard);
            if parts.is_whole(number, shard) {
                note(&format!("shard {shard} of round {number} is there: {}", path_name(&path)));
                return Ok(Done::Written);
            }
            let is_listed = parts.is_listed(number);
            let round = current_round(scenario, options, (parts, number), progress)?;
            if is_listed {
                self.check_list(&round)?;
            } else {
                write(&self.list(number), &round.list())?;
            }
            let part = round.simulate(shard, progress).ok_or_else(|| plan_error(PlanError::Interrupted))?;
            write(&path, &part.to_json())?;
            note(&format!("shard {shard} of round {number} is made: {}", path_name(&path)));
            if number == current {
                return Ok(Done::Written);
            }
        }
    }

    /// Returns an error if the round has other runs than its list, because parts of earlier rounds are missing.
    fn check_list(&self, round: &Round) -> Result<(), VerbError> {
        let path = self.list(round.number);
        let listed = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        if listed == round.list() {
            return Ok(());
        }
        Err(input_error(anyhow!(
            "error: shards of rounds before round {} are missing\n  help: `--merge` names them; run them again first",
            round.number
        )))
    }
}

/// Returns the round of a file of the folder, and whether it is a part; `None` for other files.
fn parse_name(name: &str) -> Option<(u32, bool)> {
    let name = name.strip_prefix("round-")?;
    if let Some(round) = name.strip_suffix(".jsonl") {
        return Some((round.parse().ok()?, false));
    }
    let (round, _) = name.strip_suffix(".json")?.split_once("-shard-")?;
    Some((round.parse().ok()?, true))
}

/// Returns the runs of the current round.
fn current_round(
    scenario: &Scenario,
    options: &PlanOptions,
    (parts, number): (Parts, u32),
    progress: &dyn PlanProgress,
) -> Result<Round, VerbError> {
    match planner::plan_from(scenario, options, parts, number - 1, progress).map_err(plan_error)? {
        PlanStep::Round(round) => Ok(round),
        PlanStep::Done(_) => Err(input_error(anyhow!(
            "error: no run is left of this plan\n  help: make it from its shards with --merge"
        ))),
    }
}

fn runs(round: &Round) -> String {
    plural(round.len() as u64, "run")
}

fn note(text: &str) {
    print_to_stderr(&format!("plan: {text}"));
}

fn write(path: &Path, content: &str) -> Result<(), VerbError> {
    output_file::stage(path, content)
        .and_then(output_file::OutputFile::commit)
        .with_context(|| format!("{} cannot be written", path_name(path)))
        .map_err(run_error)
}

fn unreadable(path: &Path, error: io::Error) -> VerbError {
    input_error(anyhow!(error).context(format!("error: {} cannot be read", path_name(path))))
}

/// Returns the error of a plan.
pub(super) fn plan_error(error: PlanError) -> VerbError {
    if error.is_of_input() { input_error(error) } else { run_error(error) }
}

fn parts_error(error: &PartsError) -> VerbError {
    let help = match error {
        PartsError::Missing(_) => {
            "\n  help: run these shards again, or let the plan be made without them with --allow-partial"
        }
        PartsError::Foreign { .. } => {
            "\n  help: give the options with which the shards were made, or use another folder"
        }
        _ => "",
    };
    input_error(anyhow!("error: {error}{help}"))
}

/// Returns the error of a plan that cannot be made without some shards.
fn without(missing: &[MissingShards], error: PlanError) -> VerbError {
    match error {
        PlanError::MissingShards => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            run_error(anyhow!("{error}: {}", missing.join("; ")))
        }
        error => plan_error(error),
    }
}
