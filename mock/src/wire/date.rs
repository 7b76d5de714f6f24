//! The calendar of the wire, as everywhere from 2026-11-01 at 00:00 UTC.

use crate::time::{Instant, Nanos};
use crate::zone::START;
use std::fmt;

/// Seconds of the Unix epoch.
pub(super) const fn epoch(at: Instant) -> u64 {
    START + at.0 / Nanos::SECOND.0
}

/// The time until the present window of the clock ends; windows are aligned to midnight UTC.
pub(super) const fn until_end_of(window: Nanos, at: Instant) -> Nanos {
    Nanos(window.0 - at.0 % window.0)
}

/// A date as RFC 3339 writes it, cut to whole seconds: `2026-11-01T00:00:00Z`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rfc3339(pub(super) Instant);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, .. } = Civil::of(epoch(self.0));
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// A date as HTTP writes it (RFC 9110, section 5.6.7), from seconds of the Unix epoch: `Sun, 01 Nov 2026 00:00:00 GMT`.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpDate(pub(super) u64);

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, weekday, hour, minute, second } = Civil::of(self.0);
        let (weekday, month) = (WEEKDAYS[weekday as usize], MONTHS[month as usize - 1]);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    /// 0 is Sunday.
    weekday: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// The Gregorian date, counted in eras of 400 years that begin in March, so that the leap day comes last.
    const fn of(seconds: u64) -> Self {
        let days = seconds / 86_400;
        let since_march_0000 = days + 719_468;
        let (era, day_of_era) = (since_march_0000 / 146_097, since_march_0000 % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let since_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * since_march + 2) / 5 + 1;
        let month = if since_march < 10 { since_march + 3 } else { since_march - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        Self { year, month, day, weekday: (days + 4) % 7, hour, minute, second }
    }
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let day = |days: u64| Instant(days * Nanos::DAY.0);
        for (at, date) in [
            (Instant::ZERO, "2026-11-01T00:00:00Z"),
            (Instant(Nanos::DAY.0 - 1), "2026-11-01T23:59:59Z"),
            (day(30), "2026-12-01T00:00:00Z"),
            (day(61), "2027-01-01T00:00:00Z"),
            (day(485), "2028-02-29T00:00:00Z"),
            (day(486), "2028-03-01T00:00:00Z"),
            (day(26_783), "2100-03-01T00:00:00Z"),
            (Instant::MAX, "2611-05-22T23:34:33Z"),
        ] {
            assert_eq!(Rfc3339(at).to_string(), date);
        }
        assert_eq!(HttpDate(epoch(Instant(Nanos::HOUR.0))).to_string(), "Sun, 01 Nov 2026 01:00:00 GMT");
        assert_eq!(HttpDate(epoch(day(1))).to_string(), "Mon, 02 Nov 2026 00:00:00 GMT");
    }

    #[test]
    fn windows_end_on_the_clock() {
        let at = |secs| Instant(Nanos::from_secs(secs).0);
        assert_eq!(until_end_of(Nanos::MINUTE, at(61)), Nanos::from_secs(59));
        assert_eq!(until_end_of(Nanos::DAY, at(0)), Nanos::DAY);
    }
}
