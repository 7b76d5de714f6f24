//! How long to wait before Redis is tried again.

use provider::Nanos;
use std::time::Duration;

/// The pauses before attempts to connect: a server that answers only now and then is tried less and less often.
#[derive(Debug)]
pub(super) struct ReconnectPause {
    next: Duration,
}

impl ReconnectPause {
    pub(super) const fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// Returns the next pause. `lasted`: the time since the last connection, or the last attempt, began.
    pub(super) fn after(&mut self, lasted: Nanos) -> Duration {
        if lasted > STABLE_AFTER {
            self.next = FIRST_PAUSE;
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// The first pause. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// After a connection that lasted longer, the pauses begin with the shortest one again.
const STABLE_AFTER: Nanos = Nanos(10_000_000_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_again_after_a_long_connection() {
        let mut pause = ReconnectPause::new();
        let mut millis = |lasted: u64| pause.after(Nanos::from_secs(lasted)).as_millis();
        assert_eq!([0; 8].map(&mut millis), [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!([10, 11, 0].map(millis), [2_000, 50, 100]);
    }
}
