//! Lengths of time as servers write them: exact to the nanosecond, without a detour over floats.

use provider::Nanos;

/// A whole or decimal number of seconds; `None` for dates, negative numbers and the rest.
#[must_use]
pub fn seconds(text: &str) -> Option<Nanos> {
    decimal(text.trim(), Nanos::SECOND.0)
}

/// A whole or decimal number of milliseconds.
pub(super) fn millis(text: &str) -> Option<Nanos> {
    decimal(text.trim(), Nanos::from_millis(1).0)
}

/// A length as Go prints it (`2h42m9.504s`, `52.5ms`), exactly; `None` where it is anything else.
#[must_use]
pub fn go_duration(text: &str) -> Option<Nanos> {
    let mut rest = text;
    let mut total = 0u64;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let nanos = GO_UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total = total.checked_add(decimal(number, nanos)?.0)?;
        rest = next;
    }
    (!text.is_empty()).then_some(Nanos(total))
}

/// The Go duration at the start of a sentence: it ends at a space or at the full stop. One that the text ends
/// with is not read: `1m` may have been `1m26.4s` before it was cut.
pub(super) fn go_duration_prefix(text: &str) -> Option<Nanos> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == 'µ')).unwrap_or(text.len());
    let word = text[..end].trim_end_matches('.');
    (word.len() < text.len()).then(|| go_duration(word))?
}

/// A decimal number of `unit` nanoseconds, without rounding through floats; digits below a nanosecond are dropped.
fn decimal(text: &str, unit: u64) -> Option<Nanos> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || (text.contains('.') && fraction.is_empty())
    {
        return None;
    }
    let mut nanos = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        // Exact while `place` is a multiple of ten, and below a nanosecond after that.
        nanos = nanos.checked_add(u64::from(digit - b'0') * place / 10)?;
        place /= 10;
    }
    Some(Nanos(nanos))
}

/// The units of Go's `time.Duration.String`.
const GO_UNITS: [(&str, u64); 7] = [
    ("h", Nanos::HOUR.0),
    ("m", Nanos::MINUTE.0),
    ("s", Nanos::SECOND.0),
    ("ms", 1_000_000),
    ("µs", 1_000),
    ("us", 1_000),
    ("ns", 1),
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
    fn seconds_may_have_a_fraction_and_nothing_else() {
        assert_eq!(seconds("11.382867097854614"), Some(Nanos(11_382_867_097)));
        assert_eq!(seconds(" 0.05 "), Some(Nanos::from_millis(50)));
        for text in ["", "-1", "1e9", "soon", "1.", ".5", "99999999999999999999", "0x10", "+1"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_that_may_be_cut_is_not_read() {
        assert_eq!(go_duration_prefix("1m26.4s. Visit"), Some(Nanos(86_400_000_000)));
        assert_eq!(go_duration_prefix("1m26.4s."), Some(Nanos(86_400_000_000)));
        for cut in ["1m26.4s", "1m26.4", "1m26.", "1m", "1", ""] {
            assert_eq!(go_duration_prefix(cut), None, "{cut}");
        }
    }
}
