//! An account that must pay: its jobs fall back at once, and the account is parked with all its models.

use super::{run, run_with_network};
use provider::config::Dialect;
use quotalab::event::{EventKind, JobOutcome, RefusalCause};
use std::collections::BTreeSet;

/// Forty jobs within four seconds; the account of the first step must pay.
fn story(dialect: Dialect) -> super::Story {
    run(&format!(
        "
routes: {{r: [{{of: [first/a/m, first/a/n]}}, {{of: [second/default/m]}}]}}
duration: 4s
client: {{deadline: 1m, retry: {{attempts: 3, backoff: {{base: 1s, cap: 8s, jitter: none}}}}}}
providers:
  first:
    dialect: {}
    accounts: {{a: {{keys: [k]}}}}
    models: {{m: {{latency: {{total: 100ms}}}}, n: {{latency: {{total: 100ms}}}}}}
    incidents: [{{at: 0s, for: 1h, fault: billing}}]
  second: {{models: {{m: {{latency: {{total: 300ms}}}}}}}}
workload: [{{name: w, route: r, arrivals: {{constant: 10/s}}, prompt: 10, completion: 10, max_tokens: 10}}]",
        dialect.name()
    ))
}

#[test]
fn an_account_that_must_pay_is_parked_and_its_jobs_fall_back_in_every_dialect() {
    for dialect in Dialect::ALL {
        let story = story(dialect);
        assert_eq!(story.outcomes(), [JobOutcome::Succeeded; 40], "{dialect:?}: {}", story.timeline());
        let refused = story.sends().iter().filter(|(_, name)| name.starts_with("first/")).count();
        assert_eq!(refused, 1, "{dialect:?}: {}", story.timeline());
        let parked: BTreeSet<_> = story
            .events
            .iter()
            .filter_map(|event| match event.kind {
                EventKind::CoolDownBegan { target, cause: RefusalCause::Billing, .. } => Some(target),
                _ => None,
            })
            .collect();
        assert_eq!(parked.len(), 2, "both models of the account: {}", story.timeline());
    }
}

/// Without another target, jobs are still sent to an account that must pay, since there is nowhere else to send them.
#[test]
fn the_last_account_of_a_route_is_not_parked() {
    let story = run("
routes: {r: [{of: [p/default/m, p/default/n]}]}
duration: 2s
client: {deadline: 1m, retry: {attempts: 3}}
providers:
  p:
    models: {m: {latency: {total: 100ms}}, n: {latency: {total: 100ms}}}
    incidents: [{at: 0s, for: 1s, fault: billing}]
workload: [{name: w, route: r, arrivals: {constant: 10/s}, prompt: 10, completion: 10, max_tokens: 10}]");
    assert!(story.succeeded() >= 9, "those after the incident are served: {}", story.timeline());
}

/// The first model of an account is in cool-down for its day when an attempt that was sent before returns a 402. The other model
/// is parked for the duration of an ejection, 30 s, and not for the day.
#[test]
fn an_account_is_parked_by_the_billing_reply_and_not_by_an_earlier_cool_down() {
    let story = run_with_network(
        "
routes: {r: [{of: [first/a/m]}, {of: [first/a/n]}, {of: [second/default/m]}]}
duration: 1s
client: {deadline: 1m, retry: {attempts: 3}}
providers:
  first:
    accounts: {a: {keys: [k]}}
    models:
      m: {limits: {rpd: 1}, latency: {total: 100ms, network: 20ms}}
      n: {latency: {total: 100ms, network: 20ms}}
    incidents: [{at: 18ms, for: 1h, fault: billing}]
  second: {models: {m: {latency: {total: 100ms}}}}
workload: [{name: w, route: r, arrivals: {constant: 200/s}, prompt: 10, completion: 10, max_tokens: 10}]",
    );
    let cool_downs = story.events.iter().filter_map(|event| match event.kind {
        EventKind::CoolDownBegan { target, until, cause } => {
            let name = story.scenario.targets[target.index()].name.as_str();
            Some((name, cause, until.since(event.at).as_secs_f64().round()))
        }
        _ => None,
    });
    let expected = [
        ("first/a/m", RefusalCause::DayLimit, 86_400.0),
        ("first/a/m", RefusalCause::DayLimit, 86_400.0),
        ("first/a/n", RefusalCause::Billing, 30.0),
    ];
    assert_eq!(cool_downs.take(3).collect::<Vec<_>>(), expected, "{}", story.timeline());
}
