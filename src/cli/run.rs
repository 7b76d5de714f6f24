//! `quotalab run SCENARIO`

use super::run_output::{CommandLine, Destination};
use super::{Exit, OutputOptions, ScenarioOptions, VerbError, run_error};
use crate::drive::clock::Clock;
use crate::drive::local::Mocks;
use crate::drive::{self, live};
use crate::record::{Mode, Recorder};
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::sync::mpsc;
use tokio::runtime;

/// Threads of the async runtime: one for the mocks, one for the attempts. The driver has its own.
const WORKERS: usize = 2;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The scenario
    scenario: PathBuf,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
    #[command(flatten)]
    output_options: OutputOptions,
}

impl RunArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let scenario = self.scenario_options.load(&self.scenario)?;
        let source =
            CommandLine { verb: "run", scenario: &self.scenario, scenario_options: &self.scenario_options };
        let destination = Destination::open(&scenario, source, &self.output_options)?;
        let scenario = drive::with_start_levels(scenario);
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .context("the async runtime cannot be started")
            .map_err(run_error)?;
        let channel = mpsc::channel();
        // The providers and the driver share one clock, which starts after all slow preparations.
        let clock = Clock::start();
        let mocks = runtime
            .block_on(Mocks::of(&scenario, clock, &channel.0))
            .context("the mocks cannot listen on loopback")
            .map_err(run_error)?;
        let mut output_folds = destination.output_folds(&scenario)?;
        let summary = drive::record(Recorder::new(&scenario), Mode::Live, &mut output_folds, |folds| {
            live::run(&scenario, folds, &mocks, clock, runtime.handle(), channel)
        });
        drop(mocks);
        runtime.shutdown_background();
        destination.deliver(&scenario, summary, output_folds)
    }
}
