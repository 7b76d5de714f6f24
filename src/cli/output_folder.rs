//! The output folder of `sim`, `run`, `report` and `plan`: a result as JSON, a page, and its charts.

use super::{VerbError, run_error};
use crate::planner::Plan;
use crate::record::Summary;
use crate::report::{self, Chart, compare};
use anyhow::Context as _;
use std::fs;
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
}

impl OutputFiles {
    /// Returns the files of a run: `result.json`, `report.html` and the charts.
    pub(super) fn of_run(summary: &Summary) -> Self {
        Self {
            content: "report",
            json: Some(("result.json", summary.to_json())),
            page: ("report.html", report::html::render(summary)),
            charts: report::charts(summary),
        }
    }

    /// Returns the files of a comparison of runs: `report.html` and the charts.
    pub(super) fn of_comparison(runs: &[compare::Named<'_>]) -> Self {
        Self {
            content: "report",
            json: None,
            page: ("report.html", compare::html(runs)),
            charts: compare::charts(runs),
        }
    }

    /// Returns the files of a plan: `plan.json`, `plan.html` and the charts.
    pub(super) fn of_plan(plan: &Plan) -> Self {
        Self {
            content: "plan",
            json: Some(("plan.json", plan.to_json())),
            page: ("plan.html", report::plan::html(plan)),
            charts: report::plan::charts(plan),
        }
    }

    /// Writes the files into `folder`, which is created if it does not exist, and returns the path of the page.
    ///
    /// # Errors
    /// If the folder or a file cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<PathBuf, VerbError> {
        self.write_all(folder)
            .with_context(|| format!("the {} cannot be written to {}", self.content, folder.display()))
            .map_err(run_error)
    }

    fn write_all(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        if let Some((name, json)) = &self.json {
            fs::write(folder.join(name), json)?;
        }
        for chart in &self.charts {
            fs::write(folder.join(format!("{}.svg", chart.name)), chart.standalone())?;
        }
        let (name, html) = &self.page;
        let page = folder.join(name);
        fs::write(&page, html)?;
        Ok(page)
    }
}

/// Returns the output folder of a scenario if none is given: `out/<file name without extension>`.
pub(super) fn default_folder(scenario: &Path) -> PathBuf {
    Path::new("out").join(scenario.file_stem().unwrap_or(scenario.as_os_str()))
}
