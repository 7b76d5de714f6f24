//! Quantities printed in the words in which they are read.

use super::{PERIODS, TIMES};
use crate::time::Nanos;

/// A length of time in the words of [`super::duration`], exactly.
#[must_use]
pub fn print_duration(length: Nanos) -> String {
    let mut rest = length.0;
    let mut printed = String::new();
    for (unit, size, _) in &TIMES[..3] {
        if rest >= size.0 {
            printed += &format!("{}{unit}", rest / size.0);
            rest %= size.0;
        }
    }
    match rest {
        0 if printed.is_empty() => "0s".into(),
        0 => printed,
        _ if rest >= Nanos::SECOND.0 => printed + &decimals(rest, Nanos::SECOND.0, 9) + "s",
        _ => printed + &decimals(rest, 1_000_000, 6) + "ms",
    }
}

/// `value / one` with as many of `places` decimals as it needs.
fn decimals(value: u64, one: u64, places: usize) -> String {
    let text = format!("{}.{:0places$}", value / one, value % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A rate (per second) in the words of [`super::rate`]: the shortest period that makes it a whole number, or
/// per minute to four digits.
#[must_use]
pub fn print_rate(per_second: f64) -> String {
    for (period, seconds, _) in PERIODS {
        let amount = per_second * Nanos::from_secs(seconds).as_secs_f64();
        if amount >= 1.0 && (amount - libm::round(amount)).abs() < 1e-9 * amount {
            return format!("{}/{period}", libm::round(amount));
        }
    }
    format!("{}/min", print_number(per_second * 60.0))
}

/// A number to four significant digits, without needless zeros.
#[must_use]
pub fn print_number(value: f64) -> String {
    let (mut places, mut scaled) = (0, value);
    while scaled < 1_000.0 && places < 12 {
        (places, scaled) = (places + 1, scaled * 10.0);
    }
    let text = format!("{value:.places$}");
    if places == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// A whole number in the words of [`super::count`], exactly: `400k`, `14.4k`, `1M`, `6001`.
#[must_use]
pub fn print_count(count: u64) -> String {
    match count {
        1_000_000.. if count.is_multiple_of(100_000) => decimals(count, 1_000_000, 6) + "M",
        1_000.. if count.is_multiple_of(100) => decimals(count, 1_000, 3) + "k",
        _ => count.to_string(),
    }
}

/// A share in the words of [`super::share`], to a tenth of a percent.
#[must_use]
pub fn print_share(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{}%", text.trim_end_matches(".0"))
}
