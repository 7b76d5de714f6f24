//! Numbers, shares, durations and money as text: the only place where reports and messages format them.
//!
//! The charts of a page are formatted in the browser by the same rules, except that instants have no unit
//! (`report/assets/interactive.js`).

mod run_time;

pub use run_time::{RunTime, moment};

use provider::{Instant, Nanos};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The unit of a measured number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A part of a whole, in `0..=1`.
    Share,
    /// Seconds.
    Seconds,
    /// Jobs per second.
    JobsPerSecond,
    /// A factor.
    Times,
    /// US dollars.
    Usd,
}

/// Rounds to `digits` decimal digits, so that a result has the same text on every machine. Values too large to have
/// such digits stay as they are.
#[must_use]
pub fn rounded(value: f64, digits: u8) -> f64 {
    let scale = (0..digits).fold(1.0, |scale, _| scale * 10.0);
    let rounded = libm::round(value * scale) / scale;
    // Adding zero turns minus zero into zero.
    if rounded.is_finite() { rounded + 0.0 } else { value }
}

/// Rounds to three decimal digits or, if these are fewer than five significant ones, to five significant digits; to 15
/// decimal digits at most.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number of digits is clamped"
)]
pub fn significant(value: f64) -> f64 {
    let digits =
        if value == 0.0 { 3.0 } else { (4.0 - libm::floor(libm::log10(value.abs()))).clamp(3.0, 15.0) };
    rounded(value, digits as u8)
}

/// Formats a rate of jobs: per day if it is above zero and below one per minute, otherwise per minute.
#[must_use]
pub fn job_rate(jobs_per_min: f64) -> String {
    if jobs_per_min > 0.0 && jobs_per_min < 1.0 {
        format!("{} jobs/day", number(jobs_per_min * MINUTES_PER_DAY))
    } else {
        format!("{} jobs/min", number(jobs_per_min))
    }
}

const MINUTES_PER_DAY: f64 = 1440.0;

/// Formats a number of jobs that belong to an interval: `233 jobs/min`, or `200 jobs` if the interval has no length.
#[must_use]
pub fn jobs_in(jobs: f64, length_s: f64) -> String {
    if length_s > 0.0 { job_rate(jobs * 60.0 / length_s) } else { format!("{} jobs", number(jobs)) }
}

/// Formats the jobs that arrive in an interval: `233 jobs/min`, or `200 jobs at once` if the interval has no length.
#[must_use]
pub fn offered_in(jobs: f64, length_s: f64) -> String {
    let at_once = if length_s > 0.0 { "" } else { " at once" };
    jobs_in(jobs, length_s) + at_once
}

/// Returns a duration in seconds, rounded to the microsecond.
#[must_use]
pub fn seconds(length: Nanos) -> f64 {
    rounded(length.as_secs_f64(), 6)
}

/// Returns `part ÷ whole`; `None` if `whole` is zero.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
pub fn share_of(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Returns the rate per minute of `number` events in `seconds`. Durations below a millisecond count as a millisecond.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^53")]
pub fn per_minute(number: u64, seconds: f64) -> f64 {
    number as f64 * 60.0 / seconds.max(1e-3)
}

/// Formats a whole number with thousands separators: `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a number with two or three significant digits, and without zeros at the end of a fraction: `0.0052`, `0.52`, `7.4`.
/// From 100 on it is rounded to a whole number, with thousands separators: `312`, `12,345`. Below a millionth it has one
/// digit: `1e-9`. An infinite value is `unbounded`, NaN is `n/a`.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size.is_nan() => "n/a".to_owned(),
        size if size.is_infinite() => "unbounded".to_owned(),
        size if size >= 99.95 => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", count(libm::round(size) as u64))
        }
        size if size >= 9.995 || size == 0.0 => trimmed(format!("{value:.1}")),
        size if size >= 0.1 => trimmed(format!("{value:.2}")),
        size if size >= 1e-6 => {
            let zeros = -libm::floor(libm::log10(size)) as usize;
            trimmed(format!("{value:.0$}", zeros + 1))
        }
        _ => format!("{value:.0e}"),
    }
}

/// Formats a number with three or four significant digits, so that close values can be distinguished: `0.0520`, `0.521`, `1.284`.
/// Values of 10 or more, and of 1e-9 or less, are formatted by [`number`].
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the exponent of a small number")]
pub fn four_digits(value: f64) -> String {
    match value {
        _ if (0.1..10.0).contains(&value) => format!("{value:.3}"),
        _ if value > 1e-9 && value < 0.1 => {
            let zeros = -libm::floor(libm::log10(value)) as usize;
            let digits = zeros + 2;
            format!("{value:.digits$}")
        }
        _ => number(value),
    }
}

/// Formats a share as a percentage. Of the shares from 0 to 1, only 1 is `100 %` and only 0 is `0 %`. A share above 1 is
/// rounded to a tenth of a per cent.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = if percent >= 99.995 && share < 1.0 {
        "> 99.99".to_owned()
    } else if percent > 0.0 && percent < 0.005 {
        "< 0.01".to_owned()
    } else if (1.0..99.0).contains(&percent) || percent > 100.0 {
        trimmed(format!("{percent:.1}"))
    } else {
        trimmed(format!("{percent:.2}"))
    };
    format!("{text} %")
}

