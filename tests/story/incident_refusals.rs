//! Rate-limit errors of an incident are no refusals by a limit, and the findings say so.

use quotalab::drive;
use quotalab::record::{Finding, Mode, Recorder};
use quotalab::report::verdict;
use quotalab::scenario::{self, Overrides};

/// Returns the finding on the limits, and its sentence.
fn limit_finding(prompt: &str, incidents: &str) -> (Finding, String) {
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
    let found = summary.findings.iter().zip(verdict::sentences(&summary));
    let (finding, sentence) = found
        .into_iter()
        .find(|(finding, _)| matches!(finding, Finding::NoRefusal { .. }))
        .expect("no refusal");
    (finding.clone(), sentence)
}

#[test]
fn what_an_incident_refuses_is_not_counted_as_too_large() {
    let refused = |prompt, incidents| match limit_finding(prompt, incidents) {
        (Finding::NoRefusal { too_large, faulted, .. }, sentence) => (too_large > 0, faulted > 0, sentence),
        (other, _) => panic!("{other:?}"),
    };
    let incident = "{ at: 0s, for: 30s, fault: 429 }";
    let (too_large, faulted, sentence) = refused("100", incident);
    assert!(!too_large && faulted, "{sentence}");
    assert!(sentence.starts_with("No limit refused anything ("), "{sentence}");
    assert!(sentence.contains(" met a rate-limit error of an incident): "), "{sentence}");
    let (too_large, faulted, sentence) = refused("20000", "");
    assert!(too_large && !faulted, "{sentence}");
    assert!(!sentence.contains("incident"), "{sentence}");
    assert_eq!(refused("100", "").2.split(':').next(), Some("No limit refused anything"));
}
