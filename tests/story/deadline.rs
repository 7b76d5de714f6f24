//! The deadline: no wait goes beyond it, and no attempt continues after it.

use super::{assert_timeline, run};
use quotalab::event::{EndReason, JobOutcome};

#[test]
fn a_job_is_given_up_at_once_if_its_wait_would_end_after_the_deadline() {
    let story = run(
        "
providers: {p: {models: {m: {limits: {rpm: 1}, latency: {total: 100ms}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {deadline: 30s, retry: {attempts: 5, backoff: {base: 1s, cap: 8s, jitter: none}}}
workload: [{name: w, route: r, arrivals: {burst: 2, every: 1h}, prompt: 10, completion: 10, max_tokens: 10}]",
    );
    let ended = story.ends().map(|(at, end)| (at.as_secs_f64(), end.outcome)).collect::<Vec<_>>();
    assert_eq!(ended, [(0.0, JobOutcome::Failed(EndReason::Deadline)), (0.1, JobOutcome::Succeeded)]);
}

#[test]
fn an_attempt_without_a_reply_is_cancelled_at_the_deadline() {
    let story = run(
        "
providers: {p: {models: {m: {latency: {total: 100ms}}}, incidents: [{at: 0s, for: 1m, fault: timeout}]}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {deadline: 5s, retry: {attempts: 5}}
workload: [{name: w, route: r, arrivals: {burst: 1, every: 1h}, prompt: 10, completion: 10, max_tokens: 10}]",
    );
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to p/default/m
         5.000s job 0: attempt to p/default/m cancelled
         5.000s job 0: Failed(Deadline)",
    );
}

#[test]
fn a_cancelled_attempt_is_settled_to_the_tokens_generated_so_far() {
    let story = run(
        "
providers: {p: {models: {m: {latency: {first_token: 1s, output: 10 tok/s}}}}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {deadline: 3s, retry: {attempts: 5}}
workload: [{name: w, route: r, arrivals: {burst: 1, every: 1h}, prompt: 50, completion: 100, max_tokens: 100}]",
    );
    let settled = story.events.iter().find_map(|event| match event.kind {
        quotalab::event::EventKind::Settled { usage, .. } => Some(usage),
        _ => None,
    });
    let settled = settled.expect("an admitted attempt is settled");
    assert_eq!(settled.prompt_tokens, 50);
    assert!((15..=25).contains(&settled.completion_tokens), "2 s at 10 tokens/s: {settled:?}");
}