/// Formats a duration in one or two units: `420 µs`, `35 ms`, `2.4 s` up to 99.9 s, `3 min 20 s`, `5 h 12 min` up to 48 hours,
/// then `2 d 3 h`. From an hour on, smaller units are left out, not rounded. A duration of zero or less is `0 s`.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub fn duration(seconds: f64) -> String {
    let two = |number: u64, unit: &str, rest: u64, part: &str| match rest {
        0 => format!("{number} {unit}"),
        _ => format!("{number} {unit} {rest} {part}"),
    };
    if seconds <= 0.0 {
        return "0 s".to_owned();
    }
    if seconds < 0.000_999_5 {
        return format!("{} µs", libm::round(seconds * 1e6));
    }
    if seconds < 0.999_5 {
        return format!("{} ms", number(seconds * 1e3));
    }
    if seconds < 99.95 {
        return format!("{} s", number(seconds));
    }
    let whole = libm::round(seconds) as u64;
    match whole {
        0..3_600 => two(whole / 60, "min", whole % 60, "s"),
        3_600..172_800 => two(whole / 3_600, "h", whole % 3_600 / 60, "min"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3_600, "h"),
    }
}

/// Formats an amount in US dollars: `0.0042 USD`, `12.40 USD`, `1,240 USD`.
#[must_use]
pub fn usd(amount: f64) -> String {
    if amount >= 100.0 {
        format!("{} USD", number(amount))
    } else if amount >= 0.1 || amount == 0.0 {
        format!("{amount:.2} USD")
    } else {
        format!("{amount:.4} USD")
    }
}

/// Formats a measured number in its unit.
#[must_use]
pub fn quantity(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Share => percent(value),
        Unit::Seconds => duration(value),
        Unit::JobsPerSecond => format!("{} jobs/s", number(value)),
        Unit::Times => format!("{} ×", number(value)),
        Unit::Usd => usd(value),
    }
}

/// Formats a measured number in its unit beside another one with which it is compared: with as many digits as tell them apart, if they
/// differ by a millionth of the unit at least.
#[must_use]
pub fn quantity_beside(unit: Unit, value: f64, other: f64) -> String {
    let text = quantity(unit, value);
    if text != quantity(unit, other) {
        return text;
    }
    let (scale, name) = match unit {
        Unit::Share => (100.0, "%"),
        Unit::Seconds if other < 1.0 => (1e3, "ms"),
        Unit::Seconds => (1.0, "s"),
        Unit::JobsPerSecond => (1.0, "jobs/s"),
        Unit::Times => (1.0, "×"),
        Unit::Usd => (1.0, "USD"),
    };
    let longer = (1..=6_usize).find_map(|digits| {
        let [value, other] = [value, other].map(|value| format!("{:.digits$} {name}", value * scale));
        (value != other).then_some(value)
    });
    longer.unwrap_or(text)
}

/// Formats a count with its noun: `1 job`, `2 jobs`.
#[must_use]
pub fn plural(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

/// Returns an instant in seconds since the run began, rounded to the microsecond.
#[must_use]
pub fn at_seconds(at: Instant) -> f64 {
    seconds(Nanos(at.0))
}

/// Removes the zeros at the end of a decimal fraction, and its point if no digit is left.
fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Returns `true` for characters that a terminal interprets, or that change how the text around them is shown: control
/// characters, line and paragraph separators, and the embeddings, overrides and isolates of bidirectional text (UAX #9).
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces unprintable characters with blanks.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect()
}

/// Returns the name of a file for a message: in one line, without characters that a terminal interprets.
#[must_use]
pub fn path_name(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_100_have_at_most_three_significant_digits() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(number(0.523), "0.52");
        assert_eq!(number(0.005), "0.005");
        assert_eq!(number(-0.0123), "-0.012");
        assert_eq!(number(1e-9), "1e-9");
        assert_eq!(number(7.04), "7.04");
        assert_eq!(number(99.97), "100");
        assert_eq!(number(12_400.4), "12,400");
        assert_eq!(number(f64::INFINITY), "unbounded");
        assert_eq!(number(f64::NAN), "n/a");
        assert_eq!(plural(1, "job"), "1 job");
        assert_eq!(plural(0, "job"), "0 jobs");
    }

    #[test]
    fn a_quantity_is_told_apart_from_the_one_beside_it() {
        assert_eq!(quantity_beside(Unit::Usd, 2.504, 2.5), "2.504 USD");
        assert_eq!(quantity_beside(Unit::Usd, 2.5, 2.504), "2.500 USD");
        assert_eq!(quantity_beside(Unit::Usd, 3.24, 2.5), "3.24 USD");
        assert_eq!(quantity_beside(Unit::Usd, 2.5, 2.5), "2.50 USD");
        assert_eq!(quantity_beside(Unit::Share, 0.989_98, 0.99), "98.998 %");
        assert_eq!(quantity_beside(Unit::Seconds, 8.002, 8.0), "8.002 s");
        assert_eq!(quantity_beside(Unit::Seconds, 0.050_2, 0.05), "50.2 ms");
        assert_eq!(quantity_beside(Unit::Times, 0.998, 1.0), "0.998 ×");
    }

    #[test]
    fn a_percentage_is_0_or_100_only_if_the_share_is() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.999_999), "> 99.99 %");
        assert_eq!(percent(0.000_001), "< 0.01 %");
        assert_eq!(percent(0.9952), "99.52 %");
        assert_eq!(percent(0.253), "25.3 %");
        assert_eq!(percent(1.034), "103.4 %");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.000_42, "420 µs"),
            (0.035, "35 ms"),
            (0.999_9, "1 s"),
            (2.44, "2.44 s"),
            (45.26, "45.3 s"),
            (200.0, "3 min 20 s"),
            (3_600.0, "1 h"),
            (18_720.0, "5 h 12 min"),
            (86_400.0, "24 h"),
            (183_600.0, "2 d 3 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn rounding_keeps_large_numbers_and_has_no_minus_zero() {
        assert_eq!(rounded(0.123_456_7, 3), 0.123);
        assert_eq!(rounded(f64::MAX, 6), f64::MAX);
        assert!(rounded(-1e-9, 6).is_sign_positive());
    }
}
