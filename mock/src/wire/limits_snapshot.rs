//! What a reply can tell of the limits: every axis as it stands after the ruling.
//!
//! A simulation needs no more than the two limits of a ruling, because Groq tells no more. Other dialects tell
//! more axes, or other ones, and each counts its resets in its own way: a server asks for all levels, and the
//! dialect picks.

use crate::axis::Axis;
use crate::decision::LimitsView;
use crate::meter::Level;
use crate::time::{Instant, Nanos};

/// The limits of one account × model at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsSnapshot {
    /// When the limits were read.
    pub at: Instant,
    /// The two that a ruling carries.
    pub limits: LimitsView,
    /// Every level, where a dialect asks for more than the two.
    levels: Vec<Level>,
}

impl LimitsSnapshot {
    /// What a ruling made at this instant tells.
    #[must_use]
    pub const fn new(at: Instant, limits: LimitsView) -> Self {
        Self { at, limits, levels: Vec::new() }
    }

    /// The same and every level.
    #[must_use]
    pub fn with(mut self, levels: impl Iterator<Item = Level>) -> Self {
        self.levels.extend(levels);
        self
    }

    /// The level of an axis, where it is limited.
    #[must_use]
    pub fn level(&self, axis: Axis) -> Option<&Level> {
        self.levels.iter().rfind(|level| level.axis == axis)
    }

    /// The level of the first of these axes that is limited.
    #[must_use]
    pub fn first(&self, axes: &[Axis]) -> Option<&Level> {
        axes.iter().find_map(|axis| self.level(*axis))
    }
}

impl Level {
    /// What is left as headers print it: never less than nothing.
    #[must_use]
    pub fn left(&self) -> u64 {
        u64::try_from(self.remaining).unwrap_or(0)
    }

    /// The time until a limit that refills continuously is full: `(limit − remaining) ÷ limit × window`, exact
    /// and cut to whole nanoseconds. Nothing for a limit without a window.
    #[must_use]
    pub fn full_in(&self) -> Nanos {
        let window = self.axis.window().unwrap_or(Nanos::ZERO);
        let missing = i128::from(self.burst) - i128::from(self.remaining);
        let nanos =
            u128::try_from(missing).unwrap_or(0) * u128::from(window.0) / u128::from(self.limit.max(1));
        Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
