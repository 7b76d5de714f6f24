//! Quantities in scenarios and on the command line: durations, rates, counts, shares and others. Those that are integers,
//! such as durations and counts, are parsed exactly; the others become floats. A printed duration or count parses to the same
//! quantity; other quantities are rounded when they are printed.
//!
//! Each parser takes the text of one value and returns the quantity, or a [`ParseError`] with a remedy. Decimals are
//! kept as integers until their unit is known: `1.5s` is exactly 1,500,000,000 ns.

use crate::time::Nanos;
use std::fmt;

mod decimal;
mod print;

use decimal::Decimal;
pub use print::{print_count, print_duration, print_number, print_rate, print_share};

/// The reason why a text is not the expected quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The problem, with the text.
    pub what: String,
    /// The remedy, such as the text to write instead.
    pub help: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.help)
    }
}

impl ParseError {
    /// Creates an error from what is wrong and what to write instead.
    #[must_use]
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

/// A unit of time.
struct TimeUnit {
    /// The symbol in durations: `5m`.
    symbol: &'static str,
    /// The name in rates: `30/min`; `None` if it is not a period of rates.
    period: Option<&'static str>,
    duration: Nanos,
    /// Names that durations do not accept, and rates only if they are the period: an error suggests the symbol or the period.
    aliases: &'static [&'static str],
}

impl TimeUnit {
    const fn new(
        symbol: &'static str,
        period: Option<&'static str>,
        duration: Nanos,
        aliases: &'static [&'static str],
    ) -> Self {
        Self { symbol, period, duration, aliases }
    }

    /// Returns `true` if `text` is probably meant to name this unit.
    fn resembles(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let misspelt = |name: &str| text.len() > 3 && strsim::osa_distance(name, &text) <= name.len() / 3;
        self.symbol == text
            || self.period == Some(&text)
            || self.aliases.iter().any(|name| *name == text || misspelt(name))
    }
}

/// The units of time, longest first.
static TIME_UNITS: [TimeUnit; 6] = [
    TimeUnit::new("d", Some("day"), Nanos::DAY, &["day", "days"]),
    TimeUnit::new("h", Some("h"), Nanos::HOUR, &["hr", "hrs", "hour", "hours"]),
    TimeUnit::new("m", Some("min"), Nanos::MINUTE, &["min", "mins", "minute", "minutes"]),
    TimeUnit::new("s", Some("s"), Nanos::SECOND, &["sec", "secs", "second", "seconds"]),
    TimeUnit::new("ms", None, Nanos(1_000_000), &["msec", "millis", "millisecond", "milliseconds"]),
    TimeUnit::new("us", None, Nanos(1_000), &["µs", "μs", "usec", "micros", "microsecond", "microseconds"]),
];

/// Parses a duration: `150us`, `250ms`, `90s`, `5m`, `24h`, `1d`, or several units, longest first: `1m30s`.
///
/// # Errors
/// If the text is not a duration, is not a whole number of nanoseconds, or exceeds 584 years.
pub fn parse_duration(text: &str) -> Result<Nanos, ParseError> {
    let what = || format!("`{text}` is not a duration");
    let invalid = || {
        let help = clock_time_remedy(text.trim());
        ParseError::new(
            what(),
            help.unwrap_or("write a duration such as `250ms`, `90s`, `5m` or `1h30m`".into()),
        )
    };
    let mut total = Nanos::ZERO;
    let mut units = TIME_UNITS.iter();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let (number, after) = Decimal::parse_prefix(rest).ok_or_else(invalid)?;
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (symbol, after) = after.split_at(end);
        if symbol.is_empty() && after.is_empty() {
            let help = format!("add a unit: `{text}ms`, `{text}s`, `{text}m` or `{text}h`");
            return Err(ParseError::new(format!("`{text}` has no unit"), help));
        }
        if TIME_UNITS.iter().all(|unit| unit.symbol != symbol) {
            let similar = TIME_UNITS.iter().find(|unit| unit.resembles(symbol)).ok_or_else(invalid)?;
            let suggestion = text.replacen(symbol, similar.symbol, 1).replace(' ', "");
            return Err(ParseError::new(what(), format!("write `{suggestion}`")));
        }
        // Fails if the unit is out of order or repeated.
        let unit = units.find(|unit| unit.symbol == symbol).ok_or_else(invalid)?;
        let part = number.checked_mul_to_integer(unit.duration.0).ok_or_else(invalid)?;
        total = Nanos(total.0.checked_add(part).ok_or_else(invalid)?);
        rest = after.trim_start();
    }
    Ok(total)
}

