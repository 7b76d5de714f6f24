//! `quotalab sim SCENARIO`

use super::run_output::{CommandLine, Destination};
use super::{Exit, OutputOptions, ScenarioOptions, VerbError};
use crate::drive::{self, virtual_time};
use crate::record::{Mode, Recorder};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct SimArgs {
    /// The scenario
    scenario: PathBuf,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
    #[command(flatten)]
    output_options: OutputOptions,
}

impl SimArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let scenario = self.scenario_options.read(&self.scenario)?;
        let source = CommandLine {
            verb: "sim",
            scenario: &self.scenario,
            option: String::new(),
            scenario_options: &self.scenario_options,
        };
        let destination = Destination::open(&scenario, source, &self.output_options)?;
        let scenario = destination.with_start_levels(scenario)?;
        let mut output_folds = destination.output_folds(&scenario, Mode::Virtual)?;
        let summary = drive::record(Recorder::new(&scenario), Mode::Virtual, &mut output_folds, |folds| {
            virtual_time::simulate(&scenario, folds)
        });
        destination.deliver(&scenario, summary, output_folds)
    }
}
