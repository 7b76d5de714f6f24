//! Moments in sentences and members: `Your limit will reset at 2026-09-09 05:38:28`, `resets 3pm (America/New_York)`,
//! `limit reached|1749924000`.
//!
//! A moment becomes a wait only if the reply has a `date` header. A moment without a zone is in the zone that the dialect is
//! known to use; if none is known, its instant is unknown.

use provider::Nanos;
use provider::calendar::{UnixTime, parse_decimal};

/// The moment at which a limit resets, as a reply states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetTime {
    /// The stated date, time or number, in a uniform format.
    pub stated: String,
    /// The moment; `None` if the zone is not known, if the date is stated without a year, or if only a time of day is stated and the
    /// reply has no date.
    pub time: Option<UnixTime>,
    /// How the zone is known.
    pub zone: ZoneSource,
}

/// How the zone of a moment is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneSource {
    /// It is stated, or the moment is a number that needs none.
    Stated,
    /// It is not stated; the provider is known to use this one.
    Known(&'static str),
    /// It is neither stated nor known.
    Unknown,
}

/// The phrases that precede a moment, in lower case.
const LEADS: [&str; 27] = [
    "reset at ",
    "resets at ",
    "reset on ",
    "resets on ",
    "resets ",
    "reset: ",
    "resets at: ",
    "reset at: ",
    "regain access on ",
    "regain access at ",
    "reset time: ",
    "reset_at: ",
    "resets_at: ",
    "available at ",
    "available again at ",
    "available on ",
    "again at ",
    "again after ",
    "again on ",
    "retry at ",
    "retry after ",
    "until ",
    "limit reached|",
    "额将在 ",
    "限额将在",
    "额度将在",
    "将在 ",
];

/// Finds the moment that a message states. `now` is the date of the reply; `zone` is the dialect's, by its IANA name. A moment
/// at the very end of `text` is not read, since the text may have been truncated; only a Unix time is.
pub(super) fn find(text: &str, now: Option<UnixTime>, zone: Option<&'static str>) -> Option<ResetTime> {
    let lower = text.to_ascii_lowercase();
    let mut starts: Vec<usize> =
        LEADS.iter().flat_map(|lead| lower.match_indices(lead).map(|(at, lead)| at + lead.len())).collect();
    starts.sort_unstable();
    starts.into_iter().find_map(|at| moment(text.get(at..)?.trim_start(), now, zone))
}

/// Parses a moment in any form at the start of a text.
fn moment(text: &str, now: Option<UnixTime>, zone: Option<&'static str>) -> Option<ResetTime> {
    leading_unix_time(text)
        .or_else(|| http_date(text))
        .or_else(|| date_time(text, zone))
        .or_else(|| month_day(text))
        .or_else(|| time_of_day(text, now, zone))
}

/// Returns the moment of a Unix time in seconds if the number has 10 digits, or in milliseconds if it has 13. Other numbers are
/// not moments.
pub(super) fn unix_time(number: u64) -> Option<UnixTime> {
    match number {
        1_000_000_000..10_000_000_000 => Some(UnixTime::EPOCH + Nanos::from_secs(number)),
        1_000_000_000_000..10_000_000_000_000 => Some(UnixTime::EPOCH + Nanos::from_millis(number)),
        _ => None,
    }
}

/// Parses a Unix time at the start of a text. It may end the text: one in seconds has no shorter form that is a moment, and one in
/// milliseconds that was cut to 10 digits is the same second.
fn leading_unix_time(text: &str) -> Option<ResetTime> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let time = unix_time(text[..end].parse().ok()?)?;
    Some(ResetTime { stated: text[..end].to_owned(), time: Some(time), zone: ZoneSource::Stated })
}

/// Parses an HTTP date.
fn http_date(text: &str) -> Option<ResetTime> {
    let end = text.get(..40.min(text.len())).unwrap_or(text).find("GMT")? + "GMT".len();
    let time = UnixTime::parse_http_date(&text[..end])?;
    Some(ResetTime {
        stated: text[..end - " GMT".len()].to_owned(),
        time: Some(time),
        zone: ZoneSource::Stated,
    })
}

