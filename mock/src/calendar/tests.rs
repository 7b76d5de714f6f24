//! Days, weeks and months of every zone, times as texts, and windows of a fixed length.

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
    let touched = |span| Zone::ALL.map(|zone| zone.periods_touched_in_first(Period::Day, Epoch::RUN, span));
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
        ("Tue, 29 Feb 2000 23:59:59 GMT", "2000-02-29T23:59:59Z", "2000-02-29 23:59:59+00:00", 951_868_799),
        ("Wed, 19 Aug 2026 14:34:22 GMT", "2026-08-19T16:34:22+02:00", "2026-08-19T14:34:22Z", 1_787_150_062),
        ("Fri, 01 Mar 2024 00:00:00 GMT", "2024-03-01T00:00:00.000Z", "2024-03-01T00:00:00.0", 1_709_251_200),
        ("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z", "1994-11-06 08:49:37", 784_111_777),
    ] {
        let time = Some(UnixTime::EPOCH + Nanos::from_secs(secs));
        assert_eq!(UnixTime::parse_http_date(http), time, "{http}");
        assert_eq!(UnixTime::parse_rfc3339(rfc3339), time, "{rfc3339}");
        assert_eq!(UnixTime::parse_utc(utc), time, "{utc}");
        assert_eq!(time.map(UnixTime::secs), Some(secs));
    }
    // `date -ud '2023-11-16 18:15:46' +%s` prints 1700158546.
    let azure = UnixTime::parse_utc("2023-11-16 18:15:46.6805900").map(|time| time.since(UnixTime::EPOCH));
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
    for text in ["", "2023-02-29 00:00:00", "2023-02-28 24:00:00", "2023-02-28", "2023-02-28 18:00", "12.5"] {
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

/// The run begins on Tuesday, 2026-10-20, at 08:00 UTC, which is 01:00 in the Pacific zone.
#[test]
fn the_time_since_a_period_began_is_known() {
    let epoch = Epoch::new(UnixTime::parse_rfc3339("2026-10-20T08:00:00Z").unwrap());
    let passed = |zone: Zone, period| zone.since_period_began(period, epoch);
    assert_eq!(passed(Zone::Utc, Period::Day), Nanos::HOUR * 8);
    assert_eq!(passed(Zone::Utc, Period::Week), Nanos::HOUR * 32);
    assert_eq!(passed(Zone::Utc, Period::Month), Nanos::HOUR * (19 * 24 + 8));
    assert_eq!(passed(Zone::Pacific, Period::Day), Nanos::HOUR);
    assert_eq!(Zone::Utc.since_period_began(Period::Day, epoch.earlier_by(Nanos::HOUR * 8)), Nanos::ZERO);
}
