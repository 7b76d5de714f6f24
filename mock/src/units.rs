//! Quantities as people write them: read exactly, printed so that they read back.
//!
//! Every reader takes the text of one value and gives the quantity or a [`ParseError`] that says what the text
//! is not and what to write instead. Decimals are kept as integers until the unit is known, so `1.5s` is
//! 1,500,000,000 ns and not the nearest double to it. The scenario reader and the command line use these.

use crate::time::Nanos;
use std::fmt;

mod print;

pub use print::{print_count, print_duration, print_number, print_rate, print_share};

/// Why a text is not the quantity that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong, naming the text.
    pub what: String,
    /// What to write instead.
    pub help: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.help)
    }
}

impl ParseError {
    /// A complaint about `text`, with the remedy.
    #[must_use]
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

/// A decimal number as written: `digits / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    /// The number at the start of `text` and what follows it; `_` may stand between digits.
    fn read(text: &str) -> Option<(Self, &str)> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let grouped = |part: &str| part.split('_').all(|group| !group.is_empty());
        if !grouped(whole) || !grouped(fraction) || fraction.contains('.') {
            return None;
        }
        let fraction = fraction.replace('_', "");
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{}{fraction}", whole.replace('_', "")).parse().ok()?;
        (fraction.len() <= MOST_DECIMALS)
            .then_some((Self { digits, scale: u32::try_from(fraction.len()).ok()? }, rest))
    }

    /// As [`Decimal::read`], with the magnitudes `k` and `M`.
    fn read_with_magnitude(text: &str) -> Option<(Self, &str)> {
        let (number, rest) = Self::read(text)?;
        let (times, after) = match rest.as_bytes().first() {
            Some(b'k') => (1_000, &rest[1..]),
            Some(b'M') => (1_000_000, &rest[1..]),
            _ => return Some((number, rest)),
        };
        if after.starts_with(|c: char| c.is_alphanumeric()) {
            return None;
        }
        Some((Self { digits: number.digits.checked_mul(times)?, ..number }, after))
    }

    /// The number times `factor`, where that is whole and fits.
    fn times(self, factor: u64) -> Option<u64> {
        let product = self.digits.checked_mul(u128::from(factor))?;
        let divisor = 10u128.pow(self.scale);
        (product % divisor == 0).then(|| u64::try_from(product / divisor).ok()).flatten()
    }

    /// The nearest double.
    fn to_f64(self) -> f64 {
        format!("{}e-{}", self.digits, self.scale).parse().expect("digits and an exponent are a float")
    }
}

/// Decimals beyond this are a typing accident, and would overflow the exact arithmetic.
const MOST_DECIMALS: usize = 12;

/// The units of a length of time, from the longest, each with the long names people try.
const TIMES: [(&str, Nanos, &[&str]); 5] = [
    ("d", Nanos::DAY, &["day", "days"]),
    ("h", Nanos::HOUR, &["hr", "hrs", "hour", "hours"]),
    ("m", Nanos::MINUTE, &["min", "mins", "minute", "minutes"]),
    ("s", Nanos::SECOND, &["sec", "secs", "second", "seconds"]),
    ("ms", Nanos(1_000_000), &["msec", "millis", "milliseconds"]),
];

/// The periods of a rate, with the words people try.
const PERIODS: [(&str, u64, &[&str]); 4] = [
    ("s", 1, &["sec", "second", "seconds"]),
    ("min", 60, &["m", "minute", "minutes"]),
    ("h", 3_600, &["hr", "hour", "hours"]),
    ("day", 86_400, &["d", "days"]),
];

/// A length of time: `250ms`, `90s`, `5m`, `24h`, `1d`, or several units from the longest: `1m30s`.
///
/// # Errors
/// Where the text is none, is finer than a nanosecond, or is longer than 584 years.
pub fn duration(text: &str) -> Result<Nanos, ParseError> {
    let help = "write a length of time such as `250ms`, `90s`, `5m` or `1h30m`";
    let wrong = || ParseError::new(format!("`{text}` is not a length of time"), help);
    let mut total = Nanos::ZERO;
    let mut units = TIMES.iter();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (number, after) = Decimal::read(rest).ok_or_else(wrong)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if let Some((short, ..)) = TIMES.iter().find(|(.., long)| long.contains(&unit)) {
            let meant = text.replacen(unit, short, 1).replace(' ', "");
            return Err(ParseError::new(wrong().what, format!("write `{meant}`")));
        }
        if unit.is_empty() && after.is_empty() {
            let help = format!("say of what: `{text}ms`, `{text}s`, `{text}m` or `{text}h`");
            return Err(ParseError::new(format!("`{text}` has no unit"), help));
        }
        let (_, length, _) = units.find(|(short, ..)| *short == unit).ok_or_else(wrong)?;
        let part = number.times(length.0).ok_or_else(wrong)?;
        total = Nanos(total.0.checked_add(part).ok_or_else(wrong)?);
        rest = after.trim_start();
    }
    Ok(total)
}

