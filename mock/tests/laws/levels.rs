//! The levels of limits over a run.

use super::accounts::{calls, levels, limits, reserve};
use super::config;
use proptest::prelude::*;
use provider::decision::{Decision, Service};
use provider::{Call, Instant, Nanos, Provider};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What has remained least of a limit is the least of its levels just after each decision and each settlement.
    #[test]
    fn the_least_remaining_units_are_the_least_of_all_levels(
        limits in limits(), reserve in reserve(), calls in calls(40), service_ns in 0..Nanos::MINUTE.0,
    ) {
        let mut provider = Provider::new(&config(2, limits, reserve));
        let mut least: Vec<i64> = levels(&mut provider, Instant::ZERO, 0).iter().map(|level| level.remaining).collect();
        let (mut now, mut open): (Instant, Vec<(Instant, Service)>) = (Instant::ZERO, Vec::new());
        let mut observe = |provider: &mut Provider, at: Instant| {
            for (least, level) in least.iter_mut().zip(levels(provider, at, 0)) {
                *least = (*least).min(level.remaining);
                if let Some(exact) = level.least_remaining {
                    assert_eq!(exact, *least, "{level:?}");
                }
            }
        };
        for (gap, call, truth) in calls {
            now += Nanos(gap);
            open.sort_by_key(|(ends, _)| *ends);
            while open.first().is_some_and(|(ends, _)| *ends <= now) {
                let (ends, service) = open.remove(0);
                provider.complete(ends, &service);
                observe(&mut provider, ends);
            }
            let call = Call { account: 0, ..call };
            if let Decision::Admitted(service) = provider.decide(now, call, truth).decision {
                open.push((now + Nanos(service_ns), service));
            }
            observe(&mut provider, now);
        }
    }
}
