//! `quotalab sim SCENARIO`

use super::outcome::{self, CommandLine};
use super::{Changes, Delivery, Exit, VerbError};
use crate::drive::{self, virtual_time};
use crate::record::{Mode, Recorder};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct SimArgs {
    /// The scenario
    scenario: PathBuf,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    delivery: Delivery,
}

impl SimArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let scenario = drive::with_start_levels(self.changes.load(&self.scenario)?);
        let mut observers = outcome::observers("sim", &scenario, &self.delivery)?;
        let summary = drive::record(Recorder::new(&scenario), Mode::Virtual, &mut observers, |folds| {
            virtual_time::simulate(&scenario, folds)
        });
        let source = CommandLine { verb: "sim", scenario: &self.scenario, changes: &self.changes };
        outcome::deliver(&scenario, summary, observers, &source, &self.delivery)
    }
}
