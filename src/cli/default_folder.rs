//! The output folders of a scenario if none is given. Scenarios whose files have the same name do not share one.

use crate::input_file::{self, MAX_JSON_BYTES};
use serde::Deserialize;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The highest number that is appended to the name of a folder.
const MAX_NUMBER: u32 = 64;

/// Returns the folders in the order in which they are tried: `out/<file name without extension>`, `out/<folder>/<file name
/// without extension>`, where the folder is that of the scenario, and then the first with `-2`, `-3` and so on after its name,
/// up to [`MAX_NUMBER`].
pub(super) fn default_folders(scenario: &Path) -> impl Iterator<Item = PathBuf> {
    let (out, name) = (Path::new("out"), scenario.file_stem().unwrap_or(scenario.as_os_str()));
    let absolute = fs::canonicalize(scenario).unwrap_or_default();
    let parent = absolute.parent().and_then(Path::file_name).unwrap_or(OsStr::new("root"));
    let numbered = {
        let name = name.to_owned();
        move |number: u32| {
            let mut name = name.clone();
            name.push(format!("-{number}"));
            out.join(name)
        }
    };
    [out.join(name), out.join(parent).join(name)].into_iter().chain((2..=MAX_NUMBER).map(numbered))
}

/// The member of `result.json` and `plan.json` that names their scenario.
#[derive(Deserialize)]
struct Owner {
    #[serde(default)]
    file: String,
}

/// Returns the path of the scenario whose result or plan is in the folder, as that file states it; `None` if it is `scenario`
/// itself, or does not exist any more.
pub(super) fn owner(folder: &Path, scenario: &Path) -> Option<String> {
    let scenario = fs::canonicalize(scenario).ok()?;
    ["result.json", "plan.json", "clients.json"].iter().find_map(|name| {
        let text = input_file::read_text(&folder.join(name), MAX_JSON_BYTES).ok()?;
        let Owner { file } = serde_json::from_str(&text).ok()?;
        fs::canonicalize(&file).ok().filter(|other| *other != scenario).map(|_| file)
    })
}
