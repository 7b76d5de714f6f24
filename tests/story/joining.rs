//! Joining: identical jobs under way go as one. The first of them is sent, all get its answer; where it is given up,
//! the next goes on for those who are left.

use super::{assert_timeline, tell};
use quotalab::event::{EndReason, JobEnd, JobOutcome};

/// Three identical jobs a second, from zero to two seconds, at a provider like `provider`, asked like `client`.
fn three(provider: &str, client: &str) -> super::Story {
    tell(&format!(
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
fn one_is_sent_and_all_get_its_answer() {
    let story = three("{models: {m: {latency: {total: 2500ms}}}}", "{join: true}");
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: try 1 to p/default/m
         1.000s job 1: arrives
         1.000s job 1: joins job 0
         2.000s job 2: arrives
         2.000s job 2: joins job 0
         2.500s job 0: p/default/m answers
         2.500s job 0: Succeeded
         2.500s job 1: Succeeded
         2.500s job 2: Succeeded",
    );
    let endings: Vec<JobEnd> = story.endings().map(|(_, ending)| *ending).collect();
    let stood_by: Vec<f64> = endings.iter().map(|ending| ending.wait.as_secs_f64()).collect();
    assert_eq!(stood_by, [0.0, 1.5, 0.5], "each from its own schedule");
    assert!(endings[1..].iter().all(|ending| ending.attempts == 0 && ending.step.is_none()));
    assert_eq!(endings[1].first_token, Some(endings[1].wait), "the answer comes whole");
}

#[test]
fn without_joining_each_is_sent() {
    assert_eq!(three("{models: {m: {latency: {total: 2500ms}}}}", "{join: false}").sends().len(), 3);
    assert_eq!(three("{models: {m: {latency: {total: 2500ms}}}}", "{deadline: 1m}").sends().len(), 3);
}

#[test]
fn who_comes_after_the_answer_is_sent_unless_the_cache_has_it() {
    let quick = "{models: {m: {latency: {total: 1500ms}}}}";
    let sends = |client| three(quick, client).sends().iter().map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(sends("{join: true}"), [0.0, 2.0]);
    assert_eq!(sends("{join: true, cache: {entries: 10}}"), [0.0]);
}

#[test]
fn where_the_leader_runs_out_of_time_the_next_goes_on_for_the_others() {
    let story = three(
        "{models: {m: {latency: {total: 500ms}}}, incidents: [{at: 0s, for: 1s, fault: timeout}]}",
        "{join: true, deadline: 2500ms}",
    );
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: try 1 to p/default/m
         1.000s job 1: arrives
         1.000s job 1: joins job 0
         2.000s job 2: arrives
         2.000s job 2: joins job 0
         2.500s job 0: gives up on p/default/m
         2.500s job 0: Failed(Deadline)
         2.500s job 1: takes over from job 0
         2.500s job 1: try 1 to p/default/m
         3.000s job 1: p/default/m answers
         3.000s job 1: Succeeded
         3.000s job 2: Succeeded",
    );
}

#[test]
fn where_the_leader_is_out_of_attempts_the_next_has_all_of_its_own() {
    let story = three(
        "{models: {m: {latency: {total: 1500ms}}}, incidents: [{at: 0s, for: 1200ms, fault: 503}]}",
        "{join: true, retry: {attempts: 2, backoff: {base: 1100ms, cap: 2s, jitter: none}}}",
    );
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: try 1 to p/default/m
         0.000s job 0: p/default/m fails (Status(503))
         0.000s job 0: sleeps until 1.100s (BackOff)
         1.000s job 1: arrives
         1.000s job 1: joins job 0
         1.100s job 0: try 2 to p/default/m
         1.100s job 0: p/default/m fails (Status(503))
         1.100s job 0: Failed(Attempts)
         1.100s job 1: takes over from job 0
         1.100s job 1: try 1 to p/default/m
         1.100s job 1: p/default/m fails (Status(503))
         1.100s job 1: sleeps until 2.200s (BackOff)
         2.000s job 2: arrives
         2.000s job 2: joins job 1
         2.200s job 1: try 2 to p/default/m
         3.700s job 1: p/default/m answers
         3.700s job 1: Succeeded
         3.700s job 2: Succeeded",
    );
}

#[test]
fn a_herd_whose_time_is_over_at_once_is_not_let_loose_on_the_provider() {
    let story = tell(
        "
providers: {p: {models: {m: {latency: {total: 100ms}}}, incidents: [{at: 0s, for: 1m, fault: timeout}]}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {deadline: 5s, join: true}
workload: [{name: w, route: r, arrivals: {burst: 40, every: 1h}, prompt: 10, completion: 10, max_tokens: 10,
            repeats: {share: 100%, of: 1}}]",
    );
    assert_eq!(story.sends().len(), 1, "their deadlines are one: nobody is left to go on");
    let shed =
        story.verdicts().iter().filter(|verdict| **verdict == JobOutcome::Shed(EndReason::Deadline)).count();
    assert_eq!(shed, 39);
}

#[test]
fn an_heir_has_the_place_of_its_leader_before_those_in_line() {
    let story = tell(
        "
providers: {p: {models: {m: {latency: {total: 1s}}}, incidents: [{at: 0s, for: 10ms, fault: garbage}]}}
routes: {r: [{of: [p/default/m]}]}
duration: 10s
client: {concurrency: 1, join: true, retry: {attempts: 1}}
workload:
  - {name: twins, route: r, arrivals: {burst: 2, every: 1h}, prompt: 10, completion: 10, max_tokens: 10,
     repeats: {share: 100%, of: 1}}
  - {name: other, route: r, arrivals: {burst: 1, every: 1h}, prompt: 10, completion: 10, max_tokens: 10}",
    );
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: try 1 to p/default/m
         0.000s job 1: arrives
         0.000s job 1: joins job 0
         0.000s job 2: arrives
         0.000s job 2: stands in line as number 1
         1.000s job 0: p/default/m fails (Garbage)
         1.000s job 0: Failed(Attempts)
         1.000s job 1: takes over from job 0
         1.000s job 1: try 1 to p/default/m
         2.000s job 1: p/default/m answers
         2.000s job 1: Succeeded
         2.000s job 2: try 1 to p/default/m
         3.000s job 2: p/default/m answers
         3.000s job 2: Succeeded",
    );
}
