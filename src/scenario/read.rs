//! Reads a scenario from a file or from text: the steps in their order.

use super::diagnostics::Diagnostics;
use super::spec::{Spec, WhatIfSpec};
use super::trace_cache::TraceCache;
use super::yaml::Node;
use super::{Overrides, Scenario, WhatIf, imitation, lookalike, preset as presets, resolve, spec, yaml};
use crate::formatting::{path_name, printable};
use crate::input_file;
use crate::problem::{Problem, Problems};
use provider::config::Config;
use std::io;
use std::path::Path;

/// The maximum size of a scenario in bytes. Traces are separate files.
pub const MAX_BYTES: u64 = 1 << 20;

/// Reads the scenario in a file, changed by `overrides`. Paths of traces are relative to the file.
///
/// # Errors
/// Returns all problems of the scenario itself, or else those of the first change of `what_if` that has any, each with its
/// place and its remedy.
pub fn read(path: &Path, overrides: &Overrides) -> Result<Scenario, Problems> {
    // A name with a line feed would begin a line of a message, which a CI system may take for a command.
    let name = path_name(path);
    let bytes = read_file(path, &name)?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let what = format!("not UTF-8 text: byte {} is invalid", error.valid_up_to() + 1);
            let problem = Problem::with_file(&name, what, "write a scenario in YAML, saved as UTF-8");
            return Err(Problem { line, ..problem }.into());
        }
    };
    let base_dir = path.parent().unwrap_or(Path::new(""));
    let mut scenario = parse(&name, text, overrides, Some(base_dir))?;
    scenario.files.insert(0, path.to_path_buf());
    Ok(scenario)
}

/// Reads a scenario from its text. `name` is the file name in problems. Paths of traces are relative to `base_dir`; without
/// one, a trace is a problem.
///
/// # Errors
/// Returns all problems of the scenario, each with its place and its remedy.
pub fn parse(
    name: &str,
    text: &str,
    overrides: &Overrides,
    base_dir: Option<&Path>,
) -> Result<Scenario, Problems> {
    if text.len() as u64 > MAX_BYTES {
        return Err(too_large(name).into());
    }
    let diagnostics = Diagnostics::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = diagnostics.add_source(name, text);
    let scenario = scenario(&diagnostics, source, name, text, overrides, base_dir);
    lookalike::report(&diagnostics, source, text);
    match (diagnostics.problems(), scenario) {
        (Some(problems), _) => Err(problems),
        (None, Some(scenario)) => Ok(scenario),
        (None, None) => unreachable!("invariant: without a scenario there is a problem"),
    }
}

/// Returns the provider of a preset, with one account `default` and one key `default`.
///
/// # Errors
/// If no preset has that name.
pub fn preset(name: &str) -> Result<Config, Problems> {
    let diagnostics = Diagnostics::default();
    let read = presets::text(name).and_then(|text| {
        let root =
            yaml::read(&diagnostics, diagnostics.add_source(&format!("preset {name}"), text), text, 0)?;
        Some(spec::preset(name, &root, &diagnostics).config)
    });
    match (diagnostics.problems(), read) {
        (Some(problems), _) => Err(problems),
        (None, Some(config)) => Ok(config),
        (None, None) => Err(unknown_preset(name)),
    }
}

/// Returns the problem for an unknown preset name.
pub(super) fn unknown_preset(name: &str) -> Problems {
    let what = format!("unknown preset `{name}`");
    Problem::with_file("preset", what, presets::did_you_mean(name)).into()
}

fn scenario(
    diagnostics: &Diagnostics,
    source: usize,
    name: &str,
    text: &str,
    overrides: &Overrides,
    base_dir: Option<&Path>,
) -> Option<Scenario> {
    let root = yaml::read(diagnostics, source, text, 0)?;
    let stem = Path::new(name).file_stem().map(|stem| printable(&stem.to_string_lossy())).unwrap_or_default();
    let traces = TraceCache::default();
    let resolve_with = |change: Option<&WhatIfSpec>| {
        let mut spec = read_spec(diagnostics, root.clone(), overrides, change)?;
        let what_if = std::mem::take(&mut spec.what_if);
        Some((resolve::resolve(spec, diagnostics, &stem, base_dir, &traces), what_if))
    };
    let (mut scenario, what_if) = resolve_with(None)?;
    // The problems of the scenario itself would be reported again for every change.
    for change in what_if.iter().take_while(|_| diagnostics.problems().is_none()) {
        let (changed, _) = resolve_with(Some(change))?;
        scenario.files.extend(changed.files.iter().cloned());
        scenario.what_if.push(WhatIf { name: change.name.clone(), scenario: changed });
    }
    Some(scenario)
}

/// Applies the overrides of the command line to the tree, then a change of `what_if`, and reads the result.
fn read_spec(
    diagnostics: &Diagnostics,
    mut root: Node,
    overrides: &Overrides,
    change: Option<&WhatIfSpec>,
) -> Option<Spec> {
    overrides.choose_presets(diagnostics, &mut root);
    if let Some(change) = change {
        change.choose_presets(diagnostics, &mut root);
    }
    presets::merge_presets(diagnostics, &mut root);
    imitation::merge_imitation(diagnostics, &mut root);
    overrides.apply(diagnostics, &mut root);
    if let Some(change) = change {
        change.apply(diagnostics, &mut root);
    }
    spec::read(&root, diagnostics)
}

/// Returns the bytes of a file, which must have at most [`MAX_BYTES`].
fn read_file(path: &Path, name: &str) -> Result<Vec<u8>, Problems> {
    let problem = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => too_large(name),
        _ => {
            let what = format!("cannot be read: {error}");
            Problem::with_file(name, what, "give the path of a scenario file")
        }
    };
    input_file::read(path, MAX_BYTES).map_err(|error| problem(error).into())
}

fn too_large(name: &str) -> Problem {
    let help = "keep long tables in a trace file (`arrivals: {trace: FILE}`)";
    let problem = Problem::with_file(name, "the scenario is larger than 1 MiB", help);
    Problem { line: 1, ..problem }
}
