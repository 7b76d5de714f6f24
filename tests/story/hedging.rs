//! Hedges: a second attempt beside one that has not answered, from quota that is to spare.

use super::{Story, assert_timeline, parse, run};
use provider::Nanos;
use quotalab::drive;
use quotalab::event::{EventKind, HedgeUse, JobOutcome};
use quotalab::record::{HedgeCounts, Summary};

/// Two targets of one step, tried in order, and a job each second. `a` answers in a second, and in ten during its incident from 50 s
/// to 55 s; `b` answers in a second and has these limits.
fn yaml(limits: &str, client: &str) -> String {
    format!(
        "
providers:
  a: {{models: {{m: {{latency: {{total: 1s}}, limits: {{rpm: 600}}}}}}, incidents: [{{at: 50s, for: 5s, fault: {{slow: 10x}}}}]}}
  b: {{models: {{m: {{latency: {{total: 1s}}{limits}}}}}}}
routes: {{r: [{{of: [a/default/m, b/default/m]}}]}}
duration: 100s
client: {{{client}}}
workload: [{{name: w, route: r, arrivals: {{constant: 1/s}}, prompt: 10, completion: 10, max_tokens: 10, stream: false}}]"
    )
}

fn hedges(story: &Story) -> usize {
    story.events.iter().filter(|event| matches!(event.kind, EventKind::Hedged { .. })).count()
}

#[test]
fn five_slow_jobs_of_a_hundred_are_answered_in_three_seconds_instead_of_ten() {
    // Jobs arrive at 0, 1, …, 99 s. Those of 50 to 54 s take 10 s: 5 % of the jobs.
    let slow = drive::summarize(&parse(&yaml(", limits: {rpm: 600}", "deadline: 1m")));
    let hedged = drive::summarize(&parse(&yaml(", limits: {rpm: 600}", "deadline: 1m, hedge: {after: 2s}")));
    assert_eq!((slow.attempts.total, slow.attempts.hedges), (100, None));
    // A hedge is sent 2 s after the first attempt and answers after 1 s. It is the 101st to 105th attempt.
    let won = HedgeCounts { sent: 5, won: 5 };
    assert_eq!((hedged.attempts.total, hedged.attempts.hedges), (105, Some(won)));
    assert_eq!((hedged.workloads[0].attempts, hedged.workloads[0].hedges), (105, Some(won)));
    assert_eq!((slow.jobs.succeeded, hedged.jobs.succeeded), (100, 100));
    // Messages take 40 ms, 20 ms in each direction.
    let close = |seconds: f64, expected: f64| (seconds - expected).abs() < 0.1;
    assert!(close(slow.latency_s.p99, 10.0) && close(hedged.latency_s.p99, 3.0), "{:?}", hedged.latency_s);
    assert!(close(slow.latency_s.p50, 1.0) && close(hedged.latency_s.p50, 1.0));
    // The text and the result agree, and numbers that cannot be are refused.
    assert_eq!(Summary::from_json(&hedged.to_json()).expect("a result").attempts.hedges, Some(won));
    for (sent, won) in [(5, 6), (106, 5)] {
        let mut wrong = hedged.clone();
        wrong.attempts.hedges = Some(HedgeCounts { sent, won });
        assert!(Summary::from_json(&wrong.to_json()).is_err(), "{sent}, {won}");
    }
    // Those that lost were cancelled.
    assert_eq!(hedged.attempts.failed_by.get("abandoned"), Some(&5));
}

#[test]
fn the_hedge_that_answers_first_ends_the_job_and_the_other_attempt() {
    let client = "deadline: 1m, hedge: {after: 2s}";
    let story = run(&once(&yaml(", limits: {rpm: 600}", client)));
    assert_timeline(
        &story,
        "50.000s job 0: arrives
         50.000s job 0: attempt 1 to a/default/m
         52.000s job 0: hedged
         52.000s job 0: attempt 2 to b/default/m
         53.000s job 0: attempt to a/default/m cancelled
         53.000s job 0: b/default/m serves it
         53.000s job 0: Succeeded",
    );
    let (_, end) = story.ends().next().expect("an end");
    assert_eq!((end.hedge, end.attempts), (HedgeUse::Won, 2));
    // The time before the hedge was lost; the hedge itself took a second.
    assert_eq!((end.failed_attempts, end.service), (Nanos::from_secs(2), Nanos::from_secs(1)));
}

