//! A concurrency limit that adapts itself, for a client that does not know what its providers admit: additive increase,
//! multiplicative decrease, as in TCP's congestion control (RFC 5681) with attempts in place of segments and refusals in place of
//! losses.
//!
//! | when | the limit |
//! |---|---|
//! | an attempt served, and fewer than half of the limit were in flight | stays: what is not used is not known to be admitted |
//! | … below the threshold (slow start) | rises by one |
//! | … from the threshold on (congestion avoidance) | rises by one for as many answers as the limit |
//! | an attempt was refused for its rate, or the provider was overloaded or did not reply in time | falls to 70 % of the attempts in flight, which is the new threshold |
//! | … an attempt that was sent before the limit last fell | stays: it shows the same overload (RFC 6582) |
//!
//! The share of 70 % is that of CUBIC (RFC 9438) and of the AWS SDKs' adaptive retries; with half, as in RFC 5681, a fifth of a
//! provider's concurrency would stay unused on average. An idle client does not raise its limit: the rule of half is that of RFC 7661
//! and of Netflix's `concurrency-limits` (`AIMDLimit`). Before the first refusal the threshold is infinite. Latency is not used: that of an answer varies with its length far
//! more than with the load of a provider. Refusals that no lower concurrency avoids do not count: a used-up limit per day or allowance,
//! a missing payment, a request that is too large.

use crate::event::{AttemptFailure, AttemptOutcome, RefusalCause};
use crate::ids::AttemptId;
use crate::scenario::AdaptiveConcurrency;

/// What is kept of the attempts in flight when the limit falls, in percent.
const KEPT_PERCENT: u64 = 70;

/// A limit on the attempts in flight that adapts itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdaptiveLimit {
    bounds: AdaptiveConcurrency,
    /// The attempts that may be in flight now, from `bounds.min` to `bounds.max`.
    limit: u32,
    /// From here on the limit rises slowly.
    threshold: u32,
    /// Answers since the limit last changed.
    answers: u32,
    /// Attempts from this one on were sent after the limit last fell.
    after_fall: AttemptId,
}

/// What the end of an attempt says about the concurrency of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// It was served.
    Served,
    /// It was refused, or failed, in a way that fewer attempts at once may avoid.
    Congested,
    /// Neither.
    None,
}

impl Signal {
    /// Returns what the result of an attempt says.
    pub(super) const fn of(outcome: AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Ok => Self::Served,
            AttemptOutcome::Refused { cause, .. } => match cause {
                RefusalCause::ShortLimit
                | RefusalCause::Concurrency
                | RefusalCause::Overload
                | RefusalCause::SharedQuota
                | RefusalCause::Other => Self::Congested,
                RefusalCause::DayLimit
                | RefusalCause::Allowance
                | RefusalCause::SharedCoolDown
                | RefusalCause::Billing
                | RefusalCause::TooLarge
                | RefusalCause::NotInTier
                | RefusalCause::Auth => Self::None,
            },
            AttemptOutcome::Failed(AttemptFailure::Timeout | AttemptFailure::Status(500..)) => {
                Self::Congested
            }
            AttemptOutcome::Failed(_) => Self::None,
        }
    }
}

impl AdaptiveLimit {
    /// Creates the limit with its initial value.
    pub(super) const fn new(bounds: AdaptiveConcurrency) -> Self {
        Self { bounds, limit: bounds.initial, threshold: u32::MAX, answers: 0, after_fall: AttemptId(0) }
    }

    /// Returns the attempts that may be in flight now.
    pub(super) const fn get(&self) -> u32 {
        self.limit
    }

    /// Updates the limit at the end of an attempt. `next` is the attempt that is sent next; `in_flight` counts the one that ends.
    pub(super) fn update(&mut self, (attempt, next): (AttemptId, AttemptId), in_flight: u32, signal: Signal) {
        match signal {
            Signal::Served => self.rise(in_flight),
            Signal::Congested if attempt >= self.after_fall => {
                let used = u64::from(in_flight.min(self.limit));
                let kept =
                    u32::try_from(used * KEPT_PERCENT / 100).expect("invariant: less than what was used");
                self.limit = kept.max(self.bounds.min);
                self.threshold = self.limit;
                self.answers = 0;
                self.after_fall = next;
            }
            Signal::Congested | Signal::None => {}
        }
    }

    fn rise(&mut self, in_flight: u32) {
        if in_flight.saturating_mul(2) < self.limit || self.limit >= self.bounds.max {
            return;
        }
        self.answers += 1;
        if self.limit < self.threshold || self.answers >= self.limit {
            self.limit += 1;
            self.answers = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: AdaptiveConcurrency = AdaptiveConcurrency { initial: 4, min: 1, max: 1_000 };

    #[test]
    fn it_doubles_per_round_until_the_first_refusal_and_then_rises_by_one_per_round() {
        let mut limit = AdaptiveLimit::new(BOUNDS);
        let mut end = |attempts: std::ops::Range<u64>, next, in_flight, signal| {
            attempts.for_each(|id| limit.update((AttemptId(id), AttemptId(next)), in_flight, signal));
            limit.get()
        };
        assert_eq!(end(0..4, 4, 4, Signal::Served), 8, "each answer of a full round adds one");
        assert_eq!(end(4..12, 12, 8, Signal::Served), 16);
        // Of sixteen sent together five are refused: they show one overload.
        assert_eq!(end(12..17, 28, 16, Signal::Congested), 11, "70 % of what was in flight");
        assert_eq!(end(17..27, 28, 11, Signal::Served), 11);
        assert_eq!(end(27..28, 28, 11, Signal::Served), 12, "one more after eleven answers");
        assert_eq!(end(28..30, 30, 5, Signal::Served), 12, "fewer than half are in use");
        assert_eq!(end(30..31, 31, 6, Signal::Congested), 4, "70 % of six");
    }

    proptest! {
        /// The limit stays within its bounds, no refusal raises it, a new one lowers it to at most 70 % of it, and answers of a client
        /// with less than half of it in flight do not raise it.
        #[test]
        fn it_stays_in_its_bounds_and_rises_only_if_it_is_used(
            min in 1u32..20,
            above in 0u32..50,
            further in 0u32..200,
            ends in prop::collection::vec((0u8..4, 0u64..20, 1u32..300), 0..300),
        ) {
            let bounds = AdaptiveConcurrency { min, initial: min + above, max: min + above + further };
            let mut limit = AdaptiveLimit::new(bounds);
            let mut after_fall = 0;
            for (next, (kind, back, in_flight)) in (20u64..).zip(ends) {
                let (attempt, before) = (next - back - 1, limit.get());
                let in_flight = in_flight.min(before);
                let signal = match kind { 0 | 1 => Signal::Served, 2 => Signal::Congested, _ => Signal::None };
                limit.update((AttemptId(attempt), AttemptId(next)), in_flight, signal);
                let after = limit.get();
                prop_assert!((bounds.min..=bounds.max).contains(&after));
                prop_assert!(signal == Signal::Served || after <= before);
                prop_assert!(after <= before + 1);
                prop_assert!(after <= before || in_flight * 2 >= before, "an idle client does not raise it");
                if signal == Signal::Congested && attempt >= after_fall {
                    prop_assert!(after <= bounds.min.max(before * 7 / 10));
                    after_fall = next;
                }
            }
        }
    }
}
