//! Sets the levels of limits while calls are in flight: for tests, through the control plane of the server.

use super::{LimitState, Meter};
use crate::axis::Axis;

impl Meter {
    /// Sets the level of the limits on `axis` to `remaining` units, at most their capacity. Returns the number of limits that
    /// were set: none if the axis is not limited, or if it is the concurrency. If any was set, the reservations of the
    /// provider's first `admitted` calls are ended by [`Meter::release`].
    pub(crate) fn set_remaining(&mut self, axis: Axis, remaining: u64, admitted: u64) -> usize {
        let now = self.now;
        let limits = self.limits.iter_mut().filter(|limit| limit.axis == axis);
        let set = limits.map(|limit| usize::from(limit.set_remaining(now, remaining))).sum();
        if set > 0 {
            self.first_reservation = admitted;
        }
        set
    }

    /// Copies what remains of the same limits in `other`, each meter at its own instant, and the recent completions. The
    /// concurrency stays; an overdrawn limit is copied with zero remaining, and of an adaptive limit no more remains than its
    /// present limit, which stays. The reservations of the provider's first `admitted` calls are ended by [`Meter::release`].
    pub(crate) fn copy_levels(&mut self, other: &Self, admitted: u64) {
        for (limit, level) in self.limits.iter_mut().zip(other.levels()) {
            let remaining = u64::try_from(level.remaining).unwrap_or(0);
            let _ignored_for_concurrency = limit.set_remaining(self.now, remaining);
        }
        self.recent_completions = other.recent_completions.clone();
        self.first_reservation = admitted;
    }

    /// Returns `true` if the levels include the reservation of the provider's admitted call with this number, because they
    /// were not set since: it must be settled. Otherwise it is ended by [`Meter::release`].
    pub(crate) const fn has_reservation(&self, number: u64) -> bool {
        number >= self.first_reservation
    }

    /// Ends a call without a reservation: only its concurrency is released.
    pub(crate) fn release(&mut self) {
        self.open_reservations = self.open_reservations.saturating_sub(1);
        for limit in self.limits.iter_mut().filter(|limit| limit.axis == Axis::Concurrency) {
            limit.window.settle(self.now, self.now, 1, 0);
        }
    }
}

impl LimitState {
    /// Sets the remaining units, at most the capacity. Returns `false` and does nothing for a concurrency limit.
    fn set_remaining(&mut self, now: crate::Instant, remaining: u64) -> bool {
        let full = self.window.current_limit().unwrap_or_else(|| self.window.capacity());
        self.window.set_used(now, full.saturating_sub(remaining))
    }
}
