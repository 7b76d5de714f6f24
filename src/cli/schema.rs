//! `quotalab schema`

use super::output::print;
use super::{Exit, VerbError};
use crate::scenario::language;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {}

impl SchemaArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        print(&format!("{:#}\n", language::schema()))?;
        Ok(Exit::Success)
    }
}
