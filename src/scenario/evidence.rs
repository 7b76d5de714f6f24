//! The numbers of the presets, each with its evidence: what `quotalab presets` prints.

use super::diagnostics::Diagnostics;
use super::spec::{self, ProviderSpec};
use super::yaml::{self, Node, NodeKind};
use super::{preset as presets, unknown_preset};
use crate::problem::Problems;
use provider::config::Tier;
use serde::Serialize;

/// The source of some numbers of a provider or a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The words of the language whose numbers it supports; `limits` stands for every limit.
    #[serde(skip)]
    pub subjects: Vec<String>,
    /// How certain the numbers are.
    pub certainty: Certainty,
    /// The date for which the numbers hold: `2026-10-01`, `2026-10` or `2026`.
    pub date: String,
    /// Where the numbers were read, or how they were derived.
    pub source: String,
}

/// How certain a number is, from the most to the least certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The provider's own pages state it.
    Documented,
    /// Literal headers or messages that users published show it.
    Captured,
    /// A third party measured it, or saw it on a page that is not public.
    Reported,
    /// Not stated anywhere: derived as [`Evidence::source`] describes.
    Assumed,
}

impl Certainty {
    /// Returns the name in scenarios and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Captured => "captured",
            Self::Reported => "reported",
            Self::Assumed => "assumed",
        }
    }
}

/// A preset with the evidence for its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PresetEvidence {
    /// The name of the preset.
    pub preset: String,
    /// The plan that its accounts are on: `free` or `developer`.
    pub tier: &'static str,
    /// Its models in the order of the file.
    pub models: Vec<ModelEvidence>,
}

/// The numbers of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelEvidence {
    /// The name of the model.
    pub model: String,
    /// The date since which the provider no longer offers it; `None` if it is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<String>,
    /// Its limits, lengths, reservation, times and prices.
    pub numbers: Vec<Number>,
}

/// A number of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Number {
    /// The word of the language that it belongs to: `tpm`, `first_token`, `price`.
    #[serde(rename = "of")]
    pub word: String,
    /// The value as YAML; of `price`, the prices of input and output, each after its word.
    pub value: String,
    /// Its evidence: the most specific that the preset gives. Never empty in a built-in preset.
    pub evidence: Vec<Evidence>,
}

/// Returns a preset with the evidence for each of its numbers.
///
/// # Errors
/// If no preset has that name.
pub fn preset_evidence(name: &str) -> Result<PresetEvidence, Problems> {
    let Some(text) = presets::text(name) else { return Err(unknown_preset(name)) };
    let diagnostics = Diagnostics::default();
    let root = yaml::read(&diagnostics, diagnostics.add_source(&format!("preset {name}"), text), text, 0);
    let read = root.map(|root| (spec::preset(name, &root, &diagnostics), root));
    match (diagnostics.problems(), read) {
        (Some(problems), _) => Err(problems),
        (None, Some((spec, root))) => Ok(preset_numbers(name, &spec, &root)),
        (None, None) => unreachable!("invariant: without a tree there is a problem"),
    }
}

fn preset_numbers(name: &str, spec: &ProviderSpec, root: &Node) -> PresetEvidence {
    let models = entries(child(root, "models"));
    let model = |(model, node): (&str, &Node)| ModelEvidence {
        model: model.to_owned(),
        retired: spec.retired.get(model).cloned(),
        numbers: numbers(node, child(root, "reserve"))
            .into_iter()
            .map(|(word, value)| Number { evidence: spec.evidence_for(model, &word), word, value })
            .collect(),
    };
    PresetEvidence {
        preset: name.to_owned(),
        tier: match spec.config.tier {
            Tier::Free => "free",
            Tier::Developer => "developer",
        },
        models: models.map(model).collect(),
    }
}

/// Returns the words of a model that hold numbers, each with its value as in [`Number::value`]. `reserve` is the
/// reservation that its provider states.
fn numbers(model: &Node, reserve: Option<&Node>) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |word: &str, node: &Node| found.push((word.to_owned(), flow_yaml(node)));
    entries(child(model, "limits")).for_each(|(axis, limit)| add(axis, limit));
    for word in ["context", "max_output"] {
        child(model, word).into_iter().for_each(|node| add(word, node));
    }
    reserve.into_iter().for_each(|node| add("reserve", node));
    entries(child(model, "latency")).for_each(|(word, node)| add(word, node));
    let prices: Vec<(&str, &Node)> = entries(child(model, "price")).collect();
    let (cached, listed): (Vec<_>, Vec<_>) =
        prices.into_iter().partition(|(word, _)| *word == "cached_input");
    if !listed.is_empty() {
        let listed: Vec<String> =
            listed.into_iter().map(|(word, node)| format!("{word} {}", flow_yaml(node))).collect();
        found.push(("price".to_owned(), listed.join(", ")));
    }
    found.extend(cached.into_iter().map(|(word, node)| (word.to_owned(), flow_yaml(node))));
    found
}

fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entries(Some(node)).find(|(known, _)| *known == key).map(|(_, value)| value)
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (&str, &Node)> {
    let entries = node.and_then(|node| match &node.kind {
        NodeKind::Map(entries) => Some(entries.as_slice()),
        _ => None,
    });
    entries.unwrap_or_default().iter().map(|entry| (entry.key.as_str(), &entry.value))
}

/// Returns a value as YAML on one line.
fn flow_yaml(node: &Node) -> String {
    match &node.kind {
        NodeKind::Null => "null".to_owned(),
        NodeKind::Text(text) => text.clone(),
        NodeKind::List(items) => format!("[{}]", items.iter().map(flow_yaml).collect::<Vec<_>>().join(", ")),
        NodeKind::Map(_) => {
            let parts: Vec<String> =
                entries(Some(node)).map(|(key, value)| format!("{key}: {}", flow_yaml(value))).collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

impl ProviderSpec {
    /// Returns the evidence for the number of a word of a model: the model's own, or that of the provider if the model gives
    /// none for the word or its group.
    pub(super) fn evidence_for(&self, model: &str, word: &str) -> Vec<Evidence> {
        let is_subject = |subject: &String| subject == word || subject == group(word);
        let supporting = |list: &[Evidence]| -> Vec<Evidence> {
            list.iter().filter(|evidence| evidence.subjects.iter().any(is_subject)).cloned().collect()
        };
        let of_model = self.model_evidence.get(model).map(|list| supporting(list)).unwrap_or_default();
        if of_model.is_empty() { supporting(&self.evidence) } else { of_model }
    }
}

/// Returns `limits` if `word` is the name of a limit; otherwise `word`.
fn group(word: &str) -> &str {
    match word {
        axis if provider::Axis::from_name(axis).is_some() => "limits",
        other => other,
    }
}
