//! The output folder of `sim`, `run`, `report` and `plan`: a result as JSON, a page, and its charts.
//!
//! A process locks the folder of its result from before the run until the result is written, so that no other process writes
//! there at the same time. All files of a result are written under temporary names first. Then the page and the charts of an
//! earlier result of the same kind (a run, a comparison, a plan) are removed, and the JSON, the page and the charts get their
//! names, so that a process that is killed never leaves files of two results of this kind beside each other.

use super::default_folder::{self, default_folders};
use super::output_file::{self, Output, OutputFile, refuse_overwriting};
use super::{VerbError, input_error, run_error};
use crate::formatting::path_name;
use crate::planner::Plan;
use crate::record::Summary;
use crate::report::{self, Chart, compare};
use crate::scenario::Scenario;
use anyhow::{Context as _, anyhow};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The names of the files of a kind of result.
#[derive(Debug)]
pub(super) struct FileNames {
    /// What the files hold, for the text of an error: `report` or `plan`.
    content: &'static str,
    json: &'static str,
    page: &'static str,
    /// All charts that a result of this kind may have, without their extension.
    charts: &'static [&'static str],
}

impl FileNames {
    /// The files of a run.
    pub(super) const OF_RUN: Self =
        Self { content: "report", json: "result.json", page: "report.html", charts: &report::RUN_CHARTS };
    /// The files of a comparison of runs, which has no JSON.
    const OF_COMPARISON: Self = Self { charts: &compare::CHARTS, ..Self::OF_RUN };
    /// The files of a comparison of clients.
    pub(super) const OF_CLIENTS: Self =
        Self { content: "comparison", json: "clients.json", page: "clients.html", charts: &compare::CHARTS };
    /// The files of a plan.
    pub(super) const OF_PLAN: Self =
        Self { content: "plan", json: "plan.json", page: "plan.html", charts: &report::plan::CHARTS };

    /// Returns the names of the page and of the charts.
    fn page_and_charts(&self) -> impl Iterator<Item = String> {
        self.charts.iter().map(|chart| svg(chart)).chain([self.page.to_owned()])
    }
}

/// The files of one output folder.
#[derive(Debug)]
pub(super) struct OutputFiles {
    names: FileNames,
    json: Option<String>,
    page: String,
    charts: Vec<Chart>,
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
    /// `names` are those of the files of the result, `others` the outputs beside it.
    ///
    /// # Errors
    /// As [`Self::open`], if no folder is free, if a file there may not be replaced, and if an output would overwrite the
    /// scenario, a trace or another output.
    pub(super) fn open_for(
        scenario: &Scenario,
        (out, file): (Option<&PathBuf>, &Path),
        names: &FileNames,
        others: &[Output<'_>],
    ) -> Result<Self, VerbError> {
        let names: Vec<String> = names.page_and_charts().chain([names.json.to_owned()]).collect();
        let check = |path: &Path| {
            let files: Vec<PathBuf> = names.iter().map(|name| path.join(name)).collect();
            let files = files.iter().map(|file| ("--out", file.as_path()));
            let outputs: Vec<Output<'_>> = files.chain(others.iter().copied()).collect();
            refuse_overwriting(scenario.files.iter().map(PathBuf::as_path), &outputs)
        };
        if let Some(path) = out {
            check(path)?;
            return Self::open(path.clone())?.check_replaceable(&names);
        }
        for folder in default_folders(file) {
            check(&folder)?;
            match Self::try_open(folder)? {
                Some(opened) if opened.is_of(file) => return opened.check_replaceable(&names),
                _ => {}
            }
        }
        Err(input_error(anyhow!(
            "error: all folders for {} below out/ are in use\n  help: choose a folder with --out",
            path_name(file)
        )))
    }

    /// Checks that the files of the folder that exist may be replaced, and returns it.
    fn check_replaceable(self, names: &[String]) -> Result<Self, VerbError> {
        for name in names {
            output_file::try_to_create(&[("--out", &self.path.join(name))])?;
        }
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
                path_name(&path)
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
            Ok(Some(Self { path: path.clone(), _lock: lock }))
        };
        open().with_context(|| format!("error: cannot write to {}", path_name(&path))).map_err(input_error)
    }

