//! What the limits of a provider hold when a run begins.

use provider::Nanos;
use provider::config::Limit;

/// The level with which limits whose window is longer than [`Start::SHORT_WINDOW`] begin the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// The level after days of the same traffic: what a run measures then holds on any day.
    #[default]
    Sustained,
    /// The same, except that limits per month of the calendar are unused: the run begins with a month. Only the planner uses it.
    SustainedAtMonthStart,
    /// Unused, as on the first day of a new account.
    Full,
}

impl Start {
    /// The longest window whose limit always begins unused: such a limit is full again, or used up, after the first minutes
    /// of a run whatever its level was.
    pub const SHORT_WINDOW: Nanos = Nanos::MINUTE;

    /// Returns `true` if a limit begins with the level that earlier traffic left.
    #[must_use]
    pub fn has_history(self, limit: &Limit) -> bool {
        let is_long = limit.window.is_some_and(|window| window > Self::SHORT_WINDOW);
        match self {
            Self::Sustained => is_long,
            Self::SustainedAtMonthStart => is_long && !limit.is_per_calendar_month(),
            Self::Full => false,
        }
    }
}
