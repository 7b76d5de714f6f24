//! The clock of a run: which local date and time its instants have.

use super::{Epoch, UnixTime, time_zone};
use crate::time::{Instant, Nanos};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, civil};
use std::fmt;
use std::sync::Arc;

/// The number of changes between summer and winter time that are known in advance: 50 years of two each.
const MAX_CHANGES: usize = 100;

/// The local time of the instants of a run.
///
/// Without a date, a run begins on a Monday at midnight, and every day has 24 hours. With a date and a zone, days have 23 or 25 hours
/// when summer time begins or ends, from the IANA database that `jiff` bundles.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalClock {
    /// The start, if it has a date.
    start: Option<ZonedStart>,
    /// At least one; the first begins at zero.
    parts: Arc<[Part]>,
}

/// A start with a date, and its zone.
#[derive(Clone, Debug, PartialEq)]
struct ZonedStart {
    time: UnixTime,
    date_time: civil::DateTime,
    zone: String,
}

/// A part of a run in which local time passes evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    from: Instant,
    /// What is added to an instant for the local time since the midnight of a Monday before the run.
    shift: u64,
    /// The offset of local time from UTC, in seconds.
    utc_offset_s: i32,
}

/// The reason for which a text is not a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidStart {
    /// It has no form of a start.
    Form,
    /// It has no time zone.
    NoZone,
    /// Its time zone is unknown.
    UnknownZone,
    /// Clocks in its zone skip this time, because summer time begins.
    Skipped,
    /// It is before 1970 or after 2100.
    Year,
}

impl Default for LocalClock {
    fn default() -> Self {
        Self { start: None, parts: Arc::new([Part { from: Instant::ZERO, shift: 0, utc_offset_s: 0 }]) }
    }
}

impl LocalClock {
    /// Parses a date and time with a zone, which is an IANA name or an offset: `2026-12-01T08:00 Europe/Berlin`. Of a time that occurs
    /// twice, because summer time ends, the first is meant.
    ///
    /// # Errors
    /// The reason, if it is not one.
    pub fn parse(text: &str) -> Result<Self, InvalidStart> {
        let (date_time, zone) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let zone = zone.trim();
        let has_time = date_time.len() >= "2026-12-01T08:00".len();
        let date_time: civil::DateTime = Some(date_time)
            .filter(|_| has_time)
            .and_then(|text| text.parse().ok())
            .ok_or(InvalidStart::Form)?;
        if zone.is_empty() {
            return Err(InvalidStart::NoZone);
        }
        let time_zone = time_zone(zone).ok_or(InvalidStart::UnknownZone)?;
        if !(1970..=2100).contains(&date_time.year()) {
            return Err(InvalidStart::Year);
        }
        let ambiguous = time_zone.to_ambiguous_timestamp(date_time);
        if let AmbiguousOffset::Gap { .. } = ambiguous.offset() {
            return Err(InvalidStart::Skipped);
        }
        let time = ambiguous.compatible().map(UnixTime).map_err(|_| InvalidStart::Year)?;
        let time = Some(time).filter(|time| *time >= UnixTime::EPOCH).ok_or(InvalidStart::Year)?;
        let parts = parts(time, date_time, &time_zone);
        Ok(Self { start: Some(ZonedStart { time, date_time, zone: zone.to_owned() }), parts })
    }

    /// Returns the clock of a run that begins at `time`, in the same zone; in UTC if this start has no date.
    ///
    /// # Panics
    /// Does not panic: the zone has been found before.
    #[must_use]
    pub fn beginning_at(&self, time: UnixTime) -> Self {
        let zone = self.start.as_ref().map_or("UTC", |start| &start.zone);
        let time_zone = time_zone(zone).expect("invariant: the zone of a clock is known");
        let date_time = time.0.to_zoned_datetime(time_zone.clone()).datetime();
        let parts = parts(time, date_time, &time_zone);
        Self { start: Some(ZonedStart { time, date_time, zone: zone.to_owned() }), parts }
    }

