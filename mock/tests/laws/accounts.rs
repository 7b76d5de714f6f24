//! All axes of an account together: a call is charged on every axis or on none, refusals are not charged,
//! and accounts are independent.

use super::{REFILL_POLICIES, config};
use proptest::prelude::*;
use provider::config::{
    CachedTokens, Estimate, Growth, Limit, ModelConfig, RefillPolicy, Reserve, Settlement,
};
use provider::decision::{Decision, Denial, Service};
use provider::meter::{Charge, LimitLevel};
use provider::reserve::RecentCompletions;
use provider::{Axis, Call, Instant, Nanos, Provider, Truth};

/// Limits on some of the axes, low enough to refuse calls.
pub(super) fn limits() -> impl Strategy<Value = Vec<Limit>> {
    let refill = prop_oneof![1 => Just(RefillPolicy::Bucket), 1 => prop::sample::select(&REFILL_POLICIES)];
    let limit = (refill, 1_u64..400, 0_u64..=100).prop_map(|(refill, limit, extra)| (refill, limit, extra));
    prop::collection::vec(prop::option::of(limit), Axis::ALL.len()).prop_map(|limits| {
        let on_axis = |(axis, limit): (Axis, Option<(RefillPolicy, u64, u64)>)| {
            let (refill, limit, extra) = limit?;
            let scale = if axis.counts_tokens() { 20 } else { 1 };
            let burst = limit * scale * (100 + extra) / 150 + 1;
            Some(Limit { refill, burst, ..Limit::new(axis, limit * scale) })
        };
        Axis::ALL.into_iter().zip(limits).filter_map(on_axis).collect()
    })
}

pub(super) fn reserve() -> impl Strategy<Value = Reserve> {
    let estimate = prop_oneof![
        Just(Estimate::PromptAndMaxTokens),
        Just(Estimate::PromptAndRecent),
        Just(Estimate::Prompt),
        Just(Estimate::Nothing)
    ];
    let settlement = prop_oneof![2 => Just(Settlement::ToUsage), 1 => Just(Settlement::KeepReservation), 1 => Just(Settlement::ChargeExcess)];
    let cached = prop::sample::select(&[CachedTokens::Counted, CachedTokens::Refunded, CachedTokens::Free]);
    (estimate, settlement, (cached, 1_u32..7), 0_u32..2000, 0_u32..4000).prop_map(
        |(estimate, settlement, (cached, output_weight), default_max_tokens, max_completion_tokens)| {
            Reserve {
                default_max_tokens,
                max_completion_tokens,
                settlement,
                cached,
                output_weight,
                ..Reserve::default_for(estimate)
            }
        },
    )
}

/// The gap in nanoseconds before a call, the call and its truth.
pub(super) fn calls(count: usize) -> impl Strategy<Value = Vec<(u64, Call, Truth)>> {
    let gap = prop_oneof![Just(0), 0..Nanos::SECOND.0, 0..Nanos::MINUTE.0, 0..Nanos::HOUR.0];
    let call = (gap, 0_u16..2, prop::option::of(0_u32..2000), 0_u32..2000, 0_u32..2500, 0_u32..2000);
    let call =
        call.prop_map(|(gap, account, max_tokens, prompt_tokens, cached_tokens, completion_tokens)| {
            (
                gap,
                Call { account, model: 0, max_tokens },
                Truth { prompt_tokens, completion_tokens, cached_tokens, draw: 0 },
            )
        });
    prop::collection::vec(call, 1..count)
}

pub(super) fn levels(provider: &mut Provider, now: Instant, account: u16) -> Vec<LimitLevel> {
    provider.levels(now, account, 0).collect()
}

/// Checks that the numbers of a denial are consistent with the level of its axis and with the call.
fn check_denial(
    denial: Denial,
    limits: &[Limit],
    levels: &[LimitLevel],
    requested: u64,
) -> Result<(), TestCaseError> {
    let index =
        limits.iter().position(|limit| limit.axis == denial.axis).expect("invariant: a limit of the account");
    prop_assert_eq!(denial.limit, limits[index].amount);
    prop_assert_eq!(denial.requested, requested);
    prop_assert_eq!(denial.used, denial.limit.cast_signed() - levels[index].remaining);
    prop_assert_eq!(denial.oversize, requested > levels[index].capacity);
    Ok(())
}

