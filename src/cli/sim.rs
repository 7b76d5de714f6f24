//! `quotalab sim SCENARIO`

use super::outcome::{self, Folds};
use super::{Changes, Delivery, Exit, Stop};
use crate::drive::virt;
use crate::record::Mode;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Sim {
    /// The scenario
    scenario: PathBuf,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    delivery: Delivery,
}

impl Sim {
    pub(super) fn run(self) -> Result<Exit, Stop> {
        let plan = self.changes.load(&self.scenario)?;
        let mut folds = Folds::new("sim", &plan, &self.delivery)?;
        let at = virt::simulate(&plan, &mut folds);
        let source = outcome::Source { verb: "sim", scenario: &self.scenario, changes: &self.changes };
        outcome::deliver(&plan, folds, Mode::Virtual, at, &source, &self.delivery)
    }
}
