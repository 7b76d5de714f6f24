//! The name of a limit in a sentence, in any spelling: what it counts and over which window.
//!
//! ```text
//!  (TPM)   organization TPD rate limit   max RPM: 20   RPH limit reached         abbreviations
//!  tokens per min   2 requests per 1s   queries/minute   50 per 86400s           a rate
//!  daily free allocation   weekly rate limit   5-hour usage limit   每分钟        an adjective
//!  UserByModelByDay   concurrent requests   requests in flight                   names of quotas, concurrency
//! ```
//!
//! Of several names, the first one in the text counts: what follows is usually what a better plan would allow.

use super::duration::unit_of_time;
use super::quantity::leading_integer;
use provider::axis::Quantity;
use provider::{Axis, Nanos};

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens of prompt and completion.
    Tokens,
    /// Tokens of the prompt.
    InputTokens,
    /// Tokens of the prompt that are not found in the prefix cache.
    UncachedTokens,
    /// Tokens of the completion.
    OutputTokens,
    /// Seconds of audio.
    AudioSeconds,
    /// Neurons, the unit of Cloudflare's Workers AI.
    Neurons,
    /// Requests in flight.
    InFlight,
}

impl Unit {
    /// Returns the name in `explain --json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::UncachedTokens => "uncached_input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::AudioSeconds => "audio_seconds",
            Self::Neurons => "neurons",
            Self::InFlight => "requests_in_flight",
        }
    }

    /// Returns what an axis counts.
    #[must_use]
    pub const fn of(axis: Axis) -> Self {
        match axis.quantity() {
            Quantity::Requests => Self::Requests,
            Quantity::Tokens => Self::Tokens,
            Quantity::InputTokens => Self::InputTokens,
            Quantity::UncachedTokens => Self::UncachedTokens,
            Quantity::OutputTokens => Self::OutputTokens,
            Quantity::AudioSeconds => Self::AudioSeconds,
            Quantity::InFlight => Self::InFlight,
        }
    }
}

/// The name of a limit, as far as a text states it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LimitName {
    pub(super) unit: Option<Unit>,
    pub(super) window: Option<Nanos>,
}

impl LimitName {
    /// Finds the first name of a limit in a text in lower case. Returns an empty name if there is none.
    pub(super) fn find(text: &str) -> Self {
        let candidates =
            [abbreviation(text), rate(text), adjective(text), concurrency(text), limit_type(text)];
        let first = candidates.into_iter().flatten().min_by_key(|(at, _)| *at);
        first.map(|(_, name)| name).unwrap_or_default()
    }

    /// Returns the axis with this name; `None` if the unit is not known, or no axis counts it over this window.
    pub(super) fn axis(self) -> Option<Axis> {
        axis_of(self.unit?, self.window)
    }
}

/// Returns the axis of a unit and a window: the one that is named after both, else the one whose limits state their own window;
/// `None` if there is none.
#[must_use]
pub fn axis_of(unit: Unit, window: Option<Nanos>) -> Option<Axis> {
    let of_unit = || Axis::ALL.into_iter().filter(move |axis| Unit::of(*axis) == unit);
    let named = of_unit().find(|axis| axis.window_length() == window && !axis.has_own_window());
    named.or_else(|| of_unit().find(|axis| axis.has_own_window() && window.is_some()))
}

/// Finds `tpm`, `rpd` and the like as a word of its own.
fn abbreviation(text: &str) -> Option<(usize, LimitName)> {
    let mut first: Option<(usize, LimitName)> = None;
    for (at, word) in words(text) {
        let Some(name) = parse_abbreviation(word) else { continue };
        match first {
            // `TPM or RPM`: the text does not say which.
            Some((_, known)) if known != name => {
                let unit = known.unit.filter(|unit| Some(*unit) == name.unit);
                return Some((
                    at,
                    LimitName { unit, window: known.window.filter(|window| Some(*window) == name.window) },
                ));
            }
            Some(_) => {}
            None => first = Some((at, name)),
        }
    }
    first
}

/// Returns the words of a text, of ASCII letters and digits, with their positions.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = text.as_ptr() as usize;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(move |word| (word.as_ptr() as usize - base, word))
}

