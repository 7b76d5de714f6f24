//! Sets the levels of a provider's limits, and its clock: for tests, through the control plane of the server.

use super::Provider;
use crate::axis::Axis;
use crate::time::Instant;

impl Provider {
    /// Sets what remains of the limits on `axis` of an account and a model, at most their capacity. Returns the number of
    /// limits that were set: none if the axis is not limited, or if it is the concurrency, which is the number of calls in
    /// flight. If any was set, calls in flight no longer change the levels of this account and model when they end; they
    /// only free their concurrency.
    pub fn set_remaining(
        &mut self,
        now: Instant,
        account: u16,
        model: u16,
        axis: Axis,
        remaining: u64,
    ) -> usize {
        let index = self.advance_meter_to(now, account, model);
        self.meters[index].set_remaining(axis, remaining, self.admitted)
    }

    /// Sets every limit of an account and a model, except the concurrency, to what remains of it in `initial`. An adaptive
    /// limit keeps its present limit. Calls in flight no longer change the levels when they end; they only free their
    /// concurrency.
    pub fn reset_levels(&mut self, now: Instant, account: u16, model: u16, initial: &Self) {
        let index = self.advance_meter_to(now, account, model);
        self.meters[index].copy_levels(&initial.meters[index], self.admitted);
    }

    /// Returns this provider at `now`, which may be earlier than its own instant, with the same levels; overdrawn limits have
    /// zero remaining, and an adaptive limit has its configured size again and no more than that remaining. `initial` is the
    /// provider at the start of the run. Calls in flight are unknown to the result, and their concurrency is free.
    #[must_use]
    pub fn moved_to(&self, now: Instant, initial: &Self) -> Self {
        let mut moved = Self { now, ..initial.clone() };
        for (meter, present) in moved.meters.iter_mut().zip(&self.meters) {
            meter.advance_to(now);
            meter.copy_levels(present, moved.admitted);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Growth, Limit, ModelConfig, RefillPolicy};
    use crate::decision::Decision;
    use crate::{Call, Nanos, Truth, Zone};

    const CALL: Call = Call { account: 0, model: 0, max_tokens: Some(10) };
    const TRUTH: Truth = Truth { prompt_tokens: 10, completion_tokens: 5, cached_tokens: 0, draw: 1 };

    fn provider(policy: RefillPolicy) -> Provider {
        let limit = |axis, amount| Limit { refill: policy, ..Limit::new(axis, amount) };
        let limits = [limit(Axis::Rpd, 1_000), limit(Axis::Tpm, 6_000), Limit::new(Axis::Concurrency, 4)];
        let model = limits.into_iter().fold(ModelConfig::new("m"), ModelConfig::with_limit);
        Provider::new(&Config::new("p").with_account("a").with_model(model))
    }

    fn remaining(provider: &mut Provider, now: Instant) -> Vec<i64> {
        provider.levels(now, 0, 0).map(|level| level.remaining).collect()
    }

    fn policies() -> [RefillPolicy; 6] {
        [
            RefillPolicy::Bucket,
            RefillPolicy::Fixed,
            RefillPolicy::SlidingLog,
            RefillPolicy::SlidingCounter,
            RefillPolicy::Calendar(Zone::Utc),
            RefillPolicy::Adaptive(Growth::default()),
        ]
    }

    #[test]
    fn a_level_is_set_whatever_was_charged_and_calls_in_flight_do_not_change_it() {
        for policy in policies() {
            let now = Instant(5_000_000_000);
            let mut provider = provider(policy);
            let Decision::Admitted(service) = provider.decide(now, CALL, TRUTH).decision else { panic!() };
            for left in [2, 1_000, 0, 7, 5_000] {
                assert_eq!(provider.set_remaining(now, 0, 0, Axis::Rpd, left), 1, "{policy:?}");
                assert_eq!(remaining(&mut provider, now)[0], left.min(1_000) as i64, "{policy:?}");
            }
            assert_eq!(provider.set_remaining(now, 0, 0, Axis::Rpd, 2), 1);
            assert_eq!(provider.set_remaining(now, 0, 0, Axis::Itpm, 2), 0, "not limited");
            assert_eq!(provider.set_remaining(now, 0, 0, Axis::Concurrency, 0), 0);
            let before = remaining(&mut provider, now);
            provider.complete(now, &service);
            assert_eq!(remaining(&mut provider, now), [before[0], before[1], 4], "{policy:?}");
            for admitted in [true, true, false] {
                let report = provider.decide(now, CALL, TRUTH);
                assert_eq!(matches!(report.decision, Decision::Admitted(_)), admitted, "{policy:?}");
            }
        }
    }

    #[test]
    fn the_clock_goes_back_and_the_levels_stay() {
        for policy in policies() {
            let mut later = provider(policy);
            let initial = later.clone();
            let second_day = Instant::ZERO + Nanos::DAY + Nanos::HOUR;
            let Decision::Admitted(_) = later.decide(second_day, CALL, TRUTH).decision else { panic!() };
            later.set_remaining(second_day, 0, 0, Axis::Rpd, 3);
            let expected = remaining(&mut later, second_day);
            let first_day = Instant::ZERO + Nanos::HOUR + Nanos::HOUR;
            let mut earlier = later.moved_to(first_day, &initial);
            assert_eq!(remaining(&mut earlier, first_day), [expected[0], expected[1], 4], "{policy:?}");
            let two_days_later = second_day + Nanos::DAY + Nanos::DAY;
            assert_eq!(remaining(&mut earlier, two_days_later)[0], 1_000, "{policy:?}");
        }
    }
}
