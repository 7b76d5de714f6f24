//! Instants of a run as text.

use super::number;
use provider::calendar::LocalClock;
use provider::{Instant, Nanos};

/// What the text of an instant depends on: the length of the run, and its local time if it has a date.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunTime {
    /// The length of the run, in seconds.
    length_s: f64,
    clock: LocalClock,
}

/// Runs of at most this length in seconds have seconds in their clock times.
const MAX_LENGTH_WITH_SECONDS: f64 = 7_200.0;

impl RunTime {
    /// Returns the time of a run of this length in seconds.
    #[must_use]
    pub fn new(length_s: f64, clock: LocalClock) -> Self {
        Self { length_s, clock }
    }

    /// Returns the time of a run whose start is stated as a scenario states it; without a date if the text is empty, or if the zone is
    /// not known to this version.
    #[must_use]
    pub fn of_start(length_s: f64, starts_at: &str) -> Self {
        Self { length_s, clock: LocalClock::parse(starts_at).unwrap_or_default() }
    }

    /// Returns the length of the run, in seconds.
    #[must_use]
    pub fn length_s(&self) -> f64 {
        self.length_s
    }

    /// Returns the start and its zone as a scenario states it; `None` without a date.
    #[must_use]
    pub fn starts_at(&self) -> Option<String> {
        self.clock.has_date().then(|| self.clock.to_string())
    }

    /// Returns the local time of an instant in seconds since a Monday's midnight; the seconds since the start without a date.
    #[must_use]
    pub fn local_s(&self, at_s: f64) -> f64 {
        self.clock.since_monday(instant(at_s)).0.as_secs_f64()
    }

    /// Returns the local date and time of an instant; `None` without a date.
    #[must_use]
    pub fn clock_text(&self, at_s: f64, with_seconds: bool) -> Option<String> {
        self.clock.text(instant(at_s), with_seconds, instant(self.length_s))
    }

    /// Returns for each part of the run without a change of summer time its beginning and the local time of the start of the run by the clock
    /// of that part, in seconds since 1970 as if it were UTC. Empty without a date.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
    pub fn local_starts(&self) -> Vec<(f64, f64)> {
        if !self.clock.has_date() {
            return Vec::new();
        }
        let start = self.clock.epoch().time_at(Instant::ZERO);
        let start_s = start.since(provider::calendar::UnixTime::EPOCH).0 / Nanos::SECOND.0;
        let offsets = self.clock.utc_offsets(instant(self.length_s));
        offsets.map(|(from_s, offset_s)| (from_s, start_s as f64 + f64::from(offset_s))).collect()
    }
}

/// Formats an instant of a run. With a date: `2026-12-01 18:42`, with seconds in runs of up to two hours. Without one: `12.3 s` in runs of up
/// to two minutes, `m:ss min` up to two hours, `hh:mm h` up to 25 hours, `day 2 hh:mm h` beyond; the unit distinguishes `m:ss` from `hh:mm`.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub fn moment(at_s: f64, run: &RunTime) -> String {
    if let Some(text) = run.clock_text(at_s, run.length_s <= MAX_LENGTH_WITH_SECONDS) {
        return text;
    }
    let whole = at_s.max(0.0) as u64;
    let (day, hour, minute, second) =
        (whole / 86_400, whole % 86_400 / 3_600, whole % 3_600 / 60, whole % 60);
    if run.length_s <= 120.0 {
        format!("{} s", number(at_s))
    } else if run.length_s <= 7_200.0 {
        format!("{}:{second:02} min", whole / 60)
    } else if run.length_s <= 90_000.0 {
        format!("{:02}:{minute:02} h", whole / 3_600)
    } else {
        format!("day {} {hour:02}:{minute:02} h", day + 1)
    }
}

/// Returns the instant this many seconds after the start. Rounds to the microsecond, as results do.
fn instant(at_s: f64) -> Instant {
    Instant(Nanos::from_secs_f64(at_s.max(0.0) + 5e-7).0 / 1_000 * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_follow_the_length_of_the_run() {
        let moment = |at_s, length_s| super::moment(at_s, &RunTime::of_start(length_s, ""));
        assert_eq!(moment(12.34, 60.0), "12.3 s");
        assert_eq!(moment(754.0, 3_600.0), "12:34 min");
        assert_eq!(moment(67_320.0, 86_400.0), "18:42 h");
        assert_eq!(moment(86_460.0, 172_800.0), "day 2 00:01 h");
    }

    #[test]
    fn moments_of_a_run_with_a_date_are_local_times() {
        let moment = |at_s, length_s| {
            super::moment(at_s, &RunTime::of_start(length_s, "2026-12-01T08:00 Europe/Berlin"))
        };
        assert_eq!(moment(754.0, 3_600.0), "2026-12-01 08:12:34");
        assert_eq!(moment(67_320.0, 86_400.0), "2026-12-02 02:42");
        // Summer time begins on 2027-03-28, within 120 days.
        assert_eq!(moment(0.0, 120.0 * 86_400.0), "2026-12-01 08:00 +01");
        let run = RunTime::of_start(3_600.0, "2026-12-01T08:00 Europe/Berlin");
        assert_eq!(run.local_s(60.0), 7.0 * 86_400.0 + 86_400.0 + 8.0 * 3_600.0 + 60.0);
        // 2026-12-01 08:00 as if it were UTC.
        assert_eq!(run.local_starts(), [(0.0, 1_796_112_000.0)]);
    }
}
