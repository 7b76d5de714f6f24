//! The pick `fastest`: power of two choices (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001) by the peak
//! EWMA of the latency, as in Finagle (`P2CPeakEwma`), tower, Linkerd and Helicone.
//!
//! Two free targets are drawn at random, and the one with the lower load takes the job. The load is the average latency × (attempts in
//! flight + 1). With two free targets both are always compared.
//!
//! - The latency of an attempt is the time to the end of its reply, streamed or not: the targets of a step get the same jobs.
//! - The average jumps to a longer latency at once, and approaches a shorter one with the time constant [`DECAY`].
//! - While no reply arrives the average counts for less, with the same constant: a target that was slow is tried again. In Finagle and
//!   tower each look stores the decayed average, which then depends on how often it is looked at; here it does not.
//! - A target without a reply so far goes first while it has no attempt in flight, and otherwise after all that have one (Finagle).
//! - Without that a target that fails at once would seem fast: an attempt that is refused or fails for now counts as its own time, but
//!   at least as [`FAILURE`] (the penalty of Linkerd's load biaser), and never lowers the average. The time of an attempt that was
//!   cancelled, or that was answered with an error of the request, is a lower bound: it can raise an average, and measures nothing else.

use super::FreeTargets;
use provider::{Instant, Nanos, RandomStream};

/// The time constant of the average: the default of Finagle (`decayTime`) and of Linkerd.
const DECAY: Nanos = Nanos::from_secs(10);

/// What an attempt that was refused or failed for now counts as, if it was shorter: Linkerd's `penalty_secs`.
const FAILURE: Nanos = Nanos::from_secs(5);

/// The load of a target that has an attempt in flight and no reply so far: above that of any target with a reply (Finagle's
/// `Penalty`). In nanoseconds.
const UNMEASURED: f64 = 1e18;

/// The peak EWMA of the latencies of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct PeakEwma {
    /// The average at `at`, in nanoseconds; zero without a reply so far.
    nanos: f64,
    at: Instant,
}

#[expect(clippy::cast_precision_loss, reason = "times of a run stay far below 2^53 ns, which is 104 days")]
impl PeakEwma {
    /// Counts a reply that served a job after `took`.
    pub(in crate::engine) fn served(&mut self, now: Instant, took: Nanos) {
        let took = took.0.max(1) as f64;
        let weight = self.weight(now);
        let nanos = if took > self.nanos { took } else { self.nanos * weight + took * (1.0 - weight) };
        *self = Self { nanos, at: now };
    }

    /// Counts an attempt that was refused or failed for now after `took`.
    pub(in crate::engine) fn failed(&mut self, now: Instant, took: Nanos) {
        self.raise(now, took.max(FAILURE));
    }

    /// Counts an attempt that ended after `took` without a measurement. Does nothing without a reply so far.
    pub(in crate::engine) fn cancelled(&mut self, now: Instant, took: Nanos) {
        if self.nanos > 0.0 {
            self.raise(now, took);
        }
    }

    /// Returns the load of a target with these attempts in flight, in nanoseconds.
    pub(in crate::engine) fn load(self, now: Instant, in_flight: u32) -> f64 {
        match (self.nanos > 0.0, in_flight) {
            (true, _) => self.nanos * self.weight(now) * (f64::from(in_flight) + 1.0),
            (false, 0) => 0.0,
            (false, _) => UNMEASURED + f64::from(in_flight) * 1e6, // More than the distance of floats at 10^18.
        }
    }

    /// Raises the average to `took`, if it is below that now.
    fn raise(&mut self, now: Instant, took: Nanos) {
        let took = took.0 as f64;
        if took > self.nanos * self.weight(now) {
            *self = Self { nanos: took, at: now };
        }
    }

    /// Returns how much the average of the last reply counts at `now`.
    fn weight(self, now: Instant) -> f64 {
        libm::exp(-(now.since(self.at).0 as f64) / DECAY.0 as f64)
    }
}

