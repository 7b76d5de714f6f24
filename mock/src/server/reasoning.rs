//! The reasoning that a request asks for, as documented in 2026. Chat completions: `reasoning_effort` (OpenAI, Groq, Cerebras, Together,
//! Fireworks, `DeepInfra`), `reasoning_format` and `include_reasoning` (Groq), `reasoning: {effort, enabled}` (Together). Responses:
//! `reasoning: {effort, summary}`. Anthropic's messages: `thinking`. Gemini's own API: `thinkingConfig`.
//!
//! Real reasoning models reason unless the request disables it. The mock reasons only for requests that have one of these
//! members, so that the answer to any other request has as many words as completion tokens.

use super::parameters::member_error;
use super::request::invalid;
use crate::config::Dialect;
use crate::wire::{Error, Reasoning, ReasoningPlace};
use serde::Deserialize;
use serde_json::Value;
use std::num::NonZeroU32;

/// The members of a request that control reasoning.
#[derive(Clone, Debug, Default)]
pub(super) struct ReasoningMembers {
    pub(super) effort: Option<String>,
    pub(super) format: Option<ReasoningFormat>,
    pub(super) include: Option<bool>,
    /// The object `reasoning`.
    pub(super) options: Option<Value>,
}

/// Groq's `reasoning_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReasoningFormat {
    Hidden,
    Parsed,
    Raw,
}

impl ReasoningMembers {
    /// Returns the reasoning; `None` if no member asks for one. `needs_plain_content` is `true` if the content is JSON or the call of a
    /// tool.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an effort that no provider has, and for what Groq documents to refuse; its messages are assumed.
    pub(super) fn reasoning(
        &self,
        dialect: Dialect,
        needs_plain_content: bool,
    ) -> Result<Option<Reasoning>, Error<'static>> {
        let options = self.options.as_ref();
        let effort = self.effort.as_deref().or_else(|| options?["effort"].as_str());
        let is_enabled = options.and_then(|options| options["enabled"].as_bool());
        if effort.is_none() && self.format.is_none() && self.include.is_none() && is_enabled != Some(true) {
            return Ok(None);
        }
        if dialect == Dialect::Groq {
            if self.format.is_some() && self.include.is_some() {
                return Err(invalid("`include_reasoning` and `reasoning_format` are mutually exclusive"));
            }
            if self.format == Some(ReasoningFormat::Raw) && needs_plain_content {
                let message = "`reasoning_format` must be `parsed` or `hidden` with tools or JSON mode";
                return Err(invalid(message));
            }
        }
        let unknown = || invalid("'reasoning_effort' : value must be one of `none`, `low`, `medium`, `high`");
        let Some(quarters) = quarters(effort.unwrap_or("medium")).ok_or_else(unknown)? else {
            return Ok(None);
        };
        let place = match (self.format, self.include) {
            (Some(ReasoningFormat::Hidden), _) | (None, Some(false)) => ReasoningPlace::Hidden,
            (Some(ReasoningFormat::Raw), _) => ReasoningPlace::Content,
            _ => ReasoningPlace::Member,
        };
        Ok(Some(Reasoning { place, quarters, most: None }))
    }
}

/// Returns how many of each four completion tokens are reasoning at an effort: `Some(None)` if there is no reasoning at all,
/// `None` if no provider has the effort. The numbers are assumed.
pub(super) fn quarters(effort: &str) -> Option<Option<u8>> {
    match effort {
        "none" => Some(None),
        "minimal" => Some(Some(0)),
        "low" => Some(Some(1)),
        "medium" | "default" => Some(Some(2)),
        "high" | "xhigh" | "max" => Some(Some(3)),
        _ => None,
    }
}

/// Returns the reasoning of a response, given the member `reasoning` of its request; `None` if that has neither an effort nor a
/// summary. The text of the reasoning is sent if the request asks for a summary.
///
/// # Errors
/// [`Error::Invalid`] for an effort that the API does not have (captured, 2026-07), and for an unknown summary or a member of a
/// wrong type, with the API's message about other members.
pub(super) fn of_response(reasoning: Option<&Value>) -> Result<Option<Reasoning>, Error<'static>> {
    let Some(reasoning) = reasoning else { return Ok(None) };
    if !reasoning.is_object() {
        return Err(wrong_type("reasoning", "an object", reasoning));
    }
    let one_of = |name: &str, known: &[&str]| -> Result<Option<&str>, Error<'static>> {
        let (place, value) = (format!("reasoning.{name}"), &reasoning[name]);
        match value.as_str() {
            _ if value.is_null() => Ok(None),
            None => Err(wrong_type(&place, &format!("one of {}", listed(known, "or")), value)),
            Some(text) if known.contains(&text) => Ok(Some(text)),
            Some(text) => {
                let message =
                    format!("Invalid value: '{text}'. Supported values are: {}.", listed(known, "and"));
                Err(member_error(message, Some(place), Some("invalid_value")))
            }
        }
    };
    let effort = one_of("effort", &["none", "minimal", "low", "medium", "high", "xhigh", "max"])?;
    let summaries = ["concise", "detailed", "auto"];
    let summary = one_of("summary", &summaries)?.or(one_of("generate_summary", &summaries)?);
    if effort.is_none() && summary.is_none() {
        return Ok(None);
    }
    let place = if summary.is_some() { ReasoningPlace::Member } else { ReasoningPlace::Hidden };
    let quarters = quarters(effort.unwrap_or("medium")).flatten();
    Ok(quarters.map(|quarters| Reasoning { place, quarters, most: None }))
}

