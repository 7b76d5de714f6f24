//! The window of a limit that is open when a run begins, for limits that count from the start of their windows.
//!
//! * The window of a **calendar limit** of a run whose `start` has a date is known: it began at a midnight, and it ends at one. The same
//!   holds without a date if its end lies within the run, which then begins on 2026-11-01 at 00:00 UTC.
//! * **Otherwise** the run states no time of day. Its result must hold at every hour of every day. If the window is longer than the
//!   run, the run therefore represents the last part of the window, when earlier traffic has used its share, not the first part, when
//!   the whole limit is left. This includes the calendar day of a run without a date, and a window that begins with the first request.

use crate::scenario::Start;
use provider::calendar::LocalClock;
use provider::config::{Limit, RefillPolicy};
use provider::{Instant, Nanos};
use std::ops::Range;

/// The most windows of a limit that are considered.
const MAX_WINDOWS: usize = 100;

/// The window that is open when a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenWindow {
    /// The time from the start of the run to its end.
    pub left: Nanos,
    /// The time from its start to the start of the run, if that is known from the calendar. `None` if the window is assumed to end with
    /// the run.
    pub passed: Option<Nanos>,
}

/// Returns the window of a limit that is open when a run of length `run` with this local time begins. `None` for limits that do not count from the start of
/// their windows, and for windows without a known start that are not longer than the run.
#[must_use]
pub fn open_window(limit: &Limit, clock: &LocalClock, run: Nanos) -> Option<OpenWindow> {
    let window = limit.window?;
    match limit.refill {
        RefillPolicy::Calendar(zone) => {
            if let Some(period) = limit.axis.period() {
                let left = Nanos(zone.period_containing(period, limit.epoch, Instant::ZERO).end.0);
                if clock.has_date() || left <= run {
                    let passed = Some(zone.since_period_began(period, limit.epoch));
                    return Some(OpenWindow { left, passed });
                }
            }
        }
        RefillPolicy::Fixed | RefillPolicy::FirstRequest => {}
        _ => return None,
    }
    (run < window).then_some(OpenWindow { left: run, passed: None })
}

/// Returns the parts of a run of length `run` that lie in one window each, of a limit that counts from the start of windows that are
/// longer than a minute; empty for other limits.
pub(super) fn long_windows(limit: &Limit, run: Nanos) -> Vec<Range<Instant>> {
    let window = limit.window.filter(|window| *window > Start::SHORT_WINDOW);
    let Some(window) = window else { return Vec::new() };
    let end = Instant::ZERO + run;
    let ends_after = |at: Instant| match limit.refill {
        RefillPolicy::Fixed => Some(Instant((at.0 / window.0 + 1).saturating_mul(window.0))),
        RefillPolicy::Calendar(zone) => {
            Some(zone.period_containing(limit.axis.period()?, limit.epoch, at).end)
        }
        _ => None,
    };
    let next = |part: &Range<Instant>| {
        let from = part.end;
        (from < end).then(|| Some(from..ends_after(from)?.min(end)))?
    };
    let first = ends_after(Instant::ZERO).map(|until| Instant::ZERO..until.min(end));
    std::iter::successors(first, next).take(MAX_WINDOWS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceiling::Ceiling;
    use crate::ceiling::tests::{scenario, workload};
    use crate::scenario::Scenario;
    use provider::Zone;

    /// A run begins at midnight UTC, which is 17:00 in the Pacific zone in summer. A day of even load has 7/24 of its jobs before the
    /// midnight there and 17/24 after it, of which the second window admits 1,000: 1,000 · 24 ÷ 17 jobs, not those of two windows.
    #[test]
    fn the_first_day_from_full_limits_is_bound_by_each_window_of_its_limits() {
        let first_day = |refill, duration: Nanos| {
            let limit = Limit::rpd(1_000).with_refill(refill);
            let scenario = Scenario {
                duration,
                start: Start::Sustained,
                ..scenario(&[vec![limit]], &[&[&[0]]], vec![workload(0, 10.0)])
            };
            Ceiling::of(&scenario).first_run.jobs_per_min * duration.as_secs_f64() / 60.0
        };
        let pacific = RefillPolicy::Calendar(Zone::Pacific);
        for (refill, duration, jobs) in [
            (pacific, Nanos::DAY, 1_000.0 * 24.0 / 17.0),
            (RefillPolicy::Calendar(Zone::Utc), Nanos::DAY, 1_000.0),
            // Of the 36 h the first window has 24.
            (RefillPolicy::Fixed, Nanos(36 * Nanos::HOUR.0), 1_500.0),
            // Within one window, and with an hour after the midnight there.
            (pacific, Nanos(6 * Nanos::HOUR.0), 1_000.0),
            (pacific, Nanos(8 * Nanos::HOUR.0), 1_000.0 * 8.0 / 7.0),
        ] {
            let found = first_day(refill, duration);
            assert!((found / jobs - 1.0).abs() < 1e-3, "{refill:?} {duration}: {found}, not {jobs}");
        }
    }
}
