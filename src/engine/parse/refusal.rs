//! The names and numbers that a refusal states, and the sentence in which Groq and OpenAI state them.

use super::duration::go_duration_prefix;
use crate::event::LimitCause;
use provider::{Axis, Nanos};

/// What a refusal states about the limit that refused; what it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal it is, where its words alone decide.
    pub cause: Option<LimitCause>,
    /// The model named.
    pub model: Option<String>,
    /// The organisation named.
    pub organization: Option<String>,
    /// The axis named.
    pub axis: Option<Axis>,
    /// `Limit N`.
    pub limit: Option<u64>,
    /// `Used N`.
    pub used: Option<i64>,
    /// `Requested N`.
    pub requested: Option<u64>,
    /// `try again in T`.
    pub wait: Option<Nanos>,
}

impl Refusal {
    /// Reads a message of Groq's or OpenAI's.
    #[must_use]
    pub fn read(message: &str) -> Self {
        let number = |label: &str| whole(after(message, label)?.trim_start_matches('~'));
        // Below zero where a burst above the limit leaves more than the limit.
        let used = || {
            let rest = after(message, "Used ")?;
            let (sign, digits) = rest.strip_prefix('-').map_or((1, rest), |digits| (-1, digits));
            i64::try_from(whole(digits)?).ok().map(|used| sign * used)
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

    /// The cause that the stated numbers imply where the axis is not named: `wait = (used + requested − limit) ÷
    /// limit × window`. Groq left the axis out for some weeks of 2025.
    pub(super) fn implied_cause(&self) -> Option<LimitCause> {
        let (limit, used, requested, wait) = (self.limit?, self.used?, self.requested?, self.wait?);
        let over = u64::try_from(i128::from(used) + i128::from(requested) - i128::from(limit)).ok()?;
        let implied = u128::from(wait.0) * u128::from(limit) / u128::from(over.max(1));
        let near = |window: &Nanos| implied.abs_diff(u128::from(window.0)) < u128::from(window.0 / 10);
        [Nanos::MINUTE, Nanos::HOUR, Nanos::DAY].into_iter().find(near).map(|window| cause_of(Some(window)))
    }
}

/// The cause of a refusal by a limit over `window`; without one it counts what is in flight.
pub(super) const fn cause_of(window: Option<Nanos>) -> LimitCause {
    match window {
        Some(window) if window.0 >= Nanos::DAY.0 => LimitCause::DayLimit,
        Some(_) => LimitCause::MinuteLimit,
        None => LimitCause::Concurrency,
    }
}

/// The number that a text begins with: digits, with commas between thousands. `None` where the text ends with
/// it, for then it may have been cut; a fraction is passed over.
pub(super) fn whole(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ',')?;
    text[..end].trim_end_matches(',').replace(',', "").parse().ok()
}

/// What follows `label`.
pub(super) fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.find(label).map(|start| &text[start + label.len()..])
}

/// What stands between `open` and the next `close`.
pub(super) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let rest = after(text, open)?;
    rest.find(close).map(|end| &rest[..end])
}

/// How messages name the axes. The documentation says ASH and ASD, the API says ASPH and ASPD. Groq states no
/// limit on concurrency: that name is the mock's. OpenAI wrote no abbreviations in 2023.
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
    fn a_number_at_the_end_may_be_half_a_number() {
        assert_eq!(whole("10,000 input"), Some(10_000));
        assert_eq!(whole("9.0 queries"), Some(9));
        assert_eq!(whole("30, Used"), Some(30));
        for text in ["30", "", "x", ",", "99999999999999999999 "] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn the_sentence_of_2023_is_read() {
        let refusal = Refusal::read(
            "Rate limit reached for default-gpt-3.5-turbo in organization org-x on requests per min. Limit: 3 / min. Please \
             try again in 20s. Contact us",
        );
        assert_eq!((refusal.axis, refusal.limit, refusal.used), (Some(Axis::Rpm), Some(3), None));
        assert_eq!(refusal.wait, Some(Nanos::from_secs(20)));
        assert_eq!(refusal.model.as_deref(), Some("default-gpt-3.5-turbo"));
        assert_eq!(refusal.organization.as_deref(), Some("org-x"));
    }
}
