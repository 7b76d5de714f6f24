//! `quotalab test PATH...`

use super::interrupt::Interrupt;
use super::output::{print, print_plain, print_to_stderr};
use super::output_file::{self, Output, OutputFile, refuse_overwriting};
use super::run_output::{INTERRUPTED, TOO_MANY_JOBS};
use super::size_check::SizeCheck;
use super::{Exit, ScenarioOptions, VerbError, first_failure, input_error, quoted, run_error};
use crate::drive::RunSize;
use crate::formatting::{path_name, printable};
use crate::input_file::{self, MAX_JSON_BYTES};
use crate::problem::{Problem, Problems};
use crate::regression::{self, Baseline, Case, Outcome, TestProgress};
use crate::scenario::{self, Scenario};
use crate::stats::replica_seeds;
use anyhow::{Context as _, anyhow};
use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::Add;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Replicas of a scenario that is saved to a baseline, if neither `--replicas` nor the old baseline gives their number.
const DEFAULT_REPLICAS: usize = 8;
/// The maximum of `--replicas`.
const MAX_REPLICAS: i64 = regression::MAX_REPLICAS as i64;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("with_baseline").args(["baseline", "save_baseline"]).multiple(true))]
pub(super) struct TestArgs {
    /// Scenarios, or folders of them (every *.yaml inside)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
    /// Compare with the baseline in this file; fail if a measure got worse by more than the noise and the minimum effect
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the present results as a baseline
    #[arg(long, value_name = "FILE")]
    save_baseline: Option<PathBuf>,
    /// Seeds per scenario with a baseline [default: those of the baseline, or 8 for a new one]
    #[arg(long, value_name = "N", requires = "with_baseline")]
    #[arg(value_parser = clap::value_parser!(u16).range(2..=MAX_REPLICAS))]
    replicas: Option<u16>,
    /// Write the outcome as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the outcome as Markdown, for example to $GITHUB_STEP_SUMMARY
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Print annotations for GitHub [default: if GITHUB_ACTIONS is `true`]
    #[arg(long)]
    annotations: bool,
    /// Print the outcome as JSON instead of text
    #[arg(long)]
    json: bool,
    /// Print no progress on stderr
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    size_check: SizeCheck,
}

