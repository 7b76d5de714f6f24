//! `quotalab report RESULT.json...`

use super::output::{print, print_to_stderr, style};
use super::output_folder::{OutputFiles, OutputFolder};
use super::{Exit, VerbError, first_failure, input_error, run_error};
use crate::formatting::path_name;
use crate::input_file::{self, MAX_JSON_BYTES};
use crate::record::Summary;
use crate::report::{self, compare};
use anyhow::Context as _;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// One result to render again, or several to compare
    #[arg(required = true, value_name = "RESULT.json")]
    results: Vec<PathBuf>,
    /// Write report.html, the charts and, for a single result, result.json to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Print no notes on stderr
    #[arg(long)]
    quiet: bool,
}

impl ReportArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let summaries = self.results.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        let folder = self.out.clone().map(OutputFolder::open).transpose()?;
        let printed = print(&match summaries.as_slice() {
            [one] if self.json => one.to_json(),
            many if self.json => serde_json::to_string_pretty(many).map_err(run_error)? + "\n",
            [one] => report::text::render(one, style()),
            many => compare::text(&self.named(many), style()),
        });
        let written = folder.map_or(Ok(()), |folder| self.write(&folder, &summaries));
        first_failure([printed, written])?;
        Ok(Exit::Success)
    }

    /// Writes the page and the charts, and for a single result its JSON, unless the result was read from that file.
    fn write(&self, folder: &OutputFolder, summaries: &[Summary]) -> Result<(), VerbError> {
        let files = match summaries {
            [one] => OutputFiles::of_run(one),
            many => OutputFiles::of_comparison(&self.named(many)),
        };
        let page = folder.write(&files.without_inputs(folder, &self.results)?)?;
        if !self.quiet {
            print_to_stderr(&format!("report: {}", path_name(&page)));
        }
        Ok(())
    }

    /// Returns the results, each with the path that it was read from.
    fn named<'a>(&'a self, summaries: &'a [Summary]) -> Vec<compare::Named<'a>> {
        let labels = self.results.iter().map(|path| path.to_str().unwrap_or("a result"));
        labels.zip(summaries).collect()
    }
}

fn read(path: &Path) -> Result<Summary, VerbError> {
    let text = input_file::read_text(path, MAX_JSON_BYTES)
        .with_context(|| format!("error: {} cannot be read", path_name(path)))
        .map_err(input_error)?;
    Summary::from_json(&text)
        .with_context(|| {
            format!("error: {} is not a result of quotalab (schema quotalab/result/1)", path_name(path))
        })
        .map_err(input_error)
}
