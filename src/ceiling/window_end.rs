//! The part of a window that a run represents if the window is longer than the run.
//!
//! The result of a run must hold at every hour of every day. If a limit counts from the start of its window, and the window is
//! longer than the run, the run therefore represents the last part of the window, when earlier traffic has used its share, not
//! the first part, when the whole limit is left. This includes the calendar day, although the run begins at midnight UTC. In
//! another zone, midnight may come within the run.

use provider::config::{Limit, RefillPolicy};
use provider::{Instant, Nanos};

/// Returns the time from the start of a run of length `run` to the end of the window that is open then: the length of the run, or
/// the time to the first midnight in it. `None` for limits that do not count from the start of their windows, and for windows
/// that are not longer than the run.
#[must_use]
pub fn left_of_longer_window(limit: &Limit, run: Nanos) -> Option<Nanos> {
    let window = limit.axis.window_length()?;
    let until_midnight = match limit.refill {
        RefillPolicy::Fixed => None,
        RefillPolicy::Calendar(zone) if limit.axis.is_daily() => {
            Some(Nanos(zone.day_containing(Instant::ZERO).end.0))
        }
        RefillPolicy::Calendar(_) => None,
        _ => return None,
    };
    (run < window).then(|| until_midnight.map_or(run, |midnight| midnight.min(run)))
}
