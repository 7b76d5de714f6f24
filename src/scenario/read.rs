//! Reads a scenario from a file or from text: calls the steps that `scenario/mod.rs` lists, in their order.

use super::answer_cache::AnswerCache;
use super::diagnostics::Diagnostics;
use super::spec::{Answer, TreeChange};
use super::trace_cache::TraceCache;
use super::yaml::{Node, NodeKind};
use super::{
    Overrides, Scenario, Upstream, WhatIf, imitation, lookalike, offers, preset as presets, resolve, spec,
    yaml,
};
use crate::formatting::{path_name, printable};
use crate::input_file;
use crate::problem::{Problem, Problems};
use provider::config::Config;
use std::io;
use std::path::Path;

/// The maximum size of a scenario in bytes. Traces are separate files.
pub const MAX_BYTES: u64 = 1 << 20;

/// Reads the scenario in a file, changed by `overrides`. Paths of traces and of recorded exchanges are relative to the file.
///
/// # Errors
/// Returns all problems of the scenario itself, or else those of the first change of `what_if` that has any, each with its
/// place and its remedy.
pub fn read(path: &Path, overrides: &Overrides) -> Result<Scenario, Problems> {
    read_with_optional(&[], path, overrides)
}

/// Reads the scenario in a file for a gateway: it need not have a workload, because the jobs are those of callers.
///
/// # Errors
/// As [`read`].
pub fn read_for_gateway(path: &Path, overrides: &Overrides) -> Result<Scenario, Problems> {
    read_with_optional(&["workload"], path, overrides)
}

/// Reads the scenario in a file, in which the words in `optional` may be absent.
fn read_with_optional(optional: &[&str], path: &Path, overrides: &Overrides) -> Result<Scenario, Problems> {
    let (name, text) = read_text(path)?;
    let mut scenario = parse_with_optional(optional, &name, &text, overrides, Some(folder(path)))?;
    scenario.files.insert(0, path.to_path_buf());
    Ok(scenario)
}

/// Returns the folder of a file.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Reads the text of a file. Returns the name of the file for problems as well.
fn read_text(path: &Path) -> Result<(String, String), Problems> {
    // A line feed in a file name would start a new line of the message, which a CI system may interpret as a command.
    let name = path_name(path);
    let bytes = read_file(path, &name)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..valid];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let what = format!("not UTF-8 text: byte {} is invalid", valid + 1);
            let problem = Problem::with_file(&name, what, "write a scenario in YAML, saved as UTF-8");
            Err(Problem { line, ..problem }.into())
        }
    }
}

/// The providers of a scenario or of a preset, and the seed: what a mock serves.
#[derive(Clone, Debug)]
pub struct MockedProviders {
    /// The providers, in the order written.
    pub providers: Vec<Config>,
    /// How the real providers are reached.
    pub upstreams: Vec<Upstream>,
    /// The answers that are set for each provider, in the form that the control plane of the mock accepts.
    pub answers: Vec<Vec<serde_json::Value>>,
    /// The seed of every random stream.
    pub seed: u64,
}

/// Reads the providers of the scenario in a file, which need not have routes and workloads.
///
/// # Errors
/// As [`read`].
pub fn read_providers(path: &Path, overrides: &Overrides) -> Result<MockedProviders, Problems> {
    let (name, text) = read_text(path)?;
    let diagnostics = Diagnostics::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let source = diagnostics.add_source(&name, text);
    let root = yaml::read(&diagnostics, source, text, 0);
    if root.as_ref().is_some_and(has_traffic) {
        // Check the whole scenario, to report its other problems as well. A scenario for a gateway has no workload.
        parse_with_optional(&["workload"], &name, text, overrides, Some(folder(path)))?;
    }
    let providers = root.and_then(|root| providers_of(&diagnostics, root, overrides, Some(folder(path))));
    conclude(&diagnostics, (source, text), providers)
}

/// Returns `true` if a scenario has routes or workloads, and is to be checked as a whole.
fn has_traffic(root: &Node) -> bool {
    let NodeKind::Map(entries) = &root.kind else { return false };
    entries.iter().any(|entry| matches!(entry.key.as_str(), "routes" | "workload"))
}

/// Returns the provider of a preset, changed by `overrides`. Their paths begin below the provider, such as
/// `models.openai/gpt-oss-20b.limits.rpm`. The paths `seed` and `providers.…` begin at the top of a scenario instead, whose
/// only provider has the name of the preset.
///
/// # Errors
/// If no preset has that name, or all problems of the overrides.
pub fn preset_providers(name: &str, overrides: &Overrides) -> Result<MockedProviders, Problems> {
    if presets::text(name).is_none() {
        return Err(unknown_preset(name));
    }
    let text = format!("providers:\n  {name}: {{preset: {name}}}\n");
    let diagnostics = Diagnostics::default();
    let source = diagnostics.add_source(&format!("preset {name}"), &text);
    let root = yaml::read(&diagnostics, source, &text, 0);
    let below = |(path, value): &(String, String)| {
        let is_from_top = path == "seed" || path.starts_with("providers.");
        let path = if is_from_top { path.clone() } else { format!("providers.{name}.{path}") };
        (path, value.clone())
    };
    let overrides = Overrides { set: overrides.set.iter().map(below).collect(), ..overrides.clone() };
    let providers = root.and_then(|root| providers_of(&diagnostics, root, &overrides, None));
    conclude(&diagnostics, (source, &text), providers)
}

