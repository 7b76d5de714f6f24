//! Civil time: the days of a time zone, and dates and decimal durations as HTTP, RFC 3339 and trace files write them.
//!
//! A run whose scenario states no date starts on 2026-11-01 at 00:00 UTC; [`Epoch`] maps the instants of a run to the calendar, and
//! [`LocalClock`] to the local time of a zone.
//! Nothing here reads a clock. Time zones come from the IANA database that `jiff` bundles and HTTP dates from
//! `httpdate`, so every machine gives the same result. All conversions of the workspace between civil time and
//! instants go through this module.

mod local_clock;

pub use local_clock::{InvalidStart, LocalClock};

use crate::axis::Period;
use crate::time::{Instant, Nanos};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, ZonedDateTime, civil};
use std::fmt;
use std::ops::{Add, Range};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

static PACIFIC: LazyLock<TimeZone> = LazyLock::new(|| {
    let zone = TimeZoneDatabase::bundled().get("America/Los_Angeles");
    zone.expect("invariant: the bundled time zone database contains America/Los_Angeles")
});

/// A time zone in which a provider counts its days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// `America/Los_Angeles`: UTC−8, or UTC−7 while daylight saving time is in effect.
    Pacific,
}

impl Zone {
    /// Every zone.
    pub const ALL: [Self; 2] = [Self::Utc, Self::Pacific];

    /// Returns the name that scenarios use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utc => "utc",
            Self::Pacific => "pacific",
        }
    }

    /// Returns the period of the calendar that contains `at` of a run that begins at `epoch`, from midnight to midnight: a day of 23,
    /// 24 or 25 hours, a week from Monday, or a month.
    ///
    /// If the first period began before the run, its start is the start of the run. A period that ends after
    /// [`Instant::MAX`] ends there.
    #[must_use]
    pub fn period_containing(self, period: Period, epoch: Epoch, at: Instant) -> Range<Instant> {
        let first = first_day(period, self.local_time(epoch, at).date());
        let next = match period {
            Period::Day => first.checked_add(Span::new().days(1)),
            Period::Week => first.checked_add(Span::new().days(7)),
            Period::Month => first.checked_add(Span::new().months(1)),
        };
        let instant = |date: civil::Date| {
            let midnight = date.to_zoned_datetime(self.time_zone()).expect(IN_RANGE);
            Instant(UnixTime(midnight.timestamp()).since(epoch.time_at(Instant::ZERO)).0)
        };
        instant(first)..instant(next.expect(IN_RANGE))
    }

    /// Returns the number of periods of the calendar that the first `span` of a run that begins at `epoch` touches: at least one.
    #[must_use]
    pub fn periods_touched_in_first(self, period: Period, epoch: Epoch, span: Nanos) -> u64 {
        let last = Instant(span.0.saturating_sub(1));
        let [first, last] =
            [Instant::ZERO, last].map(|at| first_day(period, self.local_time(epoch, at).date()));
        let between = match period {
            Period::Day => (last - first).get_days(),
            Period::Week => (last - first).get_days() / 7,
            Period::Month => {
                let months = |date: civil::Date| i32::from(date.year()) * 12 + i32::from(date.month());
                months(last) - months(first)
            }
        };
        u64::from(between.unsigned_abs()) + 1
    }

    fn local_time(self, epoch: Epoch, at: Instant) -> ZonedDateTime {
        epoch.time_at(at).0.to_zoned_datetime(self.time_zone())
    }

    fn time_zone(self) -> TimeZone {
        match self {
            Self::Utc => TimeZone::UTC,
            Self::Pacific => PACIFIC.clone(),
        }
    }
}

/// Returns the first day of the period that contains `date`.
fn first_day(period: Period, date: civil::Date) -> civil::Date {
    match period {
        Period::Day => date,
        Period::Week => {
            let days = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(Span::new().days(days)).expect(IN_RANGE)
        }
        Period::Month => date.first_of_month(),
    }
}

/// The calendar time of [`Instant::ZERO`]: [`Epoch::RUN`], or the `start` of a scenario; for the dates in the replies of `quotalab mock`,
/// the time of its own start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(UnixTime);

impl Epoch {
    /// The start of a run: 2026-11-01 at 00:00 UTC.
    pub const RUN: Self = Self(UnixTime(Timestamp::constant(1_793_491_200, 0)));

    /// Returns the epoch at which `time` is [`Instant::ZERO`].
    #[must_use]
    pub const fn new(time: UnixTime) -> Self {
        Self(time)
    }