proptest! {
    /// All axes are charged by what they count, or none is; no other account's level changes.
    #[test]
    fn a_call_is_charged_on_every_axis_or_on_none(
        limits in limits(), reserve in reserve(), calls in calls(60),
    ) {
        let mut provider = Provider::new(&config(2, limits.clone(), reserve));
        let mut now = Instant::ZERO;
        for (gap, call, truth) in calls {
            now += Nanos(gap);
            let mut expected = levels(&mut provider, now, call.account);
            let other_account = levels(&mut provider, now, 1 - call.account);
            let reserved = reserve.reserved(call, truth, &RecentCompletions::default());
            match provider.decide(now, call, truth).decision {
                Decision::Admitted(service) => {
                    prop_assert_eq!(service.ticket.reserved(), reserved);
                    for level in &mut expected {
                        level.remaining -= i64::try_from(Charge::new(reserved).units_on(level.axis)).unwrap();
                        prop_assert!(level.remaining >= 0, "law 5: overdrawn on {}", level.axis);
                        level.least_remaining = level.least_remaining.map(|least| least.min(level.remaining));
                    }
                }
                Decision::Refused(denial) => {
                    check_denial(denial, &limits, &expected, Charge::new(reserved).units_on(denial.axis))?;
                }
                Decision::TooLong(_) | Decision::Faulted(_) => unreachable!("no incidents"),
            }
            // A charge is a whole number: it does not change the fraction of a level, which `remaining` leaves out.
            prop_assert_eq!(levels(&mut provider, now, call.account), expected);
            prop_assert_eq!(levels(&mut provider, now, 1 - call.account), other_account);
        }
    }

    /// Law 9: after settlement, every level reflects the sum of reservations and usage that the policy counts.
    #[test]
    fn settlement_leaves_the_charges_of_the_policy(
        reserve in reserve(), calls in calls(20), axes in prop::sample::subsequence(&Axis::ALL, 1..=Axis::ALL.len()),
    ) {
        let limits: Vec<_> = axes.into_iter().map(|axis| Limit::new(axis, 1_000_000)).collect();
        let mut provider = Provider::new(&config(2, limits, reserve));
        // All at one instant: a bucket that refills completely in between would lose part of a refund.
        let mut open = vec![];
        for (_, call, truth) in &calls {
            if let Decision::Admitted(service) = provider.decide(Instant::ZERO, *call, *truth).decision {
                open.push(service);
            }
        }
        prop_assert_eq!(open.len(), calls.len());
        for service in open.iter().rev() {
            provider.complete(Instant::ZERO, service);
        }
        for account in 0..2 {
            for level in levels(&mut provider, Instant::ZERO, account) {
                let of_account = open.iter().filter(|service| service.ticket.account == account);
                let counted = |service: &Service| {
                    let charge = |usage| Charge::new(usage).units_on(level.axis);
                    let (reserved, used) = (charge(service.ticket.reserved()), charge(reserve.counting().counted(service.usage)));
                    match reserve.settlement {
                        Settlement::ToUsage => used,
                        Settlement::KeepReservation => reserved,
                        Settlement::ChargeExcess => reserved.max(used),
                    }
                };
                let used: u64 = of_account.map(counted).sum();
                let used = if level.axis == Axis::Concurrency { 0 } else { used };
                prop_assert_eq!(level.remaining, 1_000_000 - i64::try_from(used).unwrap(), "{}", level.axis);
            }
        }
    }
}

