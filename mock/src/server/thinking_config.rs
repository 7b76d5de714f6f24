//! The reasoning that a request to Gemini's own API asks for: its `thinkingConfig`, whose members have the names of JSON or of protocol
//! buffers.

use super::reasoning::quarters;
use super::request::invalid;
use crate::wire::{Error, Reasoning, ReasoningPlace};
use serde_json::Value;
use std::num::NonZeroU32;

/// The path of the configuration in errors.
const PLACE: &str = "generation_config.thinking_config";
/// Its members: the name of JSON, that of protocol buffers, and the type in errors.
const MEMBERS: [(&str, &str, &str); 3] = [
    ("includeThoughts", "include_thoughts", "TYPE_BOOL"),
    ("thinkingBudget", "thinking_budget", "TYPE_INT32"),
    (
        "thinkingLevel",
        "thinking_level",
        "type.googleapis.com/google.ai.generativelanguage.v1beta.ThinkingConfig.ThinkingLevel",
    ),
];

/// Returns the reasoning of a content, given the `thinkingConfig` of its request; `None` if there is none, or if the budget is
/// zero.
///
/// # Errors
/// [`Error::Invalid`] for a list, for a budget that is not a whole number, and for a budget together with a level (captured,
/// 2025–2026); for unknown members and those of a wrong type, with the API's message about other members.
pub(super) fn of_content(config: &Value) -> Result<Option<Reasoning>, Error<'static>> {
    let members = match config {
        Value::Null => return Ok(None),
        Value::Object(members) => members,
        Value::Array(_) => {
            return Err(invalid(
                "Invalid JSON payload received. Unknown name \"thinkingConfig\" at 'generation_config': Proto field is not repeating, cannot start list.",
            ));
        }
        other => {
            let kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.ThinkingConfig";
            return Err(invalid(format!("Invalid value at '{PLACE}' ({kind}), {other}")));
        }
    };
    let is_known = |name: &str| MEMBERS.iter().any(|(json, proto, _)| [*json, *proto].contains(&name));
    if let Some(name) = members.keys().find(|name| !is_known(name)) {
        return Err(invalid(format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at '{PLACE}': Cannot find field."
        )));
    }
    let [included, budget, level] = MEMBERS.map(|(json, proto, _)| {
        members.get(json).or_else(|| members.get(proto)).filter(|value| !value.is_null())
    });
    let is_included =
        included.map(|value| value.as_bool().ok_or_else(|| wrong_value(0, value))).transpose()?;
    let budget = budget.map(|value| whole_number(value).ok_or_else(|| wrong_value(1, value))).transpose()?;
    let level = level.map(|value| level_quarters(value).ok_or_else(|| wrong_value(2, value))).transpose()?;
    if budget.is_some() && level.flatten().is_some() {
        return Err(invalid("You can only set only one of thinking budget and thinking level."));
    }
    let max_tokens = match budget {
        Some(0) => return Ok(None),
        // With a negative budget the model chooses.
        budget => budget.and_then(|budget| u32::try_from(budget).ok()).and_then(NonZeroU32::new),
    };
    let place = if is_included == Some(true) { ReasoningPlace::Member } else { ReasoningPlace::Hidden };
    Ok(Some(Reasoning { place, quarters: level.flatten().unwrap_or(2), most: max_tokens }))
}

fn wrong_value(member: usize, value: &Value) -> Error<'static> {
    let (_, name, kind) = MEMBERS[member];
    invalid(format!("Invalid value at '{PLACE}.{name}' ({kind}), {value}"))
}

/// Returns a whole number of 32 bits; JSON for protocol buffers may write it as a decimal or a string.
fn whole_number(value: &Value) -> Option<i32> {
    let text = value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}

/// Returns how many of each four completion tokens are reasoning at a level: `Some(None)` for the unspecified level, `None` for a
/// level that the API does not have.
fn level_quarters(level: &Value) -> Option<Option<u8>> {
    let level = level.as_str()?.to_ascii_lowercase();
    match level.as_str() {
        "thinking_level_unspecified" => Some(None),
        "minimal" | "low" | "medium" | "high" => quarters(&level),
        _ => None,
    }
}
