//! `quotalab schema`

use super::tell::show;
use super::{Exit, VerbError};
use crate::scenario::language;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {}

impl SchemaArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        show(&format!("{:#}\n", language::schema()))?;
        Ok(Exit::Fine)
    }
}
