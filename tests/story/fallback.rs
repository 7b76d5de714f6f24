//! Fallback: a job that one target does not serve goes to the next at once, without a second attempt at the first.

use super::{assert_timeline, run};
use quotalab::event::{EndReason, JobOutcome};

const TWO_STEPS: &str = "
routes: {r: [{of: [first/default/m]}, {of: [second/default/m]}]}
duration: 10s
client: {deadline: 1m, retry: {attempts: 3, backoff: {base: 1s, cap: 8s, jitter: none}}}
";

#[test]
fn a_refused_job_falls_back_to_the_next_step_at_once() {
    let story = run(&format!(
        "{TWO_STEPS}
providers:
  first: {{models: {{m: {{limits: {{rpm: 1}}, latency: {{total: 100ms}}}}}}}}
  second: {{models: {{m: {{latency: {{total: 300ms}}}}}}}}
workload: [{{name: w, route: r, arrivals: {{burst: 2, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ));
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to first/default/m
         0.000s job 1: arrives
         0.000s job 1: attempt 1 to first/default/m
         0.000s job 1: first/default/m refuses (rpm)
         0.000s job 1: first/default/m cools down until 60.000s (minute_limit)
         0.000s job 1: falls back from step 0 to 1
         0.000s job 1: attempt 2 to second/default/m
         0.100s job 0: first/default/m serves it
         0.100s job 0: Succeeded
         0.300s job 1: second/default/m serves it
         0.300s job 1: Succeeded",
    );
}

#[test]
fn a_job_that_is_too_large_for_a_target_is_sent_there_once() {
    let two_minutes = TWO_STEPS.replace("deadline: 1m", "deadline: 2m");
    let story = run(&format!(
        "{two_minutes}
providers:
  first: {{models: {{m: {{limits: {{tpm: 100}}, latency: {{total: 100ms}}}}}}}}
  second: {{models: {{m: {{limits: {{tpm: 1k, rpm: 1}}, latency: {{total: 100ms}}}}}}}}
workload: [{{name: w, route: r, arrivals: {{burst: 2, every: 1h}}, prompt: 100, completion: 10, max_tokens: 10}}]"
    ));
    let to_first = story.sends().iter().filter(|(_, name)| *name == "first/default/m").count();
    assert_eq!(to_first, 2, "each job is sent once: {}", story.timeline());
    assert_eq!(story.outcomes(), [JobOutcome::Succeeded; 2]);
}

#[test]
fn a_job_that_is_too_large_for_all_targets_is_given_up_at_once() {
    let story = run(
        "
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {retry: {attempts: 5}}
providers: {p: {models: {m: {limits: {tpm: 100}, latency: {total: 100ms}}}}}
workload: [{name: w, route: r, arrivals: {burst: 1, every: 1h}, prompt: 100, completion: 10, max_tokens: 10}]",
    );
    assert_eq!(story.outcomes(), [JobOutcome::Failed(EndReason::Rejected)]);
    assert_eq!(story.sends().len(), 1, "no retry after a 413: {}", story.timeline());
}

#[test]
fn a_malformed_request_does_not_fall_back() {
    let story = run(&format!(
        "{TWO_STEPS}
providers:
  first: {{models: {{m: {{latency: {{total: 100ms}}}}}}, incidents: [{{at: 0s, for: 1m, fault: 400}}]}}
  second: {{models: {{m: {{latency: {{total: 100ms}}}}}}}}
workload: [{{name: w, route: r, arrivals: {{burst: 1, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ));
    assert_eq!(story.outcomes(), [JobOutcome::Failed(EndReason::Rejected)]);
    assert_eq!(story.sends().len(), 1);
}

#[test]
fn when_all_targets_failed_the_route_is_tried_again_after_the_back_off() {
    let story = run(&format!(
        "{TWO_STEPS}
providers:
  first: {{models: {{m: {{latency: {{total: 100ms}}}}}}, incidents: [{{at: 0s, for: 500ms, fault: 500}}]}}
  second: {{models: {{m: {{latency: {{total: 100ms}}}}}}, incidents: [{{at: 0s, for: 500ms, fault: reset}}]}}
workload: [{{name: w, route: r, arrivals: {{burst: 1, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ));
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to first/default/m
         0.000s job 0: first/default/m fails (Status(500))
         0.000s job 0: falls back from step 0 to 1
         0.000s job 0: attempt 2 to second/default/m
         0.000s job 0: second/default/m fails (Connection)
         0.000s job 0: waits until 1.000s (BackOff)
         1.000s job 0: attempt 3 to first/default/m
         1.100s job 0: first/default/m serves it
         1.100s job 0: Succeeded",
    );
}
