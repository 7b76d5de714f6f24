//! `quotalab sim SCENARIO --replay FILE`

use super::output::print_plain;
use super::{Exit, ScenarioOptions, VerbError, input_error};
use crate::formatting::path_name;
use crate::gateway::replay;
use crate::input_file;
use crate::scenario;
use anyhow::{Context as _, anyhow};
use std::io::BufReader;
use std::path::Path;

/// Replays a recording of a gateway with the engine of a scenario.
///
/// # Errors
/// If the scenario has a problem, or if the recording cannot be read or contains what no gateway records.
pub(super) fn run(
    scenario: &Path,
    scenario_options: &ScenarioOptions,
    recording: &Path,
) -> Result<Exit, VerbError> {
    let scenario = scenario::read_for_gateway(scenario, &scenario_options.overrides())?;
    let name = path_name(recording);
    let file = input_file::open(recording)
        .with_context(|| format!("error: --replay {name} cannot be read"))
        .map_err(input_error)?;
    let replayed = replay(&scenario, BufReader::new(file)).map_err(|error| {
        input_error(anyhow!(
            "error: {name}: {error}\n  help: a recording is written by `quotalab gateway --record`"
        ))
    })?;
    print_plain(&replayed.text())?;
    Ok(if replayed.is_as_recorded() { Exit::Success } else { Exit::NotMet })
}
