//! Sets the levels of limits while calls are in flight: for tests, through the control plane of the server.

use super::{LimitState, Meter};
use crate::axis::Axis;

impl Meter {
    /// Sets the level of the limits on `axis` to `remaining` units, at most their capacity. Returns the number of limits that
    /// were set: none if the axis is not limited, or if it is the concurrency. Reservations from before must be ended by
    /// [`Meter::release`].
    pub(crate) fn set_remaining(&mut self, axis: Axis, remaining: u64) -> usize {
        let now = self.now;
        let limits = self.limits.iter_mut().filter(|limit| limit.axis == axis);
        limits.map(|limit| usize::from(limit.set_remaining(now, remaining))).sum()
    }

    /// Copies the levels of the same limits in `other` at its own instant, except for the concurrency and for what overdrawn
    /// limits lack.
    pub(crate) fn copy_levels(&mut self, other: &Self) {
        for (limit, level) in self.limits.iter_mut().zip(other.levels()) {
            let remaining = u64::try_from(level.remaining).unwrap_or(0);
            let _ignored_for_concurrency = limit.set_remaining(self.now, remaining);
        }
        self.recent_completions = other.recent_completions.clone();
    }

    /// Ends a call whose reservation [`Meter::set_remaining`] has replaced: only its concurrency is released.
    pub(crate) fn release(&mut self) {
        self.open_reservations = self.open_reservations.saturating_sub(1);
        for limit in self.limits.iter_mut().filter(|limit| limit.axis == Axis::Concurrency) {
            limit.window.settle(self.now, self.now, 1, 0);
        }
    }
}

impl LimitState {
    /// Sets the remaining units. Returns `false` for a concurrency limit.
    fn set_remaining(&mut self, now: crate::Instant, remaining: u64) -> bool {
        let full = self.window.current_limit().unwrap_or_else(|| self.window.capacity());
        self.window.set_used(now, full.saturating_sub(remaining))
    }
}
