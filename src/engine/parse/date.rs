//! Moments of the calendar as headers write them, turned into waits against the reply's own `date`: never
//! against a clock of ours, which may be wrong and does not exist in a simulation.

use super::duration::seconds;
use super::headers::Headers;
use provider::Nanos;

/// A moment of the calendar, counted from the start of 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnixTime(Nanos);

impl UnixTime {
    /// `Wed, 19 Aug 2026 14:34:22 GMT`: the one form that senders may use (RFC 9110 §5.6.7). The two obsolete
    /// ones are not seen from any provider and are not read.
    pub(super) fn http(text: &str) -> Option<Self> {
        let (_, rest) = text.trim().split_once(", ")?;
        let mut parts = rest.split(' ');
        let mut next = || parts.next();
        let (day, month, year, time) = (next()?, next()?, next()?, next()?);
        if (next(), next()) != (Some("GMT"), None) {
            return None;
        }
        let month = MONTHS.iter().position(|name| *name == month)?;
        Self::of(number(year, 4)?, u64::try_from(month).ok()? + 1, number(day, 2)?, time)
    }

    /// `2026-08-19T14:34:26Z`, with or without a fraction of the second; other zones are not seen and not read.
    pub(super) fn rfc3339(text: &str) -> Option<Self> {
        let (date, time) = text.trim().strip_suffix('Z')?.split_once('T')?;
        let mut parts = date.split('-');
        let mut next = |width| number(parts.next()?, width);
        let (year, month, day) = (next(4)?, next(2)?, next(2)?);
        parts.next().is_none().then_some(())?;
        Self::of(year, month, day, time)
    }

    /// Milliseconds since 1970.
    pub(super) fn epoch_millis(text: &str) -> Option<Self> {
        super::duration::millis(text).map(Self)
    }

    /// The moment that the reply itself was made, as its `date` header says.
    pub(super) fn of_reply(headers: &dyn Headers) -> Option<Self> {
        Self::http(headers.value("date")?)
    }

    /// How long after `earlier` it is; nothing where it is past already.
    pub(super) fn since(self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0)
    }

    fn of(year: u64, month: u64, day: u64, time: &str) -> Option<Self> {
        let mut parts = time.split(':');
        let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
        let second = seconds(parts.next()?)?;
        let leap =
            u64::from(year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)));
        let days_of = |month: u64| match month {
            2 => 28 + leap,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        // The 60th second of a leap second is the next minute's first.
        let valid = (1970..2500).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_of(month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= Nanos::MINUTE
            && parts.next().is_none();
        let leaps_before = |year: u64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
        valid.then(|| {
            let years = (year - 1970) * 365 + leaps_before(year) - leaps_before(1970);
            let days = years + (1..month).map(days_of).sum::<u64>() + day - 1;
            Self(Nanos::DAY * days + Nanos::HOUR * hour + Nanos::MINUTE * minute + second)
        })
    }
}

/// A number of exactly `width` digits.
fn number(text: &str, width: usize) -> Option<u64> {
    let plain = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_name_the_same_moment() {
        for (http, rfc3339, unix) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z", 0),
            ("Tue, 29 Feb 2000 23:59:59 GMT", "2000-02-29T23:59:59Z", 951_868_799),
            ("Wed, 19 Aug 2026 14:34:22 GMT", "2026-08-19T14:34:22Z", 1_787_150_062),
            ("Fri, 01 Mar 2024 00:00:00 GMT", "2024-03-01T00:00:00.000Z", 1_709_251_200),
        ] {
            let moment = Some(UnixTime(Nanos::from_secs(unix)));
            assert_eq!((UnixTime::http(http), UnixTime::rfc3339(rfc3339)), (moment, moment), "{http}");
        }
    }

    #[test]
    fn what_is_no_moment_is_not_read() {
        for text in [
            "",
            "Wed, 19 Aug 2026 14:34:22",
            "Wed, 32 Aug 2026 14:34:22 GMT",
            "Sun Nov  6 08:49:37 1994",
            "60",
        ] {
            assert_eq!(UnixTime::http(text), None, "{text}");
        }
        for text in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-08-19T24:00:00Z",
            "2026-08-19T14:34:26+02:00",
        ] {
            assert_eq!(UnixTime::rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn days_follow_each_other(day in 0u64..190_000) {
            let moment = |day: u64| UnixTime(Nanos::DAY * day);
            prop_assert_eq!(moment(day + 1).since(moment(day)), Nanos::DAY);
            prop_assert_eq!(moment(day).since(moment(day + 1)), Nanos::ZERO);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", digits in "[0-9T:.Z-]{0,30}") {
            let _ = (UnixTime::http(&text), UnixTime::rfc3339(&text), UnixTime::rfc3339(&digits), UnixTime::epoch_millis(&digits));
        }
    }
}
