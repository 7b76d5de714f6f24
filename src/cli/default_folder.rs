//! The output folder of a scenario if none is given. Scenarios whose files have the same name do not share one.

use super::{VerbError, input_error};
use crate::input_file::{self, MAX_JSON_BYTES};
use anyhow::anyhow;
use serde::Deserialize;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns `out/<file name without extension>`; if that holds the files of another scenario, `out/<folder>/<file name without
/// extension>`, where the folder is that of the scenario.
///
/// # Errors
/// If both hold the files of another scenario.
pub(super) fn default_folder(scenario: &Path) -> Result<PathBuf, VerbError> {
    let (out, name) = (Path::new("out"), scenario.file_stem().unwrap_or(scenario.as_os_str()));
    let folder = out.join(name);
    if owner(&folder, scenario).is_none() {
        return Ok(folder);
    }
    let absolute = fs::canonicalize(scenario).unwrap_or_default();
    let parent = absolute.parent().and_then(Path::file_name).unwrap_or(OsStr::new("root"));
    let folder = out.join(parent).join(name);
    match owner(&folder, scenario) {
        None => Ok(folder),
        Some(other) => Err(input_error(anyhow!(
            "error: {} holds the files of {other}, another scenario of that name\n  help: choose a folder with --out",
            folder.display()
        ))),
    }
}

/// The member of `result.json` and `plan.json` that names their scenario.
#[derive(Deserialize)]
struct Owner {
    #[serde(default)]
    file: String,
}

/// Returns the scenario whose files are in the folder, if it is another one and still exists.
fn owner(folder: &Path, scenario: &Path) -> Option<String> {
    let scenario = fs::canonicalize(scenario).ok()?;
    ["result.json", "plan.json"].iter().find_map(|name| {
        let text = input_file::read_text(&folder.join(name), MAX_JSON_BYTES).ok()?;
        let Owner { file } = serde_json::from_str(&text).ok()?;
        fs::canonicalize(&file).ok().filter(|other| *other != scenario).map(|_| file)
    })
}
