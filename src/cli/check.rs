//! `quotalab check SCENARIO...`

use super::output::{print_plain, print_to_stderr};
use super::{Exit, ScenarioOptions, VerbError};
use crate::ceiling::Ceiling;
use crate::formatting::path_name;
use crate::report::notes;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The scenarios
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    scenario_options: ScenarioOptions,
}

impl CheckArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let mut exit = Exit::Success;
        for (index, file) in self.scenarios.iter().enumerate() {
            match self.scenario_options.read(file) {
                Ok(scenario) => {
                    let gap = if index == 0 { "" } else { "\n" };
                    let (text, ceiling) = (scenario.describe(), Ceiling::of(&scenario).describe(&scenario));
                    let notes = [&scenario.notes[..], &scenario.upstream_notes()].concat();
                    let notes: String =
                        notes::sentences(&notes).iter().map(|note| format!("  {note}\n")).collect();
                    let notes = if notes.is_empty() { notes } else { format!("\nNote\n{notes}") };
                    print_plain(&format!("{gap}{}: ok\n\n{text}{notes}\n{ceiling}\n", path_name(file)))?;
                }
                Err(VerbError::Input(problems)) => {
                    print_to_stderr(&format!("{problems:#}"));
                    exit = Exit::WrongInput;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(exit)
    }
}
