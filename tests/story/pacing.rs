//! Pacing: jobs that are sent at the rate of the limit are not refused, and are sent in order.

use super::run;
use quotalab::event::JobOutcome;

fn paced(pace: &str, limits: &str, arrivals: &str) -> super::Story {
    run(&format!(
        "
providers: {{p: {{models: {{m: {{limits: {limits}, latency: {{total: 500ms}}}}}}}}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 1m
client: {{deadline: 10m, retry: {{attempts: 1}}, pace: {pace}}}
workload: [{{name: w, route: r, arrivals: {arrivals}, prompt: 100, completion: 50, max_tokens: 100}}]"
    ))
}

#[test]
fn a_gap_keeps_sends_apart() {
    let story = paced("{gap: 2s}", "{rpm: 60}", "{burst: 4, every: 1h}");
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends, [0.0, 2.0, 4.0, 6.0]);
}

#[test]
fn paced_by_requests_nothing_is_refused() {
    let story = paced("requests", "{rpm: 30}", "{burst: 60, every: 1h}");
    assert_eq!(story.refused_by_a_limit(), 0);
    assert_eq!(story.outcomes(), [JobOutcome::Succeeded; 60]);
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends[29..33], [0.0, 2.0, 4.0, 6.0], "thirty at once, then as the bucket refills");
}

#[test]
fn paced_by_tokens_nothing_is_refused_and_unused_tokens_are_refunded() {
    let story = paced("tokens", "{tpm: 1000}", "{burst: 20, every: 1h}");
    assert_eq!(story.refused_by_a_limit(), 0);
    assert_eq!(story.outcomes(), [JobOutcome::Succeeded; 20]);
    // 20 jobs reserve 4,000 tokens and use 3,000; 1,000 are there at the start, so they take about two
    // minutes; without the refund it would be three.
    let last = story.sends().last().map(|(at, _)| *at);
    assert!(last.is_some_and(|at| (110.0..=150.0).contains(&at)), "{last:?}");
}

#[test]
fn without_pacing_the_same_burst_is_refused() {
    assert!(paced("off", "{tpm: 1000}", "{burst: 20, every: 1h}").refused_by_a_limit() > 0);
}

#[test]
fn a_job_beyond_the_known_limit_is_not_sent() {
    let story = paced("tokens", "{tpm: 150}", "{burst: 1, every: 1h}");
    assert_eq!(story.sends().len(), 0);
    // No target can ever serve it.
    assert_eq!(story.outcomes(), [JobOutcome::Shed(quotalab::event::EndReason::Rejected)]);
}
