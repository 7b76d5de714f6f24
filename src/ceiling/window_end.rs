//! The part of a window that a run represents if the window is longer than the run.
//!
//! The result of a run must hold at every hour of every day. If a limit counts from the start of its window, and the window is
//! longer than the run, the run therefore represents the last part of the window, when earlier traffic has used its share, not
//! the first part, when the whole limit is left. A window that begins with the first request is treated as one that begins with
//! the run. This includes the calendar day, although the run begins at midnight UTC. In
//! another zone, midnight may come within the run.

use crate::scenario::Start;
use provider::config::{Limit, RefillPolicy};
use provider::{Instant, Nanos};
use std::ops::Range;

/// The most windows of a limit that are considered.
const MAX_WINDOWS: usize = 100;

/// Returns the time from the start of a run of length `run` to the end of the window that is open then: the length of the run, or
/// the time to the first midnight in it. `None` for limits that do not count from the start of their windows, and for windows
/// that are not longer than the run.
#[must_use]
pub fn left_of_longer_window(limit: &Limit, run: Nanos) -> Option<Nanos> {
    let window = limit.window?;
    let until_midnight = match limit.refill {
        RefillPolicy::Fixed | RefillPolicy::FirstRequest => None,
        RefillPolicy::Calendar(zone) => {
            let period = limit.axis.period();
            period.map(|period| Nanos(zone.period_containing(period, limit.epoch, Instant::ZERO).end.0))
        }
        _ => return None,
    };
    (run < window).then(|| until_midnight.map_or(run, |midnight| midnight.min(run)))
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
