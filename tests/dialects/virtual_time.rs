//! A simulation of another dialect meets its refusals as the wire tells them, no clearer and no vaguer.

use crate::story::run;
use provider::Axis;
use provider::config::Dialect;
use quotalab::event::{AttemptOutcome, EventKind, LimitCause};
use std::collections::BTreeSet;

/// A job a second where thirty a minute are allowed, or where a fault answers.
fn outcomes(dialect: Dialect, limits: &str, fault: &str) -> BTreeSet<(Option<Axis>, LimitCause)> {
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
        EventKind::Replied { outcome: AttemptOutcome::Limited { axis, cause }, .. } => Some((axis, cause)),
        _ => None,
    });
    limited.collect()
}

#[test]
fn a_limit_of_the_minute_is_met_as_each_dialect_words_it() {
    for dialect in Dialect::ALL {
        let met = match dialect {
            // It knows no limit but that of the calls in flight, and words every refusal as that one.
            Dialect::DeepInfra => (Some(Axis::Concurrency), LimitCause::Concurrency),
            // "Too many requests" is all it says.
            Dialect::Fireworks => (None, LimitCause::Other),
            _ => (Some(Axis::Rpm), LimitCause::MinuteLimit),
        };
        assert_eq!(outcomes(dialect, "rpm: 30", ""), BTreeSet::from([met]), "{dialect:?}");
    }
}

#[test]
fn a_fault_that_comes_as_a_refusal_is_met_as_each_dialect_words_it() {
    use Dialect::{Anthropic, Azure, Cerebras, DeepInfra, Fireworks, Gemini, Mistral, OpenAi, Together};
    // All others come as a status that says enough: 503, 402, 404.
    let refusals = |fault: &str, dialect: Dialect| match (fault, dialect) {
        ("overload", Azure | Cerebras | Mistral | DeepInfra | Fireworks) => {
            Some((None, LimitCause::Overload))
        }
        ("billing", OpenAi | Azure | Anthropic | Fireworks) => Some((None, LimitCause::Billing)),
        // Its words for an account without credit are those of a rate.
        ("billing", Together) => Some((None, LimitCause::MinuteLimit)),
        ("billing", Gemini) => Some((None, LimitCause::Other)),
        ("not_in_tier", Anthropic) => Some((None, LimitCause::NotInTier)),
        ("not_in_tier", Gemini) => Some((Some(Axis::Rpd), LimitCause::NotInTier)),
        _ => None,
    };
    for dialect in Dialect::ALL {
        for fault in ["overload", "billing", "not_in_tier"] {
            let met = outcomes(dialect, "", &format!("{{ at: 0s, for: 2m, fault: {fault} }}"));
            assert_eq!(met, BTreeSet::from_iter(refusals(fault, dialect)), "{fault} at {dialect:?}");
        }
    }
}