/// Parses `tpm`, `itpm`, `rph`, `qps` and the like.
fn parse_abbreviation(word: &str) -> Option<LimitName> {
    let (unit, window) = match word {
        "ash" | "asph" => (Unit::AudioSeconds, Nanos::HOUR),
        "asd" | "aspd" => (Unit::AudioSeconds, Nanos::DAY),
        "qps" => (Unit::Requests, Nanos::SECOND),
        "qpm" => (Unit::Requests, Nanos::MINUTE),
        "qpd" => (Unit::Requests, Nanos::DAY),
        _ => {
            let (unit, period) = word.split_at_checked(word.len().checked_sub(2)?)?;
            let unit = match unit {
                "r" => Unit::Requests,
                "t" => Unit::Tokens,
                "it" => Unit::InputTokens,
                "uit" => Unit::UncachedTokens,
                "ot" => Unit::OutputTokens,
                _ => return None,
            };
            let window = match period {
                "ps" => Nanos::SECOND,
                "pm" => Nanos::MINUTE,
                "ph" => Nanos::HOUR,
                "pd" => Nanos::DAY,
                _ => return None,
            };
            (unit, window)
        }
    };
    Some(LimitName { unit: Some(unit), window: Some(window) })
}

/// Finds `… per minute`, `…/min`, `… per 86400s`.
fn rate(text: &str) -> Option<(usize, LimitName)> {
    let separators = ["per ", "per-", "/ ", "/", " a ", " every ", "by"];
    let mut found: Option<(usize, LimitName)> = None;
    for separator in separators {
        for (at, _) in text.match_indices(separator) {
            // `by` only inside a name, such as `userbymodelbyday`.
            let inside = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            if (separator == "by") != (inside && separator == "by")
                || (separator.starts_with("per") && inside)
            {
                continue;
            }
            // The slash in the quoted name of a model, such as `org/s-1`.
            if separator == "/" && text[..at].matches('`').count() % 2 == 1 {
                continue;
            }
            let Some(window) = period(&text[at + separator.len()..], separator) else { continue };
            let name = LimitName { unit: unit_before(&text[..at]), window: Some(window) };
            // GitHub states a limit on requests in flight as `2 per 0s`.
            let name = if window == Nanos::ZERO {
                LimitName { unit: Some(Unit::InFlight), window: None }
            } else {
                name
            };
            if found.is_none_or(|(known, _)| at < known) {
                found = Some((at, name));
            }
        }
    }
    found
}

/// Parses the period at the start of a text: `minute`, `min`, `86400s`, `10 seconds`, `24 hours`.
fn period(text: &str, separator: &str) -> Option<Nanos> {
    let text = text.trim_start();
    let (count, rest) = leading_integer(text).map_or((None, text), |(count, rest)| (Some(count), rest));
    let rest = rest.trim_start_matches([' ', '-']);
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let name = &rest[..end];
    // A single letter is a unit only with a number or after a slash: `per 60s`, `30/m`.
    if matches!(name, "s" | "m" | "h" | "d") && count.is_none() && separator != "/" {
        return None;
    }
    let length = unit_of_time(name)?;
    let Some(count) = count else { return Some(length) };
    count.checked_mul(length.0).map(Nanos)
}

/// Returns the unit named last in the words before a position; `None` if it is one of two that are joined, as in `queries and
/// tokens per minute`.
fn unit_before(text: &str) -> Option<Unit> {
    let start = text.len() - text.chars().rev().take(MAX_BEFORE).map(char::len_utf8).sum::<usize>();
    let words: Vec<&str> = words(&text[start..]).map(|(_, word)| word).collect();
    let last: Vec<&str> = words.into_iter().rev().take(6).collect();
    let unit = nearest_unit(last.iter().copied().take(5))?;
    let joined = last.iter().position(|word| matches!(*word, "and" | "or"));
    let other = joined.and_then(|at| nearest_unit(last[at + 1..].iter().copied()));
    other.is_none_or(|other| other == unit).then_some(unit)
}

/// The number of characters before a window in which its unit is looked for.
const MAX_BEFORE: usize = 80;