#[test]
fn a_job_waits_for_the_other_attempt_if_one_fails() {
    // The first attempt times out at 3 s, the hedge answers at 4 s.
    let client = "deadline: 1m, attempt_timeout: 3s, hedge: {after: 2s}";
    let slow = yaml(", limits: {rpm: 600}", client)
        .replace("b: {models: {m: {latency: {total: 1s}", "b: {models: {m: {latency: {total: 2s}");
    let story = run(&once(&slow));
    assert_timeline(
        &story,
        "50.000s job 0: arrives
         50.000s job 0: attempt 1 to a/default/m
         52.000s job 0: hedged
         52.000s job 0: attempt 2 to b/default/m
         53.000s job 0: a/default/m fails (Timeout)
         54.000s job 0: b/default/m serves it
         54.000s job 0: Succeeded",
    );
    // If both fail, the job goes on as after any failure: here it is given up, because it has made its two attempts.
    let client = "deadline: 1m, attempt_timeout: 3s, retry: {attempts: 2}, hedge: {after: 2s}";
    let both = once(&yaml(", limits: {rpm: 600}", client))
        .replace("b: {models: {m: {latency: {total: 1s}", "b: {models: {m: {latency: {total: 9s}");
    let story = run(&both);
    assert_timeline(
        &story,
        "50.000s job 0: arrives
         50.000s job 0: attempt 1 to a/default/m
         52.000s job 0: hedged
         52.000s job 0: attempt 2 to b/default/m
         53.000s job 0: a/default/m fails (Timeout)
         55.000s job 0: b/default/m fails (Timeout)
         55.000s job 0: Failed(Attempts)",
    );
}

/// Returns the scenario with one job, which arrives at 50 s.
fn once(yaml: &str) -> String {
    yaml.replace("arrivals: {constant: 1/s}", "arrivals: {burst: 1, at: 50s, every: 1h}")
}

#[test]
fn without_quota_to_spare_there_is_no_hedge() {
    let hedge = "deadline: 1m, hedge: {after: 2s}";
    for (limits, client, why) in [
        ("", hedge, "the limits of the target are not known"),
        (", limits: {rpm: 1}", hedge, "a hedge would leave none of one request per minute"),
        (", limits: {rpm: 600, tpm: 39}", hedge, "20 of 39 tokens per minute are more than a half"),
        (", limits: {rpm: 600}", "deadline: 1m, hedge: {after: 2s, spare: 100%}", "nothing is to spare"),
        (
            ", limits: {rpm: 600}",
            "deadline: 1m, hedge: {after: 2s}, retry: {attempts: 1}",
            "one attempt is allowed",
        ),
        (
            ", limits: {rpm: 600}",
            "deadline: 1m, hedge: {after: 2s}, concurrency: 3",
            "a hedge leaves one of three permits",
        ),
        (", limits: {rpm: 600}", "deadline: 1m, hedge: {after: 10001ms}", "the answer comes before"),
        (", limits: {rpm: 600}", "deadline: 1m, hedge: off", "hedges are off"),
    ] {
        let story = run(&once(&yaml(limits, client)));
        assert_eq!((hedges(&story), story.succeeded()), (0, 1), "{why}");
    }
    // Two requests per minute leave one of two, which is a half; 20 of 40 tokens as well. One of four permits would be left over.
    for (limits, client) in [
        (", limits: {rpm: 2}", hedge),
        (", limits: {rpm: 600, tpm: 40}", hedge),
        (", limits: {rpm: 600}", "deadline: 1m, hedge: {after: 2s}, concurrency: 4"),
        (", limits: {rpm: 600}", "deadline: 1m, hedge: {after: 9999ms}"),
    ] {
        assert_eq!(hedges(&run(&once(&yaml(limits, client)))), 1, "{limits}, {client}");
    }
}

