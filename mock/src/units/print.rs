//! Prints quantities in the grammar in which they are parsed.

use super::TIME_UNITS;
use crate::time::Nanos;

/// Prints a duration for [`super::parse_duration`], exactly.
#[must_use]
pub fn print_duration(duration: Nanos) -> String {
    let mut rest = duration.0;
    let mut printed = String::new();
    for unit in TIME_UNITS.iter().filter(|unit| unit.duration > Nanos::SECOND) {
        if rest >= unit.duration.0 {
            printed += &format!("{}{}", rest / unit.duration.0, unit.symbol);
            rest %= unit.duration.0;
        }
    }
    match rest {
        0 if printed.is_empty() => "0s".into(),
        0 => printed,
        _ if rest >= Nanos::SECOND.0 => printed + &decimals(rest, Nanos::SECOND.0, 9) + "s",
        _ => printed + &decimals(rest, 1_000_000, 6) + "ms",
    }
}

/// Prints `value / unit`, where `unit` is 10^`places`, without trailing zeros.
fn decimals(value: u64, unit: u64, places: usize) -> String {
    let text = format!("{}.{:0places$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Prints a rate, given per second, for [`super::parse_rate`]: over the shortest period in which it is a whole number, or
/// per minute as [`print_number`] prints it.
#[must_use]
pub fn print_rate(per_second: f64) -> String {
    for unit in TIME_UNITS.iter().rev() {
        let Some(period) = unit.period else { continue };
        let amount = per_second * unit.duration.as_secs_f64();
        if amount >= 1.0 && (amount - libm::round(amount)).abs() < 1e-9 * amount {
            return format!("{}/{period}", libm::round(amount));
        }
    }
    format!("{}/min", print_number(per_second * 60.0))
}

/// Prints a number of zero or more with at least four significant digits, but at most twelve decimals, without trailing zeros
/// after the point.
#[must_use]
pub fn print_number(value: f64) -> String {
    let (mut places, mut scaled) = (0, value);
    while scaled < 1_000.0 && places < 12 {
        (places, scaled) = (places + 1, scaled * 10.0);
    }
    let text = format!("{value:.places$}");
    if places == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Prints a whole number for [`super::parse_count`], exactly: `400k`, `14.4k`, `1M`, `6001`.
#[must_use]
pub fn print_count(count: u64) -> String {
    match count {
        1_000_000.. if count.is_multiple_of(100_000) => decimals(count, 1_000_000, 6) + "M",
        1_000.. if count.is_multiple_of(100) => decimals(count, 1_000, 3) + "k",
        _ => count.to_string(),
    }
}

/// Prints a share for [`super::parse_share`], rounded to a tenth of a percent.
#[must_use]
pub fn print_share(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{}%", text.trim_end_matches(".0"))
}
