//! A call after the announced wait is admitted (law 7).

use super::accounts::{calls, limits, reserve};
use super::config;
use proptest::prelude::*;
use provider::config::{Estimate, Limit, Reserve};
use provider::decision::Decision;
use provider::{Axis, Call, Instant, Nanos, Provider, Truth};

/// Longer than every wait in these tests: one answer overdraws a month's limit of 20 tokens for up to 59 years. The clock has room for
/// two.
const LONGEST_WAIT: Nanos = Nanos(Nanos::DAY.0 * 50_000);

proptest! {
    /// Law 7: a single client that obeys the announced wait is admitted after it, on every axis at once.
    #[test]
    fn a_single_client_that_obeys_the_announced_wait_is_admitted(
        limits in limits(), reserve in reserve(), charge_refused in any::<bool>(), calls in calls(60),
    ) {
        let reserve = Reserve { charge_refused, ..reserve };
        let limits: Vec<_> = limits.into_iter().filter(|limit| limit.axis != Axis::Concurrency).collect();
        let mut provider = Provider::new(&config(2, limits, reserve));
        let mut now = Instant::ZERO;
        for (gap, call, truth) in calls {
            if now.since(Instant::ZERO) > LONGEST_WAIT {
                break;
            }
            now += Nanos(gap);
            let mut decision = provider.decide(now, call, truth).decision;
            if let Decision::Refused(denial) = decision && !denial.oversize {
                let exact = earliest_admission(&provider, now, call, truth);
                let wait = denial.wait.expect("invariant: a refusal that ends with time announces its wait");
                prop_assert!(exact <= now + wait, "announced {wait}, exact {}", exact.since(now));
                now += wait;
                decision = provider.decide(now, call, truth).decision;
                prop_assert!(matches!(decision, Decision::Admitted(_)), "{denial:?} then {decision:?}");
            }
            if let Decision::Admitted(service) = decision {
                provider.complete(now, &service);
            }
        }
    }
}

/// Returns the earliest instant at which the call would be admitted, by bisection on copies of the provider: levels only
/// rise without calls.
fn earliest_admission(provider: &Provider, now: Instant, call: Call, truth: Truth) -> Instant {
    let admits = |at| matches!(provider.clone().decide(at, call, truth).decision, Decision::Admitted(_));
    let (mut refused, mut admitted) = (now, now + LONGEST_WAIT);
    assert!(admits(admitted));
    while admitted.since(refused) > Nanos(1) {
        let between = Instant(refused.0.midpoint(admitted.0));
        if admits(between) { admitted = between } else { refused = between }
    }
    admitted
}

#[test]
fn if_several_axes_refuse_the_longest_wait_is_reported() {
    let limits = vec![Limit::rpm(1), Limit::rpd(1), Limit::tpm(2000)];
    let mut provider = Provider::new(&config(1, limits, Reserve::default()));
    let call = Call { account: 0, model: 0, max_tokens: Some(1000) };
    let mut decide = |prompt_tokens| {
        let truth = Truth { prompt_tokens, completion_tokens: 10, cached_tokens: 0, draw: 0 };
        provider.decide(Instant::ZERO, call, truth).decision
    };
    assert!(matches!(decide(1000), Decision::Admitted(_)));
    let Decision::Refused(denial) = decide(1000) else { panic!("every axis is used up") };
    assert_eq!((denial.axis, denial.wait), (Axis::Rpd, Some(Nanos::DAY)));
    let Decision::Refused(denial) = decide(1001) else { panic!("2001 tokens exceed the limit of 2000") };
    assert_eq!((denial.axis, denial.oversize), (Axis::Tpm, true));
}

#[test]
fn an_overdrawn_limit_announces_the_exact_wait_if_the_printed_numbers_give_a_shorter_one() {
    let limits = vec![Limit::tpm(60)];
    let mut provider = Provider::new(&config(1, limits, Reserve::default_for(Estimate::Prompt)));
    let call = Call { account: 0, model: 0, max_tokens: None };
    let truth = Truth { prompt_tokens: 10, completion_tokens: 54, cached_tokens: 0, draw: 0 };
    let Decision::Admitted(service) = provider.decide(Instant::ZERO, call, truth).decision else {
        panic!("the bucket is full")
    };
    provider.complete(Instant::ZERO, &service);
    // 64 of 60 are used; 0.3 s later 63.7, printed as 63, and 10 more fit after 13.7 s.
    let now = Instant(300_000_000);
    let Decision::Refused(denial) = provider.decide(now, call, truth).decision else { panic!("overdrawn") };
    assert_eq!((denial.used, denial.wait), (63, Some(Nanos::from_millis(13_700))));
}

#[test]
fn a_wait_that_groqs_arithmetic_truncates_is_announced_in_full() {
    // Groq prints 459.999999ms for these numbers; a call after that wait would be refused again.
    let limits = vec![Limit::tpm(6000)];
    let mut provider = Provider::new(&config(1, limits, Reserve::default()));
    let mut decide = |now, prompt_tokens| {
        let call = Call { account: 0, model: 0, max_tokens: Some(0) };
        provider.decide(now, call, Truth { prompt_tokens, ..Truth::default() }).decision
    };
    assert!(matches!(decide(Instant::ZERO, 2516), Decision::Admitted(_)));
    let Decision::Refused(denial) = decide(Instant::ZERO, 3530) else { panic!("46 tokens are missing") };
    assert_eq!((denial.used, denial.wait), (2516, Some(Nanos::from_millis(460))));
    assert!(matches!(decide(Instant(459_999_999), 3530), Decision::Refused(_)));
    assert!(matches!(decide(Instant(460_000_000), 3530), Decision::Admitted(_)));
}