#[test]
fn a_full_concurrency_limit_is_reported_only_if_no_other_limit_refuses() {
    let limits = vec![Limit::rpm(2), Limit::concurrency(1)];
    let mut provider = Provider::new(&config(1, limits, Reserve::default()));
    let call = Call { account: 0, model: 0, max_tokens: None };
    let decide = |provider: &mut Provider| provider.decide(Instant::ZERO, call, Truth::default()).decision;
    let Decision::Admitted(first) = decide(&mut provider) else { panic!("both are free") };
    let Decision::Refused(denial) = decide(&mut provider) else { panic!("one is in flight") };
    assert_eq!((denial.axis, denial.wait, denial.oversize), (Axis::Concurrency, None, false));
    provider.complete(Instant::ZERO, &first);
    assert!(matches!(decide(&mut provider), Decision::Admitted(_)));
    let Decision::Refused(denial) = decide(&mut provider) else { panic!("both are used up") };
    assert_eq!((denial.axis, denial.wait), (Axis::Rpm, Some(Nanos::from_secs(30))));
}

#[test]
fn a_charge_at_the_end_counts_in_the_window_of_the_end() {
    for (settlement, left) in [(Settlement::ChargeExcess, [100, 20]), (Settlement::ToUsage, [100, 100])] {
        let limits = vec![Limit::tpm(100).with_refill(RefillPolicy::Fixed)];
        let mut provider = Provider::new(&config(
            1,
            limits,
            Reserve { settlement, ..Reserve::default_for(Estimate::Nothing) },
        ));
        let call = Call { account: 0, model: 0, max_tokens: Some(50) };
        let truth = Truth { prompt_tokens: 30, completion_tokens: 90, cached_tokens: 0, draw: 0 };
        let Decision::Admitted(service) = provider.decide(Instant::ZERO, call, truth).decision else {
            panic!("nothing is reserved")
        };
        let end = Instant::ZERO + Nanos::MINUTE;
        let before = provider.levels(end, 0, 0).next().unwrap().remaining;
        provider.complete(end, &service);
        assert_eq!([before, provider.levels(end, 0, 0).next().unwrap().remaining], left);
    }
}

#[test]
fn charged_refusals_starve_a_client_that_ignores_waits() {
    let limits = vec![Limit::rpm(60), Limit::tpm(6000)];
    let reserve = Reserve { charge_refused: true, ..Reserve::default() };
    let mut provider = Provider::new(&config(1, limits, reserve));
    let call = Call { account: 0, model: 0, max_tokens: Some(0) };
    let truth = Truth { prompt_tokens: 10, ..Truth::default() };
    // Two calls a second on a bucket of one a second: every refusal delays the next admission.
    let admitted = (0..600).filter(|number| {
        let at = Instant::ZERO + Nanos::from_millis(500 * number);
        matches!(provider.decide(at, call, truth).decision, Decision::Admitted(_))
    });
    assert_eq!(admitted.count(), 119);
    let levels: Vec<_> =
        provider.levels(Instant(299_500_000_000), 0, 0).map(|level| level.remaining).collect();
    assert!(levels[0] < 0 && levels[1] > 5000, "{levels:?}");
}

#[test]
fn the_models_of_a_family_share_one_meter_per_account() {
    let mut config = config(2, vec![Limit::rpm(3)], Reserve::default());
    let model = |name: &str, family: Option<&str>| ModelConfig {
        name: name.into(),
        family: family.map(Into::into),
        ..config.models[0].clone()
    };
    config.models = vec![
        model("alone", None),
        model("large", Some("gpt")),
        model("small", Some("gpt")),
        model("other", Some("claude")),
        model("apart", None),
    ];
    let mut provider = Provider::new(&config);
    let mut admissions = |account, models: &[u16]| -> Vec<bool> {
        let call = |model: &u16| Call { account, model: *model, max_tokens: None };
        let admits = |call| {
            matches!(provider.decide(Instant::ZERO, call, Truth::default()).decision, Decision::Admitted(_))
        };
        models.iter().map(call).map(admits).collect()
    };
    assert_eq!(admissions(0, &[1, 2, 1, 2, 1]), [true, true, true, false, false]);
    assert_eq!(admissions(1, &[2, 2, 1, 1]), [true, true, true, false]);
    for model in [0, 3, 4] {
        assert_eq!(admissions(0, &[model; 4]), [true, true, true, false]);
    }
}

