//! The answers of a mocked provider: YAML as JSON, checked by the mock itself.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Data, Fields};
use crate::scenario::yaml::{Node, NodeKind};
use provider::Instant;
use provider::config::Config;
use provider::server::Mock;
use serde_json::Value as Json;
use std::sync::Arc;

/// Returns the answers of a provider as JSON; none if the scenario already has a problem. Reports each that the mock would not
/// accept.
pub(super) fn answers(fields: &Fields, config: &Config, diagnostics: &Diagnostics) -> Vec<Json> {
    let items = fields.items("answers");
    // A mock needs a valid provider.
    if items.is_empty() || diagnostics.problems().is_some() {
        return Vec::new();
    }
    let mock = Mock::new(config, 0, Arc::new(|| Instant::ZERO), None);
    let mut answers = Vec::new();
    for item in items {
        let Data::Tree(tree) = &item.data else { continue };
        let answer = to_json(tree, true);
        if let Err((what, help)) = mock.set_answers(std::slice::from_ref(&answer)) {
            diagnostics.report_at(&item.at, what, help);
        }
        answers.push(answer);
    }
    answers
}

/// Converts a tree to JSON. A scalar is a number, `true`, `false` or `null` if it reads like one, otherwise a string; the
/// members of an answer that are texts are strings whatever they read like.
fn to_json(node: &Node, is_answer: bool) -> Json {
    match &node.kind {
        NodeKind::Null => Json::Null,
        NodeKind::Text(text) => serde_json::from_str(text)
            .ok()
            .filter(|value: &Json| !value.is_string())
            .unwrap_or_else(|| Json::String(text.clone())),
        NodeKind::List(items) => items.iter().map(|item| to_json(item, is_answer)).collect(),
        NodeKind::Map(entries) => {
            let member = |key: &str, value: &Node| match &value.kind {
                NodeKind::Text(text) if is_answer && TEXTS.contains(&key) => Json::String(text.clone()),
                _ => to_json(value, is_answer && !matches!(key, "json" | "arguments")),
            };
            entries.iter().map(|entry| (entry.key.clone(), member(&entry.key, &entry.value))).collect()
        }
    }
}

/// The members of an answer that are texts.
const TEXTS: [&str; 7] = ["text", "prompt", "prompt_is", "model", "account", "path", "name"];