/// A rate, per second: `30/s`, `12/min`, `5/h`, `1000/day`.
///
/// # Errors
/// Where the text is none; zero is one.
pub fn rate(text: &str) -> Result<f64, ParseError> {
    let help = "write a rate such as `30/s`, `250/min`, `5/h` or `1000/day`";
    let wrong = || ParseError::new(format!("`{text}` is not a rate"), help);
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err(ParseError::new(format!("`{text}` is negative, and a rate cannot be"), help));
    }
    let (number, rest) = Decimal::read_with_magnitude(trimmed).ok_or_else(wrong)?;
    let Some(period) = rest.trim_start().strip_prefix('/').map(str::trim) else {
        let bare = rest.trim().is_empty();
        let help = if bare { format!("say per what: `{trimmed}/s`, `{trimmed}/min`") } else { help.into() };
        return Err(ParseError::new(wrong().what, help));
    };
    if let Some((short, ..)) = PERIODS.iter().find(|(.., long)| long.contains(&period)) {
        let before = trimmed.split('/').next().unwrap_or_default().trim_end();
        return Err(ParseError::new(wrong().what, format!("write `{before}/{short}`")));
    }
    let (_, seconds, _) = PERIODS.iter().find(|(short, ..)| *short == period).ok_or_else(wrong)?;
    Ok(Decimal::to_f64(number) / Decimal { digits: u128::from(*seconds), scale: 0 }.to_f64())
}

/// A whole number: `6000`, `10_000`, `6k`, `1M`.
///
/// # Errors
/// Where the text is none, or is negative.
pub fn count(text: &str) -> Result<u64, ParseError> {
    let help = "write a whole number such as `6000`, `10_000`, `400k` or `1M`";
    let wrong = || ParseError::new(format!("`{text}` is not a whole number"), help);
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err(ParseError::new(format!("`{text}` is negative"), help));
    }
    match Decimal::read_with_magnitude(trimmed).ok_or_else(wrong)? {
        (number, "") => number.times(1).ok_or_else(wrong),
        (number, unit @ ("K" | "m")) if number.times(1).is_some() => {
            let meant = if unit == "K" { "k" } else { "M" };
            Err(ParseError::new(wrong().what, format!("write `{}{meant}`", trimmed.trim_end_matches(unit))))
        }
        (number, unit) if number.times(1).is_some() && unit.starts_with([' ', '/']) => {
            let meant = trimmed.strip_suffix(unit).unwrap_or_default();
            Err(ParseError::new(wrong().what, format!("write `{meant}`: the word says of what")))
        }
        _ => Err(wrong()),
    }
}

/// A share in thousandths: `20%` is 200. For the rules, see [`share`].
///
/// # Errors
/// Where the text is no share, or has more than one decimal.
pub fn permille(text: &str) -> Result<u32, ParseError> {
    let percent = percent(text)?;
    let permille = percent.times(10).and_then(|permille| u32::try_from(permille).ok());
    permille.ok_or_else(|| {
        ParseError::new(
            format!("`{text}` is finer than a tenth of a percent"),
            "write a share such as `12.5%`",
        )
    })
}

/// A share of a whole, `0..=1`: `20%` is 0.2.
///
/// # Errors
/// Where the text is none, or is beyond `100%`.
pub fn share(text: &str) -> Result<f64, ParseError> {
    let Decimal { digits, scale } = percent(text)?;
    Ok(Decimal { digits, scale: scale + 2 }.to_f64())
}

fn percent(text: &str) -> Result<Decimal, ParseError> {
    let wrong =
        |help: String| ParseError::new(format!("`{text}` is not a share between `0%` and `100%`"), help);
    let usual = || wrong("write a share such as `20%`".into());
    let (number, unit) = Decimal::read(text.trim()).ok_or_else(usual)?;
    let whole = number.digits <= 100 * 10u128.pow(number.scale);
    match unit.trim_start() {
        "%" if whole => Ok(number),
        "" if number.to_f64() <= 1.0 => {
            let meant = Decimal { digits: number.digits.saturating_mul(100), ..number }.to_f64();
            Err(wrong(format!("write `{meant}%`")))
        }
        "" if whole => Err(wrong(format!("write `{}%`", text.trim()))),
        _ => Err(usual()),
    }
}

/// A speed in tokens per second: `1800 tok/s`, `23k tok/s`. More than zero.
///
/// # Errors
/// Where the text is none.
pub fn speed(text: &str) -> Result<f64, ParseError> {
    let wrong = || {
        ParseError::new(format!("`{text}` is not a speed above zero"), "write a speed such as `1800 tok/s`")
    };
    match Decimal::read_with_magnitude(text.trim()).map(|(number, unit)| (number, unit.trim_start())) {
        Some((number, "tok/s")) if number.digits > 0 => Ok(number.to_f64()),
        Some((number, "")) if number.digits > 0 => {
            Err(ParseError::new(wrong().what, format!("say of what: `{} tok/s`", text.trim())))
        }
        _ => Err(wrong()),
    }
}

/// A plain number, zero or more: `0.35`, `1.1`.
///
/// # Errors
/// Where the text is none.
pub fn number(text: &str) -> Result<f64, ParseError> {
    match Decimal::read(text.trim()) {
        Some((number, "")) => Ok(number.to_f64()),
        _ => Err(ParseError::new(
            format!("`{text}` is not a number of zero or more"),
            "write a plain number such as `0.35` or `2`",
        )),
    }
}

