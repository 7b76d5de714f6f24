//! Coalescing: of identical jobs in flight the first is sent and all get its answer. If it is given up, the next one is
//! sent for the others.

use super::{assert_timeline, run};
use quotalab::event::{EndReason, JobEnd, JobOutcome};

/// Three identical jobs, at 0, 1 and 2 s.
fn three(provider: &str, client: &str) -> super::Story {
    run(&format!(
        "
providers: {{p: {provider}}}
routes: {{r: [{{of: [p/default/m]}}]}}
duration: 3s
client: {client}
workload: [{{name: w, route: r, arrivals: {{constant: 1/s}}, prompt: 100, completion: 50, max_tokens: 100,
             repeats: {{share: 100%, zipf: 0, of: 1}}}}]"
    ))
}

#[test]
fn the_leader_is_sent_and_all_get_its_answer() {
    let story = three("{models: {m: {latency: {total: 2500ms}}}}", "{join: true}");
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to p/default/m
         1.000s job 1: arrives
         1.000s job 1: follows job 0
         2.000s job 2: arrives
         2.000s job 2: follows job 0
         2.500s job 0: p/default/m serves it
         2.500s job 0: Succeeded
         2.500s job 1: Succeeded
         2.500s job 2: Succeeded",
    );
    let ends: Vec<JobEnd> = story.ends().map(|(_, end)| *end).collect();
    let waits: Vec<f64> = ends.iter().map(|end| end.wait.as_secs_f64()).collect();
    assert_eq!(waits, [0.0, 1.5, 0.5], "each from its own schedule");
    assert!(ends[1..].iter().all(|end| end.attempts == 0 && end.step.is_none()));
    assert_eq!(ends[1].first_token, Some(ends[1].wait), "the answer arrives whole");
}

#[test]
fn without_coalescing_every_job_is_sent() {
    assert_eq!(three("{models: {m: {latency: {total: 2500ms}}}}", "{join: false}").sends().len(), 3);
    assert_eq!(three("{models: {m: {latency: {total: 2500ms}}}}", "{deadline: 1m}").sends().len(), 3);
}

#[test]
fn a_job_after_the_answer_is_sent_unless_the_cache_has_it() {
    let quick = "{models: {m: {latency: {total: 1500ms}}}}";
    let sends = |client| three(quick, client).sends().iter().map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(sends("{join: true}"), [0.0, 2.0]);
    assert_eq!(sends("{join: true, cache: {entries: 10}}"), [0.0]);
}

#[test]
fn when_the_leader_expires_its_first_follower_is_promoted() {
    let story = three(
        "{models: {m: {latency: {total: 500ms}}}, incidents: [{at: 0s, for: 1s, fault: timeout}]}",
        "{join: true, deadline: 2500ms}",
    );
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to p/default/m
         1.000s job 1: arrives
         1.000s job 1: follows job 0
         2.000s job 2: arrives
         2.000s job 2: follows job 0
         2.500s job 0: attempt to p/default/m cancelled
         2.500s job 0: Failed(Deadline)
         2.500s job 1: promoted after job 0
         2.500s job 1: attempt 1 to p/default/m
         3.000s job 1: p/default/m serves it
         3.000s job 1: Succeeded
         3.000s job 2: Succeeded",
    );
}

#[test]
fn a_promoted_follower_has_all_attempts_of_its_own() {
    let story = three(
        "{models: {m: {latency: {total: 1500ms}}}, incidents: [{at: 0s, for: 1200ms, fault: 503}]}",
        "{join: true, retry: {attempts: 2, backoff: {base: 1100ms, cap: 2s, jitter: none}}}",
    );
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to p/default/m
         0.000s job 0: p/default/m fails (Status(503))
         0.000s job 0: waits until 1.100s (BackOff)
         1.000s job 1: arrives
         1.000s job 1: follows job 0
         1.100s job 0: attempt 2 to p/default/m
         1.100s job 0: p/default/m fails (Status(503))
         1.100s job 0: Failed(Attempts)
         1.100s job 1: promoted after job 0
         1.100s job 1: attempt 1 to p/default/m
         1.100s job 1: p/default/m fails (Status(503))
         1.100s job 1: waits until 2.200s (BackOff)
         2.000s job 2: arrives
         2.000s job 2: follows job 1
         2.200s job 1: attempt 2 to p/default/m
         3.700s job 1: p/default/m serves it
         3.700s job 1: Succeeded
         3.700s job 2: Succeeded",
    );
}

#[test]
fn followers_that_expire_with_their_leader_are_not_sent() {
    let story = run("
providers: {p: {models: {m: {latency: {total: 100ms}}}, incidents: [{at: 0s, for: 1m, fault: timeout}]}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {deadline: 5s, join: true}
workload: [{name: w, route: r, arrivals: {burst: 40, every: 1h}, prompt: 10, completion: 10, max_tokens: 10,
            repeats: {share: 100%, of: 1}}]");
    assert_eq!(story.sends().len(), 1, "all have the same deadline");
    let shed =
        story.outcomes().iter().filter(|outcome| **outcome == JobOutcome::Shed(EndReason::Deadline)).count();
    assert_eq!(shed, 39);
}

#[test]
fn a_promoted_follower_is_sent_before_the_queue() {
    let story = run("
providers: {p: {models: {m: {latency: {total: 1s}}}, incidents: [{at: 0s, for: 10ms, fault: garbage}]}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {concurrency: 1, join: true, retry: {attempts: 1}}
workload:
  - {name: identical, route: r, arrivals: {burst: 2, every: 1h}, prompt: 10, completion: 10, max_tokens: 10,
     repeats: {share: 100%, of: 1}}
  - {name: other, route: r, arrivals: {burst: 1, every: 1h}, prompt: 10, completion: 10, max_tokens: 10}");
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to p/default/m
         0.000s job 1: arrives
         0.000s job 1: follows job 0
         0.000s job 2: arrives
         0.000s job 2: queued, 1 waiting
         1.000s job 0: p/default/m fails (Garbage)
         1.000s job 0: Failed(Attempts)
         1.000s job 1: promoted after job 0
         1.000s job 1: attempt 1 to p/default/m
         2.000s job 1: p/default/m serves it
         2.000s job 1: Succeeded
         2.000s job 2: attempt 1 to p/default/m
         3.000s job 2: p/default/m serves it
         3.000s job 2: Succeeded",
    );
}
