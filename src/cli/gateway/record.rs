//! `quotalab gateway SCENARIO --record FILE`

use crate::cli::output_file::refuse_overwriting;
use crate::cli::{VerbError, input_error};
use crate::drive::clock::Clock;
use crate::formatting::path_name;
use crate::gateway::Recording;
use crate::scenario::{KeySource, Scenario};
use anyhow::Context as _;
use clap::Args;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const BYTES_PER_GB: u64 = 1_000_000_000;

#[derive(Debug, Args)]
pub(super) struct RecordOptions {
    /// Record the inputs and the decisions of the engine, for `sim --replay`: routes, targets, sizes and instants, no texts and no
    /// keys. The file is written anew
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The largest size of that file; the recording ends there
    #[arg(long, value_name = "GB", default_value_t = 1, requires = "record", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    record_max: u64,
}

impl RecordOptions {
    /// Begins the recording; `None` without `--record`.
    ///
    /// # Errors
    /// If the file is one that the gateway reads, or cannot be written.
    pub(super) fn start(&self, scenario: &Scenario, clock: Clock) -> Result<Option<Recording>, VerbError> {
        let Some(path) = &self.record else { return Ok(None) };
        refuse_overwriting(inputs(scenario), &[("--record", path)])?;
        create(path)
            .and_then(|file| Recording::start(file, self.record_max * BYTES_PER_GB, clock))
            .map(Some)
            .with_context(|| format!("error: --record {} cannot be written", path_name(path)))
            .map_err(input_error)
    }
}

/// Creates the file, or empties it if there is one that no other gateway writes.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    // On a file system without locks, another writer is not noticed.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another gateway writes it"));
    }
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(file)
}

/// Returns the files that a gateway reads: the scenario, and those of its keys.
fn inputs(scenario: &Scenario) -> impl Iterator<Item = &Path> {
    let keys = scenario.upstreams.iter().flat_map(|upstream| upstream.keys.iter().flatten());
    let key_files = keys.filter_map(|key| if let KeySource::File(path) = key { Some(path) } else { None });
    scenario.files.iter().chain(key_files).map(PathBuf::as_path)
}
