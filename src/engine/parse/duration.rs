//! Lengths of time as servers write them, exact to the nanosecond.

use provider::Nanos;
use provider::calendar::parse_decimal;

/// Parses a decimal number of seconds. Returns `None` for dates, negative numbers and everything else.
pub(super) fn seconds(text: &str) -> Option<Nanos> {
    parse_decimal(text.trim(), Nanos::SECOND)
}

/// Parses a decimal number of milliseconds.
pub(super) fn millis(text: &str) -> Option<Nanos> {
    parse_decimal(text.trim(), Nanos::from_millis(1))
}

/// Returns the length of a unit of time by its English name or abbreviation, in lower case; a month has 30 days.
pub(super) fn unit_of_time(name: &str) -> Option<Nanos> {
    Some(match name {
        "s" | "sec" | "secs" | "second" | "seconds" => Nanos::SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => Nanos::MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" => Nanos::HOUR,
        "d" | "day" | "days" => Nanos::DAY,
        "w" | "week" | "weeks" => Nanos::WEEK,
        "month" | "months" => Nanos::MONTH,
        _ => return None,
    })
}

/// Parses a Go duration such as `2h42m9.504s` or `52.5ms`.
#[must_use]
pub fn go_duration(text: &str) -> Option<Nanos> {
    let mut rest = text;
    let mut total = 0u64;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let unit = GO_UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(parse_decimal(number, unit)?.0)?;
        rest = next;
    }
    (!text.is_empty()).then_some(Nanos(total))
}

/// Parses the Go duration at the start of a sentence, up to a space or the full stop. Returns `None` if the text ends
/// with the duration: `1m` may be a truncated `1m26.4s`.
pub(super) fn go_duration_prefix(text: &str) -> Option<Nanos> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == 'µ')).unwrap_or(text.len());
    let word = text[..end].trim_end_matches('.');
    (word.len() < text.len()).then(|| go_duration(word))?
}

/// The units of Go durations.
const GO_UNITS: [(&str, Nanos); 7] = [
    ("h", Nanos::HOUR),
    ("m", Nanos::MINUTE),
    ("s", Nanos::SECOND),
    ("ms", Nanos(1_000_000)),
    ("µs", Nanos(1_000)),
    ("us", Nanos(1_000)),
    ("ns", Nanos(1)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read_to_the_nanosecond() {
        for (text, nanos) in [
            ("459.999999ms", 459_999_999),
            ("1.984999999s", 1_984_999_999),
            ("2h42m9.504s", 9_729_504_000_000),
            ("1m26.4s", 86_400_000_000),
            ("52.5ms", 52_500_000),
            ("6m0s", 360_000_000_000),
            ("0s", 0),
            ("2µs", 2_000),
        ] {
            assert_eq!(go_duration(text), Some(Nanos(nanos)), "{text}");
        }
        for text in ["", "5", "s", "1.s", ".5s", "-1s", "1x", "1m26.4", "99999999999h"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_are_decimal_numbers() {
        assert_eq!(seconds("11.382867097854614"), Some(Nanos(11_382_867_097)));
        assert_eq!(seconds(" 0.05 "), Some(Nanos::from_millis(50)));
        for text in ["", "-1", "1e9", "soon", "1.", ".5", "99999999999999999999", "0x10", "+1"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_that_may_be_truncated_is_not_read() {
        assert_eq!(go_duration_prefix("1m26.4s. Visit"), Some(Nanos(86_400_000_000)));
        assert_eq!(go_duration_prefix("1m26.4s."), Some(Nanos(86_400_000_000)));
        for cut in ["1m26.4s", "1m26.4", "1m26.", "1m", "1", ""] {
            assert_eq!(go_duration_prefix(cut), None, "{cut}");
        }
    }
}
