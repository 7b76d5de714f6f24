//! `quotalab check SCENARIO...`

use super::output::{note, print};
use super::{Changes, Exit, VerbError};
use crate::ceiling::Ceiling;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The scenarios
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    changes: Changes,
}

impl CheckArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let mut exit = Exit::Success;
        for (index, file) in self.scenarios.iter().enumerate() {
            match self.changes.load(file) {
                Ok(scenario) => {
                    let gap = if index == 0 { "" } else { "\n" };
                    let (words, ceiling) = (scenario.words(), Ceiling::of(&scenario).describe(&scenario));
                    print(&format!(
                        "{gap}{}: ok

{words}
{ceiling}
",
                        file.display()
                    ))?;
                }
                Err(VerbError::Input(problems)) => {
                    note(&format!("{problems:#}"));
                    exit = Exit::WrongInput;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(exit)
    }
}
