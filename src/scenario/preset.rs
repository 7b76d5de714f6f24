//! `preset: NAME` lays a known provider under the one that is written: its keys hold where the scenario is
//! silent. Models and their limits are merged one by one, everything else is taken whole.

use super::diagnostics::Diagnostics;
use super::value;
use super::yaml::{self, Entry, Kind, Node};
use provider::presets::PRESETS;

/// The text of a preset.
pub(super) fn text(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Which preset was probably meant.
pub(super) fn meant(name: &str) -> String {
    value::meant(name, PRESETS.iter().map(|(known, _)| *known))
}

/// Lays its preset under every provider that names one.
pub(super) fn lay_under(findings: &Diagnostics, root: &mut Node) {
    let Some(providers) = entries(root).and_then(|entries| find(entries, "providers")).and_then(entries)
    else {
        return;
    };
    for provider in providers {
        let Some(named) = entries(&mut provider.value).and_then(|entries| find(entries, "preset")) else {
            continue;
        };
        let Kind::Text(name) = &named.kind else {
            findings.report(named.place, "", "a preset is a name", "write `preset: groq-free`");
            continue;
        };
        let Some(text) = text(name) else {
            let path = format!("providers.{}.preset", provider.key);
            findings.report(named.place, &path, format!("unknown preset `{name}`"), meant(name));
            continue;
        };
        let source = findings.source(&format!("preset {name}"), text);
        if let Some(base) = yaml::read(findings, source, text, 0) {
            overlay(base, &mut provider.value, &[Some("models"), None, Some("limits")]);
        }
    }
}

/// Keeps all of `over` and adds what only `base` has. Below, two maps are merged where `merged` says so: key by
/// key, `None` for any.
fn overlay(base: Node, over: &mut Node, merged: &[Option<&str>]) {
    let (Kind::Map(under), Some(entries)) = (base.kind, entries(over)) else { return };
    for entry in under {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            None => entries.push(entry),
            Some(known) => {
                if let Some((level, deeper)) = merged.split_first()
                    && level.is_none_or(|word| word == known.key)
                {
                    overlay(entry.value, &mut known.value, deeper);
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
