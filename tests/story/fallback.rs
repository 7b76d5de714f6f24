//! What one target will not do another may: at once, and without asking the first again.

use super::{assert_timeline, tell};
use quotalab::event::{EndReason, JobOutcome};

const TWO_STEPS: &str = "
routes: {r: [{of: [first/default/m]}, {of: [second/default/m]}]}
duration: 10s
client: {deadline: 1m, retry: {attempts: 3, backoff: {base: 1s, cap: 8s, jitter: none}}}
";

#[test]
fn a_refused_job_goes_on_to_the_next_step_at_once() {
    let story = tell(&format!(
        "{TWO_STEPS}
providers:
  first: {{models: {{m: {{limits: {{rpm: 1}}, latency: {{total: 100ms}}}}}}}}
  second: {{models: {{m: {{latency: {{total: 300ms}}}}}}}}
workload: [{{name: w, route: r, arrivals: {{burst: 2, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ));
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: try 1 to first/default/m
         0.000s job 1: arrives
         0.000s job 1: try 1 to first/default/m
         0.000s job 1: first/default/m refuses (rpm)
         0.000s job 1: first/default/m rests until 60.000s (minute_limit)
         0.000s job 1: falls back from step 0 to 1
         0.000s job 1: try 2 to second/default/m
         0.100s job 0: first/default/m answers
         0.100s job 0: Succeeded
         0.300s job 1: second/default/m answers
         0.300s job 1: Succeeded",
    );
}

#[test]
fn what_is_too_large_for_one_target_is_never_sent_there_again() {
    let patient = TWO_STEPS.replace("deadline: 1m", "deadline: 2m");
    let story = tell(&format!(
        "{patient}
providers:
  first: {{models: {{m: {{limits: {{tpm: 100}}, latency: {{total: 100ms}}}}}}}}
  second: {{models: {{m: {{limits: {{tpm: 1k, rpm: 1}}, latency: {{total: 100ms}}}}}}}}
workload: [{{name: w, route: r, arrivals: {{burst: 2, every: 1h}}, prompt: 100, completion: 10, max_tokens: 10}}]"
    ));
    let to_first = story.sends().iter().filter(|(_, name)| *name == "first/default/m").count();
    assert_eq!(to_first, 2, "each job asks once: {}", story.timeline());
    assert_eq!(story.verdicts(), [JobOutcome::Succeeded; 2]);
}

#[test]
fn what_is_too_large_everywhere_is_given_up_at_once() {
    let story = tell(
        "
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {retry: {attempts: 5}}
providers: {p: {models: {m: {limits: {tpm: 100}, latency: {total: 100ms}}}}}
workload: [{name: w, route: r, arrivals: {burst: 1, every: 1h}, prompt: 100, completion: 10, max_tokens: 10}]",
    );
    assert_eq!(story.verdicts(), [JobOutcome::Failed(EndReason::Rejected)]);
    assert_eq!(story.sends().len(), 1, "a 413 is never sent twice to one target: {}", story.timeline());
}

#[test]
fn a_wrong_request_is_not_tried_elsewhere() {
    let story = tell(&format!(
        "{TWO_STEPS}
providers:
  first: {{models: {{m: {{latency: {{total: 100ms}}}}}}, incidents: [{{at: 0s, for: 1m, fault: 400}}]}}
  second: {{models: {{m: {{latency: {{total: 100ms}}}}}}}}
workload: [{{name: w, route: r, arrivals: {{burst: 1, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ));
    assert_eq!(story.verdicts(), [JobOutcome::Failed(EndReason::Rejected)]);
    assert_eq!(story.sends().len(), 1);
}

#[test]
fn when_everyone_failed_the_round_begins_anew_after_the_back_off() {
    let story = tell(&format!(
        "{TWO_STEPS}
providers:
  first: {{models: {{m: {{latency: {{total: 100ms}}}}}}, incidents: [{{at: 0s, for: 500ms, fault: 500}}]}}
  second: {{models: {{m: {{latency: {{total: 100ms}}}}}}, incidents: [{{at: 0s, for: 500ms, fault: reset}}]}}
workload: [{{name: w, route: r, arrivals: {{burst: 1, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ));
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: try 1 to first/default/m
         0.000s job 0: first/default/m fails (Status(500))
         0.000s job 0: falls back from step 0 to 1
         0.000s job 0: try 2 to second/default/m
         0.000s job 0: second/default/m fails (Connection)
         0.000s job 0: sleeps until 1.000s (BackOff)
         1.000s job 0: try 3 to first/default/m
         1.100s job 0: first/default/m answers
         1.100s job 0: Succeeded",
    );
}