/// Returns the words, at least two, as a list such as `'a', 'b', and 'c'`.
fn listed(words: &[&str], conjunction: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, others) = quoted.split_last().expect("invariant: there are several");
    format!("{}, {conjunction} {last}", others.join(", "))
}

/// Returns OpenAI's error for a member of a wrong type.
fn wrong_type(name: &str, expected: &str, found: &Value) -> Error<'static> {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("Invalid type for '{name}': expected {expected}, but got {found} instead.");
    member_error(message, Some(name.to_owned()), Some("invalid_type"))
}

/// The parameters of one of Anthropic's messages that thinking depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageParameters {
    pub(super) max_tokens: u32,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    /// `true` if `top_k` is set.
    pub(super) has_top_k: bool,
    /// `true` if the choice of a tool forces its use.
    pub(super) forces_tool: bool,
}

/// Returns the reasoning of one of Anthropic's messages, given the member `thinking` and the parameters of its request; `None` if
/// the request asks for none.
///
/// # Errors
/// [`Error::Invalid`]. The messages about the budget, `temperature` and `top_k` are captured (2025–2026); for the others, the
/// rule is documented but not the text.
pub(super) fn of_message(
    thinking: &Value,
    parameters: MessageParameters,
) -> Result<Option<Reasoning>, Error<'static>> {
    let MessageParameters { max_tokens, temperature, top_p, has_top_k, forces_tool } = parameters;
    let budget = match thinking["type"].as_str() {
        _ if thinking.is_null() => return Ok(None),
        Some("disabled") => return Ok(None),
        // The model chooses how much it thinks.
        Some("adaptive") => None,
        Some("enabled") => Some(budget_tokens(&thinking["budget_tokens"], max_tokens)?),
        _ => {
            let expected = "'adaptive', 'disabled', 'enabled'";
            return Err(invalid(format!(
                "thinking: Input tag 'type' does not match any of the expected tags: {expected}"
            )));
        }
    };
    let sampling = if temperature.is_some_and(|temperature| temperature != 1.0) {
        Some("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")
    } else if top_p.is_some_and(|top_p| !(MIN_TOP_P..=1.0).contains(&top_p)) {
        Some("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
    } else if has_top_k {
        Some("`top_k` must be unset when thinking is enabled.")
    } else {
        None
    };
    if let Some(message) = sampling {
        return Err(invalid(format!(
            "{message} {THINKING_HELP}#important-considerations-when-using-extended-thinking"
        )));
    }
    if forces_tool {
        return Err(invalid("Thinking may not be enabled when tool_choice forces tool use."));
    }
    let is_omitted = thinking["display"] == "omitted";
    let place = if is_omitted { ReasoningPlace::Hidden } else { ReasoningPlace::Member };
    Ok(Some(Reasoning { place, quarters: 2, most: budget.and_then(NonZeroU32::new) }))
}

/// Returns the thinking budget in tokens.
fn budget_tokens(budget: &Value, max_tokens: u32) -> Result<u32, Error<'static>> {
    let place = "thinking.enabled.budget_tokens";
    if budget.is_null() {
        return Err(invalid(format!("{place}: Field required")));
    }
    let Some(tokens) = budget.as_i64() else {
        return Err(invalid(format!("{place}: Input should be a valid integer")));
    };
    if tokens < MIN_BUDGET_TOKENS {
        return Err(invalid(format!(
            "{place}: Input should be greater than or equal to {MIN_BUDGET_TOKENS}"
        )));
    }
    u32::try_from(tokens).ok().filter(|tokens| *tokens < max_tokens).ok_or_else(|| {
        let message = "`max_tokens` must be greater than `thinking.budget_tokens`.";
        invalid(format!("{message} {THINKING_HELP}#max-tokens-and-context-window-size"))
    })
}

/// The minimum budget of Anthropic's thinking in tokens (documented).
const MIN_BUDGET_TOKENS: i64 = 1_024;

/// The minimum `top_p` if Anthropic's thinking is enabled (documented).
const MIN_TOP_P: f64 = 0.95;

/// The end of Anthropic's messages about thinking, to which the section is added.
const THINKING_HELP: &str =
    "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking";