/// Parses `2026-09-09 05:38:28`, with a `T`, slashes, a fraction or without seconds, and the zone after it.
fn date_time(text: &str, known_zone: Option<&'static str>) -> Option<ResetTime> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '/')))?;
    let date = text[..end].replace('/', "-");
    let is_date = date.len() == 10 && date.bytes().filter(|byte| *byte == b'-').count() == 2;
    let rest = text[end..].trim_start_matches([' ', 'T', ',']).trim_start_matches("at ");
    let clock_end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.')))?;
    let clock = rest[..clock_end].trim_end_matches('.');
    if !is_date || !clock.contains(':') {
        return None;
    }
    let clock = if clock.matches(':').count() == 1 { format!("{clock}:00") } else { clock.to_owned() };
    let stated = format!("{date} {clock}");
    let named = zone(&rest[clock_end..]);
    let time = match (&named, known_zone) {
        (Some(zone), _) => UnixTime::parse_in_zone(&stated, zone),
        (None, Some(zone)) => UnixTime::parse_in_zone(&stated, zone),
        // A text that is not a valid date and time in UTC is not a moment.
        (None, None) => UnixTime::parse_in_zone(&stated, "UTC").map(|_| None)?,
    };
    let source = source(named.is_some(), known_zone);
    (time.is_some() || source == ZoneSource::Unknown).then_some(ResetTime { stated, time, zone: source })
}

/// Parses `Oct 6, 10am`, `October 6 at 3:05 PM (UTC)`. It has no year, so the instant is unknown.
fn month_day(text: &str) -> Option<ResetTime> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let name_end = text.find(|c: char| !c.is_ascii_alphabetic())?;
    let month = text.get(..3)?;
    let is_month = name_end >= 3 && MONTHS.contains(&month.to_ascii_lowercase().as_str());
    let rest = text[name_end..].trim_start_matches(['.', ' ']);
    let day_end = rest.find(|c: char| !c.is_ascii_digit())?;
    let day: u8 = rest[..day_end].parse().ok().filter(|day| (1..=31).contains(day) && is_month)?;
    let clock = rest[day_end..].trim_start_matches([',', ' ']);
    let clock = clock.strip_prefix("at ").unwrap_or(clock);
    let time = time_of_day(clock, None, None)?;
    Some(ResetTime { stated: format!("{month} {day}, {}", time.stated), ..time })
}

/// Returns how the zone is known: from the text, else from the dialect.
fn source(is_named: bool, known_zone: Option<&'static str>) -> ZoneSource {
    match (is_named, known_zone) {
        (true, _) => ZoneSource::Stated,
        (false, Some(zone)) => ZoneSource::Known(zone),
        (false, None) => ZoneSource::Unknown,
    }
}

/// Parses `3pm (America/New_York)`, `15:00 UTC`: the next such time after the date of the reply.
fn time_of_day(text: &str, now: Option<UnixTime>, known_zone: Option<&'static str>) -> Option<ResetTime> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == ':'))?;
    let (hour, minute) = text[..end].split_once(':').unwrap_or((&text[..end], "00"));
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.get(..2)?.parse().ok()?);
    let rest = text[end..].trim_start();
    let half = rest.get(..2).map(str::to_ascii_lowercase);
    let (hour, rest) = match half.as_deref() {
        Some("am") if (1..=12).contains(&hour) => (hour % 12, &rest[2..]),
        Some("pm") if (1..=12).contains(&hour) => (hour % 12 + 12, &rest[2..]),
        // `16 days` is a length, and a number alone may be anything.
        _ if !text[..end].contains(':') => return None,
        _ => (hour, rest),
    };
    if hour > 23 || minute > 59 || rest.is_empty() {
        return None;
    }
    let named = zone(rest);
    let stated = format!("{hour:02}:{minute:02}");
    let name = named.as_deref().or(known_zone);
    let time = name.zip(now).and_then(|(zone, now)| now.next_time_of_day(hour, minute, zone));
    Some(ResetTime { stated, time, zone: source(named.is_some(), known_zone) })
}

