//! Checks the parameters of a request for a completion as its provider does: their ranges, and whether the provider knows every
//! member. The texts of errors are captured, documented or assumed, as `mock/README.md` states.

use super::known_members::{
    ANTHROPIC_MEMBERS, GEMINI_MEMBERS, GROQ_MEMBERS, MISTRAL_MEMBERS, OPENAI_MEMBERS, READ_MEMBERS,
};
use super::prompt::{MessagePlace, Prompt};
use super::reasoning::ReasoningMembers;
use super::request::invalid;
use crate::config::Dialect;
use crate::wire::Error;
use serde::Deserialize;
use std::borrow::Cow;

/// The parameters of a request that have a range or depend on each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) frequency_penalty: Option<f64>,
    pub(super) presence_penalty: Option<f64>,
    pub(super) n: Option<u32>,
    pub(super) stop: StopTexts,
    pub(super) logprobs: bool,
    pub(super) top_logprobs: Option<u32>,
    pub(super) reasoning: ReasoningMembers,
    pub(super) has_tools: bool,
    /// `true` if the request demands the call of a tool.
    pub(super) needs_tool: bool,
    /// The members that the mock does not read.
    pub(super) others: Vec<String>,
}

/// The texts that end a completion: one or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum StopTexts {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

impl StopTexts {
    /// Returns the texts that are not empty.
    pub(super) fn into_texts(self) -> Vec<String> {
        let texts = match self {
            Self::None => vec![],
            Self::One(text) => vec![text],
            Self::Several(texts) => texts,
        };
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }

    fn count(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Several(texts) => texts.len(),
        }
    }
}

/// The API whose rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleSet {
    /// OpenAI's, also of Azure.
    OpenAi,
    /// Groq's.
    Groq,
    /// Mistral's.
    Mistral,
    /// Anthropic's own.
    Anthropic,
    /// Gemini's own.
    Gemini,
    /// Another OpenAI-compatible one, which ignores what it does not know.
    Compatible(Dialect),
}

