//! The names and numbers in a refusal, and the sentence in which Groq and OpenAI state them.

use super::duration::go_duration_prefix;
use super::error_body::ErrorBody;
use crate::event::LimitCause;
use provider::{Axis, Nanos};

/// The limit that refused, as the body states it; what is not stated is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The cause, if the body states it. The final one is [`ParsedFailure::cause`](super::ParsedFailure::cause).
    pub cause: Option<LimitCause>,
    /// The model.
    pub model: Option<String>,
    /// The organisation, project, team or other owner of the limit.
    pub organization: Option<String>,
    /// The axis.
    pub axis: Option<Axis>,
    /// The limit, in units of the axis per window.
    pub limit: Option<u64>,
    /// The usage before the request. Negative if a burst capacity above the limit leaves more than the limit.
    pub used: Option<i64>,
    /// The cost of the request.
    pub requested: Option<u64>,
    /// The wait in the message (`try again in T`). The final one is
    /// [`ParsedFailure::wait`](super::ParsedFailure::wait).
    pub wait: Option<Nanos>,
}

impl Refusal {
    /// Parses a message of Groq or OpenAI.
    #[must_use]
    pub fn from_message(message: &str) -> Self {
        let number = |label: &str| leading_number(after(message, label)?.trim_start_matches('~'));
        let used = || {
            let rest = after(message, "Used ")?;
            let (sign, digits) = rest.strip_prefix('-').map_or((1, rest), |digits| (-1, digits));
            i64::try_from(leading_number(digits)?).ok().map(|used| sign * used)
        };
        Self {
            cause: message.starts_with("Request too large").then_some(LimitCause::TooLarge),
            model: between(message, "model `", "`")
                .or_else(|| between(message, " for ", " in organization "))
                .map(str::to_owned),
            organization: between(message, "in organization ", " ")
                .map(|name| name.trim_matches('`').to_owned()),
            axis: AXES.iter().find(|(label, _)| message.contains(label)).map(|(_, axis)| *axis),
            limit: number("Limit ").or_else(|| number("Limit: ")),
            used: used(),
            requested: number("Requested "),
            wait: after(message, "try again in ").and_then(go_duration_prefix),
        }
    }

    /// Parses the message of an error of Groq or OpenAI.
    pub(super) fn from_body(body: &ErrorBody) -> Self {
        body.message.as_deref().map(Self::from_message).unwrap_or_default()
    }

    /// Returns the cause that the numbers imply, for a refusal without an axis. It follows from the window in
    /// `wait = (used + requested − limit) ÷ limit × window`. Groq omitted the axis for some weeks of 2025.
    pub(super) fn cause_from_numbers(&self) -> Option<LimitCause> {
        let (limit, used, requested, wait) = (self.limit?, self.used?, self.requested?, self.wait?);
        let over = u64::try_from(i128::from(used) + i128::from(requested) - i128::from(limit)).ok()?;
        let implied = u128::from(wait.0) * u128::from(limit) / u128::from(over.max(1));
        let near = |window: &Nanos| implied.abs_diff(u128::from(window.0)) < u128::from(window.0 / 10);
        [Nanos::MINUTE, Nanos::HOUR, Nanos::DAY]
            .into_iter()
            .find(near)
            .map(|window| cause_from_window(Some(window)))
    }
}

/// Returns the cause of a refusal by a limit over `window`. A limit without a window is one on concurrency.
pub(super) const fn cause_from_window(window: Option<Nanos>) -> LimitCause {
    match window {
        Some(window) if window.0 >= Nanos::DAY.0 => LimitCause::DayLimit,
        Some(_) => LimitCause::MinuteLimit,
        None => LimitCause::Concurrency,
    }
}

/// Parses the whole number at the start of a text, with optional commas between thousands; ignores a fraction.
/// Returns `None` if the text ends with the number, since it may have been truncated.
pub(super) fn leading_number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ',')?;
    text[..end].trim_end_matches(',').replace(',', "").parse().ok()
}

/// Returns the text after the first `label`.
pub(super) fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.find(label).map(|start| &text[start + label.len()..])
}

/// Returns the text between the first `open` and the next `close`.
pub(super) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let rest = after(text, open)?;
    rest.find(close).map(|end| &rest[..end])
}

/// The names of the axes in messages. ASH and ASD are those of Groq's documentation, ASPH and ASPD those of its API.
/// Groq states no limit on concurrency: that name is the mock's. OpenAI used no abbreviations in 2023.
const AXES: [(&str, Axis); 15] = [
    ("(ITPM)", Axis::Itpm),
    ("(OTPM)", Axis::Otpm),
    ("(TPM)", Axis::Tpm),
    ("(TPD)", Axis::Tpd),
    ("(RPM)", Axis::Rpm),
    ("(RPD)", Axis::Rpd),
    ("(ASPH)", Axis::Ash),
    ("(ASPD)", Axis::Asd),
    ("(ASH)", Axis::Ash),
    ("(ASD)", Axis::Asd),
    ("(CONCURRENCY)", Axis::Concurrency),
    ("on tokens per min. Limit: ", Axis::Tpm),
    ("on tokens per day. Limit: ", Axis::Tpd),
    ("on requests per min. Limit: ", Axis::Rpm),
    ("on requests per day. Limit: ", Axis::Rpd),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_end_of_a_text_is_not_read() {
        assert_eq!(leading_number("10,000 input"), Some(10_000));
        assert_eq!(leading_number("9.0 queries"), Some(9));
        assert_eq!(leading_number("30, Used"), Some(30));
        for text in ["30", "", "x", ",", "99999999999999999999 "] {
            assert_eq!(leading_number(text), None, "{text}");
        }
    }

    #[test]
    fn the_openai_sentence_of_2023_is_read() {
        let refusal = Refusal::from_message(
            "Rate limit reached for default-gpt-3.5-turbo in organization org-x on requests per min. Limit: 3 / min. Please \
             try again in 20s. Contact us",
        );
        assert_eq!((refusal.axis, refusal.limit, refusal.used), (Some(Axis::Rpm), Some(3), None));
        assert_eq!(refusal.wait, Some(Nanos::from_secs(20)));
        assert_eq!(refusal.model.as_deref(), Some("default-gpt-3.5-turbo"));
        assert_eq!(refusal.organization.as_deref(), Some("org-x"));
    }
}