impl TestArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let baseline = self.baseline.as_deref().map(read_baseline).transpose()?;
        let cases = self.cases(baseline.as_ref())?;
        self.check_names_and_baseline(&cases, baseline.as_ref())?;
        self.check_outputs(&cases)?;
        self.size_check.check(&size(&cases))?;
        let bar = self.progress(cases.iter().map(|case| case.replicas.len() as u64).sum());
        let progress =
            Progress { bar, interrupt: Interrupt::listen(), too_many_jobs: AtomicBool::new(false) };
        let runs = regression::run(&cases, &progress);
        progress.bar.finish_and_clear();
        let outcome = regression::judge(&cases, &runs, baseline.as_ref());
        let delivered = self.deliver(&outcome);
        if let Some(reason) = progress.ended_by() {
            let ended = Err(run_error(anyhow!("{reason}; no baseline was written")));
            first_failure([delivered, ended])?;
        } else {
            let save = |path: &PathBuf| write_file(path, &Baseline::of(&cases, &runs).to_json());
            first_failure([delivered, self.save_baseline.as_ref().map_or(Ok(()), save)])?;
        }
        Ok(if outcome.none_failed() { Exit::Success } else { Exit::NotMet })
    }

    /// Loads the scenarios, each resolved for every seed with which it is run.
    ///
    /// # Errors
    /// Returns the problems of all scenarios together.
    fn cases(&self, baseline: Option<&Baseline>) -> Result<Vec<Case>, VerbError> {
        let (mut loaded, mut problems) = (Vec::new(), Vec::new());
        for file in scenario_files(&self.paths)? {
            match scenario::read(&file, &self.scenario_options.overrides()) {
                Ok(scenario) => loaded.push((file, scenario)),
                Err(found) => problems.extend(found.iter().cloned()),
            }
        }
        if let Some(problems) = Problems::found(problems) {
            return Err(problems.into());
        }
        loaded.into_iter().map(|(file, scenario)| self.case(&file, scenario, baseline)).collect()
    }

    /// Resolves a scenario once per seed, since resolving may use random streams (a sampled trace).
    fn case(&self, file: &Path, scenario: Scenario, baseline: Option<&Baseline>) -> Result<Case, VerbError> {
        let replicas = self.replicas_of(&scenario, baseline);
        let load_with_seed =
            |seed| ScenarioOptions { seed: Some(seed), ..self.scenario_options.clone() }.read(file);
        // The first replica is the scenario itself.
        let other_seeds = replica_seeds(scenario.seed, replicas).skip(1);
        let other_replicas = other_seeds.map(load_with_seed).collect::<Result<Vec<_>, _>>()?;
        let name = file.to_string_lossy();
        // The commands that reproduce a replica append its seed.
        let without_seed = ScenarioOptions { seed: None, ..self.scenario_options.clone() };
        Ok(Case {
            // The scenario is loaded already. If the file cannot be read again, only the line numbers of rules are missing.
            text: input_file::read_text(file, scenario::MAX_BYTES).unwrap_or_default(),
            command: format!("quotalab sim {}{}", quoted(&name), without_seed.to_arguments()),
            file: printable(&name),
            replicas: std::iter::once(scenario).chain(other_replicas).collect(),
        })
    }

    /// Returns the number of replicas of a scenario: 1 if no baseline was given that contains it, and none is to be saved.
    fn replicas_of(&self, scenario: &Scenario, baseline: Option<&Baseline>) -> usize {
        let in_baseline = baseline.and_then(|baseline| baseline.replicas(&scenario.name));
        if in_baseline.is_none() && self.save_baseline.is_none() {
            return 1;
        }
        self.replicas.map(usize::from).or(in_baseline).unwrap_or(DEFAULT_REPLICAS)
    }

    /// Checks that a baseline can be made from the cases, and that the given one can be compared with them.
    fn check_names_and_baseline(&self, cases: &[Case], baseline: Option<&Baseline>) -> Result<(), VerbError> {
        if (baseline.is_some() || self.save_baseline.is_some())
            && let Some(name) = regression::first_repeated_scenario_name(cases)
        {
            let help = "a baseline identifies scenarios by name: give each its own `name:`";
            return Err(input_error(anyhow!("error: two scenarios are named `{name}`\n  help: {help}")));
        }
        let mismatches = baseline.map(|baseline| baseline.mismatches(cases)).unwrap_or_default();
        if mismatches.is_empty() {
            return Ok(());
        }
        let path = path_name(self.baseline.as_deref().unwrap_or(Path::new("")));
        // Names in a baseline may contain anything, such as a command of a CI system on a line of its own.
        let error = |mismatch: &String| format!("error: {path}: {}\n", printable(mismatch));
        let errors: String = mismatches.iter().map(error).collect();
        let help = "pass the scenarios it was made from, or write a new baseline with --save-baseline";
        Err(input_error(anyhow!("{errors}  help: {help}")))
    }

    /// Checks, before anything runs, that each output can be created and that none would overwrite an input or another output.
    /// A baseline may replace itself.
    fn check_outputs(&self, cases: &[Case]) -> Result<(), VerbError> {
        let outputs = [
            ("--junit", &self.junit),
            ("--markdown", &self.markdown),
            ("--save-baseline", &self.save_baseline),
        ];
        let outputs: Vec<Output<'_>> =
            outputs.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?))).collect();
        let files = cases.iter().flat_map(|case| &case.replicas).flat_map(|scenario| &scenario.files);
        let inputs: BTreeSet<&Path> = files.map(PathBuf::as_path).collect();
        refuse_overwriting(inputs, &outputs)?;
        output_file::try_to_create(&outputs)?;
        let except_baseline: Vec<Output<'_>> =
            outputs.into_iter().filter(|(option, _)| *option != "--save-baseline").collect();
        refuse_overwriting(self.baseline.as_deref(), &except_baseline)
    }

    fn progress(&self, runs: u64) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("test [{bar:40}] {pos} of {len} runs")
            .expect("invariant: the progress template is valid");
        ProgressBar::new(runs).with_style(style)
    }

    /// Prints the outcome and writes it to the files that are asked for. If one of them fails, the others are written.
    fn deliver(&self, outcome: &Outcome) -> Result<(), VerbError> {
        let annotations =
            if self.annotations || on_github() { regression::annotations(outcome) } else { String::new() };
        let printed = if self.json {
            // GitHub reads commands from stdout and stderr; stdout must be JSON only.
            annotations.lines().for_each(print_to_stderr);
            print(&(outcome.to_json() + "\n"))
        } else {
            print_plain(&format!("{annotations}{}", regression::text(outcome)))
        };
        let write = |path: &Option<PathBuf>, content: fn(&Outcome) -> String| {
            path.as_ref().map_or(Ok(()), |path| write_file(path, &content(outcome)))
        };
        first_failure([
            printed,
            write(&self.junit, regression::junit),
            write(&self.markdown, regression::markdown),
        ])
    }
}

