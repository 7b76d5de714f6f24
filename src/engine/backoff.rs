//! Exponential back-off with jitter.
//!
//! Clients that fail together and wait equally long return together and fail again. Jitter spreads their returns. The
//! four kinds are those of Brooker, "Exponential Backoff And Jitter", AWS 2015; with `e = min(cap, base · 2^n)` for the
//! n-th wait from zero:
//!
//! ```text
//!  none          e                                 ────────────────|
//!  full          uniform in 0 ..= e                |~~~~~~~~~~~~~~~|
//!  equal         e/2 + uniform in 0 ..= e/2        ────────|~~~~~~~|
//!  decorrelated  min(cap, uniform in base ..= 3 · last wait)
//! ```
//!
//! If the server named a wait, the job waits that long plus [`Delay::jitter`]: a server's wait must not be shortened,
//! and the clients that were given the same instant must not return together.

use crate::scenario::{Backoff, Jitter};
use provider::{Nanos, RandomStream};

/// The waits of one job so far: their number, and the length of the last one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackoffState {
    rounds: u32,
    last: Nanos,
}

/// A wait: `base + jitter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    /// The fixed part.
    base: Nanos,
    /// The random part, also added to a wait that the server named.
    pub(super) jitter: Nanos,
}

impl Delay {
    /// The length of the wait.
    pub(super) fn total(self) -> Nanos {
        self.base + self.jitter
    }
}

impl BackoffState {
    /// Draws the next wait.
    pub(super) fn next(&mut self, policy: &Backoff, stream: &mut RandomStream) -> Delay {
        let exponential = exponential(policy, self.rounds);
        let uniform = |max: Nanos, stream: &mut RandomStream| Nanos(stream.below(max.0.saturating_add(1)));
        let (base, jitter) = match policy.jitter {
            Jitter::None => (exponential, Nanos::ZERO),
            Jitter::Full => (Nanos::ZERO, uniform(exponential, stream)),
            Jitter::Equal => {
                let half = Nanos(exponential.0 / 2);
                (half, uniform(half, stream))
            }
            Jitter::Decorrelated => {
                let last = self.last.max(policy.base);
                let jitter = uniform((last * 3).saturating_sub(policy.base), stream);
                let base = policy.base.min(policy.cap);
                (base, jitter.min(policy.cap.saturating_sub(base)))
            }
        };
        self.rounds = self.rounds.saturating_add(1);
        self.last = base + jitter;
        debug_assert!(
            self.last <= policy.cap,
            "law 14: a back-off is at most {}, not {}",
            policy.cap,
            self.last
        );
        Delay { base, jitter }
    }

    /// Returns `true` if no later wait is bounded by more than the next one: the back-off has reached its cap.
    pub(super) fn is_at_cap(&self, policy: &Backoff) -> bool {
        exponential(policy, self.rounds) == policy.cap
    }

    /// The number of waits so far, which keys the random stream of the next one.
    pub(super) const fn rounds(&self) -> u32 {
        self.rounds
    }
}

/// `min(cap, base · 2^n)`.
pub(super) fn exponential(policy: &Backoff, n: u32) -> Nanos {
    let factor = 1u64.checked_shl(n).unwrap_or(u64::MAX);
    (policy.base * factor).min(policy.cap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Backoff =
        Backoff { base: Nanos::from_millis(500), cap: Nanos::from_secs(8), jitter: Jitter::None };

    fn delays(jitter: Jitter, rounds: usize, seed: u64) -> Vec<Nanos> {
        let policy = Backoff { jitter, ..POLICY };
        let (mut state, mut stream) = (BackoffState::default(), RandomStream::new(seed, "jitter", 0));
        (0..rounds).map(|_| state.next(&policy, &mut stream).total()).collect()
    }

    #[test]
    fn without_jitter_the_wait_doubles_up_to_the_cap() {
        let millis = [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000];
        assert_eq!(delays(Jitter::None, 7, 1), millis.map(Nanos::from_millis));
        assert_eq!(exponential(&POLICY, u32::MAX), POLICY.cap);
    }

    proptest! {
        #[test]
        fn every_kind_of_jitter_stays_within_its_bounds(seed: u64) {
            let plain = delays(Jitter::None, 12, 0);
            let (full, equal) = (delays(Jitter::Full, 12, seed), delays(Jitter::Equal, 12, seed));
            let mut last = POLICY.base;
            for (round, wait) in delays(Jitter::Decorrelated, 12, seed).into_iter().enumerate() {
                prop_assert!(full[round] <= plain[round]);
                prop_assert!(equal[round].0 >= plain[round].0 / 2 && equal[round] <= plain[round]);
                prop_assert!(wait >= POLICY.base && wait <= (last * 3).min(POLICY.cap));
                last = wait;
            }
        }

        #[test]
        fn without_jitter_nothing_is_added_to_a_wait_that_the_server_named(seed: u64) {
            let (mut waits, mut stream) = (BackoffState::default(), RandomStream::new(seed, "jitter", 0));
            for _ in 0..6 {
                prop_assert_eq!(waits.next(&POLICY, &mut stream).jitter, Nanos::ZERO);
            }
        }
    }

    #[test]
    fn full_jitter_averages_half_the_wait() {
        let sum: u64 = (0..4_000).map(|seed| delays(Jitter::Full, 1, seed)[0].0).sum();
        let mean = sum / 4_000;
        // The standard error is 500 ms / sqrt(12 · 4000) = 2.3 ms.
        assert!((243_000_000..257_000_000).contains(&mean), "{mean}");
    }
}
