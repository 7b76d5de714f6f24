//! The incidents of a scenario as data of a result.

use super::series::Incident;
use crate::formatting::{at_seconds, duration, number, seconds};
use crate::scenario::Scenario;
use provider::config::Fault;
use provider::fault::{FaultSyntax, NAMES};
use provider::{Instant, Nanos};

/// Returns the incidents that begin before `end`.
pub(super) fn before(end: Instant, scenario: &Scenario) -> Vec<Incident> {
    let all = scenario
        .providers
        .iter()
        .flat_map(|provider| provider.incidents.iter().map(|incident| (provider.name.as_str(), incident)));
    all.filter(|(_, incident)| incident.at < end)
        .map(|(provider, incident)| Incident {
            provider: provider.to_owned(),
            fault: name(incident.fault),
            share: incident.share,
            from_s: at_seconds(incident.at),
            to_s: at_seconds(incident.until),
        })
        .collect()
}

/// Returns the name of a fault in scenarios, with its argument: `slow 4x`, `retry_after 30 s`.
fn name(fault: Fault) -> String {
    let (factor, wait) = argument(fault);
    let named = NAMES.iter().find_map(|(name, syntax)| match *syntax {
        FaultSyntax::Plain(known) => (known == fault).then(|| (*name).to_owned()),
        FaultSyntax::Factor(of) => {
            factor.filter(|factor| of(*factor) == fault).map(|factor| format!("{name} {}x", number(factor)))
        }
        FaultSyntax::Duration(of) => {
            wait.filter(|wait| of(*wait) == fault).map(|wait| format!("{name} {}", duration(seconds(wait))))
        }
    });
    match (named, fault) {
        (Some(name), _) => name,
        (None, Fault::Status(status)) => status.to_string(),
        (None, _) => "fault".to_owned(),
    }
}

/// Returns the factor or the duration that a fault is written with.
fn argument(fault: Fault) -> (Option<f64>, Option<Nanos>) {
    match fault {
        Fault::Slow(factor) | Fault::SlowTokens(factor) => (Some(factor), None),
        Fault::RetryAfter(wait)
        | Fault::Throttle(wait)
        | Fault::LateFirstToken(wait)
        | Fault::ClockAhead(wait)
        | Fault::ClockBehind(wait) => (None, Some(wait)),
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_name_in_scenarios() {
        for (known, syntax) in NAMES {
            let (fault, expected) = match syntax {
                FaultSyntax::Plain(fault) => (fault, known.to_owned()),
                FaultSyntax::Factor(of) => (of(4.0), format!("{known} 4x")),
                FaultSyntax::Duration(of) => (of(Nanos::SECOND), format!("{known} 1 s")),
            };
            assert_eq!(name(fault), expected);
        }
        assert_eq!(name(Fault::Status(418)), "418");
    }
}