/// Returns the remedy for a time written with colons, which may be hours and minutes or minutes and seconds: `1:30`, `13:00`,
/// `1:30:00`. `None` for any other text.
fn clock_time_remedy(text: &str) -> Option<String> {
    let parts: Vec<u64> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let with_units = |symbols: &[&str]| {
        let written = parts.iter().zip(symbols).filter(|(number, _)| **number > 0);
        let written: String = written.map(|(number, symbol)| format!("{number}{symbol}")).collect();
        if written.is_empty() { "0s".to_owned() } else { written }
    };
    match parts.len() {
        2 => Some(format!("write `{}` or `{}`", with_units(&["h", "m"]), with_units(&["m", "s"]))),
        3 => Some(format!("write `{}`", with_units(&["h", "m", "s"]))),
        _ => None,
    }
}

/// Parses a rate, zero or more: `30/s`, `12/min`, `5/h`, `1000/day`. The result is per second.
///
/// # Errors
/// If the text is not a rate.
pub fn parse_rate(text: &str) -> Result<f64, ParseError> {
    let what = || format!("`{text}` is not a rate");
    let help = "write a rate such as `30/s`, `250/min`, `5/h` or `1000/day`";
    let invalid = || ParseError::new(what(), help);
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err(ParseError::new(format!("`{text}` is negative; a rate is zero or more"), help));
    }
    let (number, rest) = Decimal::parse_prefix_with_magnitude(trimmed).ok_or_else(invalid)?;
    if rest.trim().is_empty() {
        return Err(ParseError::new(what(), format!("add a period: `{trimmed}/s` or `{trimmed}/min`")));
    }
    let period = rest.trim_start().strip_prefix('/').map(str::trim).ok_or_else(invalid)?;
    if let Some(unit) = TIME_UNITS.iter().find(|unit| unit.period == Some(period)) {
        // One division, which rounds once if the number is exact: `12/min` is the double 0.2.
        return Ok(number.to_f64() / unit.duration.as_secs_f64());
    }
    let similar = TIME_UNITS.iter().filter(|unit| unit.resembles(period)).find_map(|unit| unit.period);
    let similar = similar.ok_or_else(invalid)?;
    let amount = trimmed.split('/').next().unwrap_or_default().trim_end();
    Err(ParseError::new(what(), format!("write `{amount}/{similar}`")))
}

/// Parses a whole number: `6000`, `10_000`, `6k`, `1M`.
///
/// # Errors
/// If the text is not a whole number, is negative, begins with a needless zero, or exceeds 64 bits.
pub fn parse_count(text: &str) -> Result<u64, ParseError> {
    let what = || format!("`{text}` is not a whole number");
    let help = "write a whole number such as `6000`, `10_000`, `400k` or `1M`";
    let invalid = || ParseError::new(what(), help);
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err(ParseError::new(format!("`{text}` is negative"), help));
    }
    let (value, rest) = Decimal::parse_prefix_with_magnitude(trimmed).ok_or_else(invalid)?;
    let number = trimmed.strip_suffix(rest).unwrap_or_default();
    match rest {
        // The rest of a number that was written with commas, such as `10,000` in a list.
        "" if number.len() > 1 && number.starts_with('0') && !number.contains('.') => {
            let help = "a comma ends an entry: write `10000`, `10_000` or `10k` instead of `10,000`";
            Err(ParseError::new(format!("`{text}` begins with a zero"), help))
        }
        "" => value.checked_mul_to_integer(1).ok_or_else(invalid),
        "K" => Err(ParseError::new(what(), format!("write `{number}k`"))),
        "m" => Err(ParseError::new(what(), format!("write `{number}M`"))),
        _ if rest.starts_with([' ', '/']) => {
            Err(ParseError::new(what(), format!("write `{number}`; the unit is implied")))
        }
        _ => Err(invalid()),
    }
}

/// Parses a share in thousandths: `20%` is 200.
///
/// # Errors
/// If the text is not a share as in [`parse_share`], or has more than one decimal.
pub fn parse_permille(text: &str) -> Result<u32, ParseError> {
    let permille =
        parse_percent(text)?.checked_mul_to_integer(10).and_then(|permille| u32::try_from(permille).ok());
    permille.ok_or_else(|| {
        ParseError::new(format!("`{text}` has more than one decimal"), "write a percentage such as `12.5%`")
    })
}

/// Parses a share between 0 and 1: `20%` is 0.2.
///
/// # Errors
/// If the text is not a percentage from `0%` to `100%`.
pub fn parse_share(text: &str) -> Result<f64, ParseError> {
    let Decimal { mantissa, scale } = parse_percent(text)?;
    Ok(Decimal { mantissa, scale: scale + 2 }.to_f64())
}