/// Returns the provider of a preset, with one account `default` and one key `default`.
///
/// # Errors
/// If no preset has that name.
pub fn preset(name: &str) -> Result<Config, Problems> {
    let mut providers = preset_providers(name, &Overrides::default())?.providers;
    Ok(providers.pop().expect("invariant: a preset is one provider"))
}

/// Returns the providers of a scenario without routes and workloads.
fn providers_of(
    diagnostics: &Diagnostics,
    mut root: Node,
    overrides: &Overrides,
    base_dir: Option<&Path>,
) -> Option<MockedProviders> {
    overrides.apply_before_merge(diagnostics, &mut root);
    presets::merge_presets(diagnostics, &mut root);
    overrides.apply_after_merge(diagnostics, &mut root);
    let inputs = (base_dir, &AnswerCache::default());
    let spec = spec::read(&root, &["routes", "workload"], inputs, diagnostics)?;
    let (mut providers, mut upstreams, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for provider in spec.providers {
        providers.push(provider.config);
        upstreams.push(provider.upstream);
        answers.push(provider.answers.iter().map(Answer::to_json).collect());
    }
    Some(MockedProviders { providers, upstreams, answers, seed: spec.seed })
}

/// Returns `read`, the result of reading the source with this number and text, or all problems that were found.
///
/// # Panics
/// If nothing was read and there is no problem.
fn conclude<T>(
    diagnostics: &Diagnostics,
    (source, text): (usize, &str),
    read: Option<T>,
) -> Result<T, Problems> {
    lookalike::report(diagnostics, source, text);
    match diagnostics.problems() {
        Some(problems) => Err(problems),
        None => Ok(read.expect("invariant: what cannot be read has a problem")),
    }
}

/// Reads a scenario from its text. `name` is the file name in problems. Paths of traces and of recorded exchanges are relative
/// to `base_dir`; without one, such a path is a problem.
///
/// # Errors
/// As [`read`].
pub fn parse(
    name: &str,
    text: &str,
    overrides: &Overrides,
    base_dir: Option<&Path>,
) -> Result<Scenario, Problems> {
    parse_with_optional(&[], name, text, overrides, base_dir)
}

fn parse_with_optional(
    optional: &[&str],
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
    let scenario = scenario(&diagnostics, (source, name, text), optional, overrides, base_dir);
    conclude(&diagnostics, (source, text), scenario)
}

/// Returns the problem for an unknown preset name.
pub(super) fn unknown_preset(name: &str) -> Problems {
    let what = format!("unknown preset `{name}`");
    Problem::with_file("preset", what, presets::did_you_mean(name)).into()
}

fn scenario(
    diagnostics: &Diagnostics,
    (source, name, text): (usize, &str, &str),
    optional: &[&str],
    overrides: &Overrides,
    base_dir: Option<&Path>,
) -> Option<Scenario> {
    let root = yaml::read(diagnostics, source, text, 0)?;
    let stem = Path::new(name).file_stem().map(|stem| printable(&stem.to_string_lossy())).unwrap_or_default();
    let (traces, answers) = (TraceCache::default(), AnswerCache::default());
    let resolve_with = |changes: &[&TreeChange]| {
        let root = merged(diagnostics, root.clone(), overrides, changes);
        let mut spec = spec::read(&root, optional, (base_dir, &answers), diagnostics)?;
        let (what_if, offers) = (std::mem::take(&mut spec.what_if), std::mem::take(&mut spec.offers));
        let offers = (offers, std::mem::take(&mut spec.offer_names));
        Some((resolve::resolve(spec, diagnostics, &stem, base_dir, &traces), what_if, offers))
    };
    let (mut scenario, what_if, (offers, names)) = resolve_with(&[])?;
    let list = offers::resolve_offers(&offers, &names, diagnostics);
    // The problems of the scenario itself would be reported again for every change.
    for what_if in what_if.iter().take_while(|_| diagnostics.problems().is_none()) {
        let (changed, ..) = resolve_with(&[&what_if.change])?;
        scenario.files.extend(changed.files.iter().cloned());
        scenario.what_if.push(WhatIf { name: what_if.name.clone(), scenario: changed });
    }
    let with = |changes: &[&TreeChange]| resolve_with(changes).map(|(changed, ..)| changed);
    scenario.offers = offers::with_variants(list, &offers, diagnostics, with)?;
    for variant in &scenario.offers.variants {
        scenario.files.extend(variant.scenario.files.iter().cloned());
    }
    Some(scenario)
}

/// Returns the tree with its presets and the imitated program merged, and with the overrides of the command line and then the
/// changes of a what-if or of offers applied. Overrides and changes that name a preset or a program are applied before the merge.
fn merged(diagnostics: &Diagnostics, mut root: Node, overrides: &Overrides, changes: &[&TreeChange]) -> Node {
    overrides.apply_before_merge(diagnostics, &mut root);
    for change in changes {
        change.apply_before_merge(diagnostics, &mut root);
    }
    presets::merge_presets(diagnostics, &mut root);
    imitation::merge_imitations(diagnostics, &mut root);
    overrides.apply_after_merge(diagnostics, &mut root);
    for change in changes {
        change.apply_after_merge(diagnostics, &mut root);
    }
    root
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
