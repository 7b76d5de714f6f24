//! A run whose last jobs end long after the arrivals: every count stays at its time in the series.

use quotalab::drive;
use quotalab::record::{Mode, Recorder, Summary};
use quotalab::scenario::Scenario;

fn run(yaml: &str, recorder: fn(&Scenario) -> Recorder) -> Summary {
    let scenario = super::parse(yaml);
    drive::record(recorder(&scenario), Mode::Virtual, &mut (), |folds| {
        drive::virtual_time::simulate(&scenario, folds)
    })
}

/// Ten jobs in ten seconds, each served in `total`.
fn slow_calls(total: &str) -> String {
    format!(
        "
duration: 10s
providers: {{ g: {{ models: {{ m: {{ limits: {{ concurrency: 10 }}, latency: {{ total: {total} }} }} }} }} }}
routes: {{ r: [{{ of: [g/default/m] }}] }}
client: {{ deadline: 30h, retry: {{ attempts: 1 }} }}
workload: [{{ name: w, arrivals: {{ constant: 1/s }}, prompt: 100, max_tokens: 100 }}]"
    )
}

#[test]
fn calls_that_outlast_the_run_are_in_the_series_until_they_end() {
    for (total, seconds, step_s) in
        [("4s", 4.0, 0.1), ("60s", 60.0, 1.0), ("1h", 3_600.0, 30.0), ("20h", 72_000.0, 600.0)]
    {
        let summary = run(&slow_calls(total), Recorder::new);
        let (series, busy_s) = (&summary.series, &summary.series.fill[0].charged.busy_s);
        assert_eq!(series.step_s, step_s, "{total}");
        assert!(series.offered.len() as f64 * step_s >= summary.ended_s, "{total}: the steps cover the run");
        let busy: f64 = busy_s.iter().sum();
        assert!((busy - 10.0 * seconds).abs() < 0.02, "{total}: {busy} s");
        // The calls end in the order in which they began, one a second.
        let ended: Vec<f64> = (0..)
            .zip(&series.succeeded)
            .filter(|(_, count)| **count > 0)
            .map(|(at, _)| f64::from(at) * step_s)
            .collect();
        assert!((ended[0] + step_s - seconds).abs() <= step_s, "{total}: first at {}", ended[0]);
        assert!(ended.iter().all(|at| *at <= seconds + 10.0), "{total}: {ended:?}");
        assert_eq!(series.offered.iter().sum::<u64>(), 10);
        assert_eq!(series.succeeded.iter().sum::<u64>(), 10);
        // While all ten are in flight, the limit is full.
        let middle = (seconds / 2.0 / step_s) as usize;
        let full = series.fill[0].axes["concurrency"].get(middle).copied();
        assert!(seconds < 20.0 || full == Some(1.0), "{total}: {full:?}");
    }
}

#[test]
fn merged_steps_keep_their_counts_and_have_percentiles_if_jobs_succeeded() {
    let yaml = "
duration: 60s
providers: { g: { models: { m: { limits: { rpm: 60 }, latency: { total: { p50: 2s, p99: 20s } } } } } }
routes: { r: [{ of: [g/default/m] }] }
client: { deadline: 2h, pace: requests, retry: { attempts: 3 } }
workload: [{ name: w, arrivals: { poisson: 1000/min }, prompt: 10, max_tokens: 10 }]";
    let (whole, without_distributions) =
        (run(yaml, Recorder::new), run(yaml, Recorder::without_distributions));
    let series = &whole.series;
    assert!(whole.ended_s > 600.0 && series.step_s > 1.0, "{} s, steps of {}", whole.ended_s, series.step_s);
    let sum = |counts: &[u64]| counts.iter().sum::<u64>();
    assert_eq!(sum(&series.offered), whole.jobs.offered);
    assert_eq!(sum(&series.sent), whole.attempts.total);
    assert_eq!(sum(&series.succeeded), whole.jobs.succeeded);
    let has_latencies = |step: usize| series.latency_hdr[step].is_some();
    for step in 0..series.succeeded.len() {
        assert_eq!(has_latencies(step), series.succeeded[step] > 0, "{step}");
        assert_eq!(series.p95_s[step].is_some(), series.succeeded[step] > 0, "{step}");
        assert!(
            without_distributions.series.p95_s[step] >= series.p95_s[step].map(|p95| p95 * 0.98),
            "{step}"
        );
    }
    assert_eq!(without_distributions.series.succeeded, series.succeeded);
    let max_p95 = series.p95_s.iter().flatten().copied().fold(0.0, f64::max);
    assert!(
        (max_p95 - whole.latency_s.max).abs() < whole.latency_s.max * 0.1,
        "{max_p95} of {}",
        whole.latency_s.max
    );
}

/// The call at the last instant of a window belongs to the next one: a share of a limit is never above 1.
#[test]
fn a_call_that_is_decided_at_the_end_of_a_window_counts_in_the_next_one() {
    let yaml = |seed: u32| {
        format!(
            "
seed: {seed}
duration: 600s
providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: {{ limit: 5, law: fixed }}, tpd: 500000 }}, latency: {{ total: {{ mean: 1s }}, network: 0ms }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ deadline: 10s, retry: {{ attempts: 3 }}, pace: tokens }}
workload: [{{ name: w, arrivals: {{ constant: 60/min }}, prompt: 50, completion: 1, max_tokens: 16 }}]"
        )
    };
    for seed in [1, 342] {
        let summary = run(&yaml(seed), Recorder::new);
        let shares = summary.targets.iter().flat_map(|target| target.utilisation.values());
        let most = shares.copied().fold(0.0, f64::max);
        assert!(most > 0.9 && most <= 1.0, "{seed}: {most}");
    }
}

/// Attempts that a deadline cancels do not prolong the time over which a limit is used.
#[test]
fn the_utilisation_of_concurrency_is_over_the_run_however_long_the_cancelled_calls_were() {
    for total in ["1h", "1s"] {
        let yaml = slow_calls(total)
            .replace("duration: 10s", "duration: 60s")
            .replace("concurrency: 10", "concurrency: 1")
            .replace("deadline: 30h", "deadline: 1s");
        let summary = run(&yaml, Recorder::new);
        let used = summary.targets[0].utilisation["concurrency"];
        assert!(used > 0.95 && used <= 1.0, "{total}: {used}");
        assert!(summary.ended_s < 62.0, "{total}: {}", summary.ended_s);
        let covered_s = summary.series.offered.len() as f64 * summary.series.step_s;
        assert!(covered_s < 63.0, "{total}: {covered_s}");
    }
}
