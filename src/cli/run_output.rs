//! The output of `sim` and `run`: the folds that run beside the recorder, and the output of the result.

use super::output::{print, print_to_stderr, style};
use super::output_folder::{OutputFiles, default_folder};
use super::progress::Progress;
use super::{Exit, OutputOptions, ScenarioOptions, VerbError, input_error, quoted, run_error};
use crate::record::{Log, SlowJobs, Summary};
use crate::report;
use crate::scenario::Scenario;
use anyhow::Context as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// The folds that run beside the recorder: traces of slow jobs; with `--events`, the event log; without `--quiet`, the
/// progress bar.
pub(super) type OutputFolds = (SlowJobs, (Option<Log<BufWriter<File>>>, Option<Progress>));

/// Returns the folds that the options select. `verb` is the label of the progress bar.
///
/// # Errors
/// If the event log cannot be created.
pub(super) fn output_folds(
    verb: &'static str,
    scenario: &Scenario,
    output_options: &OutputOptions,
) -> Result<OutputFolds, VerbError> {
    let log = output_options.events.as_ref().map(|path| {
        let create = || Log::new(BufWriter::new(File::create(path)?), scenario);
        create().with_context(|| format!("error: {} cannot be written", path.display())).map_err(input_error)
    });
    let progress = (!output_options.quiet).then(|| Progress::new(verb, scenario.duration));
    Ok((SlowJobs::new(), (log.transpose()?, progress)))
}

/// The command line that produces a result.
#[derive(Debug)]
pub(super) struct CommandLine<'a> {
    pub(super) verb: &'static str,
    pub(super) scenario: &'a Path,
    pub(super) scenario_options: &'a ScenarioOptions,
}

impl CommandLine<'_> {
    /// Returns the command that reproduces the result.
    fn command(&self) -> String {
        let scenario = quoted(&self.scenario.display().to_string());
        format!("quotalab {} {scenario}{}", self.verb, self.scenario_options.to_arguments())
    }
}

/// Prints the summary of a run, writes its output folder, and returns whether its expectations are met.
///
/// # Errors
/// If the event log, stdout or the output folder cannot be written.
pub(super) fn deliver(
    scenario: &Scenario,
    summary: Summary,
    (slow_jobs, (log, progress)): OutputFolds,
    source: &CommandLine<'_>,
    output_options: &OutputOptions,
) -> Result<Exit, VerbError> {
    if let Some(progress) = progress {
        progress.finish();
    }
    if let Some(log) = log {
        log.finish().context("the event log cannot be written completely").map_err(run_error)?;
    }
    let summary = Summary { reproduce: source.command(), job_traces: slow_jobs.traces(scenario), ..summary };
    print(&if output_options.json { summary.to_json() } else { report::text::render(&summary, style()) })?;
    let folder = output_options.out.clone().unwrap_or_else(|| default_folder(source.scenario));
    let page = OutputFiles::of_run(&summary).write(&folder)?;
    if !output_options.quiet {
        print_to_stderr(&format!("report: {}", page.display()));
    }
    Ok(if summary.holds() { Exit::Success } else { Exit::NotMet })
}
