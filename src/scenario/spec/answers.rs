//! The answers of a mocked provider: converted from YAML to JSON, with the content of the files that `recorded` names in
//! place of their paths, and checked by the mock itself.

use crate::scenario::answer_cache::{AnswerCache, Exchanges};
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
    /// The answers, in the form that the control plane of the mock accepts.
    pub(super) answers: Vec<Answer>,
    /// The files with recorded exchanges.
    pub(super) files: Vec<PathBuf>,
}

/// An answer as written, and the exchanges of the file that it names in `recorded`.
#[derive(Debug)]
pub(in crate::scenario) struct Answer {
    written: Json,
    exchanges: Option<Exchanges>,
}

impl Answer {
    /// Returns the answer in the form that the control plane of the mock accepts: with the exchanges in place of the file name.
    pub(in crate::scenario) fn to_json(&self) -> Json {
        let mut json = self.written.clone();
        if let Some(exchanges) = &self.exchanges {
            json["recorded"] = exchanges.to_vec().into();
        }
        json
    }
}

/// Returns the answers of a provider; none if the scenario already has a problem. Reports each that the mock would not accept.
/// Paths are relative to `base_dir`; without one, a path is a problem.
pub(super) fn answers(
    fields: &Fields,
    config: &Config,
    (base_dir, cache): (Option<&Path>, &AnswerCache),
    diagnostics: &Diagnostics,
) -> Answers {
    let items = fields.items("answers");
    // A mock needs a valid provider.
    if items.is_empty() || diagnostics.problems().is_some() {
        return Answers::default();
    }
    let (mut answers, mut places) = (Answers::default(), Vec::new());
    for item in items {
        let Data::Tree(tree) = &item.data else { continue };
        let written = to_json(tree, true);
        match read_recorded(&written, base_dir, cache) {
            Ok(read) => {
                let (file, exchanges) = read.unzip();
                answers.files.extend(file);
                answers.answers.push(Answer { written, exchanges });
                places.push(&item.at);
            }
            Err((what, help)) => diagnostics.report_at(&item.at, what, help),
        }
    }
    cache.check_once(check_key(config, &answers.answers), || {
        let mock = Mock::new(config, 0, Arc::new(|| Instant::ZERO), None);
        for (answer, at) in answers.answers.iter().zip(places) {
            if let Err((what, help)) = mock.set_answers(&[answer.to_json()]) {
                diagnostics.report_at(at, what, help);
            }
        }
        diagnostics.problems().is_none()
    });
    answers
}

/// Returns the text of what the mock's check of answers depends on, besides the content of files: the answers as written, and the
/// accounts and models that they can name.
fn check_key(config: &Config, rules: &[Answer]) -> String {
    let accounts: Vec<_> = config.accounts.iter().map(|account| account.name.as_str()).collect();
    let models: Vec<_> = config.models.iter().map(|model| model.name.as_str()).collect();
    let rules: Vec<_> = rules.iter().map(|rule| &rule.written).collect();
    serde_json::json!([accounts, models, rules]).to_string()
}

/// Returns the path and the exchanges of the file that an answer names in `recorded`; `None` if it names none.
///
/// # Errors
/// The problem and the remedy.
fn read_recorded(
    answer: &Json,
    base_dir: Option<&Path>,
    cache: &AnswerCache,
) -> Result<Option<(PathBuf, Exchanges)>, (String, String)> {
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
    let exchanges = cache.exchanges(&path).map_err(|problem| (problem, recorded::HELP.to_owned()))?;
    Ok(Some((path, exchanges)))
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
