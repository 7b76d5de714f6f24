//! `quotalab check SCENARIO...`

use super::tell::{say, show};
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
    pub(super) fn run(self) -> Result<Exit, Stop> {
        let mut exit = Exit::Fine;
        for (index, scenario) in self.scenarios.iter().enumerate() {
            match self.changes.load(scenario) {
                Ok(plan) => {
                    let gap = if index == 0 { "" } else { "\n" };
                    let (words, ceiling) = (plan.words(), Ceiling::of(&plan).words(&plan));
                    show(&format!("{gap}{}: fine\n\n{words}\n{ceiling}\n", scenario.display()))?;
                }
                Err(Stop::Input(problems)) => {
                    say(&format!("{problems:#}"));
                    exit = Exit::WrongInput;
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(exit)
    }
}
