//! The attempts with which this machine is behind: those whose requests have not begun, and those on which the mocks have
//! not decided. Their number and age show that it cannot send, or serve, as fast as the schedule demands.

use crate::ids::AttemptId;
use provider::{Instant, Nanos};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The attempts whose requests have not begun.
///
/// Only their number is kept, not their ids: the runtime begins them nearly in the order in which it receives them.
#[derive(Debug, Default)]
pub(in crate::drive) struct Unbegun {
    /// Attempts that were handed to the runtime.
    sent: u64,
    /// Those that have begun, or were dropped before.
    begun: Arc<AtomicU64>,
}

/// An attempt whose request has not begun.
#[derive(Debug)]
pub(in crate::drive) struct Waiting {
    begun: Arc<AtomicU64>,
    at: Arc<OnceLock<Instant>>,
}

impl Waiting {
    /// Records that the request begins at `now`.
    pub(in crate::drive) fn begin(self, now: Instant) {
        // It is empty, because the attempt begins once.
        let _ = self.at.set(now);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }
}

impl Unbegun {
    /// Adds an attempt. Returns it, and a cell that is set to the instant at which its request begins.
    pub(in crate::drive) fn add(&mut self) -> (Waiting, Arc<OnceLock<Instant>>) {
        self.sent += 1;
        let at = Arc::default();
        (Waiting { begun: Arc::clone(&self.begun), at: Arc::clone(&at) }, at)
    }

    /// Returns the number of attempts whose requests have not begun.
    pub(super) fn len(&self) -> usize {
        let begun = self.begun.load(Ordering::Relaxed);
        usize::try_from(self.sent.saturating_sub(begun)).unwrap_or(usize::MAX)
    }
}

/// The attempts on which the mocks have not decided, oldest first.
#[derive(Debug, Default)]
pub(super) struct Undecided(VecDeque<(AttemptId, Instant)>);

impl Undecided {
    /// Adds an attempt that reaches its mock at `at` if nothing is late.
    pub(super) fn add(&mut self, attempt: AttemptId, at: Instant) {
        self.0.push_back((attempt, at));
    }

    /// Returns the number of attempts that were sent since the oldest one without a decision, including that one. Call
    /// [`Self::lag`] first, which removes the attempts before it.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns how late the oldest attempt is at `now` for which `is_undecided` returns `true`; zero if there is none. The attempts
    /// before it are removed.
    pub(super) fn lag(&mut self, now: Instant, is_undecided: impl Fn(AttemptId) -> bool) -> Nanos {
        while let Some((attempt, at)) = self.0.front() {
            if is_undecided(*attempt) {
                return now.since(*at);
            }
            self.0.pop_front();
        }
        Nanos::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Nanos::from_millis(millis)
    }

    #[test]
    fn an_attempt_that_begins_or_is_dropped_is_no_longer_unbegun() {
        let mut unbegun = Unbegun::default();
        let ((first, first_begun), (second, second_begun)) = (unbegun.add(), unbegun.add());
        assert_eq!(unbegun.len(), 2);
        first.begin(at(7));
        assert_eq!((unbegun.len(), first_begun.get()), (1, Some(&at(7))));
        drop(second);
        assert_eq!((unbegun.len(), second_begun.get()), (0, None));
    }

    #[test]
    fn the_lag_is_that_of_the_oldest_attempt_without_a_decision() {
        let mut undecided = Undecided::default();
        for attempt in 1..=3 {
            undecided.add(AttemptId(attempt), at(attempt * 10));
        }
        assert_eq!(undecided.lag(at(5), |_| true), Nanos::ZERO, "it has not reached the mock");
        assert_eq!((undecided.lag(at(35), |_| true), undecided.len()), (Nanos::from_millis(25), 3));
        assert_eq!(undecided.lag(at(35), |attempt| attempt.0 != 1), Nanos::from_millis(15));
        assert_eq!(undecided.lag(at(35), |attempt| attempt.0 == 3), Nanos::from_millis(5));
        assert_eq!((undecided.lag(at(35), |_| false), undecided.len()), (Nanos::ZERO, 0));
    }
}
