//! All axes of an account together, through the provider: all or nothing, refusals free, accounts apart,
//! and a wait that suffices (law 7).

use super::{LAWS, config};
use proptest::prelude::*;
use provider::config::{CachedTokens, Estimate, Growth, Law, Limit, ModelConfig, Reserve, Settle};
use provider::decision::{Decision, Denial, Service};
use provider::meter::{Charge, Level};
use provider::reserve::Recent;
use provider::{Axis, Call, Instant, Nanos, Provider, Truth};

/// Limits on some of the axes, small enough to be met.
fn limits() -> impl Strategy<Value = Vec<Limit>> {
    let law = prop_oneof![1 => Just(Law::Bucket), 1 => prop::sample::select(&LAWS)];
    let limit = (law, 1_u64..400, 0_u64..=100).prop_map(|(law, limit, burst)| (law, limit, burst));
    prop::collection::vec(prop::option::of(limit), Axis::ALL.len()).prop_map(|limits| {
        let on_axis = |(axis, limit): (Axis, Option<(Law, u64, u64)>)| {
            let (law, limit, burst) = limit?;
            let scale = if axis.counts_tokens() { 20 } else { 1 };
            let burst = limit * scale * (100 + burst) / 150 + 1;
            Some(Limit { axis, limit: limit * scale, law, burst })
        };
        Axis::ALL.into_iter().zip(limits).filter_map(on_axis).collect()
    })
}

fn reserve() -> impl Strategy<Value = Reserve> {
    let estimate = prop_oneof![
        Just(Estimate::PromptAndMaxTokens),
        Just(Estimate::PromptAndRecent),
        Just(Estimate::Prompt),
        Just(Estimate::Nothing)
    ];
    let settle = prop_oneof![2 => Just(Settle::Refund), 1 => Just(Settle::Nothing), 1 => Just(Settle::After)];
    let cached = prop::sample::select(&[CachedTokens::Counted, CachedTokens::Refunded, CachedTokens::Free]);
    (estimate, settle, cached, 0_u32..2000, 0_u32..4000).prop_map(
        |(estimate, settle, cached, absent, cap)| Reserve {
            absent,
            cap,
            settle,
            cached,
            ..Reserve::of(estimate)
        },
    )
}

