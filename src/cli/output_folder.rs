//! The output folder of `sim`, `run`, `report` and `plan`: a result as JSON, a page, and its charts.
//!
//! All files of a result are written under temporary names and then renamed together, while the folder is locked: the files
//! of two processes do not mix, and no chart of an earlier result remains beside a later one.

use super::default_folder::default_folder;
use super::output_file::{self, Output, OutputFile, refuse_overwriting};
use super::{VerbError, input_error, run_error};
use crate::planner::Plan;
use crate::record::Summary;
use crate::report::{self, Chart, compare};
use crate::scenario::Scenario;
use anyhow::Context as _;
use std::fs::{self, File};
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

/// A folder that can be written.
#[derive(Debug)]
pub(super) struct OutputFolder(PathBuf);

impl OutputFolder {
    /// Opens the folder for the result of the scenario in `file`: `out`, or its [`default_folder`]. `files` are the names of the
    /// JSON and the page of the result, `others` the outputs beside it.
    ///
    /// # Errors
    /// As [`Self::open`] and [`default_folder`], and if an output would overwrite the scenario, a trace or another output.
    pub(super) fn open_for(
        scenario: &Scenario,
        (out, file): (Option<&PathBuf>, &Path),
        files: [&str; 2],
        others: &[Output<'_>],
    ) -> Result<Self, VerbError> {
        let path = out.cloned().map_or_else(|| default_folder(file), Ok)?;
        let files = files.map(|name| path.join(name));
        let files = files.iter().map(|file| ("--out", file.as_path()));
        let outputs: Vec<Output<'_>> = files.chain(others.iter().copied()).collect();
        refuse_overwriting(scenario.files.iter().map(PathBuf::as_path), &outputs)?;
        Self::open(path)
    }

    /// Creates the folder if it does not exist, and tries to write to it, so that a run is not begun whose result cannot be
    /// kept.
    ///
    /// # Errors
    /// If the folder cannot be written: the input is wrong.
    pub(super) fn open(path: PathBuf) -> Result<Self, VerbError> {
        let probe = || -> io::Result<()> {
            fs::create_dir_all(&path)?;
            output_file::temporary(&path).map(drop)
        };
        probe()
            .with_context(|| format!("error: nothing can be written to {}", path.display()))
            .map_err(input_error)?;
        Ok(Self(path))
    }

    /// Writes the files and returns the path of the page.
    ///
    /// # Errors
    /// If a file cannot be written; then the files of an earlier result remain as they were.
    pub(super) fn write(&self, files: &OutputFiles) -> Result<PathBuf, VerbError> {
        self.replace(files)
            .with_context(|| format!("the {} cannot be written to {}", files.content, self.0.display()))
            .map_err(run_error)
    }

    fn replace(&self, files: &OutputFiles) -> io::Result<PathBuf> {
        debug_assert!(
            files.charts.iter().all(|chart| files.possible_charts.contains(&chart.name)),
            "invariant: {:?} names every chart of a {}",
            files.possible_charts,
            files.content
        );
        fs::create_dir_all(&self.0)?;
        let (page, html) = &files.page;
        let charts: Vec<(String, String)> =
            files.charts.iter().map(|chart| (format!("{}.svg", chart.name), chart.standalone())).collect();
        let named = charts.iter().map(|(name, svg)| (name.as_str(), svg)).chain([(*page, html)]);
        let json = files.json.as_ref().map(|(name, json)| (*name, json));
        let staged: Vec<OutputFile> = json
            .into_iter()
            .chain(named)
            .map(|(name, content)| output_file::stage(&self.0.join(name), content))
            .collect::<io::Result<_>>()?;
        let lock = self.lock();
        staged.into_iter().try_for_each(OutputFile::commit)?;
        for name in files.possible_charts {
            if files.charts.iter().all(|chart| chart.name != *name) {
                remove(&self.0.join(format!("{name}.svg")))?;
            }
        }
        drop(lock);
        Ok(self.0.join(page))
    }

    /// Waits until no other process gives files in this folder their names. On systems that cannot lock folders it does not
    /// wait.
    fn lock(&self) -> Option<File> {
        let folder = File::open(&self.0).ok()?;
        folder.lock().ok()?;
        Some(folder)
    }
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
        let is_input = |name: &str| refuse_overwriting(inputs(), &[("--out", &folder.0.join(name))]).is_err();
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
