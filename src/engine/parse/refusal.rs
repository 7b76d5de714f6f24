//! The names and numbers in a refusal, and the sentence in which Groq and OpenAI state them.

use super::duration::go_duration_prefix;
use super::error_body::ErrorBody;
use super::limit_name::Unit;
use super::quantity::leading_number;
use crate::event::RefusalCause;
use provider::{Axis, Nanos};

/// The limit that refused, as the body states it or, if it does not, the headers; what is not stated is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The cause, if the body states it. The final one is [`ParsedFailure::cause`](super::ParsedFailure::cause).
    pub cause: Option<RefusalCause>,
    /// The model.
    pub model: Option<String>,
    /// The name of the organisation, team or other owner of the limit.
    pub organization: Option<String>,
    /// The kind of the owner of the limit: `organisation`, `project`, `user and model`.
    pub scope: Option<&'static str>,
    /// The axis; `None` if it is not stated, or if no axis counts this unit over this window.
    pub axis: Option<Axis>,
    /// What the limit counts.
    pub unit: Option<Unit>,
    /// The window of the limit.
    pub window: Option<Nanos>,
    /// The limit, in units per window; for a call that is too long for the model, the model's maximum in tokens.
    pub limit: Option<u64>,
    /// The usage before the request. Negative if a burst capacity above the limit leaves more than the limit.
    pub used: Option<i64>,
    /// The cost of the request; for a call that is too long for the model, its length in tokens.
    pub requested: Option<u64>,
    /// The wait in the message of Groq or OpenAI (`try again in T`). The final one, of any dialect, is
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
            cause: message.contains("Request too large").then_some(RefusalCause::TooLarge),
            model: between(message, "model `", "`")
                .or_else(|| between(message, " for ", " in organization "))
                // `gpt-image-1 (for limit gpt-image)`: the limit counts for several models.
                .map(|name| name.split(" (for limit ").next().unwrap_or(name).to_owned()),
            organization: between(message, "in organization ", " ")
                .map(|name| name.trim_matches('`').to_owned()),
            axis: AXES.iter().find(|(label, _)| message.contains(label)).map(|(_, axis)| *axis),
            limit: number("Limit ").or_else(|| number("Limit: ")),
            used: used(),
            requested: number("Requested "),
            wait: after(message, "try again in ").and_then(go_duration_prefix),
            ..Self::default()
        }
    }

    /// Parses the message of an error of Groq or OpenAI.
    pub(super) fn from_body(body: &ErrorBody) -> Self {
        body.message.as_deref().map(Self::from_message).unwrap_or_default()
    }

    /// Returns the cause that the window implies. Without a window: [`RefusalCause::Concurrency`] for a limit on concurrency, else
    /// `None`.
    pub(super) fn cause_from_name(&self) -> Option<RefusalCause> {
        match self.window.or_else(|| self.axis?.window_length()) {
            Some(window) => Some(cause_from_window(Some(window))),
            None => (self.unit == Some(Unit::InFlight) || self.axis == Some(Axis::Concurrency))
                .then_some(RefusalCause::Concurrency),
        }
    }

    /// Returns the cause that the numbers imply, for a refusal without an axis. It follows from the window in
    /// `wait = (used + requested − limit) ÷ limit × window`. Groq omitted the axis for some weeks of 2025.
    pub(super) fn cause_from_numbers(&self) -> Option<RefusalCause> {
        let over = self.over()?;
        let implied = u128::from(self.wait?.0) * u128::from(self.limit?) / u128::from(over.max(1));
        let near = |window: &Nanos| implied.abs_diff(u128::from(window.0)) < u128::from(window.0 / 10);
        [Nanos::MINUTE, Nanos::HOUR, Nanos::DAY]
            .into_iter()
            .find(near)
            .map(|window| cause_from_window(Some(window)))
    }

    /// Returns `true` if `wait` is, by the numbers, the time until the request fits a limit that refills evenly. The tolerance is
    /// the refill time of one unit, since servers round the remaining units, and one second, since they round the wait.
    #[must_use]
    pub fn wait_follows_from_numbers(&self, wait: Nanos) -> bool {
        let expected = || {
            let (over, limit, window) = (self.over()?, self.limit?.max(1), self.window?);
            let time = |units: u64| u128::from(units) * u128::from(window.0) / u128::from(limit);
            let second = u128::from(Nanos::SECOND.0);
            let (low, high) = (time(over.saturating_sub(1)), time(over.saturating_add(1)) + second);
            // A wait in whole seconds may have been rounded down, by less than a second.
            let low = if u128::from(wait.0) % second == 0 { low.saturating_sub(second) } else { low };
            Some((low..=high).contains(&u128::from(wait.0)))
        };
        expected().unwrap_or(false)
    }

    /// Returns the amount by which the request exceeds what was left.
    fn over(&self) -> Option<u64> {
        over(self.limit?, self.used?, self.requested?)
    }
}

/// Returns the amount by which a request exceeds what was left of a limit: zero if it fits exactly, `None` if it leaves
/// something.
pub(super) fn over(limit: u64, used: i64, requested: u64) -> Option<u64> {
    u64::try_from(i128::from(used) + i128::from(requested) - i128::from(limit)).ok()
}

/// Returns the cause of a refusal by a limit over `window`. A limit without a window is one on concurrency. One over some
/// hours, a week or a month is the allowance of a plan.
#[must_use]
pub const fn cause_from_window(window: Option<Nanos>) -> RefusalCause {
    match window {
        Some(Nanos(window)) if window == Nanos::DAY.0 => RefusalCause::DayLimit,
        Some(Nanos(window)) if window > Nanos::HOUR.0 => RefusalCause::Allowance,
        Some(_) => RefusalCause::ShortLimit,
        None => RefusalCause::Concurrency,
    }
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
/// Groq states no limits on concurrency, on
/// uncached tokens, or per second, hour, week or month: those names are the mock's. OpenAI used no abbreviations in 2023.
const AXES: [(&str, Axis); 24] = [
    ("(ITPM)", Axis::Itpm),
    ("(OTPM)", Axis::Otpm),
    ("(TPM)", Axis::Tpm),
    ("(TPD)", Axis::Tpd),
    ("(RPM)", Axis::Rpm),
    ("(RPD)", Axis::Rpd),
    ("(RPS)", Axis::Rps),
    ("(RPH)", Axis::Rph),
    ("(RPW)", Axis::Rpw),
    ("(RPMONTH)", Axis::RpMonth),
    ("(TPS)", Axis::Tps),
    ("(TPH)", Axis::Tph),
    ("(TPW)", Axis::Tpw),
    ("(TPMONTH)", Axis::TpMonth),
    ("(UITPM)", Axis::Uitpm),
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