impl RuleSet {
    /// Returns the rules of a dialect's OpenAI-compatible endpoint.
    pub(super) const fn compatible(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAi | Dialect::Azure => Self::OpenAi,
            Dialect::Groq => Self::Groq,
            Dialect::Mistral => Self::Mistral,
            other => Self::Compatible(other),
        }
    }

    /// Returns the largest temperature (documented). Anthropic's compatible endpoint reduces larger ones to 1.
    const fn max_temperature(self) -> f64 {
        match self {
            Self::Anthropic => 1.0,
            Self::Mistral | Self::Compatible(Dialect::Cerebras) => 1.5,
            Self::Compatible(Dialect::Anthropic) => f64::INFINITY,
            _ => 2.0,
        }
    }

    /// Returns the maximum number of texts that end a completion; `None` if the provider documents none.
    const fn max_stop_texts(self) -> Option<usize> {
        match self {
            Self::OpenAi | Self::Groq | Self::Compatible(Dialect::Cerebras) => Some(4),
            Self::Gemini => Some(5),
            _ => None,
        }
    }

    /// Returns the members that a request may have besides those that the mock reads; `None` if the API ignores unknown ones.
    const fn known_members(self) -> Option<&'static [&'static str]> {
        match self {
            Self::OpenAi => Some(OPENAI_MEMBERS),
            Self::Groq => Some(GROQ_MEMBERS),
            Self::Mistral => Some(MISTRAL_MEMBERS),
            Self::Anthropic => Some(ANTHROPIC_MEMBERS),
            Self::Gemini => Some(GEMINI_MEMBERS),
            Self::Compatible(_) => None,
        }
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the first that the provider would refuse.
    pub(super) fn check(self, parameters: &Parameters) -> Result<(), Error<'static>> {
        let known = self.known_members();
        let unknown = |name: &&String| known.is_some_and(|known| !known.contains(&name.as_str()));
        if let Some(name) = parameters.others.iter().find(unknown) {
            return Err(self.unknown_member(name, known.unwrap_or_default()));
        }
        let Parameters { temperature, top_p, frequency_penalty, presence_penalty, .. } = *parameters;
        self.check_range("temperature", temperature, 0.0, self.max_temperature())?;
        self.check_range("top_p", top_p, 0.0, 1.0)?;
        self.check_range("frequency_penalty", frequency_penalty, -2.0, 2.0)?;
        self.check_range("presence_penalty", presence_penalty, -2.0, 2.0)?;
        if let Some(most) = self.max_stop_texts().filter(|most| parameters.stop.count() > *most) {
            return Err(self.too_many_stop_texts(parameters.stop.count(), most));
        }
        self.check_logprobs(parameters)?;
        if parameters.needs_tool && !parameters.has_tools {
            return Err(self.no_tools());
        }
        Ok(())
    }

    /// Checks that every message that needs a content has one, and for Groq that none has an unknown member.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the first without a content, or else for the first with an unknown member.
    pub(super) fn check_messages(self, prompt: &Prompt) -> Result<(), Error<'static>> {
        if let Some(MessagePlace { index, role }) = prompt.without_content {
            let role = role.name();
            let message = match self {
                Self::OpenAi => {
                    return Err(member_error(
                        "Invalid value for 'content': expected a string, got null.",
                        Some(format!("messages.[{index}].content")),
                        None,
                    ));
                }
                Self::Anthropic => format!("messages.{index}.content: Field required"),
                _ => format!(
                    "'messages.{index}' : for 'role:{role}' the following must be satisfied[('messages.{index}' : property 'content' is missing)]"
                ),
            };
            return Err(invalid(message));
        }
        match &prompt.unknown_member {
            Some((MessagePlace { index, role }, name)) if self == Self::Groq => {
                let role = role.name();
                let message = format!(
                    "'messages.{index}' : for 'role:{role}' the following must be satisfied[('messages.{index}' : property '{name}' is unsupported)]"
                );
                Err(invalid(message))
            }
            _ => Ok(()),
        }
    }

    fn check_range(
        self,
        name: &str,
        value: Option<f64>,
        least: f64,
        most: f64,
    ) -> Result<(), Error<'static>> {
        let Some(value) = value else { return Ok(()) };
        let (bound, above) = if value < least {
            (least, false)
        } else if value > most {
            (most, true)
        } else {
            return Ok(());
        };
        let (openai, code, words) = if above {
            ("above maximum value. Expected a value <=", "decimal_above_max_value", "less than or equal to")
        } else {
            (
                "below minimum value. Expected a value >=",
                "decimal_below_min_value",
                "greater than or equal to",
            )
        };
        Err(match self {
            Self::OpenAi => {
                let message = format!("Invalid '{name}': decimal {openai} {bound}, but got {value} instead.");
                member_error(message, Some(name.to_owned()), Some(code))
            }
            Self::Anthropic | Self::Mistral => invalid(format!("{name}: Input should be {words} {bound}")),
            Self::Gemini => {
                let message = format!(
                    "* GenerateContentRequest.generation_config.{name}: {name} must be in the range [{least:.1}, {most:.1}]."
                );
                invalid(message)
            }
            _ => invalid(format!("'{name}' : number must be {words} {bound}")),
        })
    }

    /// Checks the log probabilities: Groq documents that it refuses them, OpenAI's `top_logprobs` need `logprobs`, and there
    /// are at most 20 of them.
    fn check_logprobs(self, parameters: &Parameters) -> Result<(), Error<'static>> {
        let Parameters { logprobs, top_logprobs, .. } = *parameters;
        if self == Self::Groq && (logprobs || top_logprobs.is_some()) {
            let name = if logprobs { "logprobs" } else { "top_logprobs" };
            return Err(invalid(format!("`{name}` is not supported with this model")));
        }
        if self == Self::OpenAi && top_logprobs.is_some_and(|top| top > 0) && !logprobs {
            let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
            return Err(member_error(message, Some("top_logprobs".to_owned()), None));
        }
        if top_logprobs.is_some_and(|top| top > 20) {
            let message = "Invalid value for 'top_logprobs': must be less than or equal to 20.";
            return Err(member_error(message, Some("top_logprobs".to_owned()), None));
        }
        Ok(())
    }

    fn unknown_member(self, name: &str, known: &[&str]) -> Error<'static> {
        let message = match self {
            // Captured, 2024-12: the nearest known name is suggested.
            Self::Groq => {
                let nearest = known
                    .iter()
                    .chain(READ_MEMBERS)
                    .map(|known| (strsim::osa_distance(name, known), known))
                    .filter(|(distance, _)| *distance <= 3)
                    .min_by_key(|(distance, _)| *distance);
                let suggestion =
                    nearest.map(|(_, known)| format!(", did you mean '{known}'?")).unwrap_or_default();
                format!("property '{name}' is unsupported{suggestion}")
            }
            Self::Anthropic | Self::Mistral => format!("{name}: Extra inputs are not permitted"),
            Self::Gemini => {
                format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.")
            }
            _ => format!("Unrecognized request argument supplied: {name}"),
        };
        invalid(message)
    }

    fn too_many_stop_texts(self, count: usize, most: usize) -> Error<'static> {
        let message = match self {
            Self::OpenAi => {
                let message = format!(
                    "Invalid 'stop': array too long. Expected an array with maximum length {most}, but got an array with length {count} instead."
                );
                return member_error(message, Some("stop".to_owned()), Some("array_above_max_length"));
            }
            _ => format!("'stop' : maximum number of items is {most}"),
        };
        invalid(message)
    }

    fn no_tools(self) -> Error<'static> {
        match self {
            Self::OpenAi => member_error(
                "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
                Some("tool_choice".to_owned()),
                None,
            ),
            Self::Anthropic => invalid("tool_choice may only be specified while providing tools."),
            Self::Gemini => invalid("Function calling config is set without function_declarations."),
            _ => invalid("'tool_choice' : 'tools' must be specified"),
        }
    }
}

