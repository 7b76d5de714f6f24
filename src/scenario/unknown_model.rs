//! Paths of `--set` and `what_if` that lead into a model that the provider does not have. A path that sets a whole model
//! adds it. A path that sets a part of an unknown model is reported: the name is probably misspelt, and the change would
//! add a model that no route uses.

use super::diagnostics::Place;
use super::language::MODEL;
use super::yaml::{Node, NodeEntry, NodeKind};
use crate::problem::did_you_mean;
use provider::units::ParseError;

/// Returns the problem of a path, written at `place`, with the place of the model's name; `None` if the path does not lead
/// into an unknown model.
pub(super) fn find(root: &Node, place: Place, path: &str) -> Option<(Place, ParseError)> {
    let below = path.strip_prefix("providers.")?;
    let (provider, below) = longest_match(entries(entry(root, "providers")?)?, below)?;
    let below = below.strip_prefix("models.")?;
    let models = entries(entry(provider, "models")?)?;
    if models.is_empty() || longest_match(models, below).is_some() {
        return None;
    }
    // Names may contain dots: a name ends before the first word of a model.
    let is_word = |rest: &str| {
        let word = rest.split('.').next().unwrap_or_default();
        MODEL.words.iter().any(|known| known.name == word)
    };
    let end = below.match_indices('.').map(|(at, _)| at).find(|at| is_word(&below[at + 1..]))?;
    let name = &below[..end];
    let passed = path[..path.len() - below.len()].chars().count();
    let place = Place { column: place.column + passed, width: name.chars().count().max(1), ..place };
    let known = models.iter().map(|entry| entry.key.as_str());
    Some((place, ParseError::new(format!("unknown model `{name}`"), did_you_mean(name, known))))
}

fn entries(node: &Node) -> Option<&[NodeEntry]> {
    match &node.kind {
        NodeKind::Map(entries) => Some(entries),
        _ => None,
    }
}

fn entry<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(node)?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

/// Returns the value of the longest key that is a prefix of a path, and the rest of the path, which is empty if the key is
/// the whole path; `None` if no key is a prefix.
fn longest_match<'n, 'p>(entries: &'n [NodeEntry], path: &'p str) -> Option<(&'n Node, &'p str)> {
    let matching = entries.iter().filter_map(|entry| Some((entry, rest_after(entry, path)?)));
    matching.max_by_key(|(entry, _)| entry.key.len()).map(|(entry, rest)| (&entry.value, rest))
}

/// Returns the rest of a path after the key of an entry, which may contain dots; `None` if the path does not begin with it.
pub(super) fn rest_after<'p>(entry: &NodeEntry, path: &'p str) -> Option<&'p str> {
    match path.strip_prefix(entry.key.as_str())? {
        "" => Some(""),
        rest => rest.strip_prefix('.').filter(|rest| !rest.is_empty()),
    }
}
