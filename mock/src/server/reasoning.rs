//! The reasoning that a request asks for, as documented in 2026. Chat completions: `reasoning_effort` (OpenAI, Groq, Cerebras, Together,
//! Fireworks, `DeepInfra`), `reasoning_format` and `include_reasoning` (Groq), `reasoning: {effort, enabled}` (Together). Responses:
//! `reasoning: {effort, summary}`. Anthropic's messages: `thinking`. Gemini's own API: `thinkingConfig`.
//!
//! Real reasoning models reason unless they are told not to. The mock reasons only for requests that have one of these members, so
//! that all others have answers of as many words as completion tokens.

use super::parameters::member;
use super::request::invalid;
use crate::config::Dialect;
use crate::wire::{Error, Reasoning, ReasoningPlace};
use serde::Deserialize;
use serde_json::Value;
use std::num::NonZeroU32;

/// The members of a request that are about reasoning.
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

/// Returns the reasoning tokens of each four completion tokens at an effort: `Some(None)` if there is no reasoning at all, `None` if no
/// provider has the effort. How many they are is assumed.
fn quarters(effort: &str) -> Option<Option<u8>> {
    match effort {
        "none" => Some(None),
        "minimal" => Some(Some(0)),
        "low" => Some(Some(1)),
        "medium" | "default" => Some(Some(2)),
        "high" | "xhigh" | "max" => Some(Some(3)),
        _ => None,
    }
}

/// Returns the reasoning of a response, given its member `reasoning`; `None` if it has neither an effort nor a summary. Its text is sent
/// if the request asks for a summary.
///
/// # Errors
/// [`Error::Invalid`] for an effort that the API does not have (captured, 2026-07).
pub(super) fn of_response(reasoning: Option<&Value>) -> Result<Option<Reasoning>, Error<'static>> {
    let Some(reasoning) = reasoning else { return Ok(None) };
    let summary = reasoning["summary"].as_str().or_else(|| reasoning["generate_summary"].as_str());
    let effort = match reasoning["effort"].as_str() {
        None if summary.is_none() => return Ok(None),
        effort => effort.unwrap_or("medium"),
    };
    let unknown = || {
        let known = "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'";
        let message = format!("Invalid value: '{effort}'. Supported values are: {known}.");
        member(message, Some("reasoning.effort".to_owned()), Some("invalid_value"))
    };
    let place = if summary.is_some() { ReasoningPlace::Member } else { ReasoningPlace::Hidden };
    let quarters = quarters(effort).filter(|_| effort != "default").ok_or_else(unknown)?;
    Ok(quarters.map(|quarters| Reasoning { place, quarters, most: None }))
}

/// Returns the reasoning of one of Anthropic's messages, given its member `thinking`, `max_tokens`, the temperature, and whether the
/// choice of a tool forces its use; `None` if the request asks for none.
///
/// # Errors
/// [`Error::Invalid`]. The messages about the budget are captured (2025–2026), the others documented in substance.
pub(super) fn of_message(
    thinking: &Value,
    max_tokens: u32,
    temperature: Option<f64>,
    forces_tool: bool,
) -> Result<Option<Reasoning>, Error<'static>> {
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
    if temperature.is_some_and(|temperature| temperature != 1.0) {
        let message = "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.";
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

/// Returns the budget of a thinking in tokens.
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

/// Returns the reasoning of a content of Gemini's own API, given its `thinkingConfig`; `None` if there is none, or a budget of zero.
///
/// # Errors
/// [`Error::Invalid`] for a level that the API does not have; the message is assumed.
pub(super) fn of_content(config: &Value) -> Result<Option<Reasoning>, Error<'static>> {
    if config.is_null() {
        return Ok(None);
    }
    let either =
        |name: &str, other: &str| config.get(name).or_else(|| config.get(other)).unwrap_or(&Value::Null);
    let level = either("thinkingLevel", "thinking_level").as_str().map(str::to_ascii_lowercase);
    let level = level.filter(|level| level != "thinking_level_unspecified");
    let unknown = || invalid("Invalid value at 'generation_config.thinking_config.thinking_level'");
    let quarters = match level.as_deref() {
        None => 2,
        Some("none" | "default" | "xhigh" | "max") => return Err(unknown()),
        Some(level) => quarters(level).flatten().ok_or_else(unknown)?,
    };
    let most = match either("thinkingBudget", "thinking_budget").as_i64() {
        Some(0) => return Ok(None),
        // Below zero the model chooses.
        budget => budget.and_then(|budget| u32::try_from(budget).ok()).and_then(NonZeroU32::new),
    };
    let is_included = *either("includeThoughts", "include_thoughts") == Value::Bool(true);
    let place = if is_included { ReasoningPlace::Member } else { ReasoningPlace::Hidden };
    Ok(Some(Reasoning { place, quarters, most }))
}

/// The least budget of Anthropic's thinking in tokens (documented).
const MIN_BUDGET_TOKENS: i64 = 1_024;

/// The end of Anthropic's messages about thinking, to which the section is added.
const THINKING_HELP: &str =
    "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking";
