//! A refusal names a wait: the target cools down for exactly that long, and no job is sent to it meanwhile.

use super::{assert_timeline, run};

const TWO_A_MINUTE: &str = "
providers: {p: {accounts: {a: [k]}, models: {m: {limits: {rpm: 2}, latency: {total: 100ms}}}}}
routes: {r: [{of: [p/a/m]}]}
duration: 1m
";

#[test]
fn a_refused_job_is_sent_again_at_the_instant_that_the_server_named() {
    let story = run(&format!(
        "{TWO_A_MINUTE}
client: {{deadline: 2m, retry: {{attempts: 3, backoff: {{base: 1s, cap: 8s, jitter: none}}}}}}
workload: [{{name: w, route: r, arrivals: {{burst: 3, every: 1h}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ));
    assert_timeline(
        &story,
        "0.000s job 0: arrives
         0.000s job 0: attempt 1 to p/a/m
         0.000s job 1: arrives
         0.000s job 1: attempt 1 to p/a/m
         0.000s job 2: arrives
         0.000s job 2: attempt 1 to p/a/m
         0.000s job 2: p/a/m refuses (rpm)
         0.000s job 2: p/a/m cools down until 30.000s (minute_limit)
         0.000s job 2: waits until 30.000s (CoolDown)
         0.100s job 0: p/a/m serves it
         0.100s job 0: Succeeded
         0.100s job 1: p/a/m serves it
         0.100s job 1: Succeeded
         30.000s job 2: attempt 2 to p/a/m
         30.100s job 2: p/a/m serves it
         30.100s job 2: Succeeded",
    );
}

#[test]
fn a_job_that_arrives_during_the_cool_down_is_not_sent() {
    let story = run(&format!(
        "{TWO_A_MINUTE}
client: {{deadline: 2m, retry: {{attempts: 3, backoff: {{base: 1s, cap: 8s, jitter: none}}}}}}
workload: [{{name: w, route: r, arrivals: {{constant: 12/min}}, prompt: 10, completion: 10, max_tokens: 10}}]"
    ));
    // Jobs at 0, 5, 10 …: two fit, the third is refused at 10 s, when the bucket has a third of a request.
    let sends: Vec<f64> = story.sends().iter().map(|(at, _)| *at).collect();
    assert_eq!(sends[..3], [0.0, 5.0, 10.0]);
    assert!(sends[3] >= 30.0, "nothing is sent before the wait ends: {sends:?}");
}

#[test]
fn a_client_that_ignores_retry_after_is_refused_more_often() {
    let workload = "workload: [{name: w, route: r, arrivals: {burst: 4, every: 1h}, prompt: 10, completion: 10, max_tokens: 10}]";
    let client = |obey| {
        format!(
            "client: {{deadline: 2m, retry: {{attempts: 20, obey_retry_after: {obey}, backoff: {{base: 1s, cap: 4s, jitter: none}}}}}}"
        )
    };
    let obeying = run(&format!("{TWO_A_MINUTE}\n{}\n{workload}", client(true)));
    let ignoring = run(&format!("{TWO_A_MINUTE}\n{}\n{workload}", client(false)));
    assert!(obeying.refused_by_a_limit() <= 3, "{}", obeying.timeline());
    assert!(
        ignoring.refused_by_a_limit() >= 4 * obeying.refused_by_a_limit(),
        "{} and {} refusals",
        ignoring.refused_by_a_limit(),
        obeying.refused_by_a_limit()
    );
}

#[test]
fn a_day_limit_is_not_mistaken_for_a_minute_limit() {
    let story = run(
        "
providers: {p: {accounts: {a: [k]}, models: {m: {limits: {rpm: 60, rpd: 24}, latency: {total: 100ms}}}}}
routes: {r: [{of: [p/a/m]}]}
duration: 2h
client: {deadline: 3h, retry: {attempts: 3, backoff: {base: 1s, cap: 8s, jitter: none}}}
workload: [{name: w, route: r, arrivals: {burst: 25, every: 5h}, prompt: 10, completion: 10, max_tokens: 10}]",
    );
    // 24 requests a day refill one per hour: one refusal, one wait of an hour, no attempt in between.
    assert_eq!(story.refused_by_a_limit(), 1);
    assert_eq!(story.sends().last().map(|(at, _)| *at), Some(3600.0));
    assert!(story.timeline().contains("cools down until 3600.000s (day_limit)"), "{}", story.timeline());
}
