//! The one door to the machine's clock. Everything else gets time as an argument.

use provider::{Instant, Nanos};
use std::time;

/// The wall clock of a run: instants count from the moment it was started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: time::Instant,
}

impl Clock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one door")]
    pub fn start() -> Self {
        Self { origin: time::Instant::now() }
    }

    /// The instant it is.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one door")]
    pub fn now(&self) -> Instant {
        let nanos = time::Instant::now().duration_since(self.origin).as_nanos();
        Instant(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The time from now to `at`, as the standard library counts it; nothing where it has passed.
    #[must_use]
    pub fn until(&self, at: Instant) -> time::Duration {
        let Nanos(nanos) = at.since(self.now());
        time::Duration::from_nanos(nanos)
    }
}