/// A multiple: `4x`. More than zero.
///
/// # Errors
/// Where the text is none.
pub fn multiple(text: &str) -> Result<f64, ParseError> {
    match Decimal::read(text.trim()) {
        Some((number, "x")) if number.digits > 0 => Ok(number.to_f64()),
        _ => Err(ParseError::new(format!("`{text}` is not a multiple"), "write a multiple such as `4x`")),
    }
}

/// An amount of money in US dollars: `150 USD`.
///
/// # Errors
/// Where the text is none.
pub fn dollars(text: &str) -> Result<f64, ParseError> {
    match Decimal::read(text.trim()).map(|(number, unit)| (number, unit.trim_start())) {
        Some((number, "USD")) => Ok(number.to_f64()),
        _ => Err(ParseError::new(format!("`{text}` is not an amount of money"), "write it as `150 USD`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_read_exactly() {
        for (text, nanos) in [
            ("250ms", 250_000_000),
            ("90s", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            ("1m30s", 90_000_000_000),
            ("1h 30m", 5_400_000_000_000),
            ("24h", 86_400_000_000_000),
            ("1d", 86_400_000_000_000),
            ("0s", 0),
            ("0.000000001s", 1),
        ] {
            assert_eq!(duration(text), Ok(Nanos(nanos)), "{text}");
        }
        for (text, expected) in [("6000", 6_000), ("6k", 6_000), ("1.5M", 1_500_000), ("10_000", 10_000)] {
            assert_eq!(count(text), Ok(expected), "{text}");
        }
        for (text, expected) in
            [("30/s", 30.0), ("12/min", 0.2), ("3600/h", 1.0), ("86.4k/day", 1.0), ("0/s", 0.0)]
        {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        assert_eq!(share("20%"), Ok(0.2));
        assert_eq!(share("0.1%"), Ok(0.001));
        assert_eq!(permille("12.5%"), Ok(125));
        assert_eq!(speed("1800 tok/s"), Ok(1800.0));
        assert_eq!(speed("23k tok/s"), Ok(23_000.0));
        assert_eq!(multiple("4x"), Ok(4.0));
        assert_eq!(dollars("150 USD"), Ok(150.0));
        assert_eq!(number("0.35"), Ok(0.35));
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_a_remedy() {
        for (text, help) in [
            ("5min", "write `5m`"),
            ("2 hours", "write `2h`"),
            ("30", "say of what: `30ms`, `30s`, `30m` or `30h`"),
        ] {
            assert_eq!(duration(text).unwrap_err().help, help, "{text}");
        }
        for (text, help) in [
            ("250", "say per what: `250/s`, `250/min`"),
            ("250/minute", "write `250/min`"),
            ("6k / m", "write `6k/min`"),
        ] {
            assert_eq!(rate(text).unwrap_err().help, help, "{text}");
        }
        assert_eq!(count("400K").unwrap_err().help, "write `400k`");
        assert_eq!(count("400k/min").unwrap_err().help, "write `400k`: the word says of what");
        assert_eq!(share("0.2").unwrap_err().help, "write `20%`");
        assert_eq!(share("20").unwrap_err().help, "write `20%`");
        assert_eq!(speed("1800").unwrap_err().help, "say of what: `1800 tok/s`");
        let bad =
            ["", " ", "-1", "-1s", "1s1m", "1_s", "_1s", "1..5s", "s", "1e9s", "NaN", "inf", "999999999d"];
        for text in bad {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "-3", "1.5", "1_", "k", "1kk", "99999999999999999999", "1e3", "0x10"] {
            assert!(count(text).is_err(), "{text}");
        }
        for text in ["", "-3/s", "3/", "/s", "3/fortnight", "NaN/s", "inf/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
        for text in ["", "101%", "100.1%", "-1%", "%", "20%%", "1x"] {
            assert!(share(text).is_err(), "{text}");
        }
        assert!(permille("0.05%").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value: u64) {
            prop_assert_eq!(duration(&print_duration(Nanos(value))), Ok(Nanos(value)));
            prop_assert_eq!(count(&print_count(value)), Ok(value));
        }

        #[test]
        fn round_numbers_read_back_too(value in 0u64..100_000, zeros in 0u32..12) {
            let value = value * 10u64.pow(zeros);
            prop_assert_eq!(duration(&print_duration(Nanos(value))), Ok(Nanos(value)));
            prop_assert_eq!(count(&print_count(value)), Ok(value));
        }

        #[test]
        fn a_printed_rate_is_the_same_to_four_digits(per_second in 1e-5f64..1e6) {
            let again = rate(&print_rate(per_second)).unwrap();
            prop_assert!((again / per_second - 1.0).abs() < 2e-3, "{} -> {}", per_second, again);
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC{0,24}") {
            let _ = (duration(&text), rate(&text), count(&text), share(&text), permille(&text));
            let _ = (speed(&text), number(&text), multiple(&text), dollars(&text));
        }
    }
}
