//! `quotalab licences`

use super::output::print;
use super::{Exit, VerbError};
use clap::Args;

/// The licences of the packages in the binary, as `tests/licences.py` collects them.
const THIRD_PARTY: &str = include_str!("../../docs/third-party-licences.txt");

#[derive(Debug, Args)]
pub(super) struct LicencesArgs {}

impl LicencesArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        print(&format!("quotalab is licensed under MIT or Apache-2.0, at your option.\n\n{THIRD_PARTY}"))?;
        Ok(Exit::Success)
    }
}
