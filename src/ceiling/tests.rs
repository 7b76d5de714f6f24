//! Compares the ceiling with closed forms and with sampling, and checks its properties.

use super::*;
use crate::ids::RouteId;
use crate::scenario::trace::Recorded;
use crate::scenario::*;
use provider::{Instant, Nanos, RandomStream, Zone, config::*, dist::Dist};
use std::sync::Arc;

pub(super) const RUN_DURATION: Nanos = Nanos(100 * Nanos::DAY.0);

/// Returns a limit with fixed windows.
pub(super) fn limit(axis: Axis, amount: u64) -> Limit {
    Limit::new(axis, amount).with_refill(RefillPolicy::Fixed)
}

/// Returns a scenario of one provider with a model per list of limits; the target of a model has the same index.
pub(super) fn scenario(targets: &[Vec<Limit>], routes: &[&[&[u16]]], workloads: Vec<Workload>) -> Scenario {
    let model = |limits: &Vec<Limit>| ModelConfig {
        name: String::new(),
        limits: limits.clone(),
        lengths: Lengths::default(),
        reserve: Reserve::default(),
        latency: Latency {
            service: ServiceTimeDist::Total(Dist::Constant(2.0)),
            round_trip: Some(Dist::Constant(0.5)),
            slots: None,
        },
        price: Price::default(),
        family: None,
        completion: Dist::Constant(1.0),
    };
    let provider = Config {
        name: String::new(),
        dialect: Dialect::Groq,
        tier: provider::config::Tier::default(),
        accounts: vec![],
        models: targets.iter().map(model).collect(),
        incidents: vec![],
        start_levels: vec![],
    };
    let target = |model| Target {
        name: String::new(),
        provider: 0,
        account: 0,
        model,
        limits: vec![],
        price: Price::default(),
        counting: TokenCounting::default(),
    };
    let step = |targets: &&[u16]| Step {
        pick: Pick::InOrder,
        targets: targets.iter().map(|t| TargetId(*t)).collect(),
        weights: Vec::new(),
    };
    let backoff = Backoff { base: Nanos::SECOND, cap: Nanos::SECOND, jitter: Jitter::None };
    Scenario {
        name: String::new(),
        about: String::new(),
        seed: 1,
        duration: RUN_DURATION,
        start: Start::Full,
        clock: Default::default(),
        providers: vec![provider],
        upstreams: vec![],
        targets: (0..).take(targets.len()).map(target).collect(),
        routes: routes
            .iter()
            .map(|steps| Route { name: String::new(), steps: steps.iter().map(step).collect() })
            .collect(),
        clients: vec![Client {
            deadline: Nanos::SECOND,
            retry: Retry { attempts: 1, backoff, obey_retry_after: true, ..Retry::default() },
            ..Client::default()
        }],
        callers: Vec::new(),
        workloads,
        expect: vec![],
        notes: vec![],
        what_if: vec![],
        offers: crate::scenario::Offers::default(),
        files: vec![],
    }
}