    /// Writes the files and returns the path of the page.
    ///
    /// # Errors
    /// If a file cannot be written. The JSON, which contains the whole result, is kept without the others if it can be written;
    /// otherwise the files of an earlier result remain as they were.
    pub(super) fn write(&self, files: &OutputFiles) -> Result<PathBuf, VerbError> {
        let FileNames { content, page, .. } = files.names;
        let folder = path_name(&self.path);
        let failed = || format!("the {content} cannot be written to {folder}");
        let json = files.json.as_ref().map(|json| self.stage(files.names.json, json));
        let json = json.transpose().with_context(failed).map_err(run_error)?;
        let page_and_charts = self.stage_page_and_charts(files);
        if json.is_some() || page_and_charts.is_ok() {
            let removed = self.remove_page_and_charts(&files.names);
            let kept = removed.and_then(|()| json.map_or(Ok(()), OutputFile::commit));
            kept.with_context(failed).map_err(run_error)?;
        }
        let page_failed = || match files.json {
            Some(_) => {
                format!("{page} cannot be written to {folder}, which holds the JSON of the {content} only")
            }
            None => failed(),
        };
        page_and_charts
            .and_then(|staged| staged.into_iter().try_for_each(OutputFile::commit))
            .with_context(page_failed)
            .map_err(run_error)?;
        Ok(self.path.join(page))
    }

    /// Writes a file of the folder as a whole, without giving it its name yet.
    fn stage(&self, name: &str, content: &str) -> io::Result<OutputFile> {
        fs::create_dir_all(&self.path)?;
        output_file::stage(&self.path.join(name), content)
    }

    fn stage_page_and_charts(&self, files: &OutputFiles) -> io::Result<Vec<OutputFile>> {
        debug_assert!(
            files.charts.iter().all(|chart| files.names.charts.contains(&chart.name)),
            "invariant: {:?} names every chart",
            files.names
        );
        let charts = files.charts.iter().map(|chart| self.stage(&svg(chart.name), &chart.standalone()));
        charts.chain([self.stage(files.names.page, &files.page)]).collect()
    }

    /// Removes the page and the charts of an earlier result; of a link, the file that it names.
    fn remove_page_and_charts(&self, names: &FileNames) -> io::Result<()> {
        names.page_and_charts().map(|name| self.path.join(name)).try_for_each(|path| {
            match fs::remove_file(fs::canonicalize(&path).unwrap_or(path)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        })
    }
}

/// Returns the name of the file of a chart.
fn svg(chart: &str) -> String {
    format!("{chart}.svg")
}

impl OutputFiles {
    /// Returns the files of a run: `result.json`, `report.html` and the charts.
    pub(super) fn of_run(summary: &Summary) -> Self {
        Self {
            names: FileNames::OF_RUN,
            json: Some(summary.to_json()),
            page: report::html::render(summary),
            charts: report::charts(summary),
        }
    }

    /// Leaves the JSON out if it would replace one of `inputs`.
    ///
    /// # Errors
    /// If the page or a chart would replace one of them.
    pub(super) fn without_inputs(self, folder: &OutputFolder, inputs: &[PathBuf]) -> Result<Self, VerbError> {
        let check = |name: &str| {
            refuse_overwriting(inputs.iter().map(PathBuf::as_path), &[("--out", &folder.path.join(name))])
        };
        self.names.page_and_charts().try_for_each(|name| check(&name))?;
        let is_input = check(self.names.json).is_err();
        Ok(Self { json: self.json.filter(|_| !is_input), ..self })
    }

    /// Returns the files of a comparison of runs: `report.html` and the charts.
    pub(super) fn of_comparison(runs: &[compare::Named<'_>]) -> Self {
        Self {
            names: FileNames::OF_COMPARISON,
            json: None,
            page: compare::html(runs),
            charts: compare::charts(runs),
        }
    }

    /// Returns the files of a comparison of clients: `clients.json`, `clients.html` and the charts.
    pub(super) fn of_clients(runs: &[compare::Named<'_>], json: String) -> Self {
        Self { names: FileNames::OF_CLIENTS, json: Some(json), ..Self::of_comparison(runs) }
    }

    /// Returns the files of a plan: `plan.json`, `plan.html` and the charts.
    pub(super) fn of_plan(plan: &Plan) -> Self {
        Self {
            names: FileNames::OF_PLAN,
            json: Some(plan.to_json()),
            page: report::plan::html(plan),
            charts: report::plan::charts(plan),
        }
    }
}
