//! Dates with a time of day, with and without a time zone.

use super::kind::quoted;
use provider::calendar::{InvalidStart, LocalClock};
use provider::units::ParseError;

/// Returns `true` if a text is meant as a date: it begins with a year and a hyphen.
pub(super) fn is_like(text: &str) -> bool {
    let text = text.trim();
    text.len() > 5 && text.as_bytes()[4] == b'-' && text.bytes().take(4).all(|byte| byte.is_ascii_digit())
}

/// Reads a date and time, with a time zone or without.
pub(super) fn read(text: &str, zone: bool) -> Result<String, ParseError> {
    let in_a_zone = if zone { text.to_owned() } else { format!("{} UTC", text.trim()) };
    let (what, help) = match LocalClock::parse(&in_a_zone) {
        Ok(clock) if zone => return Ok(clock.to_string()),
        Ok(_) => return Ok(text.trim().to_owned()),
        Err(InvalidStart::Form) if zone => {
            ("invalid date and time", "write `2026-12-01T08:00 Europe/Berlin`")
        }
        Err(InvalidStart::NoZone) => {
            ("a time without a time zone", "add the zone: `2026-12-01T08:00 Europe/Berlin`, or `UTC`")
        }
        Err(InvalidStart::UnknownZone) if zone => (
            "unknown time zone in",
            "write a name of the IANA database, such as `Europe/Berlin`, `UTC`, or an offset such as `+01:00`",
        ),
        Err(InvalidStart::Skipped) => {
            ("clocks skip this time, since summer time begins:", "write a time before or after it")
        }
        Err(InvalidStart::Year) => ("out of range:", "write a year from 1970 to 2100"),
        Err(_) => ("invalid date and time", "write `2026-12-01T08:00`, in the time zone of `start`"),
    };
    Err(ParseError::new(format!("{what} `{}`", quoted(text)), help))
}
