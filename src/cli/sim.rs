//! `quotalab sim SCENARIO`

use super::outcome::{self, Folds};
use super::{Changes, Delivery, Exit, VerbError};
use crate::drive::virtual_time;
use crate::record::Mode;
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
        let mut folds = Folds::new("sim", &scenario, &self.delivery)?;
        let at = virtual_time::simulate(&scenario, &mut folds);
        let source = outcome::Source { verb: "sim", scenario: &self.scenario, changes: &self.changes };
        outcome::deliver(&scenario, folds, Mode::Virtual, at, &source, &self.delivery)
    }
}
