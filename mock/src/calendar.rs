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

    /// Returns the time from the start of the period of the calendar that contains the start of a run, which begins at `epoch`, to that
    /// start; zero if it is the first instant of a period.
    #[must_use]
    pub fn since_period_began(self, period: Period, epoch: Epoch) -> Nanos {
        let first = first_day(period, self.local_time(epoch, Instant::ZERO).date());
        let midnight = first.to_zoned_datetime(self.time_zone()).expect(IN_RANGE);
        epoch.time_at(Instant::ZERO).since(UnixTime(midnight.timestamp()))
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

    /// Returns the first instant of a month of the calendar; `None` if there is no such month.
    #[must_use]
    pub fn start_of_month(self, year: i16, month: i8) -> Option<UnixTime> {
        let midnight = civil::Date::new(year, month, 1).ok()?.to_zoned_datetime(self.time_zone()).ok()?;
        Some(UnixTime(midnight.timestamp()))
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

    /// Returns the epoch of a run that begins `by` before this one, but not before 1970.
    #[must_use]
    pub fn earlier_by(self, by: Nanos) -> Self {
        Self(self.0.saturating_sub(by))
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
mod tests;
