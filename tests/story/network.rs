//! A message takes time, so jobs that arrive in one instant cannot know of each other's refusals and failures.

use super::{Story, run_with_network};
use quotalab::event::EventKind;

/// Returns the number of attempts that are sent before the first reply arrives, and of all attempts.
fn sends(story: &Story) -> (usize, usize) {
    let is_sent = |event: &&quotalab::event::Event| matches!(event.kind, EventKind::Sent { .. });
    let before = story.events.iter().take_while(|event| !matches!(event.kind, EventKind::Replied { .. }));
    (before.filter(is_sent).count(), story.events.iter().filter(is_sent).count())
}

#[test]
fn jobs_of_one_instant_are_all_sent_before_the_first_refusal_arrives() {
    let story = run_with_network(
        "
name: one request per minute
duration: 1s
providers: { p: { models: { m: { limits: { rpm: 1 }, latency: { total: 100ms } } } } }
routes: { r: [{ of: [p/default/m] }] }
client: { deadline: 10s, retry: { attempts: 1 } }
workload: [{ name: w, route: r, arrivals: { burst: 100, every: 1h }, prompt: 10, completion: 10 }]
",
    );
    assert_eq!(sends(&story), (100, 100));
}

#[test]
fn jobs_of_one_instant_all_meet_an_incident_before_they_fall_back() {
    let story = run_with_network(
        "
name: outage
duration: 1s
providers:
  first: { models: { m: { latency: { total: 100ms } } }, incidents: [{ at: 0s, for: 1h, fault: 503 }] }
  second: { models: { m: { latency: { total: 100ms } } } }
routes: { r: [{ of: [first/default/m] }, { of: [second/default/m] }] }
client: { deadline: 10s, retry: { attempts: 2 } }
workload: [{ name: w, route: r, arrivals: { burst: 40, every: 1h }, prompt: 10, completion: 10 }]
",
    );
    assert_eq!(sends(&story), (40, 80));
}

/// If messages take no time, the first refusal of each burst puts the target in cool-down before the next job is sent.
#[test]
fn a_round_trip_of_1_or_20_ms_causes_more_attempts_than_none() {
    let attempts = ["0ms", "1ms", "20ms"].map(|network| {
        let story = run_with_network(&format!("
name: bursts
duration: 30m
providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: 30 }}, latency: {{ total: 1s, network: {network} }} }} }} }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ deadline: 5m, retry: {{ attempts: 3 }} }}
workload: [{{ name: w, route: r, arrivals: {{ burst: 200, every: 5m }}, prompt: 10, completion: 10 }}]
"));
        sends(&story).1
    });
    assert!(attempts[0] * 4 < attempts[1].min(attempts[2]) * 3, "{attempts:?}");
}
