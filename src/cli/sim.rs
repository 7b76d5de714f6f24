//! `quotalab sim SCENARIO`

use super::run_output::{CommandLine, Destination};
use super::sim_clients::{self, client_option};
use super::{Exit, OutputOptions, ScenarioOptions, VerbError, replay};
use crate::drive::{self, virtual_time};
use crate::record::{Mode, Recorder};
use crate::scenario;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct SimArgs {
    /// The scenario
    scenario: PathBuf,
    /// Replay what a gateway recorded (`gateway --record`) with the engine of this scenario, and compare every decision; the
    /// workload is not used
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "duration", "out", "json", "quiet", "events", "events_limit"])]
    replay: Option<PathBuf>,
    /// A client of the scenario, which handles all jobs, or a program that `like` imitates, as which every client of the scenario
    /// behaves, each with its own deadline and processes. Given several times, the clients are compared on the same traffic; the
    /// first is the baseline
    #[arg(long = "client", value_name = "NAME", conflicts_with = "replay")]
    clients: Vec<String>,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
    #[command(flatten)]
    output_options: OutputOptions,
}

impl SimArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        if let Some(recording) = &self.replay {
            return replay::run(&self.scenario, &self.scenario_options, recording);
        }
        let scenario = self.scenario_options.read(&self.scenario)?;
        let (scenario, verb_options) = match &self.clients[..] {
            [client] => (scenario::with_client(&scenario, client)?, client_option(client)),
            _ => (scenario, String::new()),
        };
        let source = CommandLine {
            verb: "sim",
            scenario: &self.scenario,
            verb_options,
            scenario_options: &self.scenario_options,
        };
        if self.clients.len() > 1 {
            return sim_clients::run(&scenario, &self.clients, &source, &self.output_options);
        }
        let destination = Destination::open(&scenario, source, &self.output_options)?;
        let scenario = destination.with_start_levels(scenario)?;
        let mut output_folds = destination.output_folds(&scenario, Mode::Virtual)?;
        let summary = drive::record(Recorder::new(&scenario), Mode::Virtual, &mut output_folds, |folds| {
            virtual_time::simulate(&scenario, folds)
        });
        destination.deliver(&scenario, summary, output_folds)
    }
}
