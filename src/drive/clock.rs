//! The wall clock: the only module that reads the machine's time. Everything else takes instants as arguments.

use provider::calendar::UnixTime;
use provider::{Instant, Nanos};
use std::time;

/// Measures the time since it was started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: time::Instant,
}

impl Clock {
    /// Starts a clock at [`Instant::ZERO`].
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the only module that reads the clock")]
    pub fn start() -> Self {
        Self { origin: time::Instant::now() }
    }

    /// Returns the machine's calendar time at the start of the clock, in whole seconds; `None` if it is before 1970.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the only module that reads the clock")]
    pub fn started_at(&self) -> Option<UnixTime> {
        let since_1970 = time::SystemTime::now().duration_since(time::SystemTime::UNIX_EPOCH).ok()?;
        let started = since_1970.checked_sub(self.origin.elapsed())?;
        Some(UnixTime::EPOCH + Nanos::from_secs(started.as_secs()))
    }

    /// Returns the machine's calendar time; 1970 if it is set to an earlier one.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the only module that reads the clock")]
    pub fn calendar_time() -> UnixTime {
        let since_1970 = time::SystemTime::now().duration_since(time::SystemTime::UNIX_EPOCH);
        let nanos = since_1970.unwrap_or_default().as_nanos();
        UnixTime::EPOCH + Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Returns the current instant.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the only module that reads the clock")]
    pub fn now(&self) -> Instant {
        let nanos = time::Instant::now().duration_since(self.origin).as_nanos();
        Instant(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Returns the time from now to `at`; zero if `at` has passed.
    #[must_use]
    pub fn until(&self, at: Instant) -> time::Duration {
        let Nanos(nanos) = at.since(self.now());
        time::Duration::from_nanos(nanos)
    }
}