    /// Returns the calendar time of an instant.
    #[must_use]
    pub fn time_at(self, at: Instant) -> UnixTime {
        self.0 + Nanos(at.0)
    }
}

/// A point in time between 1970 and 9999, with nanosecond resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(Timestamp);

impl UnixTime {
    /// 1970-01-01 at 00:00 UTC.
    pub const EPOCH: Self = Self(Timestamp::UNIX_EPOCH);

    /// Parses an HTTP date (RFC 9110, section 5.6.7): `Wed, 19 Aug 2026 14:34:22 GMT` or one of the two obsolete
    /// formats. Returns `None` for anything else and for times before 1970.
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let time = httpdate::parse_http_date(text.trim()).ok()?;
        Timestamp::try_from(time).ok().map(Self)
    }

    /// Parses an RFC 3339 timestamp: `2026-08-19T14:34:26Z`, with up to nine decimals. Returns `None` for other text, such
    /// as a time without an offset, and for times before 1970.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self).filter(|time| *time >= Self::EPOCH)
    }

    /// Parses a date and time such as `2023-11-16 18:15:46.6805900`, which is in UTC if it states no offset.
    /// Returns `None` for a text shorter than a date and a time with seconds, for other text, and for times before 1970.
    #[must_use]
    pub fn parse_utc(text: &str) -> Option<Self> {
        let civil = |text: &str| {
            let time: civil::DateTime = text.parse().ok()?;
            time.to_zoned_datetime(TimeZone::UTC).ok().map(|time| Self(time.timestamp()))
        };
        let text = Some(text.trim()).filter(|text| text.len() >= "2023-11-16 18:15:46".len())?;
        Self::parse_rfc3339(text).or_else(|| civil(text)).filter(|time| *time >= Self::EPOCH)
    }

    /// Parses a civil date and time such as `2026-09-09 05:38:28` in a zone: an IANA name, or an offset such as `+08:00`.
    /// Returns `None` if one of them is unknown or invalid, or if the time is before 1970.
    #[must_use]
    pub fn parse_in_zone(text: &str, zone: &str) -> Option<Self> {
        let time: civil::DateTime = text.parse().ok()?;
        let time = time.to_zoned_datetime(time_zone(zone)?).ok()?;
        Some(Self(time.timestamp())).filter(|time| *time >= Self::EPOCH)
    }

    /// Returns the first moment after `self` at which clocks in a zone show `hour`:`minute`; `None` if the zone or the time
    /// of day does not exist. On a day on which the time occurs twice, only the first occurrence counts; on a day on which the
    /// clocks skip it, it is later by as much as they skip.
    #[must_use]
    pub fn next_time_of_day(self, hour: u8, minute: u8, zone: &str) -> Option<Self> {
        let local = self.0.to_zoned_datetime(time_zone(zone)?);
        let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
        let at = |day: &ZonedDateTime| {
            let time = day.date().to_datetime(civil::Time::new(hour, minute, 0, 0).ok()?);
            time.to_zoned_datetime(day.time_zone().clone()).ok().map(|time| Self(time.timestamp()))
        };
        at(&local).filter(|time| *time > self).or_else(|| at(&local.tomorrow().ok()?))
    }

    /// Returns the whole seconds since 1970.
    pub(crate) fn secs(self) -> u64 {
        self.0.as_second().unsigned_abs()
    }

    /// Returns the time since `earlier`, or zero if `earlier` is later. Saturates at 584 years.
    #[must_use]
    pub fn since(self, earlier: Self) -> Nanos {
        let nanos = self.0.as_nanosecond() - earlier.0.as_nanosecond();
        Nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }

    /// Returns the time `duration` before this one, or the start of 1970 if that is later.
    pub(crate) fn saturating_sub(self, duration: Nanos) -> Self {
        Self::EPOCH + self.since(Self::EPOCH).saturating_sub(duration)
    }

    /// Formats the time as an IMF-fixdate, cut to whole seconds: `Sun, 01 Nov 2026 00:00:00 GMT`.
    pub(crate) fn http_date(self) -> impl fmt::Display {
        httpdate::HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(self.secs()))
    }

    /// Formats the time as RFC 3339 in UTC, cut to whole seconds: `2026-11-01T00:00:00Z`.
    pub fn rfc3339(self) -> impl fmt::Display {
        Timestamp::from_second(self.0.as_second()).expect(IN_RANGE)
    }
}

impl Add<Nanos> for UnixTime {
    type Output = Self;

