//! The part of a window that a run stands for if the window is longer than the run.
//!
//! The result of a run must hold on every day, and at every hour of it. So a run that is shorter than a window that counts from
//! its start is not the first part of it, when all of the limit is left, but the last, when earlier traffic has used what it uses:
//! also of a calendar day, although the run begins at midnight UTC. In another zone midnight may come within the run.

use provider::config::{Limit, RefillPolicy};
use provider::{Instant, Nanos};

/// Returns how long a window lasts that is open when a run of length `run` begins: as long as the run, or until the first midnight in
/// it. `None` for limits that do not count from the start of their windows, and for windows that are not longer than the run.
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
