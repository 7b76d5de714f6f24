//! `quotalab sim SCENARIO`

use super::run_output::{self, CommandLine};
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
        let scenario = drive::with_start_levels(self.scenario_options.load(&self.scenario)?);
        let mut output_folds = run_output::output_folds("sim", &scenario, &self.output_options)?;
        let summary = drive::record(Recorder::new(&scenario), Mode::Virtual, &mut output_folds, |folds| {
            virtual_time::simulate(&scenario, folds)
        });
        let source =
            CommandLine { verb: "sim", scenario: &self.scenario, scenario_options: &self.scenario_options };
        run_output::deliver(&scenario, summary, output_folds, &source, &self.output_options)
    }
}
