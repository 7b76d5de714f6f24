//! What the command line changes of a scenario: `--set path.to.key=value`, `--seed`, `--for`. The changes
//! are made on the tree, before it is read, so that they are checked like everything else and blamed on
//! the option that made them.

use super::diagnostics::{Diagnostics, Place};
use super::value::shortened;
use super::yaml::{self, Entry, Kind, Node};
use provider::Nanos;
use provider::units::{self, ParseError};

/// What the command line changes of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--set path=value`, in order. A path names keys from the top, with dots between and numbers from zero
    /// for the entries of lists: `workload.0.arrivals.poisson`. A key that itself has dots in it, such as the
    /// name of a model, is found where it exists. The value is YAML.
    pub set: Vec<(String, String)>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--for`: the duration.
    pub duration: Option<Nanos>,
}

impl Overrides {
    /// Changes which preset a provider stands on: must come before presets are laid under.
    pub(super) fn choose_presets(&self, findings: &Diagnostics, root: &mut Node) {
        for (path, value) in self.set.iter().filter(|(path, _)| is_preset(path)) {
            set(findings, root, "--set", path, value);
        }
    }

    /// Makes all other changes.
    pub(super) fn apply(&self, findings: &Diagnostics, root: &mut Node) {
        for (path, value) in self.set.iter().filter(|(path, _)| !is_preset(path)) {
            set(findings, root, "--set", path, value);
        }
        if let Some(seed) = self.seed {
            set(findings, root, "--seed", "seed", &seed.to_string());
        }
        if let Some(duration) = self.duration {
            set(findings, root, "--for", "duration", &units::print_duration(duration));
        }
    }
}

/// Whether a path names the preset of a provider: such changes come before presets are laid under.
pub(super) fn is_preset(path: &str) -> bool {
    path.starts_with("providers.") && path.ends_with(".preset")
}

/// Keys in a path; deeper than any word of the language.
const DEPTH: usize = 32;

fn set(findings: &Diagnostics, root: &mut Node, option: &str, path: &str, value: &str) {
    let name = format!("{option} {}", shortened(path));
    let source = findings.source(&name, &format!("{path}={value}"));
    let columns = path.chars().count();
    let place = Place { source, line: 1, column: 1, width: columns.max(1) };
    if value.trim().is_empty() {
        findings.report(place, "", format!("`{path}` is given no value"), format!("write `{path}=value`"));
    } else if let Some(value) = yaml::read(findings, source, value, columns + 1) {
        change(findings, root, place, path, value);
    }
}

/// Puts a value at a path that is written at `place`; what does not fit is reported.
pub(super) fn change(findings: &Diagnostics, root: &mut Node, place: Place, path: &str, value: Node) {
    let outcome = if path.matches('.').count() >= DEPTH {
        Err(ParseError::new("the path is too deep", "name a key of the scenario, such as `client.deadline`"))
    } else {
        put(root, place, path, value)
    };
    if let Err(ParseError { what, help }) = outcome {
        findings.report(place, "", what, help);
    }
}

/// Puts a value at a path, making the maps on the way. The place is that of the path.
fn put(node: &mut Node, place: Place, path: &str, value: Node) -> Result<(), ParseError> {
    if matches!(node.kind, Kind::Null) {
        *node = Node { place: value.place, kind: Kind::Map(Vec::new()) };
    }
    match &mut node.kind {
        Kind::Map(entries) => put_in_map(entries, place, path, value),
        Kind::List(items) => {
            let (index, rest) = path.split_once('.').unwrap_or((path, ""));
            let count = items.len();
            let item = index.parse().ok().and_then(|index: usize| items.get_mut(index));
            let Some(item) = item else {
                let what = format!("`{index}` is no entry of the list, which has {count}");
                return Err(ParseError::new(what, "count from `0`"));
            };
            if rest.is_empty() {
                *item = value;
                return Ok(());
            }
            put(item, behind(place, index), rest, value)
        }
        Kind::Text(text) => Err(ParseError::new(
            format!("there is no `{path}` inside the single value `{}`", shortened(text)),
            "shorten the path, or set the whole value, such as `client.pace={gap: 100ms}`",
        )),
        Kind::Null => unreachable!("made a map above"),
    }
}

/// The place of what stands behind a key and its dot.
fn behind(place: Place, key: &str) -> Place {
    let passed = key.chars().count() + 1;
    Place { column: place.column + passed, width: place.width.saturating_sub(passed).max(1), ..place }
}

fn put_in_map(entries: &mut Vec<Entry>, place: Place, path: &str, value: Node) -> Result<(), ParseError> {
    // The longest key that begins the path: names may contain dots.
    let rest_after = |entry: &Entry| match path.strip_prefix(entry.key.as_str())? {
        "" => Some(""),
        rest => rest.strip_prefix('.').filter(|rest| !rest.is_empty()),
    };
    let known = entries.iter_mut().filter_map(|entry| Some((rest_after(entry)?, entry)));
    if let Some((rest, entry)) = known.max_by_key(|(_, entry)| entry.key.len()) {
        if rest.is_empty() {
            entry.place = place;
            entry.value = value;
            return Ok(());
        }
        return put(&mut entry.value, behind(place, &entry.key), rest, value);
    }
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    if key.is_empty() || path.ends_with('.') {
        return Err(ParseError::new("the path has an empty part", "write it as `client.deadline=30s`"));
    }
    let mut made = value;
    if !rest.is_empty() {
        let mut map = Node { place: made.place, kind: Kind::Map(Vec::new()) };
        put(&mut map, behind(place, key), rest, made)?;
        made = map;
    }
    let place = Place { width: key.chars().count(), ..place };
    entries.push(Entry { key: key.to_owned(), place, value: made });
    Ok(())
}
