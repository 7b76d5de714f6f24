//! Changes that the author wants tried: a name, and what is set to what.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::overrides;
use crate::scenario::value::{Value, Word};
use crate::scenario::yaml::{Kind, Node};

/// A change that is wanted: made on the tree, so that it is checked like everything else.
#[derive(Debug)]
pub(in crate::scenario) struct WhatIfSpec {
    /// Its name.
    pub(in crate::scenario) name: String,
    /// Paths and values, in the order written.
    set: Vec<(Word, Node)>,
}

const EXAMPLE: &str = "- {name: answers live for a day, set: {client.cache.ttl: 24h}}";

/// Reads `what_if`.
pub(super) fn wishes(value: &Value) -> Vec<WhatIfSpec> {
    value.items(EXAMPLE).unwrap_or_default().iter().filter_map(wish).collect()
}

fn wish(value: &Value) -> Option<WhatIfSpec> {
    let mut fields = value.fields(EXAMPLE)?;
    let name = fields.require("name", "name: answers live for a day").and_then(|value| value.word());
    let set = fields.require("set", "set: {client.cache.ttl: 24h}");
    fields.done();
    let set = set?;
    let entries = set.entries("{client.cache.ttl: 24h}")?;
    if entries.is_empty() {
        set.wrong("nothing is changed", "name what is set, such as `{client.cache.ttl: 24h}`");
    }
    let mut changes = Vec::new();
    for (path, value) in entries {
        if matches!(value.node().kind, Kind::Null) {
            let what = format!("`{}` is given no value", path.text);
            value.blame(&path, what, "give it one, such as `client.cache.ttl: 24h`");
        }
        changes.push((path, value.node().clone()));
    }
    Some(WhatIfSpec { name: name?.text, set: changes })
}

impl WhatIfSpec {
    /// Changes which preset a provider stands on: must come before presets are laid under.
    pub(in crate::scenario) fn choose_presets(&self, findings: &Diagnostics, root: &mut Node) {
        self.make(findings, root, overrides::is_preset);
    }

    /// Makes all other changes.
    pub(in crate::scenario) fn apply(&self, findings: &Diagnostics, root: &mut Node) {
        self.make(findings, root, |path| !overrides::is_preset(path));
    }

    fn make(&self, findings: &Diagnostics, root: &mut Node, which: impl Fn(&str) -> bool) {
        for (path, value) in self.set.iter().filter(|(path, _)| which(&path.text)) {
            overrides::change(findings, root, path.place, &path.text, value.clone());
        }
    }
}
