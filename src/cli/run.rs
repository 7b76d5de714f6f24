//! `quotalab run SCENARIO`

use super::run_endpoint::EndpointOptions;
use super::run_output::{CommandLine, Destination};
use super::{
    Exit, OutputOptions, ScenarioOptions, VerbError, fail_if, first_failure, input_error, run_error,
};
use crate::drive::clock::Clock;
use crate::drive::local::{Mocks, ObservedRun};
use crate::drive::mock_process::MockProcess;
use crate::drive::{self, live};
use crate::formatting::path_name;
use crate::input_file::is_open_descriptor;
use crate::record::{DelayMeter, Mode, Recorder, Summary};
use crate::scenario::Scenario;
use anyhow::{Context as _, anyhow};
use clap::Args;
use std::path::PathBuf;
use tokio::runtime;
use tokio::sync::mpsc;

/// The number of threads that serve the mocks of a run in its process. The attempts run on a thread of their own.
const WORKERS: usize = 2;
/// The error of a run whose runtime cannot be built.
pub(super) const NO_RUNTIME: &str = "the async runtime cannot be started";
/// The error of a run whose mock process ended.
const MOCK_PROCESS_ENDED: &str = "the mock process ended, so the run was ended";

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The scenario
    scenario: PathBuf,
    /// Serve the mocks from a process of their own, so that client and mocks share no thread
    #[arg(long)]
    mock_process: bool,
    #[command(flatten)]
    endpoint: EndpointOptions,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
    #[command(flatten)]
    output_options: OutputOptions,
}

impl RunArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        super::raise_descriptor_limit()?;
        let url = self.endpoint.url()?;
        let scenario = self.scenario_options.read(&self.scenario)?;
        let mock_process = if self.mock_process { " --mock-process" } else { "" };
        let source = CommandLine {
            verb: "run",
            scenario: &self.scenario,
            verb_options: format!("{mock_process}{}", self.endpoint.to_arguments()),
            scenario_options: &self.scenario_options,
        };
        let destination = Destination::open(&scenario, source, &self.output_options)?;
        if let Some(url) = url {
            let client = self.endpoint.client(&scenario, &url)?;
            return self.endpoint.run(&scenario, &destination, &client);
        }
        let process = if self.mock_process { Some(self.spawn_mocks(&scenario)?) } else { None };
        let scenario = destination.with_start_levels(scenario)?;
        match process {
            Some(process) => against_process(&scenario, &destination, process),
            None => against_own_mocks(&scenario, &destination),
        }
    }

    /// Starts the process of the mocks.
    fn spawn_mocks(&self, scenario: &Scenario) -> Result<MockProcess, VerbError> {
        if is_open_descriptor(&self.scenario) {
            let name = path_name(&self.scenario);
            return Err(input_error(anyhow!(
                "error: {name} can be read once, and the mock process reads the scenario as well\n  help: name a file"
            )));
        }
        let arguments = self.scenario_options.for_mock(&self.scenario);
        std::env::current_exe()
            .and_then(|program| MockProcess::spawn(&program, &arguments, scenario.providers.len()))
            .context("the mock process cannot be started")
            .map_err(run_error)
    }
}

fn random_tag() -> Result<u64, VerbError> {
    getrandom::u64().context("the system has no random numbers").map_err(run_error)
}

/// Runs a scenario against mocks in this process.
fn against_own_mocks(scenario: &Scenario, destination: &Destination<'_>) -> Result<Exit, VerbError> {
    let client = live::runtime().context(NO_RUNTIME).map_err(run_error)?;
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context(NO_RUNTIME)
        .map_err(run_error)?;
    let channel = mpsc::unbounded_channel();
    let observed = ObservedRun { sender: &channel.0, tag: random_tag()?, in_replies: false };
    let mut folds = (destination.output_folds(scenario, Mode::Live)?, DelayMeter::new(scenario));
    // The providers and the driver share one clock, which starts after all slow preparations.
    let clock = Clock::start();
    let mocks = runtime
        .block_on(Mocks::of(scenario, clock, observed))
        .context("the mocks cannot listen on loopback")
        .map_err(run_error)?;
    let summary = drive::record(Recorder::new(scenario), Mode::Live, &mut folds, |folds| {
        live::run(scenario, folds, &mocks, clock, &client, channel)
    });
    drop(mocks);
    runtime.shutdown_background();
    destination.deliver(scenario, with_delays(scenario, summary, &folds.1), folds.0)
}

/// Runs a scenario against mocks in another process.
fn against_process(
    scenario: &Scenario,
    destination: &Destination<'_>,
    mut process: MockProcess,
) -> Result<Exit, VerbError> {
    let client = live::runtime().context(NO_RUNTIME).map_err(run_error)?;
    let channel = mpsc::unbounded_channel();
    let (output_folds, meter) = (destination.output_folds(scenario, Mode::Live)?, DelayMeter::new(scenario));
    let end = process
        .start(scenario, random_tag()?, channel.0.clone())
        .context("the mock process cannot be started")
        .map_err(run_error)?;
    // The mock process has just started its own clock.
    let clock = Clock::start();
    let mut folds = (output_folds, (meter, end.clone()));
    let summary = drive::record(Recorder::new(scenario), Mode::Live, &mut folds, |folds| {
        live::run(scenario, folds, &process, clock, &client, channel)
    });
    drop(process);
    let (output_folds, (meter, _)) = folds;
    let mut exit = Exit::Failed;
    let delivered = destination.deliver(scenario, with_delays(scenario, summary, &meter), output_folds);
    first_failure([fail_if(end.is_set(), MOCK_PROCESS_ENDED), delivered.map(|done| exit = done)])?;
    Ok(exit)
}

/// Returns the summary of a live run with the delays that the run measured, and what they change in a run of the scenario. Their
/// effect is not known if the run was ended early or had another load.
fn with_delays(scenario: &Scenario, summary: Summary, meter: &DelayMeter) -> Summary {
    let is_whole = summary.planned_s.is_none() && !summary.is_distorted();
    let effect = is_whole.then(|| drive::delay_effect(scenario, meter, summary.jobs.offered)).flatten();
    Summary { delays: Some(meter.delays(effect)), ..summary }
}
