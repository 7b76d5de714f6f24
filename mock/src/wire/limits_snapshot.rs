//! The limits of one account and model as a reply can report them: after the decision, or after the settlement in dialects whose
//! headers report the limits only then.
//!
//! Groq reports only the two limits that a [`DecisionReport`](crate::decision::DecisionReport) has. Other dialects report more
//! or different axes and compute their resets in other ways. For them the snapshot has the levels of all axes, from which the
//! dialect selects.

use crate::axis::Axis;
use crate::decision::HeaderLimits;
use crate::meter::LimitLevel;
use crate::time::{Instant, Nanos};

/// The limits of one account and model at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsSnapshot {
    /// The instant of the snapshot.
    pub at: Instant,
    /// The two limits that a decision report has, at that instant.
    pub limits: HeaderLimits,
    /// The levels of all limited axes; empty if the dialect reports only `limits`.
    levels: Vec<LimitLevel>,
}

impl LimitsSnapshot {
    /// Returns a snapshot of the two limits of a decision report.
    #[must_use]
    pub const fn new(at: Instant, limits: HeaderLimits) -> Self {
        Self { at, limits, levels: Vec::new() }
    }

    /// Adds the levels of all limited axes.
    #[must_use]
    pub fn with_levels(mut self, levels: impl Iterator<Item = LimitLevel>) -> Self {
        self.levels.extend(levels);
        self
    }

    /// Returns the level of an axis; `None` if the axis is not limited, or if the snapshot has no levels.
    #[must_use]
    pub fn level(&self, axis: Axis) -> Option<&LimitLevel> {
        self.levels.iter().rfind(|level| level.axis == axis)
    }

    /// Returns the level of the first of these axes that is limited; `None` if none is.
    #[must_use]
    pub fn first_level(&self, axes: &[Axis]) -> Option<&LimitLevel> {
        axes.iter().find_map(|axis| self.level(*axis))
    }
}

impl LimitLevel {
    /// Returns the remaining units as headers print them: 0 if the limit is overdrawn.
    #[must_use]
    pub fn remaining_or_zero(&self) -> u64 {
        u64::try_from(self.remaining).unwrap_or(0)
    }

    /// Returns the time until a continuously refilling limit is full: `(capacity − remaining) ÷ limit × window`, rounded down
    /// to whole nanoseconds. Zero for a limit without a window.
    #[must_use]
    pub fn time_until_full(&self) -> Nanos {
        let window = self.window.unwrap_or(Nanos::ZERO);
        let missing = i128::from(self.capacity) - i128::from(self.remaining);
        let nanos =
            u128::try_from(missing).unwrap_or(0) * u128::from(window.0) / u128::from(self.limit.max(1));
        Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