/// A gap in nanoseconds before a call, the call and its truth.
fn calls(count: usize) -> impl Strategy<Value = Vec<(u64, Call, Truth)>> {
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

fn levels(provider: &mut Provider, now: Instant, account: u16) -> Vec<Level> {
    provider.levels(now, account, 0).collect()
}

/// Everything a refusal says holds together, and its axis is one that the call really met.
fn check_denial(denial: Denial, limits: &[Limit], levels: &[Level], asked: u64) -> Result<(), TestCaseError> {
    let at = limits.iter().position(|limit| limit.axis == denial.axis).expect("a limit of the account");
    prop_assert_eq!(denial.limit, limits[at].limit);
    prop_assert_eq!(denial.requested, asked);
    prop_assert_eq!(denial.used, denial.limit.cast_signed() - levels[at].remaining);
    prop_assert_eq!(denial.oversize, asked > levels[at].burst);
    Ok(())
}

proptest! {
    /// Axes are charged together or not at all, each by what it counts; nobody else's level moves.
    #[test]
    fn a_call_is_charged_on_every_axis_or_on_none(
        limits in limits(), reserve in reserve(), calls in calls(60),
    ) {
        let mut provider = Provider::new(&config(2, limits.clone(), reserve));
        let mut now = Instant::ZERO;
        for (gap, call, truth) in calls {
            now += Nanos(gap);
            let mut left = levels(&mut provider, now, call.account);
            let neighbour = levels(&mut provider, now, 1 - call.account);
            let asked = reserve.tokens(call, truth, &Recent::default());
            match provider.arrive(now, call, truth).verdict {
                Decision::Admitted(service) => {
                    prop_assert_eq!(service.ticket.reserved(), asked);
                    for level in &mut left {
                        level.remaining -= i64::try_from(Charge::of(asked).on(level.axis)).unwrap();
                        prop_assert!(level.remaining >= 0, "law 5 on {}", level.axis);
                    }
                }
                Decision::Refused(denial) => {
                    check_denial(denial, &limits, &left, Charge::of(asked).on(denial.axis))?;
                }
                Decision::TooLong(_) | Decision::Faulted(_) => unreachable!("no incidents"),
            }
            // What is left is a whole number less a fraction: whole charges move the whole number only.
            prop_assert_eq!(levels(&mut provider, now, call.account), left);
            prop_assert_eq!(levels(&mut provider, now, 1 - call.account), neighbour);
        }
    }

    /// Law 7: a lone client that obeys the announced wait is admitted when it is over, on every axis at once.
    #[test]
    fn a_lone_client_that_obeys_the_announced_wait_is_admitted(
        limits in limits(), reserve in reserve(), charge_refused in any::<bool>(), calls in calls(60),
    ) {
        let reserve = Reserve { charge_refused, ..reserve };
        let limits: Vec<_> = limits.into_iter().filter(|limit| limit.axis != Axis::Concurrency).collect();
        let mut provider = Provider::new(&config(2, limits, reserve));
        let mut now = Instant::ZERO;
        for (gap, call, truth) in calls {
            now += Nanos(gap);
            let mut verdict = provider.arrive(now, call, truth).verdict;
            if let Decision::Refused(denial) = verdict && !denial.oversize {
                let exact = first_yes(&provider, now, call, truth);
                let wait = denial.wait.expect("a refusal that time can end says when");
                prop_assert!(exact <= now + wait, "announced {wait}, true {}", exact.since(now));
                now += wait;
                verdict = provider.arrive(now, call, truth).verdict;
                prop_assert!(matches!(verdict, Decision::Admitted(_)), "{denial:?} then {verdict:?}");
            }
            if let Decision::Admitted(Service { ticket, usage, .. }) = verdict {
                provider.depart(now, ticket, usage);
            }
        }
    }

    /// Law 9: when all is settled, every level is what the policy's own sum of reservations and usage leaves.
    #[test]
    fn settling_leaves_what_the_policy_says_and_nothing_else(
        reserve in reserve(), calls in calls(20), axes in prop::sample::subsequence(&Axis::ALL, 1..=9),
    ) {
        let limits: Vec<_> = axes.into_iter().map(|axis| Limit::new(axis, 1_000_000)).collect();
        let mut provider = Provider::new(&config(2, limits, reserve));
        // All at one instant: a bucket that refills to the brim in between would forget a part.
        let mut open = vec![];
        for (_, call, truth) in &calls {
            if let Decision::Admitted(service) = provider.arrive(Instant::ZERO, *call, *truth).verdict {
                open.push(service);
            }
        }
        prop_assert_eq!(open.len(), calls.len());
        for service in open.iter().rev() {
            provider.depart(Instant::ZERO, service.ticket, service.usage);
        }
        for account in 0..2 {
            for level in levels(&mut provider, Instant::ZERO, account) {
                let mine = open.iter().filter(|service| service.ticket.account == account);
                let counted = |service: &Service| {
                    let charge = |usage| Charge::of(usage).on(level.axis);
                    let (reserved, used) = (charge(service.ticket.reserved()), charge(reserve.cached.counted(service.usage)));
                    match reserve.settle {
                        Settle::Refund => used,
                        Settle::Nothing => reserved,
                        Settle::After => reserved.max(used),
                    }
                };
                let used: u64 = mine.map(counted).sum();
                let used = if level.axis == Axis::Concurrency { 0 } else { used };
                prop_assert_eq!(level.remaining, 1_000_000 - i64::try_from(used).unwrap(), "{}", level.axis);
            }
        }
    }
}

/// The first instant at which the call would be admitted, by bisection on copies of the provider: levels only
/// rise while nobody calls.
fn first_yes(provider: &Provider, now: Instant, call: Call, truth: Truth) -> Instant {
    let admits = |at| matches!(provider.clone().arrive(at, call, truth).verdict, Decision::Admitted(_));
    let (mut no, mut yes) = (now, now + Nanos::DAY * 1000);
    assert!(admits(yes));
    while yes.since(no) > Nanos(1) {
        let between = Instant(no.0.midpoint(yes.0));
        if admits(between) { yes = between } else { no = between }
    }
    yes
}

#[test]
fn where_several_axes_refuse_the_longest_wait_speaks() {
    let limits = vec![Limit::new(Axis::Rpm, 1), Limit::new(Axis::Rpd, 1), Limit::new(Axis::Tpm, 2000)];
    let mut provider = Provider::new(&config(1, limits, Reserve::default()));
    let call = Call { account: 0, model: 0, max_tokens: Some(1000) };
    let mut ask = |prompt_tokens| {
        let truth = Truth { prompt_tokens, completion_tokens: 10, cached_tokens: 0, draw: 0 };
        provider.arrive(Instant::ZERO, call, truth).verdict
    };
    assert!(matches!(ask(1000), Decision::Admitted(_)));
    let Decision::Refused(denial) = ask(1000) else { panic!("nothing is left on any axis") };
    assert_eq!((denial.axis, denial.wait), (Axis::Rpd, Some(Nanos::DAY)));
    let Decision::Refused(denial) = ask(1001) else { panic!("2001 tokens never fit into 2000") };
    assert_eq!((denial.axis, denial.oversize), (Axis::Tpm, true));
}

#[test]
fn an_overdrawn_limit_announces_the_exact_wait_where_the_printed_numbers_fall_short() {
    let limits = vec![Limit::new(Axis::Tpm, 60)];
    let mut provider = Provider::new(&config(1, limits, Reserve::of(Estimate::Prompt)));
    let call = Call { account: 0, model: 0, max_tokens: None };
    let truth = Truth { prompt_tokens: 10, completion_tokens: 54, cached_tokens: 0, draw: 0 };
    let Decision::Admitted(service) = provider.arrive(Instant::ZERO, call, truth).verdict else {
        panic!("the bucket is full")
    };
    provider.depart(Instant::ZERO, service.ticket, service.usage);
    // 64 of 60 are used; 0.3 s later 63.7, printed as 63, and 10 more are 13.7 s away.
    let now = Instant(300_000_000);
    let Decision::Refused(denial) = provider.arrive(now, call, truth).verdict else { panic!("overdrawn") };
    assert_eq!((denial.used, denial.wait), (63, Some(Nanos::from_millis(13_700))));
}

#[test]
fn a_wait_that_groqs_arithmetic_cuts_short_of_the_truth_is_announced_in_full() {
    // Groq prints 459.999999ms for these numbers; a level of exactly 2516 used would answer that with a no.
    let limits = vec![Limit::new(Axis::Tpm, 6000)];
    let mut provider = Provider::new(&config(1, limits, Reserve::default()));
    let mut ask = |now, prompt_tokens| {
        let call = Call { account: 0, model: 0, max_tokens: Some(0) };
        provider.arrive(now, call, Truth { prompt_tokens, ..Truth::default() }).verdict
    };
    assert!(matches!(ask(Instant::ZERO, 2516), Decision::Admitted(_)));
    let Decision::Refused(denial) = ask(Instant::ZERO, 3530) else { panic!("46 tokens are missing") };
    assert_eq!((denial.used, denial.wait), (2516, Some(Nanos::from_millis(460))));
    assert!(matches!(ask(Instant(459_999_999), 3530), Decision::Refused(_)));
    assert!(matches!(ask(Instant(460_000_000), 3530), Decision::Admitted(_)));
}

#[test]
fn a_gate_that_is_shut_speaks_only_where_no_other_limit_does() {
    let limits = vec![Limit::new(Axis::Rpm, 2), Limit::new(Axis::Concurrency, 1)];
    let mut provider = Provider::new(&config(1, limits, Reserve::default()));
    let call = Call { account: 0, model: 0, max_tokens: None };
    let ask = |provider: &mut Provider| provider.arrive(Instant::ZERO, call, Truth::default()).verdict;
    let Decision::Admitted(first) = ask(&mut provider) else { panic!("both are free") };
    let Decision::Refused(denial) = ask(&mut provider) else { panic!("one is in flight") };
    assert_eq!((denial.axis, denial.wait, denial.oversize), (Axis::Concurrency, None, false));
    provider.depart(Instant::ZERO, first.ticket, first.usage);
    assert!(matches!(ask(&mut provider), Decision::Admitted(_)));
    let Decision::Refused(denial) = ask(&mut provider) else { panic!("both are used up") };
    assert_eq!((denial.axis, denial.wait), (Axis::Rpm, Some(Nanos::from_secs(30))));
}

#[test]
fn what_is_charged_at_the_end_counts_in_the_minute_of_the_end() {
    for (settle, left) in [(Settle::After, [100, 20]), (Settle::Refund, [100, 100])] {
        let limits = vec![Limit { law: Law::Fixed, ..Limit::new(Axis::Tpm, 100) }];
        let mut provider =
            Provider::new(&config(1, limits, Reserve { settle, ..Reserve::of(Estimate::Nothing) }));
        let call = Call { account: 0, model: 0, max_tokens: Some(50) };
        let truth = Truth { prompt_tokens: 30, completion_tokens: 90, cached_tokens: 0, draw: 0 };
        let Decision::Admitted(service) = provider.arrive(Instant::ZERO, call, truth).verdict else {
            panic!("nothing is asked")
        };
        let end = Instant::ZERO + Nanos::MINUTE;
        let before = provider.levels(end, 0, 0).next().unwrap().remaining;
        provider.depart(end, service.ticket, service.usage);
        assert_eq!([before, provider.levels(end, 0, 0).next().unwrap().remaining], left);
    }
}

#[test]
fn refused_calls_that_count_keep_an_impatient_client_out() {
    let limits = vec![Limit::new(Axis::Rpm, 60), Limit::new(Axis::Tpm, 6000)];
    let reserve = Reserve { charge_refused: true, ..Reserve::default() };
    let mut provider = Provider::new(&config(1, limits, reserve));
    let call = Call { account: 0, model: 0, max_tokens: Some(0) };
    let truth = Truth { prompt_tokens: 10, ..Truth::default() };
    // Two calls a second from a bucket of one a second: it is never more than it owes.
    let admitted = (0..600).filter(|number| {
        let at = Instant::ZERO + Nanos::from_millis(500 * number);
        matches!(provider.arrive(at, call, truth).verdict, Decision::Admitted(_))
    });
    assert_eq!(admitted.count(), 119);
    let levels: Vec<_> =
        provider.levels(Instant(299_500_000_000), 0, 0).map(|level| level.remaining).collect();
    assert!(levels[0] < 0 && levels[1] > 5000, "{levels:?}");
}

#[test]
fn a_family_draws_from_one_meter_per_account() {
    let mut config = config(2, vec![Limit::new(Axis::Rpm, 3)], Reserve::default());
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
    let mut asks = |account, models: &[u16]| -> Vec<bool> {
        let call = |model: &u16| Call { account, model: *model, max_tokens: None };
        let admits = |call| {
            matches!(provider.arrive(Instant::ZERO, call, Truth::default()).verdict, Decision::Admitted(_))
        };
        models.iter().map(call).map(admits).collect()
    };
    assert_eq!(asks(0, &[1, 2, 1, 2, 1]), [true, true, true, false, false]);
    assert_eq!(asks(1, &[2, 2, 1, 1]), [true, true, true, false]);
    for model in [0, 3, 4] {
        assert_eq!(asks(0, &[model; 4]), [true, true, true, false]);
    }
}

#[test]
fn a_leap_beyond_an_adaptive_limit_is_told_no_wait_until_traffic_has_raised_it() {
    let growth = Growth { factor: 2_000, most: 4_000 };
    let limits = vec![Limit { law: Law::Adaptive(growth), ..Limit::new(Axis::Tpm, 100) }];
    let mut provider = Provider::new(&config(1, limits, Reserve::of(Estimate::Prompt)));
    let call = Call { account: 0, model: 0, max_tokens: None };
    let mut ask = |minute: u64, prompt_tokens| {
        let truth = Truth { prompt_tokens, ..Truth::default() };
        match provider.arrive(Instant::ZERO + Nanos::MINUTE * minute, call, truth).verdict {
            Decision::Refused(denial) => Some((denial.limit, denial.wait, denial.oversize)),
            _ => None,
        }
    };
    assert_eq!(ask(0, 300), Some((100, None, false)));
    assert_eq!(ask(0, 401), Some((100, None, true)));
    assert_eq!(ask(0, 80), None);
    assert_eq!(ask(0, 160), Some((100, Some(Nanos::MINUTE), false)));
    assert_eq!(ask(1, 161), Some((160, None, false)));
    assert_eq!(ask(1, 150), None);
    assert_eq!(ask(2, 300), None);
}

#[test]
fn limits_of_nothing_and_of_everything_are_kept_too() {
    let call = Call { account: 0, model: 0, max_tokens: Some(u32::MAX) };
    let truth = Truth { prompt_tokens: u32::MAX, completion_tokens: u32::MAX, cached_tokens: 0, draw: 0 };
    for law in LAWS {
        for axis in [Axis::Rpd, Axis::Tpm, Axis::Concurrency] {
            let limit = |limit| vec![Limit { law, ..Limit::new(axis, limit) }];
            let mut shut = Provider::new(&config(1, limit(0), Reserve::default()));
            let Decision::Refused(denial) = shut.arrive(Instant(1), call, truth).verdict else {
                panic!("there is never room for {axis}")
            };
            assert!(denial.oversize && denial.used == 0 && denial.wait.is_none(), "{denial:?}");
            let mut open = Provider::new(&config(1, limit(u64::MAX), Reserve::of(Estimate::Prompt)));
            for now in [Instant(1), Instant(2), Instant::MAX, Instant::MAX] {
                let Decision::Admitted(service) = open.arrive(now, call, truth).verdict else {
                    panic!("there is always room for {axis}")
                };
                open.depart(now, service.ticket, service.usage);
            }
        }
    }
}

#[test]
fn a_calls_luck_depends_on_its_truth_alone() {
    use provider::config::{Latency, Service as Law};
    use provider::dist::Dist;
    let mut config = config(1, vec![], Reserve::of(Estimate::Prompt));
    let first_token = Dist::log_normal(0.2, 0.99, 1.0);
    let service = Law::Split { first_token, prefill: None, output: 500.0 };
    config.models[0].latency = Latency { service, network: Dist::Exponential(0.05), slots: None };
    let call = Call { account: 0, model: 0, max_tokens: None };
    let truth = |draw| Truth { prompt_tokens: 10, completion_tokens: 100, cached_tokens: 0, draw };
    let length =
        |provider: &mut Provider, draw| match provider.arrive(Instant::ZERO, call, truth(draw)).verdict {
            Decision::Admitted(service) => (service.done_at, provider.network(0, truth(draw))),
            other => panic!("{other:?}"),
        };
    let (mut alone, mut busy) = (Provider::new(&config), Provider::new(&config));
    for draw in 0..100 {
        length(&mut busy, draw + 1000);
        assert_eq!(length(&mut alone, draw), length(&mut busy, draw));
        assert_ne!(length(&mut alone, draw), length(&mut alone, draw + 1));
    }
}