    /// Returns `true` if the start has a date.
    #[must_use]
    pub fn has_date(&self) -> bool {
        self.start.is_some()
    }

    /// Returns the calendar time of [`Instant::ZERO`]: [`Epoch::RUN`] without a date.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.start.as_ref().map_or(Epoch::RUN, |start| Epoch::new(start.time))
    }

    /// Returns the local time of a run that begins `by` before this one, but not before 1970: at the same instants of the calendar, local
    /// time is the same.
    #[must_use]
    pub fn begun_earlier(&self, by: Nanos) -> Self {
        if let Some(start) = &self.start {
            return self.beginning_at(start.time.saturating_sub(by));
        }
        let shift = (Nanos::WEEK.0 - by.0 % Nanos::WEEK.0) % Nanos::WEEK.0;
        Self { start: None, parts: Arc::new([Part { from: Instant::ZERO, shift, utc_offset_s: 0 }]) }
    }

    /// Returns the local time at an instant, since the midnight of a Monday, and the instant of the next change between summer and
    /// winter time; [`Instant::MAX`] if there is none. From one such change to the next, local time passes evenly.
    #[must_use]
    pub fn since_monday(&self, at: Instant) -> (Nanos, Instant) {
        let next = self.parts.partition_point(|part| part.from <= at);
        let part = self.parts[next.saturating_sub(1)];
        (Nanos(at.0.saturating_add(part.shift)), self.parts.get(next).map_or(Instant::MAX, |part| part.from))
    }

    /// Returns the instant with this local time, as [`Self::since_monday`] counts it: the first, if it occurs twice, and the instant of the
    /// change if clocks skip it. Times before the run give its start.
    #[must_use]
    pub fn instant_of(&self, since_monday: Nanos) -> Instant {
        let mut nexts = self.parts.iter().skip(1).map(|part| part.from).chain([Instant::MAX]);
        let found = self.parts.iter().find_map(|part| {
            let at = Instant(since_monday.0.saturating_sub(part.shift)).max(part.from);
            (at < nexts.next()?).then_some(at)
        });
        found.unwrap_or(Instant::MAX)
    }

    /// Returns the instant `days` of local time, a whole number of them, after `from`: at the same time of day.
    #[must_use]
    pub fn days_after(&self, from: Instant, days: Nanos) -> Instant {
        if self.parts.len() == 1 {
            return from + days;
        }
        let (local, _) = self.since_monday(from);
        self.instant_of(Nanos(local.0.saturating_add(days.0)))
    }

    /// Returns the time from the start to a local date and time such as `2026-12-01T09:30`; `None` if that is invalid or before the
    /// start, or if the start has no date. Of a time that occurs twice, the first is meant; one that is skipped is later by as much.
    #[must_use]
    pub fn time_until(&self, date_time: &str) -> Option<Nanos> {
        let start = self.start.as_ref()?;
        let time = UnixTime::parse_in_zone(date_time.trim(), &start.zone)?;
        (time >= start.time).then(|| time.since(start.time))
    }

    /// Formats the local date and time of an instant, with seconds or without: `2026-12-01 08:00`; `None` without a date. If summer time
    /// begins or ends before `end`, the offset from UTC follows: `2026-10-25 02:30 +02`.
    #[must_use]
    pub fn text(&self, at: Instant, with_seconds: bool, end: Instant) -> Option<String> {
        let start = self.start.as_ref()?;
        let part = self.parts[self.parts.partition_point(|part| part.from <= at).saturating_sub(1)];
        let offset = Offset::from_seconds(part.utc_offset_s).ok()?;
        let local = offset.to_datetime((start.time + Nanos(at.0)).0);
        let (date, time) = (local.date(), local.time());
        let mut text = format!("{date} {:02}:{:02}", time.hour(), time.minute());
        if with_seconds {
            text += &format!(":{:02}", time.second());
        }
        if self.since_monday(Instant::ZERO).1 < end {
            text += &format!(" {offset}");
        }
        Some(text)
    }

    /// Returns the times in seconds from which the given offsets from UTC, in seconds, apply: of those before `end`.
    pub fn utc_offsets(&self, end: Instant) -> impl Iterator<Item = (f64, i32)> + '_ {
        let parts = self.parts.iter().take_while(move |part| part.from == Instant::ZERO || part.from < end);
        parts.map(|part| (part.from.as_secs_f64(), part.utc_offset_s))
    }
}

