//! In virtual time, the client sees refusals exactly as the dialect of the provider states them.

use crate::story::run;
use provider::Axis;
use provider::config::Dialect;
use quotalab::event::{AttemptOutcome, EventKind, RefusalCause};
use std::collections::BTreeSet;

/// Simulates one job per second under these limits and this fault. Returns the axis and the cause of each kind of refusal.
fn seen_refusals(dialect: Dialect, limits: &str, fault: &str) -> BTreeSet<(Option<Axis>, RefusalCause)> {
    let story = run(&format!(
        "name: {name}
duration: 2m
providers:
  p:
    dialect: {name}
    models: {{ m: {{ limits: {{ {limits} }}, latency: {{ total: 100ms }} }} }}
    incidents: [{fault}]
routes: {{ r: [{{ of: [p/default/m] }}] }}
client: {{ deadline: 10s, retry: {{ attempts: 2 }} }}
workload: [{{ name: w, route: r, arrivals: {{ constant: 60/min }}, prompt: 10, completion: 10, max_tokens: 10 }}]
",
        name = dialect.name(),
    ));
    let limited = story.events.iter().filter_map(|event| match event.kind {
        EventKind::Replied { outcome: AttemptOutcome::Refused { axis, cause }, .. } => Some((axis, cause)),
        _ => None,
    });
    limited.collect()
}

#[test]
fn a_limit_per_minute_is_seen_as_the_dialect_states_it() {
    for dialect in Dialect::ALL {
        let seen = match dialect {
            // The only limit of this dialect is concurrency, so every refusal states that.
            Dialect::DeepInfra => (Some(Axis::Concurrency), RefusalCause::Concurrency),
            // The message is only "Too many requests".
            Dialect::Fireworks => (None, RefusalCause::Other),
            _ => (Some(Axis::Rpm), RefusalCause::ShortLimit),
        };
        assert_eq!(seen_refusals(dialect, "rpm: 30", ""), BTreeSet::from([seen]), "{dialect:?}");
    }
}

#[test]
fn a_fault_with_a_429_is_seen_as_the_dialect_states_it() {
    use Dialect::{Anthropic, Azure, Cerebras, DeepInfra, Fireworks, Gemini, Mistral};
    // All others send a status that is a failure and not a rate limit, such as 503 or 404.
    let refusals = |fault: &str, dialect: Dialect| match (fault, dialect) {
        ("overload", Azure | Cerebras | Mistral | DeepInfra | Fireworks) => {
            Some((None, RefusalCause::Overload))
        }
        // An account that must pay is never throttled, whatever the status and the code.
        ("billing", _) => Some((None, RefusalCause::Billing)),
        ("not_in_tier", Anthropic | Mistral) => Some((None, RefusalCause::NotInTier)),
        ("not_in_tier", Gemini) => Some((Some(Axis::Rpd), RefusalCause::NotInTier)),
        _ => None,
    };
    for dialect in Dialect::ALL {
        for fault in ["overload", "billing", "not_in_tier"] {
            let seen = seen_refusals(dialect, "", &format!("{{ at: 0s, for: 2m, fault: {fault} }}"));
            assert_eq!(seen, BTreeSet::from_iter(refusals(fault, dialect)), "{fault} at {dialect:?}");
        }
    }
}
