//! `quotalab presets [NAME]`

use super::output::print;
use super::{Exit, VerbError, run_error};
use crate::report::presets;
use crate::scenario::preset_evidence;
use clap::Args;
use provider::presets::PRESETS;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct PresetsArgs {
    /// The preset whose numbers are printed; if absent, all presets: in short, or in full with `--json`
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl PresetsArgs {
    pub(super) fn run(self) -> Result<Exit, VerbError> {
        let names = match &self.name {
            Some(name) => vec![name.as_str()],
            None => PRESETS.iter().map(|(name, _)| *name).collect(),
        };
        let found = names.into_iter().map(preset_evidence).collect::<Result<Vec<_>, _>>()?;
        let text = match (self.json, &found[..]) {
            (true, _) => {
                let document = json!({ "schema": "quotalab/presets/1", "presets": found });
                serde_json::to_string_pretty(&document).map_err(run_error)? + "\n"
            }
            (false, [preset]) if self.name.is_some() => presets::numbers(preset),
            (false, presets) => presets::overview(presets),
        };
        print(&text)?;
        Ok(Exit::Success)
    }
}
