//! Overrides of the command line: `--set path.to.key=value`, `--seed`, `--for`. They are applied to the tree before it is
//! checked, so that they are checked like everything else and their problems are reported at the option.

use super::diagnostics::{Diagnostics, Place, shortened};
use super::unknown_model;
use super::yaml::{self, Node, NodeEntry, NodeKind};
use provider::Nanos;
use provider::units::{self, ParseError};

/// The values that the command line overrides in a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--set path=value`, in order. A path consists of keys from the top, separated by dots; entries of lists are
    /// numbered from zero: `workload.0.arrivals.poisson`. A key that contains dots, such as the name of a model, is found if it
    /// exists. The value is YAML.
    pub set: Vec<(String, String)>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--for`: the duration.
    pub duration: Option<Nanos>,
}

impl Overrides {
    /// Applies the overrides that may name a preset or a program. Must be called before presets and imitations are
    /// merged.
    pub(super) fn apply_before_merge(&self, diagnostics: &Diagnostics, root: &mut Node) {
        for (path, value) in self.set.iter().filter(|(path, _)| may_name_base(path)) {
            apply_option(diagnostics, root, "--set", path, value);
        }
    }

    /// Applies all other overrides. Must be called after the merge.
    pub(super) fn apply_after_merge(&self, diagnostics: &Diagnostics, root: &mut Node) {
        for (path, value) in self.set.iter().filter(|(path, _)| !may_name_base(path)) {
            apply_option(diagnostics, root, "--set", path, value);
        }
        if let Some(seed) = self.seed {
            apply_option(diagnostics, root, "--seed", "seed", &seed.to_string());
        }
        if let Some(duration) = self.duration {
            apply_option(diagnostics, root, "--for", "duration", &units::print_duration(duration));
        }
    }
}

/// Returns `true` if a change at this path may name a preset or a program: it is that of a provider's `preset` or a client's `like`,
/// or of a whole provider or client. Such changes are made before the words that these names stand for are merged.
pub(super) fn may_name_base(path: &str) -> bool {
    let (top, rest) = path.split_once('.').unwrap_or((path, ""));
    match top {
        "client" => rest.is_empty() || rest == "like",
        "clients" => !rest.contains('.') || rest.ends_with(".like"),
        "providers" => !rest.contains('.') || rest.ends_with(".preset"),
        _ => false,
    }
}

/// The maximum number of keys in a path: more than any word of the language has.
const MAX_DEPTH: usize = 32;

/// Sets `path` to `value`, the YAML text that the command-line option `option` gives. Reports a value that is empty or not
/// YAML.
fn apply_option(diagnostics: &Diagnostics, root: &mut Node, option: &str, path: &str, value: &str) {
    let name = format!("{option} {}", shortened(path, 60));
    let source = diagnostics.add_source(&name, &format!("{path}={value}"));
    let columns = path.chars().count();
    let place = Place { source, line: 1, column: 1, width: columns.max(1) };
    if value.trim().is_empty() {
        diagnostics.report(place, "", format!("`{path}` has no value"), format!("write `{path}=value`"));
    } else if let Some(value) = yaml::read(diagnostics, source, value, columns + 1) {
        set_value(diagnostics, root, place, path, value);
    }
}

/// Sets the value at a path that is written at `place`. Reports a path that does not fit the tree.
pub(super) fn set_value(diagnostics: &Diagnostics, root: &mut Node, place: Place, path: &str, value: Node) {
    if let Some((place, ParseError { what, help })) = unknown_model::find(root, place, path) {
        return diagnostics.report(place, "", what, help);
    }
    let outcome = if path.matches('.').count() >= MAX_DEPTH {
        Err(ParseError::new("the path is too deep", "write a key of the scenario, such as `client.deadline`"))
    } else {
        set_below(root, place, path, value)
    };
    if let Err(ParseError { what, help }) = outcome {
        diagnostics.report(place, "", what, help);
    }
}

/// Sets the value at a path below `node` and creates the maps that are missing. `place` is that of the path.
fn set_below(node: &mut Node, place: Place, path: &str, value: Node) -> Result<(), ParseError> {
    if matches!(node.kind, NodeKind::Null) {
        *node = Node { place: value.place, kind: NodeKind::Map(Vec::new()) };
    }
    match &mut node.kind {
        NodeKind::Map(entries) => set_in_map(entries, place, path, value),
        NodeKind::List(items) => {
            let (index, rest) = path.split_once('.').unwrap_or((path, ""));
            let count = items.len();
            let item = index.parse().ok().and_then(|index: usize| items.get_mut(index));
            let Some(item) = item else {
                let what = format!("the list has no entry `{index}`: it has {count}");
                return Err(ParseError::new(what, "number entries from `0`"));
            };
            if rest.is_empty() {
                *item = value;
                return Ok(());
            }
            set_below(item, place_after(place, index), rest, value)
        }
        NodeKind::Text(text) => Err(ParseError::new(
            format!("`{path}` is inside a single value, `{}`", shortened(text, 60)),
            "shorten the path, or set the whole value, such as `client.pace={gap: 100ms}`",
        )),
        NodeKind::Null => unreachable!("invariant: null was replaced by a map"),
    }
}

/// Returns the place of the rest of a path after a key and its dot.
fn place_after(place: Place, key: &str) -> Place {
    let passed = key.chars().count() + 1;
    Place { column: place.column + passed, width: place.width.saturating_sub(passed).max(1), ..place }
}

fn set_in_map(
    entries: &mut Vec<NodeEntry>,
    place: Place,
    path: &str,
    mut value: Node,
) -> Result<(), ParseError> {
    // Keys may contain dots, so the longest key that begins the path is taken.
    let known = entries.iter_mut().filter_map(|entry| Some((unknown_model::rest_after(entry, path)?, entry)));
    if let Some((rest, entry)) = known.max_by_key(|(_, entry)| entry.key.len()) {
        if rest.is_empty() {
            entry.place = place;
            entry.value = value;
            return Ok(());
        }
        return set_below(&mut entry.value, place_after(place, &entry.key), rest, value);
    }
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    if key.is_empty() || path.ends_with('.') {
        return Err(ParseError::new("a part of the path is empty", "write it as `client.deadline=30s`"));
    }
    if !rest.is_empty() {
        let mut map = Node { place: value.place, kind: NodeKind::Map(Vec::new()) };
        set_below(&mut map, place_after(place, key), rest, value)?;
        value = map;
    }
    let place = Place { width: key.chars().count(), ..place };
    entries.push(NodeEntry { key: key.to_owned(), place, value });
    Ok(())
}