/// Returns an error about a member. `param`, the name of the member, and `code` are sent only by providers that have them in
/// errors.
pub(super) fn member_error(
    message: impl Into<Cow<'static, str>>,
    param: Option<String>,
    code: Option<&'static str>,
) -> Error<'static> {
    Error::Invalid { message: message.into(), param, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(rules: RuleSet, parameters: &Parameters) -> Option<String> {
        match rules.check(parameters) {
            Ok(()) => None,
            Err(Error::Invalid { message, .. }) => Some(message.into_owned()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_number_out_of_its_range_is_refused() {
        for (rules, most) in [
            (RuleSet::OpenAi, 2.0),
            (RuleSet::Groq, 2.0),
            (RuleSet::Mistral, 1.5),
            (RuleSet::Anthropic, 1.0),
            (RuleSet::Gemini, 2.0),
            (RuleSet::Compatible(Dialect::Cerebras), 1.5),
            (RuleSet::Compatible(Dialect::Together), 2.0),
        ] {
            let with = |temperature| Parameters { temperature: Some(temperature), ..Parameters::default() };
            assert_eq!(message(rules, &with(most)), None, "{rules:?}");
            assert_eq!(message(rules, &with(0.0)), None, "{rules:?}");
            assert!(message(rules, &with(most + 0.1)).is_some(), "{rules:?}");
            assert!(message(rules, &with(-0.1)).is_some(), "{rules:?}");
        }
        let top_p = Parameters { top_p: Some(1.5), ..Parameters::default() };
        assert_eq!(
            message(RuleSet::OpenAi, &top_p).unwrap(),
            "Invalid 'top_p': decimal above maximum value. Expected a value <= 1, but got 1.5 instead."
        );
    }

    #[test]
    fn unknown_members_are_refused_or_ignored_as_by_the_provider() {
        let with = |name: &str| Parameters { others: vec![name.to_owned()], ..Parameters::default() };
        let groq = message(RuleSet::Groq, &with("stor")).unwrap();
        assert_eq!(groq, "property 'stor' is unsupported, did you mean 'store'?");
        let openai = message(RuleSet::OpenAi, &with("foo")).unwrap();
        assert_eq!(openai, "Unrecognized request argument supplied: foo");
        assert_eq!(message(RuleSet::OpenAi, &with("seed")), None);
        assert_eq!(message(RuleSet::Mistral, &with("random_seed")), None);
        assert!(message(RuleSet::Mistral, &with("seed")).is_some());
        assert_eq!(message(RuleSet::Compatible(Dialect::Together), &with("foo")), None);
    }
}
