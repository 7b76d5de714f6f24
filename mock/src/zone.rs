//! The days of a zone: when they begin and end on the clock of a run, which is taken to begin on 2026-11-01 at
//! 00:00 UTC, a Sunday.
//!
//! Providers that forget their counts at midnight mean midnight somewhere. In the Pacific zone two days a year
//! are not 24 hours long, and the first whole day of a run is one of them: its clocks go back at 2:00.
//! Pure arithmetic on the rule that holds in the US since 2007 (Energy Policy Act of 2005, section 110), with no
//! table of zones.

use crate::time::{Instant, Nanos};
use std::ops::Range;

/// The start of a run in seconds of the Unix epoch.
pub(crate) const START: u64 = 1_793_491_200;

/// A zone in which a provider counts its days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Universal time.
    #[default]
    Utc,
    /// The west of the US: 8 hours behind universal time, 7 in summer.
    Pacific,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

impl Zone {
    /// Every zone.
    pub const ALL: [Self; 2] = [Self::Utc, Self::Pacific];

    /// The word of scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utc => "utc",
            Self::Pacific => "pacific",
        }
    }

    /// The day that `at` lies in, from midnight to midnight. The first began before the run where the run does not
    /// begin at midnight: of that day, what lies in the run.
    #[must_use]
    pub fn day(self, at: Instant) -> Range<Instant> {
        let day = self.number(at);
        let since_start = |seconds: u64| Instant(Nanos::from_secs(seconds.saturating_sub(START)).0);
        since_start(self.midnight(day))..since_start(self.midnight(day + 1))
    }

    /// How many days the first `span` of a run touches: at least one.
    #[must_use]
    pub fn days(self, span: Nanos) -> u64 {
        let last = Instant(span.0.saturating_sub(1));
        self.number(last) - self.number(Instant::ZERO) + 1
    }

    /// The number of the day that `at` lies in, counted from the first of 1970.
    fn number(self, at: Instant) -> u64 {
        let now = START + at.0 / Nanos::SECOND.0;
        let earliest = match self {
            Self::Utc => now / DAY,
            Self::Pacific => (now - 8 * HOUR) / DAY,
        };
        earliest + u64::from(now >= self.midnight(earliest + 1))
    }

    /// When the day of this number begins, in seconds of the Unix epoch.
    fn midnight(self, day: u64) -> u64 {
        match self {
            Self::Utc => day * DAY,
            Self::Pacific => {
                let in_winter = day * DAY + 8 * HOUR;
                in_winter - if is_summer(in_winter) { HOUR } else { 0 }
            }
        }
    }
}

/// Whether the clocks of the Pacific zone are an hour ahead: from the second Sunday of March to the first of
/// November, at 2:00 of the clock that is put forward or back.
fn is_summer(now: u64) -> bool {
    // Off by a day around New Year at most, when it is winter in either year.
    let year = 1970 + now / DAY * 400 / 146_097;
    let first_of_march = 365 * year + year / 4 - year / 100 + year / 400 - 719_468;
    let first_of_november = first_of_march + 245;
    let forward = (sunday_from(first_of_march) + 7) * DAY + 10 * HOUR;
    let back = sunday_from(first_of_november) * DAY + 9 * HOUR;
    (forward..back).contains(&now)
}

/// The first Sunday from this day on; the first of 1970 was a Thursday.
const fn sunday_from(day: u64) -> u64 {
    day + (10 - day % 7) % 7
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hour of a run at which a day of the Pacific zone begins, and how many it has, by the day's number in the run.
    fn hours(day: u64) -> (u64, u64) {
        let Range { start, end } = Zone::Pacific.day(Instant(day * Nanos::DAY.0 + 12 * Nanos::HOUR.0));
        (start.0 / Nanos::HOUR.0, end.since(start).0 / Nanos::HOUR.0)
    }

    #[test]
    fn the_days_on_which_the_clocks_are_changed_have_25_and_23_hours() {
        // 2026-11-01 begins at 7:00 UTC, 2026-11-02 at 8:00.
        assert_eq!(hours(0), (7, 25));
        assert_eq!(hours(1), (32, 24));
        // 2027-03-14 is 133 days later: from 8:00 UTC to 7:00.
        assert_eq!(hours(132), (132 * 24 + 8, 24));
        assert_eq!(hours(133), (133 * 24 + 8, 23));
        assert_eq!(hours(134), (134 * 24 + 7, 24));
        // 2027-11-07, and between the years in which February has 29 days.
        assert_eq!(hours(371), (371 * 24 + 7, 25));
        assert_eq!(hours(485), (485 * 24 + 8, 24));
    }

    #[test]
    fn a_run_begins_at_five_in_the_afternoon_of_the_pacific_zone() {
        let first = Zone::Pacific.day(Instant::ZERO);
        assert_eq!(first, Instant::ZERO..Instant(7 * Nanos::HOUR.0));
        assert_eq!(Zone::Pacific.day(Instant(first.end.0 - 1)), first);
        assert_eq!(Zone::Pacific.day(first.end).start, first.end);
        assert_eq!(Zone::Utc.day(Instant::ZERO), Instant::ZERO..Instant(Nanos::DAY.0));
        let touched = |span| Zone::ALL.map(|zone| zone.days(span));
        assert_eq!(touched(Nanos(0)), [1, 1]);
        assert_eq!(touched(Nanos(7 * Nanos::HOUR.0)), [1, 1]);
        assert_eq!(touched(Nanos::DAY), [1, 2]);
        assert_eq!(touched(Nanos::DAY * 365), [365, 366]);
    }

    #[test]
    fn days_follow_each_other_without_a_gap_for_400_years() {
        for zone in Zone::ALL {
            let mut day = zone.day(Instant::ZERO);
            let (mut long, mut short) = (0, 0);
            for _ in 0..146_097 {
                let next = zone.day(day.end);
                assert_eq!(next.start, day.end);
                match next.end.since(next.start).0 / Nanos::HOUR.0 {
                    25 => long += 1,
                    23 => short += 1,
                    hours => assert_eq!(hours, 24),
                }
                day = next;
            }
            let years = if zone == Zone::Pacific { 400 } else { 0 };
            assert_eq!((long, short), (years, years));
        }
    }

    #[test]
    fn the_end_of_time_is_on_some_day() {
        for zone in Zone::ALL {
            assert!(zone.day(Instant::MAX).start >= Instant(u64::MAX - Nanos::DAY.0));
        }
    }
}
