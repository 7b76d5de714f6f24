//! `quotalab explain [FILE]`

use super::output::{print, print_plain};
use super::{Exit, VerbError, input_error, run_error};
use crate::engine::parse::Dialect;
use crate::explain;
use crate::formatting::path_name;
use crate::input_file;
use anyhow::{Context as _, anyhow};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::io::Read as _;
use std::path::PathBuf;

/// The maximum size of a pasted reply, in bytes; the rest is ignored.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Response body, or output of `curl -i` [default: standard input]
    file: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Provider dialect of the reply [default: detected]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Dialect::ALL.map(Dialect::name)))]
    dialect: Option<String>,
}

impl ExplainArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let bytes = match &self.file {
            Some(path) => input_file::read_start(path, MAX_BYTES)
                .with_context(|| format!("error: cannot read {}", path_name(path))),
            None => {
                let mut bytes = Vec::new();
                let read = std::io::stdin().take(MAX_BYTES).read_to_end(&mut bytes);
                read.map(|_| bytes).context("error: cannot read standard input")
            }
        }
        .map_err(VerbError::Input)?;
        let dialect = self.dialect.as_deref().and_then(Dialect::from_name);
        let explanation = explain::explain(&String::from_utf8_lossy(&bytes), dialect)
            .map_err(|error| input_error(anyhow!("error: {error}")))?;
        if self.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&explanation).map_err(run_error)?))?;
        } else {
            print_plain(&explanation.text())?;
        }
        Ok(Exit::Success)
    }
}