    /// # Panics
    /// If the sum is after the year 9999. A run, and each duration, covers at most 584 years.
    fn add(self, duration: Nanos) -> Self {
        let nanos = self.0.as_nanosecond() + i128::from(duration.0);
        Self(Timestamp::from_nanosecond(nanos).expect(IN_RANGE))
    }
}

/// Returns the zone with an IANA name or an offset such as `+08:00`; `None` if there is none.
fn time_zone(name: &str) -> Option<TimeZone> {
    let Some((sign, offset)) = name.split_at_checked(1).filter(|(sign, _)| matches!(*sign, "+" | "-")) else {
        return TimeZoneDatabase::bundled().get(name).ok();
    };
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds = hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok().map(TimeZone::fixed)
}

/// Returns the time from `at` to the end of its window, if windows of this length are aligned to [`Instant::ZERO`]: to
/// midnight UTC if the epoch is [`Epoch::RUN`].
pub(crate) const fn until_window_end(window: Nanos, at: Instant) -> Nanos {
    debug_assert!(window.0 > 0, "invariant: a window is not empty");
    Nanos(window.0 - at.0 % window.0)
}

/// Parses a decimal number of `unit`, such as `12` or `11.382867097854614` seconds; drops digits below a nanosecond.
/// Returns `None` for other text, such as one with a sign, an exponent or no digit next to the point, and for more than 584
/// years.
#[must_use]
pub fn parse_decimal(text: &str, unit: Nanos) -> Option<Nanos> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let mut nanos = whole.parse::<u64>().ok()?.checked_mul(unit.0)?;
    let mut place = unit.0;
    for digit in fraction.bytes() {
        // Exact while `place` is a multiple of ten; afterwards rounded down to whole nanoseconds.
        nanos = nanos.checked_add(u64::from(digit - b'0') * place / 10)?;
        place /= 10;
    }
    Some(Nanos(nanos))
}

