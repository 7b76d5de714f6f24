//! The door: a scenario comes in as a file or as text, and leaves as a scenario or as all of its problems.

use super::diagnostics::Diagnostics;
use super::spec::{Spec, WhatIfSpec};
use super::value::Value;
use super::yaml::Node;
use super::{Overrides, Scenario, WhatIf, preset as presets, resolve, spec, yaml};
use crate::problem::{Problem, Problems};
use provider::config::Config;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest scenario; traces are files of their own.
const MOST_BYTES: u64 = 1 << 20;

/// Reads the scenario in a file, changed by `overrides`. Traces are looked for beside it.
///
/// # Errors
/// Everything that is wrong with it, each with its place and its remedy.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Scenario, Problems> {
    let name = path.display().to_string();
    let bytes = read_file(path, &name)?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let what = format!("this is not text: byte {} is not UTF-8", error.valid_up_to() + 1);
            let problem = Problem::with_file(&name, what, "give a scenario in YAML, saved as UTF-8");
            return Err(Problem { line, ..problem }.into());
        }
    };
    let base_dir = path.parent().unwrap_or(Path::new(""));
    parse(&name, text, overrides, Some(base_dir))
}

/// Reads a scenario from its text; `name` is what problems call it.
///
/// # Errors
/// Everything that is wrong with it, each with its place and its remedy.
pub fn parse(
    name: &str,
    text: &str,
    overrides: &Overrides,
    base_dir: Option<&Path>,
) -> Result<Scenario, Problems> {
    if text.len() as u64 > MOST_BYTES {
        return Err(too_large(name).into());
    }
    let findings = Diagnostics::default();
    let scenario = scenario(&findings, name, text, overrides, base_dir);
    match (findings.problems(), scenario) {
        (Some(problems), _) => Err(problems),
        (None, Some(scenario)) => Ok(scenario),
        (None, None) => unreachable!("without a plan there is a problem"),
    }
}

/// The provider of a preset alone, with one account `default` and one key `default`.
///
/// # Errors
/// Where no preset has that name.
pub fn preset(name: &str) -> Result<Config, Problems> {
    let findings = Diagnostics::default();
    let read = presets::text(name).and_then(|text| {
        let root = yaml::read(&findings, findings.source(&format!("preset {name}"), text), text, 0)?;
        Some(spec::preset(name, &Value::root(&root, &findings)).config)
    });
    match (findings.problems(), read) {
        (Some(problems), _) => Err(problems),
        (None, Some(config)) => Ok(config),
        (None, None) => {
            Err(Problem::with_file("--preset", format!("unknown preset `{name}`"), presets::meant(name))
                .into())
        }
    }
}

fn scenario(
    findings: &Diagnostics,
    name: &str,
    text: &str,
    overrides: &Overrides,
    base_dir: Option<&Path>,
) -> Option<Scenario> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = yaml::read(findings, findings.source(name, text), text, 0)?;
    let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let made = |wish: Option<&WhatIfSpec>| {
        let mut spec = spec(findings, root.clone(), overrides, wish)?;
        let wishes = std::mem::take(&mut spec.what_if);
        Some((resolve::resolve(spec, findings, &stem, base_dir), wishes))
    };
    let (mut scenario, wishes) = made(None)?;
    // What is wrong with the scenario itself would be told again for every wish.
    for wish in wishes.iter().take_while(|_| findings.problems().is_none()) {
        let (changed, _) = made(Some(wish))?;
        scenario.what_if.push(WhatIf { name: wish.name.clone(), scenario: changed });
    }
    Some(scenario)
}

/// Reads the tree as the command line changes it, and a wish after it.
fn spec(
    findings: &Diagnostics,
    mut root: Node,
    overrides: &Overrides,
    wish: Option<&WhatIfSpec>,
) -> Option<Spec> {
    overrides.choose_presets(findings, &mut root);
    if let Some(wish) = wish {
        wish.choose_presets(findings, &mut root);
    }
    presets::lay_under(findings, &mut root);
    overrides.apply(findings, &mut root);
    if let Some(wish) = wish {
        wish.apply(findings, &mut root);
    }
    spec::read(&Value::root(&root, findings))
}

/// The bytes of a file, never more than a scenario may have.
fn read_file(path: &Path, name: &str) -> Result<Vec<u8>, Problems> {
    let unreadable = |error: std::io::Error| {
        let what = format!("cannot be read: {error}");
        Problems::from(Problem::with_file(name, what, "give the path of a scenario file"))
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES { Err(too_large(name).into()) } else { Ok(bytes) }
}

fn too_large(name: &str) -> Problem {
    let help = "keep long tables in a trace file (`arrivals: {trace: FILE}`)";
    let problem = Problem::with_file(name, "the scenario is larger than 1 MiB", help);
    Problem { line: 1, ..problem }
}
