//! Exponential back-off with jitter.
//!
//! Clients that fail together and wait equally long return together and fail again. Jitter spreads their returns. The first
//! four kinds are those of Brooker, "Exponential Backoff And Jitter", AWS 2015, the others those of SDKs and gateways; with
//! `e = min(cap, base · 2^n)` for the n-th wait from zero:
//!
//! ```text
//!  none          e                                 ────────────────|
//!  full          uniform in 0 ..= e                |~~~~~~~~~~~~~~~|
//!  equal         e/2 + uniform in 0 ..= e/2        ────────|~~~~~~~|
//!  decorrelated  min(cap, uniform in base ..= 3 · last wait)
//!  shorten s     e · (1 − s) + uniform in 0 ..= e · s
//!  add a         e + uniform in 0 ..= a
//!  around s      min(cap, e · (1 − s) + uniform in 0 ..= 2 · e · s)
//! ```
//!
//! If the server named a wait, the job waits that long plus [`Delay::jitter`], or plus the jitter of [`StatedWait`] if it has
//! one: a server's wait must not be shortened, and the clients that were given the same instant must not return together.

use crate::scenario::{Backoff, Jitter, StatedWait};
use provider::{Nanos, RandomStream};

/// The back-offs of one job so far: their number, and the length of the last one, whether the job waited that long or for
/// the end of a cool-down.
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
    /// The random part.
    jitter: Nanos,
    /// What is added to a cool-down, for example to a wait that the server named.
    pub(super) after_stated: Nanos,
}

impl Delay {
    /// Returns the length of the wait.
    pub(super) fn total(self) -> Nanos {
        self.base + self.jitter
    }
}

impl BackoffState {
    /// Draws the next wait.
    pub(super) fn next(&mut self, policy: &Backoff, stated: &StatedWait, stream: &mut RandomStream) -> Delay {
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
            Jitter::Shorten(permille) => {
                let random = part(exponential, permille);
                (exponential.saturating_sub(random), uniform(random, stream))
            }
            Jitter::Add(most) => (exponential, uniform(most, stream)),
            Jitter::Around(permille) => {
                let half = part(exponential, permille);
                let base = exponential.saturating_sub(half);
                (base, uniform(half * 2, stream).min(policy.cap.saturating_sub(base)))
            }
        };
        self.rounds = self.rounds.saturating_add(1);
        self.last = base + jitter;
        debug_assert!(
            self.last <= longest(policy),
            "law 14: a back-off is at most {}, not {}",
            longest(policy),
            self.last
        );
        Delay { base, jitter, after_stated: stated.jitter.map_or(jitter, |most| uniform(most, stream)) }
    }

    /// Returns `true` if the back-off has reached its cap: `min(cap, base · 2^n)` of the next wait is the cap.
    pub(super) fn is_at_cap(&self, policy: &Backoff) -> bool {
        exponential(policy, self.rounds) == policy.cap
    }

    /// Returns the number of waits so far, which keys the random stream of the next one.
    pub(super) const fn rounds(&self) -> u32 {
        self.rounds
    }
}

/// Returns `permille` thousandths of a length, rounded down.
fn part(length: Nanos, permille: u16) -> Nanos {
    let part = u128::from(length.0) * u128::from(permille) / 1000;
    Nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

/// Returns the longest back-off of a policy.
fn longest(policy: &Backoff) -> Nanos {
    match policy.jitter {
        Jitter::Add(most) => policy.cap + most,
        _ => policy.cap,
    }
}

/// Returns `min(cap, base · 2^n)`.
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
        (0..rounds).map(|_| state.next(&policy, &StatedWait::default(), &mut stream).total()).collect()
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
            let (shorten, around) = (delays(Jitter::Shorten(250), 12, seed), delays(Jitter::Around(200), 12, seed));
            let add = delays(Jitter::Add(Nanos::from_millis(750)), 12, seed);
            for (round, wait) in plain.iter().map(|wait| wait.as_secs_f64()).enumerate() {
                let is_within = |drawn: &[Nanos], least: f64, most: f64| {
                    (least - 1e-9..=most + 1e-9).contains(&drawn[round].as_secs_f64())
                };
                prop_assert!(is_within(&shorten, 0.75 * wait, wait), "{shorten:?}");
                prop_assert!(is_within(&add, wait, wait + 0.75), "{add:?}");
                prop_assert!(is_within(&around, 0.8 * wait, (1.2 * wait).min(8.0)), "{around:?}");
            }
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
                let added = waits.next(&POLICY, &StatedWait::default(), &mut stream).after_stated;
                prop_assert_eq!(added, Nanos::ZERO);
            }
        }

        #[test]
        fn the_jitter_of_a_stated_wait_replaces_that_of_the_back_off(seed: u64, most in 0u64..2_000_000_000) {
            let stated = StatedWait { jitter: Some(Nanos(most)), ..StatedWait::default() };
            let (mut waits, mut stream) = (BackoffState::default(), RandomStream::new(seed, "jitter", 0));
            for jitter in [Jitter::None, Jitter::Full, Jitter::Add(Nanos::from_secs(9))] {
                let delay = waits.next(&Backoff { jitter, ..POLICY }, &stated, &mut stream);
                prop_assert!(delay.after_stated <= Nanos(most));
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