/// Estimates all runs of a test, one on each core at a time. The replicas of a scenario differ only in their seeds.
fn size(cases: &[Case]) -> RunSize {
    let cores = rayon::current_num_threads() as f64;
    let of_case = |case: &Case| {
        RunSize::of(case.scenario(), 1.0).beside_others(cores).repeated(case.replicas.len() as f64)
    };
    cases.iter().map(of_case).fold(RunSize::default(), Add::add)
}

/// The progress bar, and what ends the test early.
struct Progress {
    bar: ProgressBar,
    interrupt: Interrupt,
    /// `true` once a run was ended because of its jobs in flight.
    too_many_jobs: AtomicBool,
}

impl Progress {
    /// Returns why runs are missing; `None` if no run is missing.
    fn ended_by(&self) -> Option<&'static str> {
        let too_many = self.too_many_jobs.load(Ordering::Relaxed).then_some(TOO_MANY_JOBS);
        self.interrupt.is_set().then_some(INTERRUPTED).or(too_many)
    }
}

impl TestProgress for Progress {
    fn ran(&self) {
        self.bar.inc(1);
    }
    fn too_many_jobs(&self) {
        self.too_many_jobs.store(true, Ordering::Relaxed);
    }
    fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }
}

fn on_github() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Returns the scenario files of `paths`, each once. A folder is replaced by its *.yaml files, sorted.
fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, VerbError> {
    let mut files = Vec::new();
    for path in paths {
        let found = if path.is_dir() { scenarios_in(path)? } else { vec![path.clone()] };
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

fn scenarios_in(folder: &Path) -> Result<Vec<PathBuf>, VerbError> {
    let list = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let name = path_name(folder);
    let mut files = list().with_context(|| format!("error: {name} cannot be read")).map_err(input_error)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml") && file.is_file());
    if files.is_empty() {
        let problem = Problem::with_file(
            &name,
            "the folder contains no scenario",
            "pass a folder that contains *.yaml files",
        );
        return Err(Problems::from(problem).into());
    }
    files.sort();
    Ok(files)
}

fn read_baseline(path: &Path) -> Result<Baseline, VerbError> {
    let name = path_name(path);
    let text = input_file::read_text(path, MAX_JSON_BYTES)
        .with_context(|| format!("error: {name} cannot be read"))
        .map_err(input_error)?;
    Baseline::from_json(&text).map_err(|error| {
        let help = "write a new baseline with --save-baseline";
        input_error(anyhow!("error: {name}: {error}\n  help: {help}"))
    })
}

fn write_file(path: &Path, content: &str) -> Result<(), VerbError> {
    output_file::stage(path, content)
        .and_then(OutputFile::commit)
        .with_context(|| format!("{} cannot be written", path_name(path)))
        .map_err(run_error)
}
