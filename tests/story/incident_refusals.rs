//! Rate-limit errors of an incident are no refusals by a limit, and the findings say so.

use quotalab::drive;
use quotalab::record::{Finding, Mode, Recorder};
use quotalab::report::verdict;
use quotalab::scenario::{self, Overrides};

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
    let scenario = scenario::parse("incidents", &yaml, &Overrides::default(), None).expect("a scenario");
    let summary = drive::record(Recorder::new(&scenario), Mode::Virtual, &mut (), |folds| {
        drive::virtual_time::simulate(&scenario, folds)
    });
    summary.findings.iter().cloned().zip(verdict::sentences(&summary)).collect()
}

#[test]
fn what_an_incident_refuses_is_not_counted_as_too_large() {
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
