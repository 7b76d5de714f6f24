//! How long to wait before trying again.
//!
//! Clients that fail together and wait the same time come back together: the herd that was refused is
//! refused again. Chance in the wait spreads them. The four ways are Brooker's ("Exponential Backoff
//! And Jitter", AWS 2015); with `e = min(cap, base · 2^n)` for the n-th wait from zero:
//!
//! ```text
//!  none          e                                 ────────────────|
//!  full          anything in 0 .. e                |~~~~~~~~~~~~~~~|
//!  equal         e/2 and anything in 0 .. e/2      ────────|~~~~~~~|
//!  decorrelated  min(cap, anything in base .. 3 · last wait)
//! ```
//!
//! Where the server named a wait, that wait is kept exactly and only the chance part ([`Delay::spread`]) comes
//! after it: a server's wait must never be shortened, and all who were told the same instant must not
//! return at it.

use crate::scenario::{Backoff, Jitter};
use provider::{Nanos, Stream};

/// The waits of one job so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackoffState {
    rounds: u32,
    last: Nanos,
}

/// One wait in its two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delay {
    /// What is certain.
    fixed: Nanos,
    /// What chance adds: also what is added after a wait that the server named.
    pub(super) spread: Nanos,
}

impl Delay {
    /// The whole wait.
    pub(super) fn whole(self) -> Nanos {
        self.fixed + self.spread
    }
}

impl BackoffState {
    /// The next wait.
    pub(super) fn next(&mut self, policy: &Backoff, stream: &mut Stream) -> Delay {
        let whole = exponential(policy, self.rounds);
        let up_to = |bound: Nanos, stream: &mut Stream| Nanos(stream.below(bound.0.saturating_add(1)));
        let (fixed, spread) = match policy.jitter {
            Jitter::None => (whole, Nanos::ZERO),
            Jitter::Full => (Nanos::ZERO, up_to(whole, stream)),
            Jitter::Equal => {
                let half = Nanos(whole.0 / 2);
                (half, up_to(half, stream))
            }
            Jitter::Decorrelated => {
                let last = self.last.max(policy.base);
                let spread = up_to((last * 3).saturating_sub(policy.base), stream);
                let fixed = policy.base.min(policy.cap);
                (fixed, spread.min(policy.cap.saturating_sub(fixed)))
            }
        };
        self.rounds = self.rounds.saturating_add(1);
        self.last = fixed + spread;
        Delay { fixed, spread }
    }

    /// How many waits there were: the number of the next one's draw.
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
        let (mut state, mut stream) = (BackoffState::default(), Stream::new(seed, "jitter", 0));
        (0..rounds).map(|_| state.next(&policy, &mut stream).whole()).collect()
    }

    #[test]
    fn without_jitter_the_wait_doubles_up_to_the_cap() {
        let millis = [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000];
        assert_eq!(delays(Jitter::None, 7, 1), millis.map(Nanos::from_millis));
        assert_eq!(exponential(&POLICY, u32::MAX), POLICY.cap);
    }

    proptest! {
        #[test]
        fn every_jitter_stays_inside_its_bounds(seed: u64) {
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
        fn without_jitter_nothing_is_added_to_the_servers_wait(seed: u64) {
            let (mut waits, mut stream) = (BackoffState::default(), Stream::new(seed, "jitter", 0));
            for _ in 0..6 {
                prop_assert_eq!(waits.next(&POLICY, &mut stream).spread, Nanos::ZERO);
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
