//! `quotalab check SCENARIO...`

use super::{Changes, Exit, Stop};
use crate::ceiling::Ceiling;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The scenarios
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    changes: Changes,
}

impl Check {
    #[expect(
        clippy::print_stdout,
        clippy::print_stderr,
        reason = "plans are the result, problems are problems"
    )]
    pub(super) fn run(self) -> Result<Exit, Stop> {
        let mut exit = Exit::Fine;
        for (index, scenario) in self.scenarios.iter().enumerate() {
            match self.changes.load(scenario) {
                Ok(plan) => {
                    let gap = if index == 0 { "" } else { "\n" };
                    println!(
                        "{gap}{}: fine\n\n{}\n{}",
                        scenario.display(),
                        plan.words(),
                        Ceiling::of(&plan).words(&plan)
                    );
                }
                Err(Stop::Input(problems)) => {
                    eprintln!("{problems:#}");
                    exit = Exit::WrongInput;
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(exit)
    }
}
