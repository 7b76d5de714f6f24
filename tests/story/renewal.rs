//! Bursty arrivals lose more jobs under a limit per minute than a Poisson process of the same rate; regular ones lose fewer.

use super::parse;
use quotalab::drive;

const LIMIT: usize = 30;

/// Returns the share of jobs that fail if 30 per minute arrive, and windows of 30 per minute admit no more.
fn lost(arrivals: &str) -> f64 {
    let yaml = format!(
        "
seed: 5
duration: 100h
providers: {{p: {{law: fixed, models: {{m: {{limits: {{rpm: {LIMIT}}}, latency: {{total: 10ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
client: {{deadline: 30s, retry: {{attempts: 1}}, cool_down: off}}
workload: [{{name: w, route: r, arrivals: {arrivals}, prompt: 60, completion: 60}}]
"
    );
    let jobs = drive::summarize(&parse(&yaml)).jobs;
    1.0 - jobs.succeeded as f64 / jobs.offered as f64
}

/// Returns the probability of each number of events of a Poisson variable.
fn poisson(mean: f64) -> Vec<f64> {
    let next = |(count, probability): &(f64, f64)| Some((count + 1.0, probability * mean / (count + 1.0)));
    std::iter::successors(Some((0.0, (-mean).exp())), next)
        .map(|(_, probability)| probability)
        .take(400)
        .collect()
}

/// 30 per minute against 30 per minute. Of a Poisson number X with mean 30, E(X − 30)⁺ = 30 · P(X = 30) = 2.18 are lost: 7.3 %.
///
/// Gamma gaps of cv 1/√2 are every second event of a Poisson process with twice the rate. Their number in a minute is (M + B)/2, rounded
/// down, with M Poisson of mean 60 and B 0 or 1 with equal probability: about 5.2 %.
///
/// The share over 6,000 minutes has a standard error of about 0.0013.
#[test]
fn the_lost_share_follows_the_distribution_of_the_jobs_of_a_minute() {
    let of_poisson = LIMIT as f64 * poisson(30.0)[LIMIT] / LIMIT as f64;
    assert!((of_poisson - 0.0726).abs() < 1e-4);
    let surplus = |count: usize| count.saturating_sub(LIMIT) as f64;
    let of_pairs: f64 = (poisson(60.0).iter().enumerate())
        .map(|(events, probability)| probability * (surplus(events / 2) + surplus(events.div_ceil(2))) / 2.0)
        .sum::<f64>()
        / LIMIT as f64;
    assert!((of_pairs - 0.0515).abs() < 1e-3, "{of_pairs}");
    for (arrivals, expected) in [
        ("{poisson: 30/min}", of_poisson),
        ("{gamma: 30/min, cv: 1}", of_poisson),
        ("{gamma: 30/min, cv: 0.70710678}", of_pairs),
    ] {
        let found = lost(arrivals);
        assert!((found - expected).abs() < 0.005, "{arrivals}: {found}, not {expected}");
    }
    let [poisson, gamma, weibull] =
        ["{poisson: 30/min}", "{gamma: 30/min, cv: 3}", "{weibull: 30/min, cv: 3}"].map(lost);
    assert!(gamma > 2.0 * poisson && weibull > 2.0 * poisson, "{poisson} {gamma} {weibull}");
}
