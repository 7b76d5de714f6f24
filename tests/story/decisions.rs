//! What a result states about the provider is what the provider decided, whatever its dialect tells the client.

use super::{run_with_network, summary};
use provider::config::Dialect;
use quotalab::record::WorstWindow;

/// Returns a scenario of ten minutes at a model with the YAML entries `model`.
fn scenario(dialect: &str, model: &str, prompt: &str) -> String {
    format!(
        "seed: 3
duration: 10m
providers: {{ p: {{ dialect: {dialect}, models: {{ m: {{ {model}, latency: {{ total: 5s }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ deadline: 20s, retry: {{ attempts: 3 }} }}
workload: [{{ name: w, arrivals: {{ poisson: 60/min }}, prompt: {prompt}, completion: 50, max_tokens: 60 }}]
expect: ['limited share <= 1%']
"
    )
}

/// Some dialects name another limit in a refusal, or none. The limit that refused is counted: in the run, in its series and
/// in its worst window.
#[test]
fn refusals_are_counted_by_the_limit_that_refused_in_every_dialect() {
    for (axis, limit) in [("rpm", "rpm: 20"), ("concurrency", "concurrency: 2"), ("tpm", "tpm: 4k")] {
        for dialect in Dialect::ALL.map(Dialect::name) {
            let yaml = scenario(dialect, &format!("limits: {{ {limit} }}"), "100");
            let summary = summary(&yaml);
            let by: Vec<&str> = summary.attempts.limited_by.keys().map(String::as_str).collect();
            assert_eq!(by, [axis], "{dialect}: {:?}", summary.attempts);
            assert_eq!(summary.first_refusal.as_ref().map(|first| &*first.axis), Some(axis), "{dialect}");
            let in_series: u64 = summary.series.fill[0].refused[axis].iter().sum();
            assert_eq!(in_series, summary.attempts.limited, "{dialect}");
            let named = |worst: &WorstWindow| worst.refused_by.as_ref().map(|by| by.axis.clone());
            let worst = summary.workloads[0].worst_window.as_ref().and_then(named);
            assert!(worst.is_none_or(|named| named == axis), "{dialect}");
            // Each refusal counted is a decision of the provider; one whose reply comes after the deadline counts as a failure.
            let refused = run_with_network(&yaml).refused_by_a_limit() as u64;
            let attempts = &summary.attempts;
            assert!(
                refused >= attempts.limited && refused - attempts.limited <= attempts.failed,
                "{dialect}"
            );
        }
    }
}

/// A call that is too long for the model is refused by no limit.
#[test]
fn calls_too_long_for_the_model_fail_and_are_not_limited() {
    for dialect in Dialect::ALL.map(Dialect::name) {
        let summary =
            summary(&scenario(dialect, "limits: { rpm: 1000 }, context: 1000", "{ values: [100, 2000] }"));
        let attempts = &summary.attempts;
        assert_eq!((attempts.limited, attempts.limited_by.len()), (0, 0), "{dialect}: {attempts:?}");
        assert!(attempts.failed_by["too_long"] > 200, "{dialect}: {attempts:?}");
        assert_eq!(attempts.total, attempts.ok + attempts.failed + attempts.in_flight, "{dialect}");
        assert!(summary.expect[0].pass, "{dialect}: {:?}", summary.expect);
        assert!(summary.series.limited.iter().all(|limited| *limited == 0), "{dialect}");
        let says = quotalab::report::verdict::sentences(&summary).join(" ");
        assert!(
            says.contains("No limit refused anything (") && says.contains("too long for the model"),
            "{says}"
        );
    }
}

/// A rate-limit error of an incident is not a refusal by a limit either.
#[test]
fn rate_limit_errors_of_an_incident_are_failures() {
    let yaml = scenario("openai", "limits: { rpm: 1000 }", "100")
        .replace("models: { m:", "incidents: [{ at: 1m, for: 2m, fault: 429 }], models: { m:");
    let summary = summary(&yaml);
    assert_eq!(summary.attempts.limited, 0, "{:?}", summary.attempts);
    assert!(summary.attempts.failed_by["rate_limit_error"] > 10, "{:?}", summary.attempts);
}

/// Jobs that are given up while the client keeps to a limit are lost because of it, although it refuses nothing.
#[test]
fn jobs_lost_by_pacing_are_reported_if_nothing_is_refused() {
    let summary = summary(
        "seed: 14
duration: 1h
providers: { p: { dialect: anthropic, models: { m: { limits: { otpm: 20k }, latency: { first_token: 500ms, output: 50 tok/s } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 60s, retry: { attempts: 3 }, pace: tokens }
workload: [{ name: w, arrivals: { poisson: 25/min }, prompt: 500, completion: { values: [500, 1500] }, max_tokens: 4000 }]",
    );
    let says = quotalab::report::verdict::sentences(&summary)[0].clone();
    let given_up = summary.targets[0].given_up_for["otpm"];
    assert!(given_up > 100 && summary.attempts.limited == 0, "{summary:?}");
    let expected = format!(
        "No limit refused anything, but the client gave up {given_up} jobs that had to wait too long for otpm on p/default/m"
    );
    assert!(says.starts_with(&expected), "{says}");
}

/// The rate before the first refusal is that of the traffic, not of the one job in its time bucket.
#[test]
fn the_rate_before_the_first_refusal_is_that_of_enough_jobs() {
    let first = |duration: &str, limits: &str, arrivals: &str| {
        let yaml = format!(
            "duration: {duration}
providers: {{ p: {{ law: fixed, models: {{ m: {{ limits: {{ {limits} }}, latency: {{ total: 1s }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
workload: [{{ name: w, arrivals: {{ {arrivals} }}, prompt: 100, completion: 50, max_tokens: 60 }}]"
        );
        summary(&yaml).first_refusal.expect("a limit refuses")
    };
    let rare = first("20d", "rpd: 2", "constant: 3/day");
    assert!((rare.offered_per_min * 1_440.0 - 3.0).abs() < 0.3 && rare.busiest_minute.is_none(), "{rare:?}");
    // A job at the beginning and one at the end of the time have 20 jobs, but 19 intervals of six minutes.
    let hourly = first("8h\nstart: full", "rpd: {limit: 30, law: calendar}", "constant: 10/h");
    assert!((hourly.offered_per_min * 1_440.0 - 240.0).abs() < 0.01, "{hourly:?}");
    let burst = first("28d", "rpd: 500", "burst: 600, every: 7d");
    assert_eq!(burst.busiest_minute, Some(600), "{burst:?}");
    let even = first("1h", "rpm: 10", "constant: 30/min");
    assert!((even.offered_per_min - 30.0).abs() < 1.0 && even.busiest_minute.is_none(), "{even:?}");
}