/// Returns the unit of the first of these words that names one; `tokens` with the word next to it.
fn nearest_unit<'a>(words: impl Iterator<Item = &'a str>) -> Option<Unit> {
    let mut tokens = None;
    for word in words {
        match word {
            "input" | "prompt" if tokens.is_some() => return Some(Unit::InputTokens),
            "output" | "completion" if tokens.is_some() => return Some(Unit::OutputTokens),
            _ if tokens.is_some() => break,
            "token" | "tokens" => tokens = Some(Unit::Tokens),
            "request" | "requests" | "queries" | "query" | "calls" | "call" => return Some(Unit::Requests),
            "neurons" => return Some(Unit::Neurons),
            "audio" => return Some(Unit::AudioSeconds),
            _ => {}
        }
    }
    tokens
}

/// Adjectives and nouns that name a window, each with its length.
const ADJECTIVES: [(&str, Nanos); 16] = [
    ("per-minute", Nanos::MINUTE),
    ("minutely", Nanos::MINUTE),
    ("hourly", Nanos::HOUR),
    ("daily", Nanos::DAY),
    ("today", Nanos::DAY),
    ("weekly", Nanos::WEEK),
    ("monthly", Nanos::MONTH),
    ("perminute", Nanos::MINUTE),
    ("perday", Nanos::DAY),
    ("每秒", Nanos::SECOND),
    ("每分钟", Nanos::MINUTE),
    ("每小时", Nanos::HOUR),
    ("每日", Nanos::DAY),
    ("每天", Nanos::DAY),
    ("每周", Nanos::WEEK),
    ("每月", Nanos::MONTH),
];

/// Finds `daily`, `weekly`, `5-hour`, `for 5 hour`, `5 小时`.
fn adjective(text: &str) -> Option<(usize, LimitName)> {
    let by_word = ADJECTIVES.iter().filter_map(|(word, window)| Some((text.find(word)?, *window)));
    let (at, window) = by_word.chain(span_of_hours_or_days(text)).min_by_key(|(at, _)| *at)?;
    let sentence = text[at..].split(". ").next().unwrap_or_default();
    let after: Vec<&str> = words(sentence).map(|(_, word)| word).skip(1).take(7).collect();
    let unit = unit_before(&text[..at]).or_else(|| nearest_unit_after(&after));
    Some((at, LimitName { unit, window: Some(window) }))
}

/// Returns the unit that follows an adjective: `daily input token limit`.
fn nearest_unit_after(words: &[&str]) -> Option<Unit> {
    let at = words.iter().position(|word| nearest_unit(std::iter::once(*word)).is_some())?;
    nearest_unit(words[..=at].iter().rev().copied())
}

/// Finds the first number of hours or days that names a limit: a word such as `limit` or `usage` follows, or `for` precedes,
/// and the text does not ask to wait that long.
fn span_of_hours_or_days(text: &str) -> Option<(usize, Nanos)> {
    let mut first: Option<(usize, Nanos)> = None;
    for (word, unit) in [("hour", Nanos::HOUR), ("小时", Nanos::HOUR), ("day", Nanos::DAY)] {
        for (at, _) in text.match_indices(word) {
            let before = text[..at].trim_end_matches([' ', '-']);
            let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let start = before.len() - digits;
            let Ok(count) = before[start..].parse::<u64>() else { continue };
            let lead = before[..start].trim_end();
            let is_wait = ["in", "after", "wait", "within", "next", "another", ","]
                .iter()
                .any(|word| lead.ends_with(word));
            let names_limit = lead.ends_with("for") || lead.ends_with("已达到") || {
                let after = text[at + word.len()..].trim_start_matches(['s', ' ', '-', '的']);
                ["usage", "limit", "window", "quota", "rate", "rolling", "使用", "allowance", "session"]
                    .iter()
                    .any(|word| after.starts_with(word))
            };
            let is_span = names_limit && !is_wait && (1..=1_000).contains(&count);
            if is_span && first.is_none_or(|(known, _)| start < known) {
                first = Some((start, Nanos(count * unit.0)));
            }
        }
    }
    first
}

