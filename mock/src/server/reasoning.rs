//! The reasoning that a request for a chat completion asks for: `reasoning_effort` (OpenAI, Groq, Cerebras, Together, Fireworks,
//! `DeepInfra`), `reasoning_format` and `include_reasoning` (Groq), `reasoning: {effort, enabled}` (Together), as documented in 2026.
//!
//! Real reasoning models reason unless they are told not to. The mock reasons only for requests that have one of these members, so
//! that all others have answers of as many words as completion tokens.

use super::request::invalid;
use crate::config::Dialect;
use crate::wire::{Error, Reasoning, ReasoningPlace};
use serde::Deserialize;
use serde_json::Value;

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
        let quarters = match effort {
            Some("none") => return Ok(None),
            Some("minimal") => 0,
            Some("low") => 1,
            None | Some("medium" | "default") => 2,
            Some("high" | "xhigh" | "max") => 3,
            Some(_) => {
                return Err(invalid(
                    "'reasoning_effort' : value must be one of `none`, `low`, `medium`, `high`",
                ));
            }
        };
        let place = match (self.format, self.include) {
            (Some(ReasoningFormat::Hidden), _) | (None, Some(false)) => ReasoningPlace::Hidden,
            (Some(ReasoningFormat::Raw), _) => ReasoningPlace::Content,
            _ => ReasoningPlace::Member,
        };
        Ok(Some(Reasoning { place, quarters, most: None }))
    }
}
