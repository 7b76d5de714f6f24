//! Cached tokens of a prompt: whether they count, and when it shows.

use crate::config;
use proptest::prelude::*;
use provider::config::{CachedTokens, Limit, Reserve, Settle};
use provider::decision::{Decision, Service};
use provider::{Axis, Call, Instant, Provider, Truth};

const CALL: Call = Call { account: 0, model: 0, max_tokens: Some(100) };
const TOKEN_AXES: [Axis; 4] = [Axis::Tpm, Axis::Tpd, Axis::Itpm, Axis::Otpm];

fn truth(prompt_tokens: u32, cached_tokens: u32) -> Truth {
    Truth { prompt_tokens, cached_tokens, completion_tokens: 40, draw: 0 }
}

/// A provider of which so much is used already, and what it makes of one more call.
fn ask(cached: CachedTokens, limit: u64, before: u32, truth: Truth) -> (Provider, Decision) {
    let limits = TOKEN_AXES.map(|axis| Limit::new(axis, limit)).to_vec();
    let mut provider = Provider::new(&config(1, limits, Reserve { cached, ..Reserve::default() }));
    provider.arrive(
        Instant::ZERO,
        Call { max_tokens: Some(0), ..CALL },
        Truth { prompt_tokens: before, ..Truth::default() },
    );
    let verdict = provider.arrive(Instant::ZERO, CALL, truth).verdict;
    (provider, verdict)
}

/// What is left of each token axis once the call has ended.
fn left(provider: &mut Provider, service: &Service) -> [i64; 4] {
    provider.depart(Instant::ZERO, service.ticket, service.usage);
    let levels: Vec<i64> = provider.levels(Instant::ZERO, 0, 0).map(|level| level.remaining).collect();
    levels.try_into().expect("a level for each limit")
}

proptest! {
    /// Counted or refunded, they change nothing of what is decided now, nor of what is reserved. Once the call is settled they are
    /// given back where they are refunded, on every axis that counts prompts, and by nobody else.
    #[test]
    fn cached_tokens_gate_admission_and_are_given_back_when_it_is_settled(
        limit in 1..3000u64, before in 0..1000u32, prompt in 1..1000u32, cached in 0..1500u32,
    ) {
        for policy in [CachedTokens::Counted, CachedTokens::Refunded] {
            let (mut plain, expected) = ask(policy, limit, before, truth(prompt, 0));
            let (mut provider, verdict) = ask(policy, limit, before, truth(prompt, cached));
            let (Decision::Admitted(expected), Decision::Admitted(service)) = (expected, verdict) else {
                prop_assert_eq!(verdict, expected, "the same refusal, to the number");
                continue;
            };
            prop_assert_eq!(service.ticket, expected.ticket);
            prop_assert_eq!((service.first_token_at, service.done_at), (expected.first_token_at, expected.done_at));
            prop_assert_eq!(service.usage.cached_tokens, cached.min(prompt), "what the reply tells");
            let back = if policy == CachedTokens::Refunded { i64::from(cached.min(prompt)) } else { 0 };
            let [tpm, tpd, itpm, otpm] = left(&mut plain, &expected);
            let now = left(&mut provider, &service);
            // A bucket holds no more than its limit.
            let full = |level: i64| (level + back).min(i64::try_from(limit).unwrap());
            prop_assert_eq!(now, [full(tpm), full(tpd), full(itpm), otpm]);
        }
    }

    /// Where they are free, a call is what it would be without them, from the start.
    #[test]
    fn free_tokens_are_as_if_they_were_not_there(
        limit in 1..3000u64, before in 0..1000u32, prompt in 1..1000u32, cached in 0..1500u32,
    ) {
        let rest = prompt - cached.min(prompt);
        let (mut smaller, expected) = ask(CachedTokens::Free, limit, before, truth(rest, 0));
        let (mut provider, verdict) = ask(CachedTokens::Free, limit, before, truth(prompt, cached));
        match (expected, verdict) {
            (Decision::Admitted(expected), Decision::Admitted(service)) => {
                prop_assert_eq!(service.ticket.reserved(), expected.ticket.reserved());
                prop_assert_eq!(left(&mut provider, &service), left(&mut smaller, &expected));
            }
            _ => prop_assert_eq!(verdict, expected),
        }
    }
}

#[test]
fn what_is_never_settled_is_never_given_back() {
    let limits = vec![Limit::new(Axis::Tpm, 1000)];
    let reserve = Reserve { cached: CachedTokens::Refunded, settle: Settle::Nothing, ..Reserve::default() };
    let mut provider = Provider::new(&config(1, limits, reserve));
    let Decision::Admitted(service) = provider.arrive(Instant::ZERO, CALL, truth(500, 400)).verdict else {
        panic!("there is room")
    };
    provider.depart(Instant::ZERO, service.ticket, service.usage);
    assert_eq!(provider.levels(Instant::ZERO, 0, 0).next().unwrap().remaining, 400);
}