#[test]
fn a_sudden_increase_beyond_an_adaptive_limit_gets_no_wait_until_traffic_has_raised_the_limit() {
    let growth = Growth { factor_permille: 2_000, max_permille: 4_000 };
    let limits = vec![Limit::tpm(100).with_refill(RefillPolicy::Adaptive(growth))];
    let mut provider = Provider::new(&config(1, limits, Reserve::default_for(Estimate::Prompt)));
    let call = Call { account: 0, model: 0, max_tokens: None };
    let mut decide = |minute: u64, prompt_tokens| {
        let truth = Truth { prompt_tokens, ..Truth::default() };
        match provider.decide(Instant::ZERO + Nanos::MINUTE * minute, call, truth).decision {
            Decision::Refused(denial) => Some((denial.limit, denial.wait, denial.oversize)),
            _ => None,
        }
    };
    assert_eq!(decide(0, 300), Some((100, None, false)));
    assert_eq!(decide(0, 401), Some((100, None, true)));
    assert_eq!(decide(0, 80), None);
    assert_eq!(decide(0, 160), Some((100, Some(Nanos::MINUTE), false)));
    assert_eq!(decide(1, 161), Some((160, None, false)));
    assert_eq!(decide(1, 150), None);
    assert_eq!(decide(2, 300), None);
}

#[test]
fn the_smallest_and_the_largest_limits_hold() {
    let call = Call { account: 0, model: 0, max_tokens: Some(u32::MAX) };
    let truth = Truth { prompt_tokens: u32::MAX, completion_tokens: u32::MAX, cached_tokens: 0, draw: 0 };
    for refill in REFILL_POLICIES {
        for axis in [Axis::Rpd, Axis::Tpm, Axis::Concurrency] {
            let limit = |limit| vec![Limit { refill, ..Limit::new(axis, limit) }];
            let mut closed = Provider::new(&config(1, limit(0), Reserve::default()));
            let Decision::Refused(denial) = closed.decide(Instant(1), call, truth).decision else {
                panic!("{axis} 0 admits no call")
            };
            assert!(denial.oversize && denial.used == 0 && denial.wait.is_none(), "{denial:?}");
            let mut open = Provider::new(&config(1, limit(u64::MAX), Reserve::default_for(Estimate::Prompt)));
            for now in [Instant(1), Instant(2), Instant::MAX, Instant::MAX] {
                let Decision::Admitted(service) = open.decide(now, call, truth).decision else {
                    panic!("{axis} 2^64-1 admits every call")
                };
                open.complete(now, &service);
            }
        }
    }
}

#[test]
fn the_draws_of_a_call_depend_on_its_truth_alone() {
    use provider::config::{Latency, ServiceTimeDist};
    use provider::dist::Dist;
    let mut config = config(1, vec![], Reserve::default_for(Estimate::Prompt));
    let first_token = Dist::log_normal(0.2, 0.99, 1.0);
    let service = ServiceTimeDist::Split {
        before_prefill: first_token,
        prefill_speed: None,
        cached_prefill_speed: None,
        decode_speed: 500.0,
    };
    config.models[0].latency = Latency::new(service).with_round_trip(Dist::Exponential(0.05));
    let call = Call { account: 0, model: 0, max_tokens: None };
    let truth = |draw| Truth { prompt_tokens: 10, completion_tokens: 100, cached_tokens: 0, draw };
    let times =
        |provider: &mut Provider, draw| match provider.decide(Instant::ZERO, call, truth(draw)).decision {
            Decision::Admitted(service) => (service.done_at(), provider.network_delays(0, truth(draw))),
            other => panic!("{other:?}"),
        };
    let (mut alone, mut busy) = (Provider::new(&config), Provider::new(&config));
    for draw in 0..100 {
        times(&mut busy, draw + 1000);
        assert_eq!(times(&mut alone, draw), times(&mut busy, draw));
        assert_ne!(times(&mut alone, draw), times(&mut alone, draw + 1));
    }
}
