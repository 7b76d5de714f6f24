//! Plans for an hour, a day and a month of the same traffic agree.

use super::*;

/// Returns the plans of the same traffic for 1 h, 24 h and 30 d.
fn plans(yaml: &str) -> [Plan; 3] {
    ["1h", "24h", "30d"].map(|duration| plan_of(&yaml.replace("DURATION", duration), &options(6)))
}

/// Asserts that the analytic ceilings are equal and within 1 % of this one, and that the simulated ones agree within 2 %.
#[track_caller]
fn assert_agreement(plans: &[Plan; 3], analytic_jobs_per_min: f64) {
    let within = |one: f64, other: f64, share: f64| (one / other - 1.0).abs() <= share;
    let [by_arithmetic, simulated]: [Vec<f64>; 2] = [
        plans.iter().map(|plan| plan.ceiling.analytic.jobs_per_min.expect("a limit")).collect(),
        plans.iter().map(|plan| plan.ceiling.simulated.jobs_per_min.expect("a ceiling")).collect(),
    ];
    assert!(within(by_arithmetic[0], analytic_jobs_per_min, 0.01), "{by_arithmetic:?}");
    for (index, other) in [(0, 1), (0, 2), (1, 2)] {
        assert!(within(by_arithmetic[index], by_arithmetic[other], 1e-6), "{by_arithmetic:?}");
        assert!(within(simulated[index], simulated[other], 0.02), "{simulated:?}");
    }
}

/// 1,000 requests a day are 0.694 a minute.
#[test]
fn plans_agree_on_ten_jobs_a_minute_under_a_thousand_requests_a_day() {
    let plans = plans(
        "
name: requests per day
duration: DURATION
providers: {groq: {preset: groq-free}}
routes: {r: [{of: [groq/default/openai/gpt-oss-20b]}]}
client: {deadline: 30s, retry: {attempts: 2}}
workload: [{name: w, route: r, arrivals: {poisson: 10/min}, prompt: 60, completion: 60, max_tokens: 100}]
expect: [success >= 99%]",
    );
    assert_agreement(&plans, 1_000.0 / 1_440.0);
    // The window is long compared with the scenarios of an hour and of a day, however long the runs of their plans are.
    for (plan, duration) in plans.iter().zip(["1 h", "24 h"]) {
        assert!(matches!(&plan.findings[0], Finding::LongWindow { window, .. } if window.axis == "rpd"));
        let text = text_of(plan);
        let said = format!("is 24 h, the scenario {duration}, each run of this plan");
        assert!(text.contains(&said) && text.contains("at the present load a run begins with"), "{text}");
    }
    let month = &plans[2];
    assert!(!matches!(&month.findings[0], Finding::LongWindow { .. }), "{:#?}", month.findings);
}

/// A rule of 99 % needs 300 jobs, and a day has 150: the plans for an hour and a day make longer runs than their scenarios.
#[test]
fn plans_agree_on_a_hundred_and_fifty_jobs_a_day_under_tokens_per_day() {
    let plans = plans(
        "
name: tokens per day
duration: DURATION
providers: {p: {models: {m: {limits: {rpm: 30, tpd: 200k}, latency: {total: 1s}}}}}
routes: {r: [{of: [p/default/m]}]}
client: {deadline: 30s, retry: {attempts: 4}}
workload: [{name: w, route: r, arrivals: {poisson: 150/day}, prompt: {min: 200, max: 1400}, completion: {min: 100, max: 500}, max_tokens: 800}]
expect: [success >= 99%]",
    );
    assert_agreement(&plans, 200_000.0 / 1_100.0 / 1_440.0);
}

/// Chats of 400 tokens and documents of 5,000 share a million tokens a day. There are four chats for each document, so a job
/// uses 1,320 tokens on average.
#[test]
fn plans_agree_on_prompts_of_two_sizes_under_tokens_per_day() {
    let plans = plans(
        "
name: two sizes
duration: DURATION
providers: {p: {law: fixed, models: {m: {limits: {rpm: 60, tpd: 1M}, latency: {total: 2s}}}}}
routes: {r: [{of: [p/default/m]}]}
client: {deadline: 1m, retry: {attempts: 3}}
workload:
  - {name: chat, route: r, arrivals: {poisson: 20/h}, prompt: 300, completion: 100, max_tokens: 200}
  - {name: documents, route: r, arrivals: {poisson: 5/h}, prompt: 4800, completion: 200, max_tokens: 400}
expect: [success >= 98%]",
    );
    assert_agreement(&plans, 1_000_000.0 / 1_320.0 / 1_440.0);
}
