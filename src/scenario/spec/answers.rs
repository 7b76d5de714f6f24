//! The answers of a mocked provider: converted from YAML to JSON, with the content of the files that `recorded` names in
//! place of their paths, and checked by the mock itself.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Data, Fields};
use crate::scenario::recorded;
use crate::scenario::yaml::{Node, NodeKind};
use provider::Instant;
use provider::config::Config;
use provider::server::Mock;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The answers of a provider.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The answers as JSON, in the form that the control plane of the mock accepts.
    pub(super) json: Vec<Json>,
    /// The files with recorded exchanges.
    pub(super) files: Vec<PathBuf>,
}

/// Returns the answers of a provider; none if the scenario already has a problem. Reports each that the mock would not accept.
/// Paths are relative to `base_dir`; without one, a path is a problem.
pub(super) fn answers(
    fields: &Fields,
    config: &Config,
    base_dir: Option<&Path>,
    diagnostics: &Diagnostics,
) -> Answers {
    let items = fields.items("answers");
    // A mock needs a valid provider.
    if items.is_empty() || diagnostics.problems().is_some() {
        return Answers::default();
    }
    let mock = Mock::new(config, 0, Arc::new(|| Instant::ZERO), None);
    let mut answers = Answers::default();
    for item in items {
        let Data::Tree(tree) = &item.data else { continue };
        let mut answer = to_json(tree, true);
        let read = read_recorded(&mut answer, base_dir).and_then(|file| {
            mock.set_answers(std::slice::from_ref(&answer))?;
            Ok(file)
        });
        match read {
            Ok(file) => {
                answers.files.extend(file);
                answers.json.push(answer);
            }
            Err((what, help)) => diagnostics.report_at(&item.at, what, help),
        }
    }
    answers
}

/// Replaces the file that an answer names in `recorded` by its exchanges. Returns its path.
///
/// # Errors
/// The problem and the remedy.
fn read_recorded(answer: &mut Json, base_dir: Option<&Path>) -> Result<Option<PathBuf>, (String, String)> {
    let file = match answer.get("recorded") {
        None => return Ok(None),
        Some(Json::String(file)) => file,
        Some(_) => {
            let help = "write `recorded: FILE`, with a path relative to the scenario";
            return Err(("`recorded` is not a file name".to_owned(), help.to_owned()));
        }
    };
    let Some(base_dir) = base_dir else {
        let help = "write the answer in a scenario file";
        return Err(("a recorded answer needs a scenario in a file".to_owned(), help.to_owned()));
    };
    let path = base_dir.join(file);
    let exchanges = recorded::read(&path).map_err(|problem| (problem, recorded::HELP.to_owned()))?;
    answer["recorded"] = exchanges.into();
    Ok(Some(path))
}

/// Converts a tree to JSON. A scalar that parses as a number, `true`, `false` or `null` becomes one; any other becomes a
/// string. If `is_answer`, the tree is an answer or a part of one, in which the members in [`TEXTS`] are always strings;
/// this does not apply inside `json` and `arguments`, whose content is arbitrary.
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

/// The members of an answer whose value is always a string.
const TEXTS: [&str; 9] =
    ["text", "prompt", "prompt_is", "model", "account", "path", "name", "recorded", "unrecorded"];
