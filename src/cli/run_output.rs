//! The output of `sim` and `run`: the folds that run beside the recorder, and the files and text of the result.

use super::interrupt::Interrupt;
use super::output::{print, print_to_stderr, style};
use super::output_file::{Output, OutputFile};
use super::output_folder::{FileNames, OutputFiles, OutputFolder};
use super::progress::Progress;
use super::size_check::SizeCheck;
use super::{
    Exit, OutputOptions, ScenarioOptions, VerbError, fail_if, first_failure, input_error, quoted, run_error,
};
use crate::drive::{self, RunSize};
use crate::formatting::path_name;
use crate::record::{Log, Mode, SlowJobs, Summary};
use crate::report;
use crate::scenario::Scenario;
use anyhow::Context as _;
use std::io::BufWriter;
use std::path::Path;

/// The folds that run beside the recorder: traces of slow jobs; with `--events`, the event log; without `--quiet`, the progress
/// bar; and the fold that ends the run on a signal.
pub(super) type OutputFolds = (SlowJobs, (Option<Log<BufWriter<OutputFile>>>, (Option<Progress>, Interrupt)));

/// The error of a run that a signal has ended.
pub(super) const INTERRUPTED: &str = "interrupted";
/// The error of a run that a signal has ended before its first job.
const INTERRUPTED_BEFORE: &str = "interrupted before the run began; nothing was measured";
/// The error of a run whose load generator shed too many jobs.
const GENERATOR_BEHIND: &str =
    "the load generator could not keep up on this machine: the result is not that of the scenario";
/// The error of a run in which too many attempts failed on this machine.
const DISTORTED: &str =
    "attempts failed on this machine, not at the provider: the result is not that of the scenario";

/// The error of a run that was ended because of its jobs in flight.
pub(super) const TOO_MANY_JOBS: &str =
    "too many jobs were in flight, so the run was ended: lower the load or the deadline";
/// The error of an event log that has reached its maximum size.
const LOG_CUT: &str =
    "the event log has reached its maximum size; later events are missing: raise it with --events-limit";
const BYTES_PER_GB: u64 = 1_000_000_000;

/// Where the result of a run goes.
pub(super) struct Destination<'a> {
    output_options: &'a OutputOptions,
    source: CommandLine<'a>,
    folder: OutputFolder,
    interrupt: Interrupt,
}

impl<'a> Destination<'a> {
    /// Checks, before the run begins, that it is not too large, unless that was confirmed, and that its result can be written.
    ///
    /// # Errors
    /// If the run is too large and not confirmed, if the folder cannot be written or no default folder is free, or if an output
    /// would overwrite an input or another output.
    pub(super) fn open(
        scenario: &Scenario,
        source: CommandLine<'a>,
        output_options: &'a OutputOptions,
    ) -> Result<Self, VerbError> {
        output_options.size_check.check(&RunSize::of(scenario, 1.0))?;
        let log: Vec<Output<'_>> =
            output_options.events.iter().map(|path| ("--events", path.as_path())).collect();
        let (out, file) = (output_options.out.as_ref(), source.scenario);
        let folder = OutputFolder::open_for(scenario, (out, file), &FileNames::OF_RUN, &log)?;
        Ok(Self { output_options, source, folder, interrupt: Interrupt::listen() })
    }

    /// Returns the scenario with its limits at the levels at which earlier days of its traffic leave them.
    ///
    /// # Errors
    /// If a signal arrives before they are known.
    pub(super) fn with_start_levels(&self, scenario: Scenario) -> Result<Scenario, VerbError> {
        let scenario = drive::with_start_levels_until(scenario, &|| self.interrupt.is_set());
        fail_if(self.interrupt.is_set(), INTERRUPTED_BEFORE)?;
        Ok(scenario)
    }

    /// Returns the folds that the options select.
    ///
    /// # Errors
    /// If the event log cannot be created.
    pub(super) fn output_folds(&self, scenario: &Scenario, mode: Mode) -> Result<OutputFolds, VerbError> {
        let log = self.output_options.events.as_ref().map(|path| {
            let max_bytes = self.output_options.events_limit * BYTES_PER_GB;
            let create = || Log::bounded(BufWriter::new(OutputFile::create(path)?), scenario, max_bytes);
            create()
                .with_context(|| format!("error: {} cannot be written", path_name(path)))
                .map_err(input_error)
        });
        let is_shown = !self.output_options.quiet;
        let progress = if is_shown { Progress::new(self.source.verb, scenario, mode) } else { None };
        Ok((SlowJobs::new(), (log.transpose()?, (progress, self.interrupt.clone()))))
    }

    /// Prints the summary of a run, writes its event log and its folder, and returns whether its expectations are met. If one
    /// of them cannot be written, the others are.
    ///
    /// # Errors
    /// If stdout, the output folder or the event log cannot be written completely, or if the run was interrupted, distorted by
    /// this machine, or ended because of its jobs in flight; the first failure if there are several.
    pub(super) fn deliver(
        &self,
        scenario: &Scenario,
        summary: Summary,
        (slow_jobs, (log, (progress, interrupt))): OutputFolds,
    ) -> Result<Exit, VerbError> {
        if let Some(progress) = progress {
            progress.finish();
        }
        let reproduce = self.source.command(self.output_options.size_check);
        let file = self.source.scenario.to_string_lossy().into_owned();
        let summary = Summary { reproduce, file, job_traces: slow_jobs.traces(scenario), ..summary };
        let text = if self.output_options.json {
            summary.to_json()
        } else {
            report::text::render(&summary, style())
        };
        let printed = print(&text);
        let page = self.folder.write(&OutputFiles::of_run(&summary));
        let logged = log.map_or(Ok(()), finish_log);
        if let (Ok(page), false) = (&page, self.output_options.quiet) {
            print_to_stderr(&format!("report: {}", path_name(page)));
        }
        first_failure([
            printed,
            page.map(drop),
            logged,
            fail_if(interrupt.is_set(), INTERRUPTED),
            fail_if(summary.is_generator_behind(), GENERATOR_BEHIND),
            fail_if(summary.attempts.is_distorted(), DISTORTED),
            fail_if(summary.jobs.are_too_many(), TOO_MANY_JOBS),
        ])?;
        Ok(if summary.holds() { Exit::Success } else { Exit::NotMet })
    }
}

/// Writes the rest of an event log and gives it its name.
fn finish_log(log: Log<BufWriter<OutputFile>>) -> Result<(), VerbError> {
    let is_cut = log.is_cut();
    let write = || log.finish()?.into_inner()?.commit();
    write().context("the event log cannot be written completely").map_err(run_error)?;
    fail_if(is_cut, LOG_CUT)
}

/// The command line that produces a result.
#[derive(Debug)]
pub(super) struct CommandLine<'a> {
    pub(super) verb: &'static str,
    pub(super) scenario: &'a Path,
    /// The options that only this verb has, each after a space; may be empty.
    pub(super) verb_options: String,
    pub(super) scenario_options: &'a ScenarioOptions,
}

impl CommandLine<'_> {
    /// Returns the command that reproduces the result.
    fn command(&self, size_check: SizeCheck) -> String {
        self.command_with("", size_check)
    }

    /// Returns the same command with further options, each after a space.
    pub(super) fn command_with(&self, options: &str, size_check: SizeCheck) -> String {
        let scenario = quoted(&self.scenario.to_string_lossy());
        let (set, confirmation) = (self.scenario_options.to_arguments(), size_check.to_argument());
        format!("quotalab {} {scenario}{}{options}{set}{confirmation}", self.verb, self.verb_options)
    }
}
