//! The clock of one or several mocks, which the control plane advances and sets back.

use super::Mock;
use crate::time::{Instant, Nanos};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Returns the time since the start of the run. If it decreases, the provider model keeps using the latest instant.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// A clock with an offset, and the mocks that share it ([`Mock::sharing`]).
#[derive(Clone)]
pub struct SharedClock(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// Added to the clock, in nanoseconds.
    offset_ns: AtomicI64,
    members: Mutex<Vec<Weak<Mock>>>,
}

/// The largest offset of a clock, ahead or back: 200 years, in nanoseconds. It fits into 64 bits.
const MAX_OFFSET_NS: i128 = 200 * 366 * 86_400_000_000_000;

impl SharedClock {
    /// Creates a clock without an offset.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, offset_ns: AtomicI64::new(0), members: Mutex::default() }))
    }

    /// Adds a mock that is reset and set back with the others.
    pub(super) fn add(&self, mock: &Arc<Mock>) {
        self.members().push(Arc::downgrade(mock));
    }

    /// Returns the present instant.
    #[must_use]
    pub fn now(&self) -> Instant {
        let now = (self.0.clock)();
        match self.0.offset_ns.load(Ordering::SeqCst) {
            0 => now,
            offset => Instant(now.0.saturating_add_signed(offset)),
        }
    }

    /// Advances the clock; its offset is at most 200 years. Replies in progress still take the real time planned for them; a
    /// stream sends what became due.
    pub(super) fn advance(&self, by: Nanos) {
        self.shift(i128::from(by.0));
    }

    /// Sets the clock. If it goes back, every mock continues at the earlier instant with the levels that its limits have.
    pub(super) fn set(&self, mock: &Mock, to: Instant) {
        let now = self.now();
        self.shift(i128::from(to.0) - i128::from(now.0));
        if to < now {
            self.for_each_member(mock, Mock::rewind);
        }
    }

    /// Sets the clock to the start of the run and resets every mock.
    pub(super) fn reset(&self, mock: &Mock) {
        self.shift(-i128::from(self.now().0));
        self.for_each_member(mock, Mock::reset);
    }

    fn shift(&self, by_ns: i128) {
        let shifted = |offset: i64| {
            let offset = (i128::from(offset) + by_ns).clamp(-MAX_OFFSET_NS, MAX_OFFSET_NS);
            i64::try_from(offset).ok()
        };
        let _always_ok = self.0.offset_ns.fetch_update(Ordering::SeqCst, Ordering::SeqCst, shifted);
    }

    /// Calls `act` with every member, or with `mock` if there are no members because it does not share its clock.
    fn for_each_member(&self, mock: &Mock, act: impl Fn(&Mock)) {
        let members: Vec<Arc<Mock>> = self.members().iter().filter_map(Weak::upgrade).collect();
        if members.is_empty() {
            act(mock);
        }
        members.iter().for_each(|member| act(member));
    }

    fn members(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Mock>>> {
        self.0.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(std::any::type_name::<Self>()).field(&self.now()).finish()
    }
}
