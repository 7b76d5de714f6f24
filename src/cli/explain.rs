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

/// The maximum size of the input, in bytes; the rest is ignored.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Bodies, output of `curl -i` or `curl -v`, printed exceptions, streams [default: standard input]
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
        let explained =
            explain::explain(&bytes, dialect).map_err(|error| input_error(anyhow!("error: {error}")))?;
        if self.json {
            // One reply is an object; several are a list.
            let json = match &explained[..] {
                [only] => serde_json::to_string_pretty(only),
                several => serde_json::to_string_pretty(several),
            };
            print(&format!("{}\n", json.map_err(run_error)?))?;
        } else {
            print_plain(&explain::text(&explained))?;
        }
        Ok(Exit::Success)
    }
}