/// Parses the zone at the start of a text: `Z`, `UTC`, `UTC+8`, `+08:00`, `(Asia/Shanghai)`, `PST`. Returns a name or offset
/// for [`UnixTime::parse_in_zone`]. An abbreviation that several zones share, such as CST, is not accepted.
fn zone(text: &str) -> Option<String> {
    let text = text.trim_start_matches([' ', '(', '[']);
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '+' | '-' | ':')))
        .unwrap_or(text.len());
    let word = text[..end].trim_end_matches([':', '-']);
    let offset = |text: &str| {
        let (sign, digits) = text.split_at_checked(1).filter(|(sign, _)| matches!(*sign, "+" | "-"))?;
        let digits = digits.replace(':', "");
        let (hours, minutes) = match digits.len() {
            1 | 2 => (digits.as_str(), "00"),
            4 => digits.split_at(2),
            _ => return None,
        };
        let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
        Some(format!("{sign}{hours:02}:{minutes:02}"))
    };
    match word {
        "Z" | "UTC" | "GMT" | "utc" | "gmt" => Some("UTC".to_owned()),
        "PST" => Some("-08:00".to_owned()),
        "PDT" | "MST" => Some("-07:00".to_owned()),
        "MDT" => Some("-06:00".to_owned()),
        "EST" | "CDT" => Some("-05:00".to_owned()),
        "EDT" => Some("-04:00".to_owned()),
        "PT" | "Pacific" => Some("America/Los_Angeles".to_owned()),
        "ET" | "Eastern" => Some("America/New_York".to_owned()),
        "CET" => Some("+01:00".to_owned()),
        "CEST" => Some("+02:00".to_owned()),
        "JST" | "KST" => Some("+09:00".to_owned()),
        _ if word.contains('/') => Some(word.to_owned()),
        _ => offset(word.strip_prefix("UTC").or_else(|| word.strip_prefix("GMT")).unwrap_or(word)),
    }
}

/// Parses a moment that is the whole value of a member or a header: RFC 3339, an HTTP date, a Unix time, or a date and time
/// without a zone.
pub(super) fn whole(text: &str, zone: Option<&'static str>) -> Option<ResetTime> {
    let seconds = |text: &str| parse_decimal(text, Nanos::SECOND).filter(|_| text.contains('.'));
    let fraction = seconds(text.trim()).and_then(|length| unix_time(length.0 / Nanos::SECOND.0));
    if let Some(time) = fraction {
        return Some(ResetTime {
            stated: text.trim().to_owned(),
            time: Some(time),
            zone: ZoneSource::Stated,
        });
    }
    let text = format!("{}\n", text.trim());
    leading_unix_time(&text).or_else(|| http_date(&text)).or_else(|| date_time(&text, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<UnixTime> {
        UnixTime::parse_rfc3339(text)
    }

    #[test]
    fn moments_are_read_with_their_zones() {
        let now = utc("2026-09-08T20:10:00Z");
        for (text, time) in [
            ("will reset at 2026-09-09 05:38:28 UTC.", "2026-09-09T05:38:28Z"),
            ("resets at 2026-05-15T15:00:00Z (2056)", "2026-05-15T15:00:00Z"),
            ("will reset at 2026-09-09T05:38:28+08:00.", "2026-09-08T21:38:28Z"),
            ("reset at 2026-09-09 05:38 (UTC+8)", "2026-09-08T21:38:00Z"),
            ("reset at 2026/09/09 05:38:28 (Asia/Shanghai).", "2026-09-08T21:38:28Z"),
            ("will reset at 3pm (America/New_York).", "2026-09-09T19:00:00Z"),
            ("resets 9:30 PM UTC.", "2026-09-08T21:30:00Z"),
            ("Claude AI usage limit reached|1749924000\n", "2025-06-14T18:00:00Z"),
            ("try again at Wed, 09 Sep 2026 05:38:28 GMT.", "2026-09-09T05:38:28Z"),
            ("available again at 2026-09-09 05:38:28 PDT.", "2026-09-09T12:38:28Z"),
        ] {
            let reset = find(text, now, None).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((reset.time, reset.zone), (utc(time), ZoneSource::Stated), "{text}");
        }
    }

    #[test]
    fn without_a_zone_the_dialect_decides_or_the_instant_is_unknown() {
        let text = "您的限额将在 2026-08-25 07:41:44 重置。";
        let reset = find(text, None, Some("Asia/Shanghai")).unwrap();
        assert_eq!(
            (reset.time, reset.zone),
            (utc("2026-08-24T23:41:44Z"), ZoneSource::Known("Asia/Shanghai"))
        );
        for text in [text, "will reset at 2026-08-25 07:41:44 CST.", "resets 3pm.\n"] {
            let reset = find(text, None, None).unwrap();
            assert_eq!((reset.time, reset.zone), (None, ZoneSource::Unknown), "{text}");
        }
        for text in [
            "resets in 16 days.",
            "resets 16 days later",
            "reset at noon",
            "will reset at 2026-09-09 05:38:28",
            "",
            "until 2026-99-99 05:00:00.",
        ] {
            assert_eq!(find(text, None, None), None, "{text}");
        }
    }
}
