//! Cached prompt tokens: which policy counts them, and at what time.

use crate::config;
use proptest::prelude::*;
use provider::config::{CachedTokens, Limit, Reserve, Settlement};
use provider::decision::{Decision, Service};
use provider::{Axis, Call, Instant, Provider, Truth};

const CALL: Call = Call { account: 0, model: 0, max_tokens: Some(100) };
const TOKEN_AXES: [Axis; 4] = [Axis::Tpm, Axis::Tpd, Axis::Itpm, Axis::Otpm];

fn truth(prompt_tokens: u32, cached_tokens: u32) -> Truth {
    Truth { prompt_tokens, cached_tokens, completion_tokens: 40, draw: 0 }
}

/// Returns a provider after a call of `before` tokens, and its decision on one more call.
fn decide(cached: CachedTokens, limit: u64, before: u32, truth: Truth) -> (Provider, Decision) {
    let limits = TOKEN_AXES.map(|axis| Limit::new(axis, limit)).to_vec();
    let mut provider = Provider::new(&config(1, limits, Reserve { cached, ..Reserve::default() }));
    provider.decide(
        Instant::ZERO,
        Call { max_tokens: Some(0), ..CALL },
        Truth { prompt_tokens: before, ..Truth::default() },
    );
    let decision = provider.decide(Instant::ZERO, CALL, truth).decision;
    (provider, decision)
}

/// Returns the remaining units of each token axis after the call has ended.
fn remaining_after(provider: &mut Provider, service: &Service) -> [i64; 4] {
    provider.complete(Instant::ZERO, service);
    let levels: Vec<i64> = provider.levels(Instant::ZERO, 0, 0).map(|level| level.remaining).collect();
    levels.try_into().expect("invariant: a level per limit")
}

proptest! {
    /// Cached tokens, counted or refunded, change neither the decision nor the reservation. At settlement they are
    /// refunded on every axis that counts prompts, if the policy refunds them.
    #[test]
    fn cached_tokens_count_at_admission_and_are_refunded_at_settlement(
        limit in 1..3000u64, before in 0..1000u32, prompt in 1..1000u32, cached in 0..1500u32,
    ) {
        for policy in [CachedTokens::Counted, CachedTokens::Refunded] {
            let (mut plain, expected) = decide(policy, limit, before, truth(prompt, 0));
            let (mut provider, decision) = decide(policy, limit, before, truth(prompt, cached));
            let (Decision::Admitted(expected), Decision::Admitted(service)) = (expected, decision) else {
                prop_assert_eq!(decision, expected, "the same refusal, in every number");
                continue;
            };
            prop_assert_eq!(service.ticket, expected.ticket);
            prop_assert_eq!((service.started_at, service.time), (expected.started_at, expected.time));
            prop_assert_eq!(service.usage.cached_tokens, cached.min(prompt), "the reply states them");
            let refund = if policy == CachedTokens::Refunded { i64::from(cached.min(prompt)) } else { 0 };
            let [tpm, tpd, itpm, otpm] = remaining_after(&mut plain, &expected);
            let now = remaining_after(&mut provider, &service);
            // A bucket holds no more than its limit.
            let refunded = |level: i64| (level + refund).min(i64::try_from(limit).unwrap());
            prop_assert_eq!(now, [refunded(tpm), refunded(tpd), refunded(itpm), otpm]);
        }
    }

    /// If cached tokens are free, a call is charged as if its prompt were shorter by them, from the start.
    #[test]
    fn free_cached_tokens_never_count(
        limit in 1..3000u64, before in 0..1000u32, prompt in 1..1000u32, cached in 0..1500u32,
    ) {
        let rest = prompt - cached.min(prompt);
        let (mut smaller, expected) = decide(CachedTokens::Free, limit, before, truth(rest, 0));
        let (mut provider, decision) = decide(CachedTokens::Free, limit, before, truth(prompt, cached));
        match (expected, decision) {
            (Decision::Admitted(expected), Decision::Admitted(service)) => {
                prop_assert_eq!(service.ticket.reserved(), expected.ticket.reserved());
                prop_assert_eq!(remaining_after(&mut provider, &service), remaining_after(&mut smaller, &expected));
            }
            _ => prop_assert_eq!(decision, expected),
        }
    }
}

#[test]
fn without_settlement_nothing_is_refunded() {
    let limits = vec![Limit::tpm(1000)];
    let reserve = Reserve {
        cached: CachedTokens::Refunded,
        settlement: Settlement::KeepReservation,
        ..Reserve::default()
    };
    let mut provider = Provider::new(&config(1, limits, reserve));
    let Decision::Admitted(service) = provider.decide(Instant::ZERO, CALL, truth(500, 400)).decision else {
        panic!("the limit is unused")
    };
    provider.complete(Instant::ZERO, &service);
    assert_eq!(provider.levels(Instant::ZERO, 0, 0).next().unwrap().remaining, 400);
}