/// Parses a change by a share: `-20%` is -0.2; `10%` and `+10%` are 0.1.
///
/// # Errors
/// If the text is not a percentage.
pub fn parse_change(text: &str) -> Result<f64, ParseError> {
    let text = text.trim();
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => (-1.0, size),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match Decimal::parse_prefix(size) {
        Some((Decimal { mantissa, scale }, unit)) if unit.trim_start() == "%" => {
            // Adding zero turns minus zero into zero.
            Ok(sign * Decimal { mantissa, scale: scale + 2 }.to_f64() + 0.0)
        }
        _ => Err(ParseError::new(
            format!("`{text}` is not a change by a percentage"),
            "write a percentage such as `-20%` or `10%`",
        )),
    }
}

fn parse_percent(text: &str) -> Result<Decimal, ParseError> {
    let invalid =
        |help: String| ParseError::new(format!("`{text}` is not a percentage between `0%` and `100%`"), help);
    let general = || invalid("write a percentage such as `20%`".into());
    let (number, unit) = Decimal::parse_prefix(text.trim()).ok_or_else(general)?;
    let at_most_100 = number.mantissa <= 100 * 10u128.pow(number.scale);
    match unit.trim_start() {
        "%" if at_most_100 => Ok(number),
        "" if number.to_f64() <= 1.0 => {
            let percent = Decimal { mantissa: number.mantissa.saturating_mul(100), ..number }.to_f64();
            Err(invalid(format!("write `{percent}%`")))
        }
        "" if at_most_100 => Err(invalid(format!("write `{}%`", text.trim()))),
        _ => Err(general()),
    }
}

/// Parses a speed above zero in tokens per second: `1800 tok/s`, `23k tok/s`.
///
/// # Errors
/// If the text is not a speed, or is zero.
pub fn parse_speed(text: &str) -> Result<f64, ParseError> {
    let invalid = |help: String| ParseError::new(format!("`{text}` is not a speed above zero"), help);
    match Decimal::parse_prefix_with_magnitude(text.trim()).map(|(number, unit)| (number, unit.trim_start()))
    {
        Some((number, "tok/s")) if number.mantissa > 0 => Ok(number.to_f64()),
        Some((number, "")) if number.mantissa > 0 => {
            Err(invalid(format!("add a unit: `{} tok/s`", text.trim())))
        }
        _ => Err(invalid("write a speed such as `1800 tok/s`".into())),
    }
}

/// Parses a number without a unit, zero or more: `0.35`, `1.1`.
///
/// # Errors
/// If the text is not a number, is negative, or has a unit.
pub fn parse_number(text: &str) -> Result<f64, ParseError> {
    match Decimal::parse_prefix(text.trim()) {
        Some((number, "")) => Ok(number.to_f64()),
        _ => Err(ParseError::new(
            format!("`{text}` is not a number of zero or more"),
            "write a number without a unit, such as `0.35` or `2`",
        )),
    }
}

/// Parses a multiple above zero: `4x`.
///
/// # Errors
/// If the text is not a multiple, or is zero.
pub fn parse_multiple(text: &str) -> Result<f64, ParseError> {
    match Decimal::parse_prefix(text.trim()) {
        Some((number, "x")) if number.mantissa > 0 => Ok(number.to_f64()),
        _ => Err(ParseError::new(format!("`{text}` is not a multiple"), "write a multiple such as `4x`")),
    }
}