const IN_RANGE: &str = "invariant: a time between 1970 and 9999";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run_day(days: u64) -> Instant {
        Instant(days * Nanos::DAY.0)
    }

    /// Returns the hour of a run at which the Pacific day with this number starts, and the length of that day in hours.
    fn hours(day: u64) -> (u64, u64) {
        let Range { start, end } =
            Zone::Pacific.period_containing(Period::Day, Epoch::RUN, run_day(day) + Nanos::HOUR * 12);
        (start.0 / Nanos::HOUR.0, end.since(start).0 / Nanos::HOUR.0)
    }

    #[test]
    fn days_with_a_daylight_saving_change_have_25_or_23_hours() {
        // 2026-11-01 starts at 7:00 UTC, 2026-11-02 at 8:00.
        assert_eq!(hours(0), (7, 25));
        assert_eq!(hours(1), (32, 24));
        // 2027-03-14 is 133 days later: from 8:00 UTC to 7:00.
        assert_eq!(hours(132), (132 * 24 + 8, 24));
        assert_eq!(hours(133), (133 * 24 + 8, 23));
        assert_eq!(hours(134), (134 * 24 + 7, 24));
        // 2027-11-07, and 2028-02-29.
        assert_eq!(hours(371), (371 * 24 + 7, 25));
        assert_eq!(hours(485), (485 * 24 + 8, 24));
    }

    #[test]
    fn a_run_starts_at_17_00_pacific_time() {
        let first = Zone::Pacific.period_containing(Period::Day, Epoch::RUN, Instant::ZERO);
        assert_eq!(first, Instant::ZERO..Instant(7 * Nanos::HOUR.0));
        assert_eq!(Zone::Pacific.period_containing(Period::Day, Epoch::RUN, Instant(first.end.0 - 1)), first);
        assert_eq!(Zone::Pacific.period_containing(Period::Day, Epoch::RUN, first.end).start, first.end);
        assert_eq!(
            Zone::Utc.period_containing(Period::Day, Epoch::RUN, Instant::ZERO),
            Instant::ZERO..Instant(Nanos::DAY.0)
        );
        let touched =
            |span| Zone::ALL.map(|zone| zone.periods_touched_in_first(Period::Day, Epoch::RUN, span));
        assert_eq!(touched(Nanos(0)), [1, 1]);
        assert_eq!(touched(Nanos(7 * Nanos::HOUR.0)), [1, 1]);
        assert_eq!(touched(Nanos::DAY), [1, 2]);
        assert_eq!(touched(Nanos::DAY * 365), [365, 366]);
    }

    #[test]
    fn days_are_adjacent_and_two_a_year_are_not_24_hours_long() {
        const YEARS: u64 = 40;
        for zone in Zone::ALL {
            let mut day = zone.period_containing(Period::Day, Epoch::RUN, Instant::ZERO);
            let (mut long, mut short) = (0, 0);
            while day.end < run_day(YEARS * 365) {
                let next = zone.period_containing(Period::Day, Epoch::RUN, day.end);
                assert_eq!(next.start, day.end);
                match next.end.since(next.start).0 / Nanos::HOUR.0 {
                    25 => long += 1,
                    23 => short += 1,
                    hours => assert_eq!(hours, 24),
                }
                day = next;
            }
            let years = if zone == Zone::Pacific { YEARS } else { 0 };
            assert_eq!((long, short), (years, years));
        }
    }

    proptest! {
        /// A run that begins later has the same days, weeks and months, earlier by as much.
        #[test]
        fn periods_of_a_later_run_are_those_of_an_earlier_one(
            later in 0..Nanos::DAY.0 * 700,
            at in 0..Nanos::DAY.0 * 700,
            pacific: bool,
            period in prop::sample::select(&[Period::Day, Period::Week, Period::Month][..]),
        ) {
            let zone = if pacific { Zone::Pacific } else { Zone::Utc };
            let epoch = Epoch::new(Epoch::RUN.time_at(Instant(later)));
            let (day, same) = (zone.period_containing(period, epoch, Instant(at)), zone.period_containing(period, Epoch::RUN, Instant(later + at)));
            prop_assert_eq!(day.start.0, same.start.0.saturating_sub(later));
            prop_assert_eq!(day.end.0, same.end.0 - later);
            let touched = |span| zone.periods_touched_in_first(period, Epoch::RUN, span);
            prop_assert_eq!(
                zone.periods_touched_in_first(period, epoch, Nanos(at + 1)),
                touched(Nanos(later + at + 1)) - touched(Nanos(later + 1)) + 1
            );
        }
    }

    #[test]
    fn the_last_instant_has_a_day() {
        for zone in Zone::ALL {
            assert!(
                zone.period_containing(Period::Day, Epoch::RUN, Instant::MAX).start
                    >= Instant(u64::MAX - Nanos::DAY.0)
            );
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        // A run begins on Sunday, 2026-11-01; in the Pacific zone that is still Saturday in October.
        for (zone, period, until, touched) in [
            (Zone::Utc, Period::Week, 24, 2),
            (Zone::Pacific, Period::Week, 24 + 8, 1),
            (Zone::Utc, Period::Month, 30 * 24, 1),
            (Zone::Pacific, Period::Month, 7, 2),
        ] {
            let first = zone.period_containing(period, Epoch::RUN, Instant::ZERO);
            assert_eq!(first, Instant::ZERO..Instant(Nanos::HOUR.0 * until), "{zone:?} {period:?}");
            assert_eq!(zone.period_containing(period, Epoch::RUN, Instant(first.end.0 - 1)), first);
            assert_eq!(zone.period_containing(period, Epoch::RUN, first.end).start, first.end);
            assert_eq!(zone.periods_touched_in_first(period, Epoch::RUN, Nanos(30 * Nanos::HOUR.0)), touched);
        }
        let december = Zone::Utc.period_containing(Period::Month, Epoch::RUN, run_day(30));
        assert_eq!((december.start, december.end), (run_day(30), run_day(61)));
        assert_eq!(Zone::Utc.periods_touched_in_first(Period::Month, Epoch::RUN, Nanos::DAY * 61), 2);
        assert_eq!(Zone::Utc.periods_touched_in_first(Period::Month, Epoch::RUN, Nanos::DAY * 366), 13);
    }

    #[test]
    fn instants_of_a_run_are_written_as_dates() {
        for (at, date) in [
            (Instant::ZERO, "2026-11-01T00:00:00Z"),
            (Instant(Nanos::DAY.0 - 1), "2026-11-01T23:59:59Z"),
            (run_day(30), "2026-12-01T00:00:00Z"),
            (run_day(61), "2027-01-01T00:00:00Z"),
            (run_day(485), "2028-02-29T00:00:00Z"),
            (run_day(486), "2028-03-01T00:00:00Z"),
            (run_day(26_783), "2100-03-01T00:00:00Z"),
            (Instant::MAX, "2611-05-22T23:34:33Z"),
        ] {
            assert_eq!(Epoch::RUN.time_at(at).rfc3339().to_string(), date);
        }
        let http = |at| Epoch::RUN.time_at(at).http_date().to_string();
        assert_eq!(http(Instant(Nanos::HOUR.0)), "Sun, 01 Nov 2026 01:00:00 GMT");
        assert_eq!(http(run_day(1)), "Mon, 02 Nov 2026 00:00:00 GMT");
        assert_eq!(http(Instant::MAX), "Wed, 22 May 2611 23:34:33 GMT");
        assert_eq!(Epoch::RUN.time_at(Instant::ZERO).saturating_sub(Nanos::MAX), UnixTime::EPOCH);
    }

    #[test]
    fn windows_end_at_multiples_of_their_length() {
        let at = |secs| Instant(Nanos::from_secs(secs).0);
        assert_eq!(until_window_end(Nanos::MINUTE, at(61)), Nanos::from_secs(59));
        assert_eq!(until_window_end(Nanos::DAY, at(0)), Nanos::DAY);
    }

    #[test]
    fn every_format_names_the_same_time() {
        for (http, rfc3339, utc, secs) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z", "1970-01-01 00:00:00", 0),
            (
                "Tue, 29 Feb 2000 23:59:59 GMT",
                "2000-02-29T23:59:59Z",
                "2000-02-29 23:59:59+00:00",
                951_868_799,
            ),
            (
                "Wed, 19 Aug 2026 14:34:22 GMT",
                "2026-08-19T16:34:22+02:00",
                "2026-08-19T14:34:22Z",
                1_787_150_062,
            ),
            (
                "Fri, 01 Mar 2024 00:00:00 GMT",
                "2024-03-01T00:00:00.000Z",
                "2024-03-01T00:00:00.0",
                1_709_251_200,
            ),
            ("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z", "1994-11-06 08:49:37", 784_111_777),
        ] {
            let time = Some(UnixTime::EPOCH + Nanos::from_secs(secs));
            assert_eq!(UnixTime::parse_http_date(http), time, "{http}");
            assert_eq!(UnixTime::parse_rfc3339(rfc3339), time, "{rfc3339}");
            assert_eq!(UnixTime::parse_utc(utc), time, "{utc}");
            assert_eq!(time.map(UnixTime::secs), Some(secs));
        }
        // `date -ud '2023-11-16 18:15:46' +%s` prints 1700158546.
        let azure =
            UnixTime::parse_utc("2023-11-16 18:15:46.6805900").map(|time| time.since(UnixTime::EPOCH));
        assert_eq!(azure, Some(Nanos(1_700_158_546_680_590_000)));
    }

    #[test]
    fn a_text_that_is_no_date_is_not_parsed() {
        for text in ["", "Wed, 19 Aug 2026 14:34:22", "Wed, 32 Aug 2026 14:34:22 GMT", "60"] {
            assert_eq!(UnixTime::parse_http_date(text), None, "{text}");
        }
        for text in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-08-19T24:00:00Z",
            "2026-08-19T14:34:26",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(UnixTime::parse_rfc3339(text), None, "{text}");
        }
        for text in
            ["", "2023-02-29 00:00:00", "2023-02-28 24:00:00", "2023-02-28", "2023-02-28 18:00", "12.5"]
        {
            assert_eq!(UnixTime::parse_utc(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_to_the_nanosecond() {
        assert_eq!(parse_decimal("11.382867097854614", Nanos::SECOND), Some(Nanos(11_382_867_097)));
        assert_eq!(parse_decimal("0.05", Nanos::SECOND), Some(Nanos::from_millis(50)));
        for text in ["", "-1", "1e9", "soon", "1.", ".5", "99999999999999999999", "0x10", "+1", "1.2.3"] {
            assert_eq!(parse_decimal(text, Nanos::SECOND), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_date_parsers_never_panic(text in ".{0,40}", digits in "[0-9T:. Z+-]{0,30}") {
            for text in [text, digits] {
                let _ = (UnixTime::parse_http_date(&text), UnixTime::parse_rfc3339(&text), UnixTime::parse_utc(&text));
            }
        }

        #[test]
        fn formatted_dates_parse_to_the_same_time(secs in 0u64..250_000_000_000) {
            let time = UnixTime(Timestamp::from_second(i64::try_from(secs).unwrap()).unwrap());
            prop_assert_eq!(UnixTime::parse_http_date(&time.http_date().to_string()), Some(time));
            prop_assert_eq!(UnixTime::parse_rfc3339(&time.rfc3339().to_string()), Some(time));
        }
    }
}