#[test]
fn what_other_jobs_need_of_a_target_is_not_spent_on_hedges() {
    // Eight jobs at 51 s leave two of the ten requests that `b` holds: a hedge at 52 s would leave one and what refills in a second.
    let own = "
  - {name: own, route: q, arrivals: {burst: 8, at: 51s, every: 1h}, prompt: 10, completion: 10, max_tokens: 10, stream: false}";
    let busy = once(&yaml(", limits: {rpm: 10}", "deadline: 1m, hedge: {after: 2s}"));
    let busy = busy
        .replace("routes: {", "routes: {q: [{of: [b/default/m]}], ")
        .replace("workload: [", "workload:\n  - ")
        .replace("stream: false}]", "stream: false}");
    assert_eq!(hedges(&run(&busy)), 1, "b is idle");
    let story = run(&format!("{busy}{own}"));
    assert_eq!((hedges(&story), story.succeeded()), (0, 9));
}

#[test]
fn a_stream_that_has_begun_is_not_hedged() {
    // The first token comes after 500 ms, or after 5 s in the incident; the other 99 of the answer take 9.9 s.
    let stream = |after: &str, at: &str| {
        let client = format!("deadline: 2m, hedge: {{after: {after}}}");
        let yaml = once(&yaml(", limits: {rpm: 600}", &client))
            .replace("latency: {total: 1s}", "latency: {first_token: 500ms, output: 10 tok/s}")
            .replace("fault: {slow: 10x}", "fault: {late_first_token: 4500ms}")
            .replace(
                "completion: 10, max_tokens: 10, stream: false",
                "completion: 100, max_tokens: 100, stream: true",
            )
            .replace("at: 50s, every", &format!("at: {at}, every"));
        run(&yaml)
    };
    let end = |story: &Story| *story.ends().next().expect("an end").1;
    for (after, at) in [("600ms", "10s"), ("5001ms", "50s")] {
        let story = stream(after, at);
        assert_eq!((hedges(&story), story.outcomes()), (0, vec![JobOutcome::Succeeded]), "{after}");
    }
    // The hedge at 1 s has its first token at 1.5 s, and the other attempt is cancelled then.
    let story = stream("1s", "50s");
    let cancelled =
        story.events.iter().find(|event| matches!(event.kind, EventKind::AttemptCancelled { .. }));
    let at = |nanos| provider::Instant(nanos);
    assert_eq!(cancelled.map(|event| event.at), Some(at(51_500_000_000)));
    assert_eq!(
        (end(&story).hedge, end(&story).first_token),
        (HedgeUse::Won, Some(Nanos::from_millis(1_500)))
    );
    assert_eq!(end(&story).service, Nanos::from_millis(500 + 9_900));
}

/// 1 USD an hour pays for 100 attempts of 0.01 USD. Every answer takes 5 s, so a hedge is sent for each job while half of the budget is
/// left: 25 jobs and their hedges use the first half, the other 50 attempts serve 50 jobs. Hedges that took all of it would leave 50.
#[test]
fn a_hedge_leaves_its_spare_share_of_the_budget() {
    let model = "{latency: {total: 5s}, limits: {rpm: 600}, price: {input: 5, output: 5}}";
    let yaml = format!(
        "
providers: {{a: {{models: {{m: {model}}}}}, b: {{models: {{m: {model}}}}}}}
routes: {{r: [{{of: [a/default/m, b/default/m]}}]}}
duration: 50m
client: {{deadline: 1m, budget: {{usd_per_hour: 1}}, hedge: {{after: 1s, spare: 50%}}}}
workload: [{{name: w, route: r, arrivals: {{constant: 2/min}}, prompt: 1000, completion: 1000, max_tokens: 1000, stream: false}}]"
    );
    let summary = drive::summarize(&parse(&yaml));
    assert_eq!(summary.jobs.offered, 100);
    let sent = summary.attempts.hedges.map(|hedges| hedges.sent);
    assert_eq!(
        (summary.attempts.total, sent, summary.jobs.succeeded),
        (100, Some(25), 75),
        "{:?}",
        summary.jobs
    );
}