/// Draws two free targets and returns the one with the lower load, of equal ones the first drawn.
pub(super) fn faster_of_two(
    free: FreeTargets,
    stream: &mut RandomStream,
    load: impl Fn(usize) -> f64,
) -> usize {
    let count = free.count();
    let first = stream.below(count);
    if count == 1 {
        return free.nth(first);
    }
    // Each of the others is as likely.
    let second = (first + 1 + stream.below(count - 1)) % count;
    let [first, second] = [first, second].map(|n| free.nth(n));
    if load(second) < load(first) { second } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = Nanos::SECOND.0;

    fn at(seconds: u64) -> Instant {
        Instant(seconds * SECOND)
    }

    #[test]
    fn a_peak_counts_at_once_and_fades_with_the_time_constant() {
        let mut average = PeakEwma::default();
        average.served(at(0), Nanos(2 * SECOND));
        assert_eq!(average.load(at(0), 0), 2e9);
        assert_eq!(average.load(at(0), 3), 8e9, "with three in flight, four times");
        average.served(at(10), Nanos(7 * SECOND));
        assert_eq!(average.load(at(10), 0), 7e9);
        // After one time constant the old average weighs 1/e: 7/e + 1 · (1 - 1/e) = 3.207 s.
        average.served(at(20), Nanos(SECOND));
        assert!((average.load(at(20), 0) - 3.207_277e9).abs() < 1e3, "{average:?}");
        // And while nothing is sent, 3.207/e = 1.180 s.
        assert!((average.load(at(30), 0) - 1.179_891e9).abs() < 1e3, "{average:?}");
    }

    #[test]
    fn a_target_without_a_reply_is_tried_once_and_then_comes_last() {
        let mut measured = PeakEwma::default();
        measured.served(at(0), Nanos(600 * SECOND));
        let unmeasured = PeakEwma::default();
        assert!(unmeasured.load(at(0), 0) < measured.load(at(0), 0));
        assert!(unmeasured.load(at(0), 1) > measured.load(at(0), 1_000_000));
        assert!(unmeasured.load(at(0), 2) > unmeasured.load(at(0), 1));
    }

    proptest! {
        /// An attempt that did not serve never makes a target look faster, and a fast failure never makes it look fast.
        #[test]
        fn failures_never_lower_the_load(
            replies in prop::collection::vec((0u8..3, 0u64..40 * SECOND, 0u64..20 * SECOND), 0..30),
            in_flight in 0u32..5,
        ) {
            let (mut average, mut now) = (PeakEwma::default(), Instant::ZERO);
            for (kind, took, pause) in replies {
                now += Nanos(pause);
                let before = average.load(now, in_flight);
                let is_measured = average != PeakEwma::default();
                match kind {
                    0 => average.served(now, Nanos(took)),
                    1 => average.failed(now, Nanos(took)),
                    _ => average.cancelled(now, Nanos(took)),
                }
                let after = average.load(now, in_flight);
                prop_assert!(kind == 0 || !is_measured || after >= before, "{before} before, {after} after");
                prop_assert!(kind != 1 || after >= FAILURE.0 as f64 || after >= before);
                prop_assert!(kind != 2 || is_measured || after == before, "a cancelled attempt measures nothing");
                prop_assert!(after.is_finite());
            }
        }

        /// Of two free targets the one with the lower load always takes the job; of several, never the one with the highest.
        #[test]
        fn the_highest_load_is_never_taken(loads in prop::collection::vec(0u32..1_000, 2..64), seed: u64) {
            let mut free = FreeTargets::default();
            (0..loads.len()).for_each(|index| free.add(index));
            let load = |index: usize| f64::from(loads[index]);
            let taken = faster_of_two(free, &mut RandomStream::new(seed, "two", 0), load);
            let highest = loads.iter().max().copied().unwrap_or_default();
            let is_only = loads.iter().filter(|load| **load == highest).count() == 1;
            prop_assert!(!is_only || loads[taken] < highest, "{taken} of {loads:?}");
            if loads.len() == 2 {
                prop_assert_eq!(loads[taken], *loads.iter().min().expect("two"));
            }
        }
    }
}
