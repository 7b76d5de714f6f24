//! Rate-limit errors of an incident are no refusals by a limit, and the findings say so.

use super::{run, summary};
use quotalab::record::Finding;
use quotalab::report::verdict;

/// Returns the findings with their sentences.
fn findings(prompt: &str, incidents: &str) -> Vec<(Finding, String)> {
    let yaml = format!(
        "
duration: 60s
providers: {{ g: {{ models: {{ m: {{ limits: {{ rpm: 300, tpm: 10k }}, latency: {{ total: 1s }} }} }}, incidents: [{incidents}] }} }}
routes: {{ r: [{{ of: [g/default/m] }}] }}
client: {{ retry: {{ attempts: 2 }} }}
workload: [{{ name: w, arrivals: {{ constant: 6/min }}, prompt: {prompt}, completion: 10, max_tokens: 10 }}]"
    );
    let summary = summary(&yaml);
    summary.findings.iter().cloned().zip(verdict::sentences(&summary)).collect()
}

#[test]
fn calls_that_an_incident_refuses_are_not_counted_as_too_large() {
    let refused = |incidents| {
        let found = findings("100", incidents).into_iter().find_map(|(finding, sentence)| match finding {
            Finding::NoRefusal { too_large, faulted, .. } => Some((too_large > 0, faulted > 0, sentence)),
            _ => None,
        });
        found.expect("no limit refuses a call that it could have admitted")
    };
    let incident = "{ at: 0s, for: 30s, fault: 429 }";
    let (too_large, faulted, sentence) = refused(incident);
    assert!(!too_large && faulted, "{sentence}");
    assert!(sentence.starts_with("No limit refused anything ("), "{sentence}");
    assert!(sentence.contains(" met a rate-limit error of an incident): "), "{sentence}");
    let all = findings("20000", "");
    assert!(matches!(all[0].0, Finding::Unservable { .. }), "{all:?}");
    assert!(all.iter().all(|(_, sentence)| !sentence.contains("incident")), "{all:?}");
    assert_eq!(refused("").2.split(':').next(), Some("No limit refused anything"));
}

/// Over HTTP the wait of a throttle travels in `retry-after` alone, so an incident that changes this header changes the wait.
#[test]
fn an_incident_that_changes_the_headers_changes_the_wait_of_a_throttle() {
    let second_send = |faults: &[&str]| {
        let incidents: Vec<_> =
            faults.iter().map(|fault| format!("{{ at: 0s, for: 30s, fault: {fault} }}")).collect();
        let story = run(&format!(
            "
duration: 60s
providers: {{ p: {{ models: {{ m: {{ limits: {{ rpm: 300 }}, latency: {{ total: 1s }} }} }}, incidents: [{}] }} }}
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ retry: {{ attempts: 2, backoff: {{ base: 1s, cap: 8s, jitter: none }} }} }}
workload: [{{ name: w, arrivals: {{ burst: 1, every: 1h }}, prompt: 10, completion: 10, max_tokens: 10 }}]",
            incidents.join(", ")
        ));
        story.sends()[1].0
    };
    assert_eq!(second_send(&["{ throttle: 5s }"]), 5.0);
    for header_fault in ["no_headers", "no_retry_after"] {
        assert_eq!(second_send(&["{ throttle: 5s }", header_fault]), 1.0, "{header_fault}");
    }
}