/// Finds the name in `LiteLLM`'s `Limit type: requests`, of a limit over a minute unless its operator has changed the window
/// (documented).
fn limit_type(text: &str) -> Option<(usize, LimitName)> {
    const LABEL: &str = "limit type: ";
    let at = text.find(LABEL)?;
    let kind = text[at + LABEL.len()..].split(['.', ',', ' ', '\n']).next()?;
    let (unit, window) = match kind {
        "requests" => (Unit::Requests, Some(Nanos::MINUTE)),
        "tokens" => (Unit::Tokens, Some(Nanos::MINUTE)),
        "max_parallel_requests" => (Unit::InFlight, None),
        _ => return None,
    };
    Some((at, LimitName { unit: Some(unit), window }))
}

/// Phrases of limits on requests in flight, in lower case.
const CONCURRENCY: [&str; 10] = [
    "concurrent",
    "concurrency",
    "in flight",
    "in-flight",
    "at the same time",
    "simultaneous",
    "parallel request",
    "worker local total request limit",
    "并发",
    "too many open requests",
];

/// Finds the first phrase of [`CONCURRENCY`].
fn concurrency(text: &str) -> Option<(usize, LimitName)> {
    let at = CONCURRENCY.iter().filter_map(|phrase| text.find(phrase)).min()?;
    Some((at, LimitName { unit: Some(Unit::InFlight), window: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_HOURS: Nanos = Nanos(5 * Nanos::HOUR.0);

    #[test]
    fn every_spelling_names_unit_and_window() {
        for (text, unit, window) in [
            ("on tokens per min (tpm): limit 3", Some(Unit::Tokens), Some(Nanos::MINUTE)),
            ("reached organization tpd rate limit, current", Some(Unit::Tokens), Some(Nanos::DAY)),
            ("rph limit reached", Some(Unit::Requests), Some(Nanos::HOUR)),
            ("requests per second limit exceeded", Some(Unit::Requests), Some(Nanos::SECOND)),
            ("rate limit of 2 requests per 1s was reached", Some(Unit::Requests), Some(Nanos::SECOND)),
            ("rate limit of 50 per 86400s exceeded", None, Some(Nanos::DAY)),
            ("rate limit of 2 per 0s exceeded for userconcurrentrequests", Some(Unit::InFlight), None),
            ("exceeded for userbymodelbyday.", None, Some(Nanos::DAY)),
            ("30 queries/minute", Some(Unit::Requests), Some(Nanos::MINUTE)),
            ("20,000 input tokens per minute", Some(Unit::InputTokens), Some(Nanos::MINUTE)),
            ("8,000 output tokens a minute", Some(Unit::OutputTokens), Some(Nanos::MINUTE)),
            ("daily free allocation of 10,000 neurons", Some(Unit::Neurons), Some(Nanos::DAY)),
            ("exceeded your weekly rate limit", None, Some(Nanos::WEEK)),
            ("monthly usage limit reached", None, Some(Nanos::MONTH)),
            ("daily input token limit", Some(Unit::InputTokens), Some(Nanos::DAY)),
            ("usage limit reached for 5 hour.", None, Some(FIVE_HOURS)),
            ("5-hour usage limit reached", None, Some(FIVE_HOURS)),
            ("7-day usage limit reached, of the 5-hour usage limit half is left", None, Some(Nanos::WEEK)),
            ("已达到 5 小时的使用上限", None, Some(FIVE_HOURS)),
            ("too many concurrent requests for this client", Some(Unit::InFlight), None),
            ("try again in 5 hours", None, None),
            ("resets in 16 days", None, None),
            ("too many requests", None, None),
            ("you hit the tpm or rpm limit", None, Some(Nanos::MINUTE)),
        ] {
            assert_eq!(LimitName::find(text), LimitName { unit, window }, "{text}");
        }
    }

    #[test]
    fn of_two_names_the_first_one_counts() {
        let name = LimitName::find("3 requests per minute. upgrade for 1000 requests per day");
        assert_eq!(name.axis(), Some(Axis::Rpm));
        let name = LimitName::find("1000 requests per day. on a paid plan 3 tokens per minute");
        assert_eq!(name.axis(), Some(Axis::Rpd));
    }
}
