//! The callers of the gateway.

use super::provider::key;
use crate::job::Priority;
use crate::scenario::diagnostics::{Diagnostics, Name};
use crate::scenario::language::Fields;
use crate::scenario::resolved::{Caller, DailyBudget, KeySource};
use std::path::Path;

/// Builds the callers. Two that have the same key are reported.
pub(super) fn callers(fields: &Fields, base_dir: Option<&Path>, diagnostics: &Diagnostics) -> Vec<Caller> {
    let mut sources: Vec<(KeySource, Name)> = Vec::new();
    let mut callers = Vec::new();
    for (name, value) in fields.named_entries("callers") {
        let Some(fields) = value.fields() else { continue };
        let budget = fields.fields("budget").and_then(|budget| self::budget(budget, diagnostics));
        let Some((key_name, key)) = fields.get("key").and_then(|key| self::key(key, base_dir)) else {
            continue;
        };
        if let Some((_, first)) = sources.iter().find(|(known, _)| *known == key) {
            let what = format!("this is the key of `{}` as well", first.text);
            diagnostics.report_at(&key_name.at, what, "give every caller a key of its own");
        }
        sources.push((key.clone(), name.clone()));
        callers.push(Caller {
            name: name.text.clone(),
            key,
            key_name: key_name.text,
            priority: priority(fields),
            budget,
        });
    }
    callers
}

/// Returns the priority of a caller or a workload.
pub(super) fn priority(fields: &Fields) -> Priority {
    fields.choice("priority", &Priority::ALL.map(|priority| (priority.name(), priority))).unwrap_or_default()
}

fn budget(fields: &Fields, diagnostics: &Diagnostics) -> Option<DailyBudget> {
    if fields.first_given(&["usd", "tokens"]).is_none() {
        diagnostics.report_at(&fields.at, "this budget limits nothing", "add `usd: 20` or `tokens: 2M`");
        return None;
    }

    Some(DailyBudget { usd: fields.number("usd"), tokens: fields.count("tokens") })
}
