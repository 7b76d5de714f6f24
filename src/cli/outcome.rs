//! What `sim` and `run` share: the folds beside the recorder, and the delivery of the result.

use super::output::{print, print_to_stderr, style};
use super::output_folder::{OutputFiles, default_folder};
use super::progress::Progress;
use super::{Changes, Delivery, Exit, VerbError, input_error, quoted, run_error};
use crate::record::{Log, SlowJobs, Summary};
use crate::report;
use crate::scenario::Scenario;
use anyhow::Context as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// The folds beside the recorder: traces of slow jobs, the event log if it is asked for, the progress bar unless `--quiet`.
pub(super) type RunFolds = (SlowJobs, (Option<Log<BufWriter<File>>>, Option<Progress>));

/// Returns the folds that the command line asks for. `verb` is the label of the progress bar.
///
/// # Errors
/// If the event log cannot be created.
pub(super) fn observers(
    verb: &'static str,
    scenario: &Scenario,
    delivery: &Delivery,
) -> Result<RunFolds, VerbError> {
    let log = delivery.events.as_ref().map(|path| {
        let create = || Log::new(BufWriter::new(File::create(path)?), scenario);
        create().with_context(|| format!("error: {} cannot be written", path.display())).map_err(input_error)
    });
    let progress = (!delivery.quiet).then(|| Progress::new(verb, scenario.duration));
    Ok((SlowJobs::new(), (log.transpose()?, progress)))
}

/// The command line of a result.
#[derive(Debug)]
pub(super) struct CommandLine<'a> {
    pub(super) verb: &'static str,
    pub(super) scenario: &'a Path,
    pub(super) changes: &'a Changes,
}

impl CommandLine<'_> {
    /// Returns the command that reproduces the result.
    fn command(&self) -> String {
        let scenario = quoted(&self.scenario.display().to_string());
        format!("quotalab {} {scenario}{}", self.verb, self.changes.to_arguments())
    }
}

/// Prints the summary of a run, writes its output folder, and returns whether its expectations are met.
///
/// # Errors
/// If the event log, stdout or the output folder cannot be written.
pub(super) fn deliver(
    scenario: &Scenario,
    summary: Summary,
    (slow_jobs, (log, progress)): RunFolds,
    source: &CommandLine<'_>,
    delivery: &Delivery,
) -> Result<Exit, VerbError> {
    if let Some(progress) = progress {
        progress.finish();
    }
    if let Some(log) = log {
        log.finish().context("the event log cannot be written completely").map_err(run_error)?;
    }
    let summary = Summary { reproduce: source.command(), worst: slow_jobs.traces(scenario), ..summary };
    print(&if delivery.json { summary.to_json() } else { report::text::render(&summary, style()) })?;
    let folder = delivery.out.clone().unwrap_or_else(|| default_folder(source.scenario));
    let page = OutputFiles::of_run(&summary).write(&folder)?;
    if !delivery.quiet {
        print_to_stderr(&format!("report: {}", page.display()));
    }
    Ok(if summary.holds() { Exit::Success } else { Exit::NotMet })
}
