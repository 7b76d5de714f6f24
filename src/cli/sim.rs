//! `quotalab sim SCENARIO`

use super::outcome::{CommandLine, Destination};
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
        let scenario = self.changes.load(&self.scenario)?;
        let source = CommandLine { verb: "sim", scenario: &self.scenario, changes: &self.changes };
        let destination = Destination::open(&scenario, source, &self.delivery)?;
        let scenario = drive::with_start_levels(scenario);
        let mut observers = destination.observers(&scenario)?;
        let summary = drive::record(Recorder::new(&scenario), Mode::Virtual, &mut observers, |folds| {
            virtual_time::simulate(&scenario, folds)
        });
        destination.deliver(&scenario, summary, observers)
    }
}
