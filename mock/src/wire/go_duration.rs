//! Durations in the notation of Go: `2h42m9.504s`, `459.999999ms`, `2s`.
//!
//! Groq and OpenAI write their waits and resets in this notation. The grammar is that of `time.Duration.String`: below one
//! second, the largest unit that leaves an integer part; otherwise hours, minutes and seconds without leading zero units.
//! Trailing zeros of the fraction are dropped. Zero is `0s`. Evidence: the waits and resets of `mock/tests/captures.rs`;
//! the documentation of Go's package `time`.

use super::json::Decimal;
use crate::time::Nanos;
use std::fmt;

/// A duration that prints in Go's notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoDuration(pub Nanos);

impl GoDuration {
    /// Appends the text. If `text` is a string, this avoids the cost of a formatter.
    pub(super) fn append_to(self, text: &mut impl fmt::Write) -> fmt::Result {
        let nanos = self.0.0;
        let mut buffer = itoa::Buffer::new();
        let (unit, places) = match nanos {
            0 => ("s", 0),
            1..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            1_000_000..1_000_000_000 => ("ms", 6),
            _ => ("s", 9),
        };
        let minutes = nanos / Nanos::MINUTE.0;
        if minutes >= 60 {
            text.write_str(buffer.format(minutes / 60))?;
            text.write_str("h")?;
        }
        if minutes > 0 {
            text.write_str(buffer.format(minutes % 60))?;
            text.write_str("m")?;
        }
        Decimal { value: nanos % Nanos::MINUTE.0, places }.append_to(text)?;
        text.write_str(unit)
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.append_to(f)
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
