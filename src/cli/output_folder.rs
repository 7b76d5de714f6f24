//! The output folder of `sim`, `run`, `report` and `plan`: a result as JSON, a page, and its charts.
//!
//! A process locks the folder of its result from before the run until the result is written, so that no other process writes
//! there at the same time. All files of a result are written under temporary names and then renamed together, and no chart of an
//! earlier result remains beside a later one.

use super::default_folder::{self, default_folders};
use super::output_file::{self, Output, OutputFile, refuse_overwriting};
use super::{VerbError, input_error, run_error};
use crate::planner::Plan;
use crate::record::Summary;
use crate::report::{self, Chart, compare};
use crate::scenario::Scenario;
use anyhow::{Context as _, anyhow};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The files of one output folder.
#[derive(Debug)]
pub(super) struct OutputFiles {
    /// What the files hold, for the text of an error: `report` or `plan`.
    content: &'static str,
    /// A file name and its JSON.
    json: Option<(&'static str, String)>,
    /// A file name and its HTML.
    page: (&'static str, String),
    charts: Vec<Chart>,
    /// The names of all charts that a result of this kind may have.
    possible_charts: &'static [&'static str],
}

/// A folder that can be written, locked until the value is dropped.
#[derive(Debug)]
pub(super) struct OutputFolder {
    path: PathBuf,
    /// `None` on systems that cannot lock folders.
    _lock: Option<File>,
}

impl OutputFolder {
    /// Opens the folder for the result of the scenario in `file`: `out`, or the first of its [`default_folders`] that is free.
    /// `files` are the names of the JSON and the page of the result, `others` the outputs beside it.
    ///
    /// # Errors
    /// As [`Self::open`], if no folder is free, if a file there may not be replaced, and if an output would overwrite the scenario,
    /// a trace or another output.
    pub(super) fn open_for(
        scenario: &Scenario,
        (out, file): (Option<&PathBuf>, &Path),
        files: [&str; 2],
        others: &[Output<'_>],
    ) -> Result<Self, VerbError> {
        let check = |path: &Path| {
            let files = files.map(|name| path.join(name));
            let files = files.iter().map(|file| ("--out", file.as_path()));
            let outputs: Vec<Output<'_>> = files.chain(others.iter().copied()).collect();
            refuse_overwriting(scenario.files.iter().map(PathBuf::as_path), &outputs)
        };
        if let Some(path) = out {
            check(path)?;
            return Self::open(path.clone())?.with_writable(files);
        }
        for folder in default_folders(file) {
            check(&folder)?;
            match Self::try_open(folder)? {
                Some(opened) if opened.is_of(file) => return opened.with_writable(files),
                _ => {}
            }
        }
        Err(input_error(anyhow!(
            "error: all folders for {} below out/ are in use\n  help: choose a folder with --out",
            file.display()
        )))
    }

    /// Checks that the files of the folder that exist may be replaced.
    fn with_writable(self, files: [&str; 2]) -> Result<Self, VerbError> {
        let files = files.map(|name| self.path.join(name));
        output_file::try_to_create(&files.each_ref().map(|file| ("--out", file.as_path())))?;
        Ok(self)
    }

    /// Returns `true` if the folder holds no files of another scenario than the one in `file`.
    fn is_of(&self, file: &Path) -> bool {
        default_folder::owner(&self.path, file).is_none()
    }

    /// Creates the folder if it does not exist, and tries to write to it, so that a run is not begun whose result cannot be
    /// kept.
    ///
    /// # Errors
    /// If the folder cannot be written, or another process writes to it: the input is wrong.
    pub(super) fn open(path: PathBuf) -> Result<Self, VerbError> {
        let text = || {
            format!(
                "error: another run writes its result to {}\n  help: choose another folder with --out",
                path.display()
            )
        };
        Self::try_open(path.clone())?.ok_or_else(|| input_error(anyhow!(text())))
    }

    /// As [`Self::open`], but returns `None` if another process writes to the folder.
    fn try_open(path: PathBuf) -> Result<Option<Self>, VerbError> {
        let open = || -> io::Result<Option<Self>> {
            fs::create_dir_all(&path)?;
            output_file::temporary(&path).map(drop)?;
            let folder = File::open(&path).ok();
            let lock = match folder.as_ref().map(File::try_lock) {
                Some(Err(TryLockError::WouldBlock)) => return Ok(None),
                Some(Ok(())) => folder,
                Some(Err(TryLockError::Error(_))) | None => None,
            };
            if lock.is_some() {
                output_file::remove_abandoned(&path)?;
            }
            Ok(Some(Self { path: path.clone(), _lock: lock }))
        };
        open()
            .with_context(|| format!("error: nothing can be written to {}", path.display()))
            .map_err(input_error)
    }

    /// Writes the files and returns the path of the page.
    ///
    /// # Errors
    /// If a file cannot be written. If there is a JSON and it can be written, it is kept, since it contains the whole result, and
    /// an earlier page and charts are removed; otherwise the files of an earlier result remain as they were.
    pub(super) fn write(&self, files: &OutputFiles) -> Result<PathBuf, VerbError> {
        debug_assert!(
            files.charts.iter().all(|chart| files.possible_charts.contains(&chart.name)),
            "invariant: {:?} names every chart of a {}",
            files.possible_charts,
            files.content
        );
        let folder = self.path.display();
        let (page, content) = (files.page.0, files.content);
        let failed = || format!("the {content} cannot be written to {folder}");
        let json = files.json.as_ref().map(|(name, json)| self.stage(name, json));
        let json = json.transpose().with_context(failed).map_err(run_error)?;
        let pages = self.stage_page_and_charts(files);
        let error = match (json, &pages) {
            (Some(json), Err(_)) => {
                self.keep_json_only(files, json).with_context(failed).map_err(run_error)?;
                format!("{page} cannot be written to {folder}, which holds the JSON of the {content} only")
            }
            (json, Ok(_)) => {
                json.map_or(Ok(()), OutputFile::commit).with_context(failed).map_err(run_error)?;
                failed()
            }
            (None, Err(_)) => failed(),
        };
        let replace = |staged: Vec<OutputFile>| {
            staged.into_iter().try_for_each(OutputFile::commit)?;
            self.remove_charts(files, |name| files.charts.iter().all(|chart| chart.name != name))
        };
        pages.and_then(replace).context(error).map_err(run_error)?;
        Ok(self.path.join(page))
    }

    /// Writes a file of the folder as a whole, without giving it its name yet.
    fn stage(&self, name: &str, content: &str) -> io::Result<OutputFile> {
        fs::create_dir_all(&self.path)?;
        output_file::stage(&self.path.join(name), content)
    }

    fn stage_page_and_charts(&self, files: &OutputFiles) -> io::Result<Vec<OutputFile>> {
        let charts = files.charts.iter().map(|chart| self.stage(&svg(chart.name), &chart.standalone()));
        charts.chain([self.stage(files.page.0, &files.page.1)]).collect()
    }

    /// Gives the JSON its name, and removes what an earlier result has left.
    fn keep_json_only(&self, files: &OutputFiles, json: OutputFile) -> io::Result<()> {
        json.commit()?;
        remove(&self.path.join(files.page.0))?;
        self.remove_charts(files, |_| true)
    }

    /// Removes the charts of an earlier result that `is_removed` selects by name.
    fn remove_charts(&self, files: &OutputFiles, is_removed: impl Fn(&str) -> bool) -> io::Result<()> {
        let mut names = files.possible_charts.iter().filter(|name| is_removed(name));
        names.try_for_each(|name| remove(&self.path.join(svg(name))))
    }
}

/// Returns the name of the file of a chart.
fn svg(chart: &str) -> String {
    format!("{chart}.svg")
}

/// Removes a file if it exists.
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

impl OutputFiles {
    /// Returns the files of a run: `result.json`, `report.html` and the charts.
    pub(super) fn of_run(summary: &Summary) -> Self {
        Self {
            content: "report",
            json: Some(("result.json", summary.to_json())),
            page: ("report.html", report::html::render(summary)),
            charts: report::charts(summary),
            possible_charts: &report::RUN_CHARTS,
        }
    }

    /// Leaves the JSON out if it would replace one of `inputs`.
    pub(super) fn without_inputs(self, folder: &OutputFolder, inputs: &[PathBuf]) -> Self {
        let inputs = || inputs.iter().map(PathBuf::as_path);
        let is_input =
            |name: &str| refuse_overwriting(inputs(), &[("--out", &folder.path.join(name))]).is_err();
        Self { json: self.json.filter(|(name, _)| !is_input(name)), ..self }
    }

    /// Returns the files of a comparison of runs: `report.html` and the charts.
    pub(super) fn of_comparison(runs: &[compare::Named<'_>]) -> Self {
        Self {
            content: "report",
            json: None,
            page: ("report.html", compare::html(runs)),
            charts: compare::charts(runs),
            possible_charts: &compare::CHARTS,
        }
    }

    /// Returns the files of a plan: `plan.json`, `plan.html` and the charts.
    pub(super) fn of_plan(plan: &Plan) -> Self {
        Self {
            content: "plan",
            json: Some(("plan.json", plan.to_json())),
            page: ("plan.html", report::plan::html(plan)),
            charts: report::plan::charts(plan),
            possible_charts: &report::plan::CHARTS,
        }
    }
}
