//! The changes of the scenario that `what_if` asks the planner to try, and that offers make.

use crate::scenario::diagnostics::{Diagnostics, Name};
use crate::scenario::language::{Data, Fields, Value};
use crate::scenario::overrides;
use crate::scenario::yaml::Node;

/// A change of `what_if`.
#[derive(Debug)]
pub(in crate::scenario) struct WhatIfSpec {
    /// Its name.
    pub(in crate::scenario) name: String,
    /// What it changes.
    pub(in crate::scenario) change: TreeChange,
}

/// A change of the scenario. It is applied to the tree, so that the result is checked like any scenario.
#[derive(Debug, Default)]
pub(in crate::scenario) struct TreeChange {
    /// The paths and the values set there, in the order written.
    set: Vec<(Name, Node)>,
}

/// Builds a change; `None` if it is invalid, which has been reported.
pub(super) fn what_if(value: &Value) -> Option<WhatIfSpec> {
    let fields = value.fields()?;
    Some(WhatIfSpec { name: fields.text("name")?.to_owned(), change: TreeChange::of(fields) })
}

impl TreeChange {
    /// Returns the change of the word `set`.
    pub(super) fn of(fields: &Fields) -> Self {
        let change = |(path, value): &(Name, Value)| match &value.data {
            Data::Tree(node) => Some((path.clone(), node.clone())),
            _ => None,
        };
        Self { set: fields.named_entries("set").iter().filter_map(change).collect() }
    }

    /// Returns `true` if nothing is changed.
    pub(in crate::scenario) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Applies the changes of `preset` words and of `client.like`. Must be called before presets and imitations are merged.
    pub(in crate::scenario) fn apply_before_merge(&self, diagnostics: &Diagnostics, root: &mut Node) {
        self.apply_where(diagnostics, root, overrides::may_name_base);
    }

    /// Applies all other changes. Must be called after the merge.
    pub(in crate::scenario) fn apply_after_merge(&self, diagnostics: &Diagnostics, root: &mut Node) {
        self.apply_where(diagnostics, root, |path| !overrides::may_name_base(path));
    }

    /// Applies the changes for whose path `included` returns `true`.
    fn apply_where(&self, diagnostics: &Diagnostics, root: &mut Node, included: impl Fn(&str) -> bool) {
        for (path, value) in self.set.iter().filter(|(path, _)| included(&path.text)) {
            overrides::set_value(diagnostics, root, path.at.place, &path.text, value.clone());
        }
    }
}