/// Parses an amount in US dollars, zero or more: `150 USD`.
///
/// # Errors
/// If the text is not an amount in US dollars.
pub fn parse_dollars(text: &str) -> Result<f64, ParseError> {
    match Decimal::parse_prefix(text.trim()).map(|(number, unit)| (number, unit.trim_start())) {
        Some((number, "USD")) => Ok(number.to_f64()),
        _ => Err(ParseError::new(
            format!("`{text}` is not an amount in US dollars"),
            "write an amount such as `150 USD`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_parsed_exactly() {
        for (text, nanos) in [
            ("150us", 150_000),
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
            assert_eq!(parse_duration(text), Ok(Nanos(nanos)), "{text}");
        }
        for (text, expected) in [("6000", 6_000), ("6k", 6_000), ("1.5M", 1_500_000), ("10_000", 10_000)] {
            assert_eq!(parse_count(text), Ok(expected), "{text}");
        }
        for (text, expected) in
            [("30/s", 30.0), ("12/min", 0.2), ("3600/h", 1.0), ("86.4k/day", 1.0), ("0/s", 0.0)]
        {
            assert_eq!(parse_rate(text), Ok(expected), "{text}");
        }
        assert_eq!(parse_share("20%"), Ok(0.2));
        assert_eq!(parse_share("0.1%"), Ok(0.001));
        assert_eq!(parse_permille("12.5%"), Ok(125));
        assert_eq!(["-20%", "+12.5%", " 150 %", "-0%"].map(parse_change), [-0.2, 0.125, 1.5, 0.0].map(Ok));
        assert_eq!(parse_speed("1800 tok/s"), Ok(1800.0));
        assert_eq!(parse_speed("23k tok/s"), Ok(23_000.0));
        assert_eq!(parse_multiple("4x"), Ok(4.0));
        assert_eq!(parse_dollars("150 USD"), Ok(150.0));
        assert_eq!(parse_number("0.35"), Ok(0.35));
    }

    #[test]
    fn invalid_quantities_are_refused_with_a_remedy() {
        for (text, help) in [
            ("5min", "write `5m`"),
            ("2 hours", "write `2h`"),
            ("24hours", "write `24h`"),
            ("3huors", "write `3h`"),
            ("1h 20 Minuts", "write `1h20m`"),
            ("5H", "write `5h`"),
            ("30", "add a unit: `30ms`, `30s`, `30m` or `30h`"),
            ("5xx", "write a duration such as `250ms`, `90s`, `5m` or `1h30m`"),
        ] {
            assert_eq!(parse_duration(text).unwrap_err().help, help, "{text}");
        }
        for (text, help) in [
            ("250", "add a period: `250/s` or `250/min`"),
            ("250/minute", "write `250/min`"),
            ("6k / m", "write `6k/min`"),
            ("1/secnod", "write `1/s`"),
            ("9/d", "write `9/day`"),
        ] {
            assert_eq!(parse_rate(text).unwrap_err().help, help, "{text}");
        }
        assert_eq!(parse_count("400K").unwrap_err().help, "write `400k`");
        assert_eq!(parse_count("14.4K").unwrap_err().help, "write `14.4k`");
        assert!(parse_count("000").unwrap_err().help.contains("`10_000`"));
        assert_eq!(parse_duration("1:30").unwrap_err().help, "write `1h30m` or `1m30s`");
        assert_eq!(parse_duration("13:00").unwrap_err().help, "write `13h` or `13m`");
        assert_eq!(parse_duration("0:00").unwrap_err().help, "write `0s` or `0s`");
        assert_eq!(parse_duration("150µs").unwrap_err().help, "write `150us`");
        assert_eq!(parse_count("400k/min").unwrap_err().help, "write `400k`; the unit is implied");
        assert_eq!(parse_share("0.2").unwrap_err().help, "write `20%`");
        assert_eq!(parse_share("20").unwrap_err().help, "write `20%`");
        assert_eq!(parse_speed("1800").unwrap_err().help, "add a unit: `1800 tok/s`");
        let bad =
            ["", " ", "-1", "-1s", "1s1m", "1_s", "_1s", "1..5s", "s", "1e9s", "NaN", "inf", "999999999d"];
        for text in bad {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["", "-3", "1.5", "1_", "k", "1kk", "99999999999999999999", "1e3", "0x10"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
        for text in ["", "-3/s", "3/", "/s", "3/fortnight", "3/ms", "3/millis", "NaN/s", "inf/s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        for text in ["", "101%", "100.1%", "-1%", "%", "20%%", "1x"] {
            assert!(parse_share(text).is_err(), "{text}");
            assert!(parse_change(text).is_err() || text.trim_end().ends_with('%'), "{text}");
        }
        assert!(parse_permille("0.05%").is_err());
    }

    proptest! {
        #[test]
        fn printed_quantities_read_back(value: u64) {
            prop_assert_eq!(parse_duration(&print_duration(Nanos(value))), Ok(Nanos(value)));
            prop_assert_eq!(parse_count(&print_count(value)), Ok(value));
        }

        #[test]
        fn printed_round_numbers_read_back(value in 0u64..100_000, zeros in 0u32..12) {
            let value = value * 10u64.pow(zeros);
            prop_assert_eq!(parse_duration(&print_duration(Nanos(value))), Ok(Nanos(value)));
            prop_assert_eq!(parse_count(&print_count(value)), Ok(value));
        }

        #[test]
        fn a_printed_rate_reads_back_within_a_fifth_of_a_percent(per_second in 1e-5f64..1e6) {
            let again = parse_rate(&print_rate(per_second)).unwrap();
            prop_assert!((again / per_second - 1.0).abs() < 2e-3, "{} -> {}", per_second, again);
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,24}") {
            let _ = (parse_duration(&text), parse_rate(&text), parse_count(&text), parse_share(&text), parse_permille(&text));
            let _ = (parse_speed(&text), parse_number(&text), parse_multiple(&text), parse_dollars(&text));
        }
    }
}
