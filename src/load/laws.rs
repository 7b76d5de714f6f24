//! Properties of the generated arrivals. Statistical tests use fixed seeds and state their standard errors.

mod renewal;
mod sizes;

use super::*;
use crate::scenario::trace::Recorded;
use crate::scenario::*;
use proptest::prelude::*;
use provider::dist::Dist;
use provider::{Nanos, RandomStream};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

pub(super) fn workload(arrivals: Arrivals) -> Workload {
    Workload {
        name: "w".to_owned(),
        route: RouteId(0),
        client: Default::default(),
        arrivals,
        shape: None,
        correlation: 0.0,
        clock: Default::default(),
        prompt: Dist::log_normal(800.0, 0.95, 3000.0),
        completion: Dist::log_normal(200.0, 0.95, 700.0),
        max_tokens: Some(512),
        cached_prompt: CachedPrompt::NOTHING,
        repeats: None,
        stream: false,
        deferrable: false,
        sessions: None,
        priority: crate::job::Priority::default(),
    }
}

pub(super) fn scenario(seed: u64, duration: Nanos, workloads: Vec<Workload>) -> Scenario {
    Scenario {
        name: "p".to_owned(),
        about: String::new(),
        seed,
        duration,
        start: crate::scenario::Start::Full,
        clock: Default::default(),
        providers: vec![],
        upstreams: vec![],
        targets: vec![],
        routes: vec![],
        clients: vec![Client {
            name: DEFAULT_CLIENT.to_owned(),
            processes: 1,
            like: None,
            attempt_timeout: None,
            hedge: None,
            cool_down: Default::default(),
            eject: None,
            deadline: Nanos::SECOND,
            retry: Retry {
                attempts: 1,
                backoff: Backoff { base: Nanos::SECOND, cap: Nanos::SECOND, jitter: Jitter::None },
                obey_retry_after: true,
                stated_wait: Default::default(),
                budget_permille: None,
            },
            concurrency: None,
            queue: 0,
            fair: Fairness::Off,
            pace: Pace::Off,
            cache: None,
            coalesce: false,
            estimate: None,
            budget: None,
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

/// Returns every arrival of a scenario without closed workloads.
pub(super) fn all(scenario: &Scenario) -> Vec<Arrival> {
    let mut load = Load::new(scenario);
    std::iter::from_fn(|| load.next()).collect()
}

fn of_workload(arrivals: &[Arrival], workload: u16) -> Vec<Arrival> {
    arrivals.iter().filter(|arrival| arrival.job.workload == WorkloadId(workload)).copied().collect()
}

fn instants(arrivals: &[Arrival]) -> Vec<Instant> {
    arrivals.iter().map(|arrival| arrival.job.scheduled).collect()
}

fn any_open() -> impl Strategy<Value = Arrivals> {
    let rate = || prop_oneof![Just(0.0), 0.001..0.1f64];
    let rows = || {
        prop::collection::vec((0..Nanos::DAY.0, 0u32..5000, 0u32..5000), 0..50).prop_map(|mut rows| {
            rows.sort_unstable();
            let row = |(at, prompt_tokens, completion_tokens)| TraceRow {
                at: Instant(at),
                prompt_tokens,
                completion_tokens,
            };
            Arc::new(rows.into_iter().map(row).collect::<Vec<_>>())
        })
    };
    prop_oneof![
        rate().prop_map(Arrivals::Constant),
        rate().prop_map(Arrivals::Poisson),
        (rate(), 0.1..10.0f64, any_gaps()).prop_map(|(rate, cv, gaps)| Arrivals::Renewal { rate, gaps, cv }),
        (rate(), rate()).prop_map(|(first, last)| Arrivals::Ramp(first, last)),
        (prop::collection::vec((0..Nanos::DAY.0, rate()), 0..5), any::<bool>()).prop_map(
            |(mut steps, repeats)| {
                steps.sort_by_key(|(at, _)| *at);
                let steps = steps.into_iter().map(|(at, rate)| (Instant(at), rate)).collect();
                Arrivals::Steps { steps, every: repeats.then_some(Nanos::DAY) }
            }
        ),
        (0u32..20, 1..Nanos::HOUR.0 * 4, prop_oneof![Just(0), 0..Nanos::DAY.0]).prop_map(
            |(jobs, every, at)| {
                Arrivals::Burst { jobs, at: Instant(at), every: Nanos(every.max(Nanos::MINUTE.0)) }
            }
        ),
        rows().prop_map(|rows| Arrivals::Trace { rows, recorded: Recorded::default() }),
    ]
}

fn any_gaps() -> impl Strategy<Value = GapDist> {
    prop_oneof![Just(GapDist::Gamma), Just(GapDist::Weibull)]
}

fn any_shape() -> impl Strategy<Value = Option<Shape>> {
    let factors = |count: usize| prop::collection::vec(prop_oneof![Just(0.0), 0.0..3.0f64], count);
    prop::option::of(prop_oneof![
        factors(24).prop_map(|factors| Shape::new(&factors, Nanos::HOUR)),
        factors(168).prop_map(|factors| Shape::new(&factors, Nanos::HOUR)),
        factors(1_440).prop_map(|factors| Shape::new(&factors, Nanos::MINUTE)),
    ])
}

fn any_workload() -> impl Strategy<Value = Workload> {
    (any_open(), any_shape()).prop_map(|(arrivals, shape)| Workload { shape, ..workload(arrivals) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Instants never decrease and are within the run; jobs are numbered in order; equal instants come in the order of
    /// the workloads; and the same seed gives the same arrivals.
    #[test]
    fn arrivals_are_ordered_and_deterministic(
        seed: u64, workloads in prop::collection::vec(any_workload(), 0..4), hours in 0u64..30,
    ) {
        let scenario = scenario(seed, Nanos::HOUR * hours, workloads);
        let arrivals = all(&scenario);
        for (number, arrival) in (0..).zip(&arrivals) {
            prop_assert_eq!(arrival.job.id, JobId(number));
            prop_assert!(arrival.job.scheduled < Instant::ZERO + scenario.duration);
            prop_assert!(arrival.truth.prompt_tokens >= 1 && arrival.truth.completion_tokens >= 1);
        }
        for pair in arrivals.windows(2) {
            let order = |arrival: &Arrival| (arrival.job.scheduled, arrival.job.workload);
            prop_assert!(order(&pair[0]) <= order(&pair[1]));
        }
        prop_assert_eq!(arrivals, all(&scenario));
    }

    /// Under any shape, the number of jobs by the end of any hour differs from the integral of the rate by at most one.
    #[test]
    fn a_constant_rate_gives_its_integral(rate in 0.0..1.0f64, shape in any_shape(), hours in 1u64..200) {
        let constant = Workload { shape: shape.clone(), ..workload(Arrivals::Constant(rate)) };
        let arrivals = all(&scenario(1, Nanos::HOUR * hours, vec![constant]));
        let mut integral = 0.0;
        for hour in 0..hours {
            integral += rate * 3600.0 * shape.as_ref().map_or(1.0, |shape| {
                let (cells, factors) = ((3_600 / (shape.cell().0 / Nanos::SECOND.0)) as usize, shape.factors());
                let first = hour as usize * cells;
                (first..first + cells).map(|cell| factors[cell % factors.len()]).sum::<f64>() / cells as f64
            });
            let end = Instant::ZERO + Nanos::HOUR * (hour + 1);
            let count = arrivals.partition_point(|arrival| arrival.job.scheduled < end) as f64;
            prop_assert!((count - integral).abs() <= 1.0 + 1e-6, "by hour {hour}: {count} of {integral}");
        }
    }

    /// A change to one workload changes no arrival of another.
    #[test]
    fn workloads_are_independent(seed: u64, one in any_workload(), other in any_workload(), last in any_workload()) {
        let with = |other: Workload| of_workload(&all(&scenario(seed, Nanos::DAY, vec![one.clone(), other])), 0);
        let strip = |arrivals: Vec<Arrival>| arrivals.into_iter()
            .map(|arrival| Arrival { job: Job { id: JobId(0), ..arrival.job }, ..arrival }).collect::<Vec<_>>();
        prop_assert_eq!(strip(with(other)), strip(with(last)));
    }
}

#[test]
fn cached_tokens_change_nothing_else_and_are_part_of_the_prompt() {
    let base =
        Workload { prompt: Dist::Uniform { min: 0.0, max: 900.0 }, ..workload(Arrivals::Poisson(1.0)) };
    let run =
        |cached_prompt| all(&scenario(3, Nanos::HOUR, vec![Workload { cached_prompt, ..base.clone() }]));
    let plain = run(CachedPrompt::NOTHING);
    assert!(plain.iter().all(|arrival| arrival.truth.cached_tokens == 0));
    for cached in
        [CachedPrompt::Share(0.6), CachedPrompt::Share(1.0), CachedPrompt::Tokens(Dist::Exponential(400.0))]
    {
        let found = run(cached.clone());
        for (plain, found) in plain.iter().zip(&found) {
            let (prompt, tokens) = (found.truth.prompt_tokens, found.truth.cached_tokens);
            assert!(tokens <= prompt, "{tokens} of {prompt}");
            if let CachedPrompt::Share(share) = cached {
                assert!((f64::from(tokens) - share * f64::from(prompt)).abs() <= 0.5, "{tokens} of {prompt}");
            }
            assert_eq!(Arrival { truth: Truth { cached_tokens: 0, ..found.truth }, ..*found }, *plain);
        }
    }
}

#[test]
fn a_change_of_one_size_changes_no_arrival_and_no_other_size() {
    let base = workload(Arrivals::Poisson(1.0));
    let changed = Workload { prompt: Dist::Constant(5.0), ..base.clone() };
    let run = |workload| all(&scenario(3, Nanos::HOUR, vec![workload]));
    let (base, changed) = (run(base), run(changed));
    assert_eq!(base.len(), changed.len());
    for (base, changed) in base.iter().zip(&changed) {
        assert_eq!(base.job.scheduled, changed.job.scheduled);
        assert_eq!(base.truth.completion_tokens, changed.truth.completion_tokens);
        assert_eq!(base.truth.draw, changed.truth.draw);
        assert_eq!(changed.truth.prompt_tokens, 5);
    }
}

#[test]
fn constant_arrivals_are_exactly_evenly_spaced() {
    // 7 per minute: the k-th at k·60/7 s. The 10,080th would arrive at the end of the run, which is excluded.
    let arrivals = all(&scenario(1, Nanos::DAY, vec![workload(Arrivals::Constant(7.0 / 60.0))]));
    assert_eq!(arrivals.len(), 10_080);
    for (k, arrival) in (0u64..).zip(&arrivals) {
        let exact = (k * 60_000_000_000 + 3) / 7;
        assert!(arrival.job.scheduled.0.abs_diff(exact) <= 1, "{k}: {} {exact}", arrival.job.scheduled.0);
    }
    assert_eq!(arrivals[7 * 60].job.scheduled, Instant::ZERO + Nanos::HOUR);
}

/// Counts arrivals in slots of one second.
#[test]
fn poisson_arrivals_have_the_mean_and_dispersion_of_poisson() {
    const SLOTS: usize = 20_000;
    for seed in 0..5 {
        let arrivals = instants(&all(&scenario(
            seed,
            Nanos::from_secs(SLOTS as u64),
            vec![workload(Arrivals::Poisson(4.0))],
        )));
        let expected = 4.0 * SLOTS as f64;
        assert!((arrivals.len() as f64 - expected).abs() < 3.0 * expected.sqrt(), "{}", arrivals.len());
        let mut counts = vec![0.0; SLOTS];
        arrivals.iter().for_each(|at| counts[(at.0 / Nanos::SECOND.0) as usize] += 1.0);
        let mean = arrivals.len() as f64 / SLOTS as f64;
        let variance = counts.iter().map(|count: &f64| (count - mean).powi(2)).sum::<f64>() / SLOTS as f64;
        // The index of dispersion of n Poisson counts has the standard error √(2/n) = 0.01.
        assert!((variance / mean - 1.0).abs() < 0.03, "seed {seed}: {}", variance / mean);
        let gaps: Vec<f64> = arrivals.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64()).collect();
        let gap = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((gap - 0.25).abs() < 3.0 * 0.25 / (gaps.len() as f64).sqrt(), "seed {seed}: {gap}");
        // Memoryless: a share e^−1 of the gaps is longer than the mean; its error is √(p(1−p)/n) = 0.0017.
        let long = gaps.iter().filter(|gap| **gap > 0.25).count() as f64 / gaps.len() as f64;
        assert!((long - (-1.0f64).exp()).abs() < 0.0052, "seed {seed}: {long}");
    }
}

#[test]
fn ramps_and_steps_follow_their_rate() {
    let hour = Instant::ZERO + Nanos::HOUR;
    let within = |count: usize, expected: f64| {
        assert!((count as f64 - expected).abs() < 3.0 * expected.sqrt(), "{count} of {expected}");
    };
    // From 0 to 4 per second over two hours: a quarter of 14,400 in the first.
    let ramp = instants(&all(&scenario(5, Nanos::HOUR * 2, vec![workload(Arrivals::Ramp(0.0, 4.0))])));
    within(ramp.len(), 14_400.0);
    within(ramp.partition_point(|at| *at < hour), 3_600.0);
    let steps = vec![(Instant::ZERO, 3.0), (hour, 0.0), (hour + Nanos::HOUR, 1.0)];
    let steps = Arrivals::Steps { steps, every: None };
    let steps = instants(&all(&scenario(5, Nanos::HOUR * 3, vec![workload(steps)])));
    let first = steps.partition_point(|at| *at < hour);
    within(first, 10_800.0);
    assert!(steps[first] >= hour + Nanos::HOUR, "no arrivals while the rate is zero");
    within(steps.len() - first, 3_600.0);
}

#[test]
fn bursts_and_traces_arrive_as_specified() {
    let burst = workload(Arrivals::Burst { jobs: 3, at: Instant::ZERO, every: Nanos::from_secs(20) });
    let rows = vec![
        TraceRow { at: Instant::ZERO, prompt_tokens: 0, completion_tokens: 7 },
        TraceRow { at: Instant::ZERO + Nanos::from_secs(20), prompt_tokens: u32::MAX, completion_tokens: 8 },
        TraceRow { at: Instant::ZERO + Nanos::MINUTE, prompt_tokens: 1, completion_tokens: 9 },
    ];
    let trace = workload(Arrivals::Trace { rows: Arc::new(rows), recorded: Recorded::default() });
    let arrivals = all(&scenario(1, Nanos::from_secs(41), vec![trace, burst]));
    let seen: Vec<(u64, u16)> =
        arrivals.iter().map(|a| (a.job.scheduled.0 / Nanos::SECOND.0, a.job.workload.0)).collect();
    let expected =
        [(0, 0), (0, 1), (0, 1), (0, 1), (20, 0), (20, 1), (20, 1), (20, 1), (40, 1), (40, 1), (40, 1)];
    assert_eq!(seen, expected);
    let sizes: Vec<_> = of_workload(&arrivals, 0)
        .iter()
        .map(|a| (a.truth.prompt_tokens, a.truth.completion_tokens))
        .collect();
    assert_eq!(sizes, [(1, 7), (crate::job::MAX_TOKENS, 8)]);
}

#[test]
fn a_popular_prompt_keeps_its_sizes_and_other_prompts_occur_once() {
    let repeats = Some(Repeats { share: 0.4, zipf: 1.1, prompts: 50 });
    let one = || Workload { repeats, ..workload(Arrivals::Constant(10.0)) };
    let arrivals = all(&scenario(9, Nanos::HOUR, vec![one(), one()]));
    let mut seen: BTreeMap<u64, (WorkloadId, u32, u32, u32)> = BTreeMap::new();
    let mut draws = BTreeSet::new();
    for Arrival { job, truth, .. } in &arrivals {
        assert_eq!(job.prompt_tokens, truth.prompt_tokens);
        assert!(draws.insert(truth.draw), "the provider draws anew for each job");
        let first = (job.workload, truth.prompt_tokens, truth.completion_tokens, 0);
        let known = seen.entry(job.fingerprint).or_insert(first);
        assert_eq!((known.0, known.1, known.2), (first.0, first.1, first.2));
        known.3 += 1;
    }
    let popular: Vec<u32> = seen.values().map(|known| known.3).filter(|times| *times > 1).collect();
    assert_eq!(popular.len(), 100, "fifty prompts for each of two workloads");
    let repeated = f64::from(popular.iter().sum::<u32>());
    let (jobs, share) = (arrivals.len() as f64, 0.4);
    assert!(
        (repeated - share * jobs).abs() < 3.0 * (jobs * share * (1.0 - share)).sqrt(),
        "{repeated} of {jobs}"
    );
}

/// Runs a closed workload against a server without limits. Returns the jobs, the mean and the maximum in flight.
fn closed(users: u32, think: Dist, service: &Dist, duration: Nanos) -> (u64, f64, usize) {
    let scenario = scenario(4, duration, vec![workload(Arrivals::Users { users, think })]);
    let (mut load, mut replies) = (Load::new(&scenario), BinaryHeap::new());
    let mut service_stream = RandomStream::new(4, "service", 0);
    let (mut jobs, mut busy, mut max) = (0, 0.0, 0);
    loop {
        let reply = replies.peek().map(|Reverse(at)| *at);
        match (load.peek(), reply) {
            (Some(arrival), reply) if reply.is_none_or(|reply| arrival < reply) => {
                let service_time = Nanos::from_secs_f64(service.sample(&mut service_stream));
                let arrival = load.next().expect("peek returned it").job.scheduled;
                replies.push(Reverse(arrival + service_time));
                (jobs, busy, max) = (jobs + 1, busy + service_time.as_secs_f64(), max.max(replies.len()));
            }
            (_, Some(reply)) => {
                replies.pop();
                load.finished(reply, WorkloadId(0), 0, JobOutcome::Succeeded);
            }
            (_, None) => return (jobs, busy / duration.as_secs_f64(), max),
        }
    }
}

#[test]
fn users_follow_littles_law() {
    // N = X·(Z + S), with ten users who think 3 s on average and are served in 2 s.
    let seconds = 50_000.0;
    let (jobs, outstanding, max) =
        closed(10, Dist::Exponential(3.0), &Dist::Exponential(2.0), Nanos::from_secs(50_000));
    // Each user's cycles are a renewal process with mean 5 s and deviation √13 s: the count over t has the
    // deviation √(t·13/125), and ten users are independent.
    let error = (10.0 * seconds * 13.0 / 125.0f64).sqrt();
    assert!((jobs as f64 - 10.0 * seconds / 5.0).abs() < 3.0 * error + 10.0, "{jobs} ± {error}");
    assert!((outstanding - 4.0).abs() < 0.08, "{outstanding}");
    assert_eq!(max, 10, "the most jobs in flight are one per user");
}

#[test]
fn users_with_constant_times_are_periodic_and_pause_at_least_a_millisecond() {
    let second = Dist::Constant(1.0);
    assert_eq!(closed(3, Dist::Constant(4.0), &second, Nanos::from_secs(101)), (3 * 20, 60.0 / 101.0, 3));
    // With zero think and service time, the minimum pause of a millisecond keeps the loop finite.
    assert_eq!(closed(1, Dist::Constant(0.0), &Dist::Constant(0.0), Nanos::SECOND).0, 999);
}

#[test]
fn the_end_of_a_job_schedules_nothing_in_an_open_workload() {
    let scenario = scenario(1, Nanos::MINUTE, vec![workload(Arrivals::Poisson(1.0))]);
    let mut load = Load::new(&scenario);
    let mut arrivals = Vec::new();
    while let Some(arrival) = load.next() {
        load.finished(arrival.job.scheduled, arrival.job.workload, arrival.origin, JobOutcome::Succeeded);
        arrivals.push(arrival);
    }
    assert_eq!(arrivals, all(&scenario));
    assert_eq!(load.peek(), None);
}
