//! `quotalab report RESULT.json...`

use super::outcome::{style, write_files};
use super::tell::{say, show};
use super::{Exit, VerbError, failed, input};
use crate::record::Summary;
use crate::report::{self, compare};
use anyhow::Context as _;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// One result to render again, or several to compare
    #[arg(required = true, value_name = "RESULT.json")]
    results: Vec<PathBuf>,
    /// Write the page and the charts here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// No notes on stderr
    #[arg(long)]
    quiet: bool,
}

impl ReportArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let summaries = self.results.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        show(&match summaries.as_slice() {
            [one] if self.json => one.to_json() + "\n",
            many if self.json => serde_json::to_string_pretty(many).map_err(failed)? + "\n",
            [one] => report::text::render(one, style()),
            many => compare::text(&self.named(many), style()),
        })?;
        if let Some(folder) = &self.out {
            let page = self.write(folder, &summaries).map_err(failed)?;
            if !self.quiet {
                say(&format!("report: {}", page.display()));
            }
        }
        Ok(Exit::Fine)
    }

    /// The results, each called by the path it was read from.
    fn named<'a>(&'a self, summaries: &'a [Summary]) -> Vec<compare::Named<'a>> {
        let labels = self.results.iter().map(|path| path.to_str().unwrap_or("a result"));
        labels.zip(summaries).collect()
    }

    fn write(&self, folder: &Path, summaries: &[Summary]) -> anyhow::Result<PathBuf> {
        let written = match summaries {
            [one] => write_files(folder, one),
            many => write_comparison(folder, &self.named(many)),
        };
        written.with_context(|| format!("the report cannot be written to {}", folder.display()))
    }
}

fn write_comparison(folder: &Path, runs: &[compare::Named<'_>]) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    for chart in compare::charts(runs) {
        fs::write(folder.join(format!("{}.svg", chart.name)), chart.standalone())?;
    }
    let page = folder.join("report.html");
    fs::write(&page, compare::html(runs))?;
    Ok(page)
}

fn read(path: &Path) -> Result<Summary, VerbError> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("error: {} cannot be read", path.display()))
        .map_err(input)?;
    Summary::from_json(&text)
        .with_context(|| {
            format!("error: {} is not a result of quotalab (schema quotalab/result/1)", path.display())
        })
        .map_err(input)
}
