//! `preset: NAME` merges a known provider into the one that is written, whose words take precedence. Models and their limits
//! are merged one by one; every other word is taken whole from one of the two.

use super::diagnostics::Diagnostics;
use super::yaml::{self, Node, NodeEntry, NodeKind};
use crate::problem;
use provider::presets::PRESETS;

/// Returns the text of a preset; `None` if it does not exist.
pub(super) fn text(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Returns the remedy for an unknown preset.
pub(super) fn did_you_mean(name: &str) -> String {
    problem::did_you_mean(name, PRESETS.iter().map(|(known, _)| *known))
}

/// Merges the named preset into every provider that names one.
pub(super) fn merge_presets(diagnostics: &Diagnostics, root: &mut Node) {
    let Some(providers) = entries(root).and_then(|entries| find(entries, "providers")).and_then(entries)
    else {
        return;
    };
    for provider in providers {
        let Some(named) = entries(&mut provider.value).and_then(|entries| find(entries, "preset")) else {
            continue;
        };
        // A value that is not a name is reported when the word is checked.
        let NodeKind::Text(name) = &named.kind else { continue };
        let Some(text) = text(name) else {
            let path = format!("providers.{}.preset", provider.key);
            diagnostics.report(named.place, &path, format!("unknown preset `{name}`"), did_you_mean(name));
            continue;
        };
        let source = diagnostics.add_source(&format!("preset {name}"), text);
        if let Some(base) = yaml::read(diagnostics, source, text, 0) {
            merge(base, &mut provider.value, &[Some("models"), None, Some("limits")]);
        }
    }
}

/// Adds to `over` the keys that only `base` has. If both have a key, the value in `over` stays, unless the key is the first of
/// `merged_path` (`None` stands for any key): then the two values are merged in the same way, along the rest of the path.
pub(super) fn merge(base: Node, over: &mut Node, merged_path: &[Option<&str>]) {
    let (NodeKind::Map(base_entries), Some(entries)) = (base.kind, entries(over)) else { return };
    for entry in base_entries {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            None => entries.push(entry),
            Some(known) => {
                if let Some((level, deeper)) = merged_path.split_first()
                    && level.is_none_or(|word| word == known.key)
                {
                    merge(entry.value, &mut known.value, deeper);
                }
            }
        }
    }
}

fn entries(node: &mut Node) -> Option<&mut Vec<NodeEntry>> {
    match &mut node.kind {
        NodeKind::Map(entries) => Some(entries),
        _ => None,
    }
}

fn find<'n>(entries: &'n mut [NodeEntry], key: &str) -> Option<&'n mut Node> {
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}