/// The text that [`LocalClock::parse`] reads; empty without a date.
impl fmt::Display for LocalClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ZonedStart { date_time, zone, .. }) = &self.start else { return Ok(()) };
        let (date, time) = (date_time.date(), date_time.time());
        write!(f, "{date}T{:02}:{:02}", time.hour(), time.minute())?;
        if time.second() != 0 || time.subsec_nanosecond() != 0 {
            write!(f, ":{:02}", time.second())?;
        }
        write!(f, " {zone}")
    }
}

/// Returns the parts of a run that begins at `time`, which clocks in the zone show as `date_time`.
fn parts(time: UnixTime, date_time: civil::DateTime, zone: &TimeZone) -> Arc<[Part]> {
    let day = date_time.date().weekday().to_monday_zero_offset();
    let of_day = date_time.time().duration_since(civil::Time::midnight());
    let since_monday = Nanos::DAY.0 * u64::from(day.unsigned_abs())
        + u64::try_from(of_day.as_nanos()).expect("invariant: a time of day is not negative");
    let at_start = zone.to_offset(time.0);
    let first =
        Part { from: Instant::ZERO, shift: Nanos::WEEK.0 + since_monday, utc_offset_s: at_start.seconds() };
    let changes = zone.following(time.0).take(MAX_CHANGES).map(|change| {
        let change: (Timestamp, Offset) = (change.timestamp(), change.offset());
        let later_s = i64::from(change.1.seconds()) - i64::from(at_start.seconds());
        Part {
            from: Instant(UnixTime(change.0).since(time).0),
            shift: first
                .shift
                .saturating_add_signed(later_s * i64::try_from(Nanos::SECOND.0).unwrap_or(i64::MAX)),
            utc_offset_s: change.1.seconds(),
        }
    });
    let mut parts = vec![first];
    for change in changes {
        // Changes of the name of a zone alone are no changes of the time.
        if parts.last().is_none_or(|last| last.utc_offset_s != change.utc_offset_s) {
            parts.push(change);
        }
    }
    parts.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(text: &str) -> LocalClock {
        LocalClock::parse(text).unwrap_or_else(|reason| panic!("{text}: {reason:?}"))
    }

    fn hours(hours: u64) -> Instant {
        Instant(Nanos::HOUR.0 * hours)
    }

    #[test]
    fn a_start_has_a_date_a_time_and_a_zone() {
        for (text, reason) in [
            ("", InvalidStart::Form),
            ("full", InvalidStart::Form),
            ("2026-12-01 Europe/Berlin", InvalidStart::Form),
            ("2026-13-01T08:00 UTC", InvalidStart::Form),
            ("2026-12-01T08:00", InvalidStart::NoZone),
            ("2026-12-01T08:00 Europe/Berlinn", InvalidStart::UnknownZone),
            ("2026-03-29T02:30 Europe/Berlin", InvalidStart::Skipped),
            ("1969-12-31T08:00 UTC", InvalidStart::Year),
        ] {
            assert_eq!(LocalClock::parse(text), Err(reason), "{text}");
        }
        let tuesday = clock(" 2026-12-01T08:00  Europe/Berlin ");
        assert_eq!(tuesday.to_string(), "2026-12-01T08:00 Europe/Berlin");
        assert_eq!(tuesday.epoch().time_at(Instant::ZERO).rfc3339().to_string(), "2026-12-01T07:00:00Z");
        assert_eq!(tuesday.since_monday(Instant::ZERO).0, Nanos::WEEK + Nanos::DAY + Nanos::HOUR * 8);
        assert_eq!(
            clock("2026-12-01T08:00 +05:30").text(hours(1), true, hours(9)).unwrap(),
            "2026-12-01 09:00:00"
        );
        assert_eq!(LocalClock::default().to_string(), "");
    }

    /// In Berlin, summer time ended on 2026-10-25: the hour from 2 occurs twice. It began on 2026-03-29: the hour from 2 was skipped.
    #[test]
    fn days_have_25_and_23_hours_when_the_clocks_change() {
        let autumn = clock("2026-10-25T00:00 Europe/Berlin");
        let end = hours(48);
        let at = |hour| autumn.text(hours(hour), false, end).unwrap();
        assert_eq!(
            [at(2), at(3), at(4)],
            ["2026-10-25 02:00 +02", "2026-10-25 02:00 +01", "2026-10-25 03:00 +01"]
        );
        assert_eq!(autumn.days_after(Instant::ZERO, Nanos::DAY), hours(25));
        assert_eq!(autumn.days_after(hours(2), Nanos::DAY), hours(27));
        let spring = clock("2026-03-29T00:00 Europe/Berlin");
        let at = |hour| spring.text(hours(hour), false, hours(1)).unwrap();
        assert_eq!([at(1), at(2)], ["2026-03-29 01:00", "2026-03-29 03:00"]);
        assert_eq!(spring.days_after(Instant::ZERO, Nanos::DAY), hours(23));
        // 02:30 on that day does not exist; the change is at 2.
        let saturday = clock("2026-03-28T02:30 Europe/Berlin");
        assert_eq!(
            saturday.days_after(Instant::ZERO, Nanos::DAY),
            Instant(23 * Nanos::HOUR.0 + 30 * Nanos::MINUTE.0)
        );
        assert_eq!(saturday.time_until("2026-03-30T02:30"), Some(Nanos::HOUR * 47));
        assert_eq!(saturday.time_until("2026-03-28T02:29"), None);
    }

    #[test]
    fn a_clock_that_begins_earlier_has_the_same_local_times() {
        for start in ["2026-10-26T08:00 Europe/Berlin", "2026-03-30T12:00 America/Los_Angeles"] {
            let (later, by) = (clock(start), Nanos::HOUR * 60);
            let earlier = later.begun_earlier(by);
            for hour in [0, 5, 100] {
                let [one, other] =
                    [later.text(hours(hour), true, hours(0)), earlier.text(hours(hour + 60), true, hours(0))];
                assert_eq!(one, other, "{start} {hour}");
            }
        }
        let monday = LocalClock::default().begun_earlier(Nanos::HOUR);
        assert_eq!(monday.since_monday(Instant::ZERO).0, Nanos::WEEK - Nanos::HOUR);
    }

    proptest! {
        /// A local time leads back to its instant, except in an hour that occurs twice, of which the first is meant; and local time passes
        /// evenly between changes.
        #[test]
        fn local_times_lead_back_to_their_instants(start_day in 0i64..9_000, at in 0..Nanos::DAY.0 * 800, zone in 0usize..4) {
            let zone = ["Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kolkata"][zone];
            let date = civil::date(2000, 1, 1).checked_add(jiff::Span::new().days(start_day)).unwrap();
            let clock = clock(&format!("{date}T12:00 {zone}"));
            let (local, change) = clock.since_monday(Instant(at));
            let back = clock.instant_of(local);
            prop_assert!(back <= Instant(at) && at - back.0 <= Nanos::HOUR.0);
            if back.0 != at {
                prop_assert_eq!(clock.since_monday(back).0, local, "an hour that occurs twice");
            }
            prop_assert!(change > Instant(at));
            let later = Instant(change.0 - 1).min(Instant(at + Nanos::DAY.0));
            prop_assert_eq!(clock.since_monday(later).0, Nanos(local.0 + (later.0 - at)));
        }
    }
}
