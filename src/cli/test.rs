//! `quotalab test PATH...`

use super::output::{note, print};
use super::{Changes, Exit, VerbError, failed, input, quoted};
use crate::problem::{Problem, Problems};
use crate::regression::{self, Baseline, Case, Outcome};
use crate::scenario::{self, Scenario};
use anyhow::{Context as _, anyhow};
use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Replicas where neither the command line nor the baseline says how many.
const REPLICAS: usize = 8;
/// More tell nothing that a longer scenario would not.
const MOST_REPLICAS: i64 = 1_000;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("measured").args(["baseline", "save_baseline"]).multiple(true))]
pub(super) struct TestArgs {
    /// Scenarios, or folders of them (every *.yaml inside)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    changes: Changes,
    /// Compare with the baseline in this file; fail where something got worse beyond the noise
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write what the scenarios come to now as a baseline
    #[arg(long, value_name = "FILE")]
    save_baseline: Option<PathBuf>,
    /// Seeds per scenario with a baseline [default: as many as the baseline has, or 8]
    #[arg(long, value_name = "N", requires = "measured")]
    #[arg(value_parser = clap::value_parser!(u16).range(2..=MOST_REPLICAS))]
    replicas: Option<u16>,
    /// Write the outcome as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the outcome as Markdown, such as to $GITHUB_STEP_SUMMARY
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Print annotations for GitHub [default: where GITHUB_ACTIONS is `true`]
    #[arg(long)]
    annotations: bool,
    /// Print the outcome as JSON instead of text
    #[arg(long)]
    json: bool,
    /// No progress on stderr
    #[arg(long)]
    quiet: bool,
}

impl TestArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let baseline = self.baseline.as_deref().map(read_baseline).transpose()?;
        let cases = self.cases(baseline.as_ref())?;
        self.check_fit(&cases, baseline.as_ref())?;
        let progress = self.progress(cases.iter().map(|case| case.plans.len() as u64).sum());
        let trials = regression::run(&cases, &|| progress.inc(1));
        progress.finish_and_clear();
        let outcome = regression::judge(&cases, &trials, baseline.as_ref());
        self.deliver(&outcome)?;
        if let Some(path) = &self.save_baseline {
            write(path, &Baseline::of(&cases, &trials).to_json())?;
        }
        Ok(if outcome.holds() { Exit::Success } else { Exit::Missed })
    }

    /// The scenarios, each resolved for the seeds it is run with; or every problem of all of them.
    fn cases(&self, baseline: Option<&Baseline>) -> Result<Vec<Case>, VerbError> {
        let (mut loaded, mut problems) = (Vec::new(), Vec::new());
        for file in files(&self.paths)? {
            match scenario::load(&file, &self.changes.overrides()) {
                Ok(scenario) => loaded.push((file, scenario)),
                Err(found) => problems.extend(found.iter().cloned()),
            }
        }
        if let Some(problems) = Problems::found(problems) {
            return Err(problems.into());
        }
        loaded.into_iter().map(|(file, scenario)| self.case(&file, scenario, baseline)).collect()
    }

    /// Every seed is a scenario of its own: a trace may be thinned by chance.
    fn case(&self, file: &Path, scenario: Scenario, baseline: Option<&Baseline>) -> Result<Case, VerbError> {
        let replicas = self.replicas_of(&scenario, baseline);
        let seeded = |seed| Changes { seed: Some(seed), ..self.changes.clone() }.load(file);
        let others =
            regression::seeds(scenario.seed, replicas).skip(1).map(seeded).collect::<Result<Vec<_>, _>>()?;
        let name = file.display().to_string();
        let unseeded = Changes { seed: None, ..self.changes.clone() };
        Ok(Case {
            // It was text a moment ago; should it be gone, only the lines of its rules are not told.
            text: fs::read_to_string(file).unwrap_or_default(),
            command: format!("quotalab sim {}{}", quoted(&name), unseeded.typed()),
            file: name,
            plans: std::iter::once(scenario).chain(others).collect(),
        })
    }

    fn replicas_of(&self, scenario: &Scenario, baseline: Option<&Baseline>) -> usize {
        let known = baseline.and_then(|baseline| baseline.replicas(&scenario.name));
        if known.is_none() && self.save_baseline.is_none() {
            return 1;
        }
        self.replicas.map(usize::from).or(known).unwrap_or(REPLICAS)
    }

    /// Whether a baseline can be made of the scenarios, and compared with them.
    fn check_fit(&self, cases: &[Case], baseline: Option<&Baseline>) -> Result<(), VerbError> {
        if (baseline.is_some() || self.save_baseline.is_some())
            && let Some(name) = regression::repeated_name(cases)
        {
            let help = "a baseline tells scenarios apart by their names: give each its own `name:`";
            return Err(input(anyhow!("error: two scenarios are named `{name}`\n  help: {help}")));
        }
        let misfits = baseline.map(|baseline| baseline.misfits(cases)).unwrap_or_default();
        if misfits.is_empty() {
            return Ok(());
        }
        let path = self.baseline.as_deref().unwrap_or(Path::new("")).display();
        let said: String = misfits.iter().map(|misfit| format!("error: {path}: {misfit}\n")).collect();
        let help = "give what it was made of, or make it anew with --save-baseline";
        Err(input(anyhow!("{said}  help: {help}")))
    }

    fn progress(&self, runs: u64) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("test [{bar:40}] {pos} of {len} runs")
            .expect("the template is well formed");
        ProgressBar::new(runs).with_style(style)
    }

    fn deliver(&self, outcome: &Outcome) -> Result<(), VerbError> {
        let annotations =
            if self.annotations || on_github() { regression::annotations(outcome) } else { String::new() };
        if self.json {
            // GitHub reads both; what reads JSON reads only stdout.
            annotations.lines().for_each(note);
            print(&(outcome.to_json() + "\n"))?;
        } else {
            print(&format!("{annotations}{}", regression::text(outcome)))?;
        }
        if let Some(path) = &self.junit {
            write(path, &regression::junit(outcome))?;
        }
        if let Some(path) = &self.markdown {
            write(path, &regression::markdown(outcome))?;
        }
        Ok(())
    }
}

fn on_github() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The files that the paths name, folders opened and sorted, each once.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, VerbError> {
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
    let name = folder.display().to_string();
    let mut files = list().with_context(|| format!("error: {name} cannot be read")).map_err(input)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml") && file.is_file());
    if files.is_empty() {
        let problem =
            Problem::with_file(&name, "no scenario in this folder", "give a folder with *.yaml in it");
        return Err(Problems::from(problem).into());
    }
    files.sort();
    Ok(files)
}

fn read_baseline(path: &Path) -> Result<Baseline, VerbError> {
    let name = path.display();
    let text =
        fs::read_to_string(path).with_context(|| format!("error: {name} cannot be read")).map_err(input)?;
    Baseline::from_json(&text).map_err(|fault| {
        let help = "make it anew with --save-baseline";
        input(anyhow!("error: {name}: {fault}\n  help: {help}"))
    })
}

fn write(path: &Path, content: &str) -> Result<(), VerbError> {
    fs::write(path, content).with_context(|| format!("{} cannot be written", path.display())).map_err(failed)
}
