//! `quotalab run SCENARIO`

use super::run_output::{CommandLine, Destination};
use super::{Exit, OutputOptions, ScenarioOptions, VerbError, run_error};
use crate::drive::clock::Clock;
use crate::drive::local::{Mocks, ObservedRun};
use crate::drive::{self, live};
use crate::record::{DelayMeter, Mode, Recorder, Summary};
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::sync::mpsc;
use tokio::runtime;

/// The worker threads of the async runtime, which serves the mocks and sends the attempts. The driver has its own thread.
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
        super::raise_descriptor_limit()?;
        let scenario = self.scenario_options.read(&self.scenario)?;
        let source =
            CommandLine { verb: "run", scenario: &self.scenario, scenario_options: &self.scenario_options };
        let destination = Destination::open(&scenario, source, &self.output_options)?;
        let scenario = destination.with_start_levels(scenario)?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .context("the async runtime cannot be started")
            .map_err(run_error)?;
        let channel = mpsc::channel();
        let tag = getrandom::u64().context("the system has no random numbers").map_err(run_error)?;
        let observed = ObservedRun { sender: &channel.0, tag };
        // The providers and the driver share one clock, which starts after all slow preparations.
        let clock = Clock::start();
        let mocks = runtime
            .block_on(Mocks::of(&scenario, clock, observed))
            .context("the mocks cannot listen on loopback")
            .map_err(run_error)?;
        let mut folds = (destination.output_folds(&scenario)?, DelayMeter::new(&scenario));
        let summary = drive::record(Recorder::new(&scenario), Mode::Live, &mut folds, |folds| {
            live::run(&scenario, folds, &mocks, clock, runtime.handle(), channel)
        });
        drop(mocks);
        runtime.shutdown_background();
        let (output_folds, meter) = folds;
        let effect = drive::delay_effect(&scenario, &meter, summary.jobs.offered);
        let summary = Summary { delays: Some(meter.delays(effect)), ..summary };
        destination.deliver(&scenario, summary, output_folds)
    }
}
