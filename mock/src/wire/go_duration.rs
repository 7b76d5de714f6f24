//! A length of time as Go prints it: `2h42m9.504s`, `459.999999ms`, `2s`.
//!
//! Groq's waits and resets carry this text. The grammar is that of `time.Duration.String`: the largest unit
//! that leaves an integer part for lengths under a second, else hours, minutes and seconds, without the
//! leading units that are zero; trailing zeros of the fraction are dropped; nothing at all is `0s`.
//! Evidence: the waits and resets of `mock/tests/captures.rs`; the documentation of Go's package `time`.

use super::digits;
use super::pieces::{Piece, put};
use crate::time::Nanos;
use std::fmt;

/// Prints a length of time as Go does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoDuration(pub Nanos);

impl Piece for GoDuration {
    fn append(&self, out: &mut String) {
        let nanos = self.0.0;
        let (unit, places) = match nanos {
            0 => ("s", 0),
            1..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            1_000_000..1_000_000_000 => ("ms", 6),
            _ => ("s", 9),
        };
        let minutes = nanos / Nanos::MINUTE.0;
        if minutes >= 60 {
            put(out, &[&(minutes / 60), &"h"]);
        }
        if minutes > 0 {
            put(out, &[&(minutes % 60), &"m"]);
        }
        digits::decimal(out, nanos % Nanos::MINUTE.0, places);
        out.push_str(unit);
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.append(&mut text);
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_every_unit_as_go_does() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (459_999_999, "459.999999ms"),
            (999_999_999, "999.999999ms"),
            (1_000_000_000, "1s"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (i64::MAX as u64, "2562047h47m16.854775807s"),
            (u64::MAX, "5124095h34m33.709551615s"),
        ] {
            assert_eq!(GoDuration(Nanos(nanos)).to_string(), text);
        }
    }
}
