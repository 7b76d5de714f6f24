//! What `sim` and `run` share: the folds of a run, and the delivery of its result.

use super::tell::{say, show};
use super::{Changes, Delivery, Exit, VerbError, failed, input, quoted};
use crate::ceiling::Ceiling;
use crate::event::Event;
use crate::record::{Fold, Log, Mode, Recorder, RunEnd, SlowJobs, Summary};
use crate::report::{self, Style};
use crate::scenario::Scenario;
use anyhow::Context as _;
use provider::{Axis, Instant};
use std::fs::{self, File};
use std::io::{BufWriter, IsTerminal as _};
use std::path::{Path, PathBuf};

use super::progress::Progress;

/// Everything that listens to a run.
#[derive(Debug)]
pub(super) struct Folds {
    recorder: Recorder,
    worst: SlowJobs,
    log: Option<Log<BufWriter<File>>>,
    progress: Option<Progress>,
}

impl Folds {
    /// The folds that the command line asks for.
    pub(super) fn new(
        verb: &'static str,
        scenario: &Scenario,
        delivery: &Delivery,
    ) -> Result<Self, VerbError> {
        let log = delivery.events.as_ref().map(|path| {
            let begin = || Log::new(BufWriter::new(File::create(path)?), scenario);
            begin().with_context(|| format!("error: {} cannot be written", path.display())).map_err(input)
        });
        Ok(Self {
            recorder: Recorder::new(scenario),
            worst: SlowJobs::new(),
            log: log.transpose()?,
            progress: (!delivery.quiet).then(|| Progress::new(verb, scenario.duration)),
        })
    }
}

impl Fold for Folds {
    fn event(&mut self, event: &Event) {
        self.recorder.event(event);
        self.worst.event(event);
        self.log.event(event);
        self.progress.event(event);
    }

    fn next_sample(&self) -> Instant {
        self.recorder.next_sample()
    }

    fn sample(&mut self, at: Instant, target: crate::ids::TargetId, axis: Axis, used_share: f64) {
        self.recorder.sample(at, target, axis, used_share);
    }

    fn sampled(&mut self, at: Instant) {
        self.recorder.sampled(at);
    }
}

/// The command line that made a result.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) verb: &'static str,
    pub(super) scenario: &'a Path,
    pub(super) changes: &'a Changes,
}

impl Source<'_> {
    fn command(&self) -> String {
        let scenario = quoted(&self.scenario.display().to_string());
        format!("quotalab {} {scenario}{}", self.verb, self.changes.typed())
    }
}

/// `out/<scenario>`, where nothing else is said.
pub(super) fn folder(scenario: &Path) -> PathBuf {
    Path::new("out").join(scenario.file_stem().unwrap_or(scenario.as_os_str()))
}

/// Sums a run up, prints it, writes its files, and says whether its expectations hold.
pub(super) fn deliver(
    scenario: &Scenario,
    folds: Folds,
    mode: Mode,
    at: Instant,
    source: &Source<'_>,
    delivery: &Delivery,
) -> Result<Exit, VerbError> {
    if let Some(progress) = folds.progress {
        progress.finish();
    }
    if let Some(log) = folds.log {
        log.finish().context("the event log cannot be written to its end").map_err(failed)?;
    }
    let end = RunEnd {
        at,
        mode,
        scheduled: None,
        ceiling: Ceiling::of(scenario),
        reproduce: source.command(),
        notes: scenario.notes.clone(),
    };
    let summary = Summary { worst: folds.worst.stories(scenario), ..folds.recorder.finish(end) };
    let folder = delivery.out.clone().unwrap_or_else(|| folder(source.scenario));
    show(&if delivery.json { summary.to_json() + "\n" } else { report::text::render(&summary, style()) })?;
    let page = write_files(&folder, &summary)
        .with_context(|| format!("the report cannot be written to {}", folder.display()))
        .map_err(failed)?;
    if !delivery.quiet {
        say(&format!("report: {}", page.display()));
    }
    Ok(if summary.holds() { Exit::Fine } else { Exit::Missed })
}

/// Colours for a person at a terminal who has not asked for none (no-color.org), none for a file or a pipe.
pub(super) fn style() -> Style {
    let plain = !std::io::stdout().is_terminal()
        || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain { Style::Plain } else { Style::Colour }
}

/// Writes result.json, the charts and the page into `folder`; returns the page's path.
pub(super) fn write_files(folder: &Path, summary: &Summary) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("result.json"), summary.to_json())?;
    for chart in report::charts(summary) {
        fs::write(folder.join(format!("{}.svg", chart.name)), chart.standalone())?;
    }
    let page = folder.join("report.html");
    fs::write(&page, report::html::render(summary))?;
    Ok(page)
}