/// Returns a workload of jobs with 300 prompt tokens, and 250 completion tokens that `max_tokens` cuts to 100.
pub(super) fn workload(route: u16, per_minute: f64) -> Workload {
    Workload {
        name: String::new(),
        route: RouteId(route),
        client: Default::default(),
        arrivals: Arrivals::Poisson(per_minute / 60.0),
        shape: None,
        correlation: 0.0,
        clock: Default::default(),
        prompt: Dist::Constant(300.0),
        completion: Dist::Constant(250.0),
        max_tokens: Some(100),
        cached_prompt: CachedPrompt::NOTHING,
        repeats: None,
        stream: false,
        deferrable: false,
        sessions: None,
        priority: crate::job::Priority::default(),
    }
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

#[track_caller]
fn assert_ceiling(scenario: &Scenario, jobs_per_min: f64, binding: (u16, Axis)) {
    let ceiling = Ceiling::of(scenario);
    assert!(close(ceiling.jobs_per_min, jobs_per_min), "{ceiling:?}");
    assert!(close(ceiling.multiple * ceiling.offered_jobs_per_min, jobs_per_min), "{ceiling:?}");
    assert_eq!(ceiling.binding, Some((TargetId(binding.0), binding.1)));
}

#[test]
fn the_ceilings_of_targets_and_of_fallbacks_add_up() {
    let main = vec![limit(Axis::Rpm, 30), limit(Axis::Tpm, 8_000)];
    let fallback = vec![limit(Axis::Rpm, 12)];
    let of = |targets: &[Vec<Limit>], steps: &[&[u16]]| scenario(targets, &[steps], vec![workload(0, 10.0)]);
    // 8,000 tokens per minute, 400 per job: 20 jobs.
    assert_ceiling(&of(std::slice::from_ref(&main), &[&[0]]), 20.0, (0, Axis::Tpm));
    assert_ceiling(&of(&[main.clone(), main.clone()], &[&[0, 1]]), 40.0, (0, Axis::Tpm));
    let all = [main.clone(), main, fallback];
    assert_ceiling(&of(&all, &[&[0, 1], &[2]]), 52.0, (0, Axis::Tpm));
    // A target in two steps counts once.
    assert_ceiling(&of(&all, &[&[0, 1], &[2, 0], &[1]]), 52.0, (0, Axis::Tpm));
    let ceiling = Ceiling::of(&of(&all, &[&[0, 1], &[2]]));
    assert_eq!(ceiling.targets.len(), 3);
    let axes: Vec<_> = ceiling.targets[0]
        .axes
        .iter()
        .map(|axis| (axis.axis, axis.limit, axis.jobs_per_min.round()))
        .collect();
    assert_eq!(axes, [(Axis::Rpm, 30, 30.0), (Axis::Tpm, 8_000, 20.0)]);
    assert!(close(ceiling.offered_jobs_per_min, 10.0) && close(ceiling.multiple, 5.2));
}

#[test]
fn limits_on_every_axis_become_jobs_and_audio_has_no_demand() {
    let of = |axis, number| scenario(&[vec![limit(axis, number)]], &[&[&[0]]], vec![workload(0, 1.0)]);
    assert_ceiling(&of(Axis::Rpm, 3), 3.0, (0, Axis::Rpm));
    assert_ceiling(&of(Axis::Tpm, 800), 2.0, (0, Axis::Tpm));
    assert_ceiling(&of(Axis::Rpd, 1440), 1.0, (0, Axis::Rpd));
    assert_ceiling(&of(Axis::Tpd, 400 * 1440), 1.0, (0, Axis::Tpd));
    assert_ceiling(&of(Axis::Itpm, 600), 2.0, (0, Axis::Itpm));
    assert_ceiling(&of(Axis::Otpm, 500), 5.0, (0, Axis::Otpm));
    // Three slots, two seconds each: 90 per minute.
    assert_ceiling(&of(Axis::Concurrency, 3), 90.0, (0, Axis::Concurrency));
    for axis in [Axis::Ash, Axis::Asd] {
        let audio = Ceiling::of(&of(axis, 1));
        assert!(audio.multiple.is_infinite() && audio.binding.is_none() && audio.targets[0].axes.is_empty());
    }
}

#[test]
fn the_ceiling_under_each_refill_policy_is_what_it_admits_over_the_run() {
    let jobs = |refill, duration| {
        let limit = Limit { refill, burst: 10, ..Limit::rpm(30) };
        let scenario = Scenario { duration, ..scenario(&[vec![limit]], &[&[&[0]]], vec![workload(0, 1.0)]) };
        Ceiling::of(&scenario).jobs_per_min * duration.as_secs_f64() / 60.0
    };
    let ninety_seconds = Nanos(90 * Nanos::SECOND.0);
    assert!(close(jobs(RefillPolicy::Bucket, ninety_seconds), 10.0 + 45.0));
    assert!(close(jobs(RefillPolicy::Fixed, ninety_seconds), 60.0));
    assert!(close(jobs(RefillPolicy::SlidingLog, ninety_seconds), 60.0));
    assert!(close(jobs(RefillPolicy::SlidingCounter, ninety_seconds), 60.0));
    assert!(close(jobs(RefillPolicy::Calendar(Zone::Pacific), ninety_seconds), 60.0));
    let up_to_triple = Growth { factor_permille: 2000, max_permille: 3000 };
    assert!(close(jobs(RefillPolicy::Adaptive(up_to_triple), ninety_seconds), 180.0));
}

/// A day's limit in a run of one hour: the full bucket would serve the hour, but only once.
#[test]
fn a_long_limit_admits_its_amount_per_window_however_long_the_run() {
    let day_after_day = |duration, limit| Scenario {
        duration,
        start: Start::Sustained,
        ..scenario(&[vec![limit]], &[&[&[0]]], vec![workload(0, 10.0)])
    };
    for duration in [Nanos::HOUR, Nanos::DAY, Nanos(30 * Nanos::DAY.0)] {
        let requests = Ceiling::of(&day_after_day(duration, Limit::rpd(1_000)));
        assert!(close(requests.jobs_per_min, 1_000.0 / 1_440.0), "{requests:?}");
        assert_eq!(requests.binding, Some((TargetId(0), Axis::Rpd)));
        // 400 tokens a job.
        let tokens = Ceiling::of(&day_after_day(duration, Limit::tpd(200_000)));
        assert!(close(tokens.jobs_per_min, 200_000.0 / 400.0 / 1_440.0), "{tokens:?}");
    }
}

#[test]
fn the_first_run_from_full_limits_is_described_if_it_exceeds_the_ceiling() {
    let day = Scenario {
        duration: Nanos::DAY,
        start: Start::Sustained,
        ..scenario(&[vec![Limit::rpd(1_000)]], &[&[&[0]]], vec![workload(0, 10.0)])
    };
    let text = Ceiling::of(&day).describe(&day);
    assert!(text.contains("1,000 jobs/day, 0.07 × the offered 10 jobs/min"), "{text}");
    assert!(text.contains("a first run with full limits: 2000 jobs, 0.14 × the offered load"), "{text}");
    let minute = scenario(&[vec![limit(Axis::Rpm, 30)]], &[&[&[0]]], vec![workload(0, 10.0)]);
    assert!(!Ceiling::of(&minute).describe(&minute).contains("first run"));
}

#[test]
fn the_models_of_a_family_share_one_limit() {
    let thirty = || vec![limit(Axis::Rpm, 30)];
    let mut scenario =
        scenario(&[thirty(), thirty(), thirty()], &[&[&[0, 1]], &[&[2]]], vec![workload(0, 10.0)]);
    assert!(close(Ceiling::of(&scenario).jobs_per_min, 60.0));
    for model in [0, 1] {
        scenario.providers[0].models[model].family = Some("gpt".into());
    }
    assert_ceiling(&scenario, 30.0, (0, Axis::Rpm));
    let both = Ceiling::of(&scenario);
    assert_eq!(both.targets[0].axes, both.targets[1].axes);
    // The third model has a limit of its own.
    scenario.workloads.push(workload(1, 10.0));
    assert!(close(Ceiling::of(&scenario).jobs_per_min, 60.0));
    scenario.providers[0].models[2].family = Some("gpt".into());
    assert!(close(Ceiling::of(&scenario).jobs_per_min, 30.0));
}

#[test]
fn a_reservation_without_refund_is_demand() {
    let demands = |estimate, settlement| {
        let reserve = Reserve { estimate, settlement, ..Reserve::default() };
        let mut scenario = scenario(&[vec![limit(Axis::Tpm, 1)]], &[&[&[0]]], vec![workload(0, 1.0)]);
        let sizes = Sizes::of(&scenario.workloads[0], RUN_DURATION, Lengths::default(), PromptRange::ALL);
        scenario.providers[0].models[0].reserve = reserve;
        let demand = sizes.demand(Axis::Tpm, &scenario.providers[0].models[0]);
        (demand, sizes.prompt, sizes.completion)
    };
    let (demand, prompt, completion) = demands(Estimate::PromptAndMaxTokens, Settlement::ToUsage);
    assert!(close(demand, prompt + completion));
    let reserved = prompt + 100.0;
    assert!(close(demands(Estimate::PromptAndMaxTokens, Settlement::KeepReservation).0, reserved));
    assert!(close(demands(Estimate::PromptAndMaxTokens, Settlement::ChargeExcess).0, reserved));
    assert!(close(demands(Estimate::Prompt, Settlement::KeepReservation).0, prompt));
    assert!(close(demands(Estimate::Nothing, Settlement::ChargeExcess).0, prompt + completion));
}

#[test]
fn workloads_share_only_common_targets() {
    let thirty = || vec![limit(Axis::Rpm, 30)];
    // Both use one target: 30 in total, in the ratio 2 to 1.
    let both = scenario(&[thirty()], &[&[&[0]]], vec![workload(0, 20.0), workload(0, 10.0)]);
    assert_ceiling(&both, 30.0, (0, Axis::Rpm));
    // The second has a fallback: at double load, 10 of its 20 jobs use it.
    let routes: &[&[&[u16]]] = &[&[&[0]], &[&[0], &[1]]];
    let spill =
        scenario(&[thirty(), vec![limit(Axis::Rpm, 10)]], routes, vec![workload(0, 10.0), workload(1, 10.0)]);
    assert_ceiling(&spill, 40.0, (0, Axis::Rpm));
    // Only the smaller target can serve the second workload.
    let apart = scenario(
        &[thirty(), vec![limit(Axis::Rpm, 1)]],
        &[&[&[0]], &[&[1]]],
        vec![workload(0, 3.0), workload(1, 1.0)],
    );
    assert_ceiling(&apart, 4.0, (1, Axis::Rpm));
    // One workload sends large jobs, the other many; together they use up the requests, and a ninth of the tokens.
    let heavy = Workload { prompt: Dist::Constant(900.0), ..workload(0, 10.0) };
    let light = Workload { prompt: Dist::Constant(1.0), max_tokens: Some(9), ..workload(0, 90.0) };
    let mixed =
        scenario(&[vec![limit(Axis::Rpm, 100), limit(Axis::Tpm, 100_000)]], &[&[&[0]]], vec![heavy, light]);
    assert_ceiling(&mixed, 100.0, (0, Axis::Rpm));
}

#[test]
fn ceilings_without_limits_without_load_and_with_a_zero_limit() {
    let one =
        |limits: Vec<Limit>, rate| Ceiling::of(&scenario(&[limits], &[&[&[0]]], vec![workload(0, rate)]));
    let open = one(vec![], 1.0);
    assert!(open.multiple.is_infinite() && open.jobs_per_min.is_infinite() && open.binding.is_none());
    let idle = one(vec![limit(Axis::Rpm, 1)], 0.0);
    assert!(
        idle.multiple.is_infinite() && idle.jobs_per_min.is_infinite() && idle.offered_jobs_per_min == 0.0
    );
    let zero = one(vec![limit(Axis::Rpm, 5), limit(Axis::Tpm, 0)], 1.0);
    assert_eq!((zero.multiple, zero.jobs_per_min, zero.binding), (0.0, 0.0, Some((TargetId(0), Axis::Tpm))));
    // A workload with an unlimited target leaves the limited one to the other.
    let routes: &[&[&[u16]]] = &[&[&[0, 1]], &[&[0]]];
    let helped =
        scenario(&[vec![limit(Axis::Rpm, 7)], vec![]], routes, vec![workload(0, 100.0), workload(1, 1.0)]);
    assert!(close(Ceiling::of(&helped).multiple, 7.0));
}

#[test]
fn the_offered_load_is_the_mean_over_the_run() {
    let offered = |duration, workload: Workload| {
        Ceiling::of(&Scenario { duration, ..scenario(&[vec![]], &[&[&[0]]], vec![workload]) })
            .offered_jobs_per_min
    };
    let with = |arrivals| Workload { arrivals, ..workload(0, 0.0) };
    let hour = Nanos::HOUR;
    assert!(close(offered(hour, with(Arrivals::Ramp(0.0, 4.0))), 120.0));
    let steps =
        Arrivals::Steps { steps: vec![(Instant::ZERO, 1.0), (Instant(hour.0 / 4), 5.0)], every: None };
    assert!(close(offered(hour, with(steps)), 240.0));
    let mut shape = [0.0; 24];
    shape[0] = 3.0;
    assert!(close(
        offered(hour * 2, Workload { shape: Some(Shape::new(&shape, Nanos::HOUR)), ..workload(0, 10.0) }),
        15.0
    ));
    assert!(close(
        offered(hour, with(Arrivals::Burst { jobs: 7, at: Instant::ZERO, every: Nanos::MINUTE })),
        7.0
    ));
    // Twenty users, 7.5 s think time, 2 s service and 0.5 s network.
    let users = Arrivals::Users { users: 20, think: Dist::Exponential(7.5) };
    assert!(close(offered(hour, with(users)), 120.0));
    let row = |minute: u64| TraceRow {
        at: Instant(minute * Nanos::MINUTE.0),
        prompt_tokens: 1,
        completion_tokens: 1,
    };
    let rows = Arc::new(vec![row(0), row(1), row(60)]);
    assert!(close(offered(hour, with(Arrivals::Trace { rows, recorded: Recorded::default() })), 2.0 / 60.0));
}

/// A call reserves its prompt and `max_tokens`: what exceeds the limit itself has no part in the ceiling.
#[test]
fn jobs_that_are_too_large_do_not_count() {
    let of = |prompt: Dist, tpm: u64, fallback: Option<u64>| {
        let targets: Vec<Vec<Limit>> =
            [tpm].into_iter().chain(fallback).map(|tpm| vec![limit(Axis::Tpm, tpm)]).collect();
        let step: &[u16] = if fallback.is_some() { &[0, 1] } else { &[0] };
        Ceiling::of(&scenario(&targets, &[&[step]], vec![Workload { prompt, ..workload(0, 10.0) }]))
    };
    let none = of(Dist::Constant(1_000.0), 1_099, None);
    assert_eq!((none.multiple, none.jobs_per_min, none.servable_share), (0.0, 0.0, 0.0));
    assert_eq!(none.binding, Some((TargetId(0), Axis::Tpm)));
    // Half of the jobs fit; of those the limit admits one per 300 tokens.
    let half = Dist::discrete(&[200.0, 1_000.0], &[1.0, 1.0]);
    let mixed = of(half.clone(), 900, None);
    assert!(
        close(mixed.servable_share, 0.5) && close(mixed.jobs_per_min, 3.0) && close(mixed.multiple, 0.6),
        "{mixed:?}"
    );
    // With a fallback for the large ones: 1,100 tokens each, 2 per minute, and as many small ones elsewhere.
    let both = of(half, 900, Some(2_200));
    assert!(close(both.servable_share, 1.0) && close(both.multiple, 0.4), "{both:?}");
}

#[test]
fn the_demand_of_a_trace_is_that_of_its_rows() {
    let row =
        |at, prompt_tokens, completion_tokens| TraceRow { at: Instant(at), prompt_tokens, completion_tokens };
    let rows = Arc::new(vec![row(0, 100, 50), row(1, 300, 500), row(RUN_DURATION.0, 9_999, 9_999)]);
    let trace =
        Workload { arrivals: Arrivals::Trace { rows, recorded: Recorded::default() }, ..workload(0, 0.0) };
    // Completions are bounded by 100: (100 + 50 + 300 + 100) / 2 tokens per job. The ceiling itself is lower, since both rows
    // arrive at once.
    let ceiling = Ceiling::of(&scenario(&[vec![limit(Axis::Tpm, 2_750)]], &[&[&[0]]], vec![trace]));
    let tpm = ceiling.targets[0].axes[0];
    assert!(tpm.axis == Axis::Tpm && (tpm.jobs_per_min - 10.0).abs() < 1e-9, "{tpm:?}");
    assert!(ceiling.jobs_per_min < 10.0 && ceiling.peak.is_some(), "{ceiling:?}");
}

#[test]
fn mean_completions_under_a_bound_agree_with_sampling() {
    let dists = [
        Dist::Constant(300.0),
        Dist::log_normal(200.0, 0.95, 700.0),
        Dist::log_normal(3.0, 0.99, 3000.0),
        Dist::LogNormal { mu: 5.0, sigma: 0.0 },
        Dist::LogNormal { mu: 0.0, sigma: 60.0 },
        Dist::Exponential(150.0),
        Dist::Exponential(0.0),
        Dist::Uniform { min: 50.0, max: 900.0 },
        Dist::Uniform { min: 90.0, max: 90.0 },
        Dist::discrete(&[0.0, 10.0, 1000.0], &[1.0, 2.0, 3.0]),
    ];
    for dist in dists {
        for max in [0u32, 1, 7, 60, 512, 5_000] {
            let workload = Workload { completion: dist.clone(), max_tokens: Some(max), ..workload(0, 1.0) };
            let exact = Sizes::of(&workload, RUN_DURATION, Lengths::default(), PromptRange::ALL).completion;
            let mut stream = RandomStream::new(5, "bounded", 0);
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..40_000 {
                let value = dist.sample(&mut stream).max(1.0).min(f64::from(max));
                (sum, squares) = (sum + value, squares + value * value);
            }
            let mean = sum / 4e4;
            let error = ((squares / 4e4 - mean * mean).max(0.0) / 4e4).sqrt();
            // The sampling does not cover events with a probability below 1 in 40,000.
            let unseen = f64::from(max) / 4e4;
            assert!(
                (mean - exact).abs() <= 4.0 * error + unseen,
                "{dist:?} {max}: {mean} ± {error}, {exact}"
            );
        }
    }
}
