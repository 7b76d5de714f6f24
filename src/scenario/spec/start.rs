//! When the run begins, and with which level of its limits.

use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Data, Fields, Value};
use crate::scenario::resolved::Start;
use provider::Instant;
use provider::calendar::LocalClock;

const LEVELS: [(&str, Start); 2] = [("sustained", Start::Sustained), ("full", Start::Full)];

/// Builds `start`: the local time of the run, and the level of limits with long windows. What is invalid has been reported.
pub(super) fn start(fields: &Fields) -> (LocalClock, Start) {
    let clock = |text: Option<&str>| text.and_then(|text| LocalClock::parse(text).ok()).unwrap_or_default();
    match fields.get("start").map(|value| &value.data) {
        Some(Data::Text(text)) => (clock(Some(text)), Start::default()),
        Some(Data::Fields(map)) => (clock(map.text("at")), map.choice("level", &LEVELS).unwrap_or_default()),
        _ => (LocalClock::default(), fields.choice("start", &LEVELS).unwrap_or_default()),
    }
}

/// Returns the instant of an `at`: a time from the start of the run, or a date and time. Reports a date before the start, and one in a
/// scenario whose start has none.
pub(super) fn instant(value: &Value, clock: &LocalClock, diagnostics: &Diagnostics) -> Option<Instant> {
    let text = match &value.data {
        Data::Duration(after_start) => return Some(Instant(after_start.0)),
        Data::Text(text) => text,
        _ => return None,
    };
    let found = clock.time_until(text).map(|after_start| Instant(after_start.0));
    if found.is_none() {
        let (what, help) = if clock.has_date() {
            (
                format!("`{text}` is before the start, {clock}"),
                "write a later time, or the time from the start: `13h`",
            )
        } else {
            (
                format!("`{text}` is a date, and the run has none"),
                "write `start: 2026-12-01T08:00 Europe/Berlin`, or the time from the start: `13h`",
            )
        };
        diagnostics.report_at(&value.at, what, help);
    }
    found
}
