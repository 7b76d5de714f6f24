//! `preset: NAME` merges a known provider into the one that is written, whose words take precedence. Models and their limits
//! are merged one by one; every other word is taken whole from one of the two.

use super::diagnostics::Diagnostics;
use super::yaml::{self, Entry, Kind, Node};
use crate::problem;
use provider::presets::PRESETS;

/// The text of a preset.
pub(super) fn text(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The remedy for an unknown preset.
pub(super) fn did_you_mean(name: &str) -> String {
    problem::did_you_mean(name, PRESETS.iter().map(|(known, _)| *known))
}

/// Merges its preset into every provider that names one.
pub(super) fn merge_presets(diagnostics: &Diagnostics, root: &mut Node) {
    let Some(providers) = entries(root).and_then(|entries| find(entries, "providers")).and_then(entries)
    else {
        return;
    };
    for provider in providers {
        let Some(named) = entries(&mut provider.value).and_then(|entries| find(entries, "preset")) else {
            continue;
        };
        // A preset that is no name is reported when its word is checked.
        let Kind::Text(name) = &named.kind else { continue };
        let Some(text) = text(name) else {
            let path = format!("providers.{}.preset", provider.key);
            diagnostics.report(named.place, &path, format!("unknown preset `{name}`"), did_you_mean(name));
            continue;
        };
        let source = diagnostics.source(&format!("preset {name}"), text);
        if let Some(base) = yaml::read(diagnostics, source, text, 0) {
            merge_preset(base, &mut provider.value, &[Some("models"), None, Some("limits")]);
        }
    }
}

/// Adds to `over` the keys that only `base` has. If both have a key and it is the first of `merged` (`None` for any key),
/// their maps are merged likewise along the rest of `merged`.
fn merge_preset(base: Node, over: &mut Node, merged: &[Option<&str>]) {
    let (Kind::Map(under), Some(entries)) = (base.kind, entries(over)) else { return };
    for entry in under {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            None => entries.push(entry),
            Some(known) => {
                if let Some((level, deeper)) = merged.split_first()
                    && level.is_none_or(|word| word == known.key)
                {
                    merge_preset(entry.value, &mut known.value, deeper);
                }
            }
        }
    }
}

fn entries(node: &mut Node) -> Option<&mut Vec<Entry>> {
    match &mut node.kind {
        Kind::Map(entries) => Some(entries),
        _ => None,
    }
}

fn find<'n>(entries: &'n mut [Entry], key: &str) -> Option<&'n mut Node> {
    entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
}
