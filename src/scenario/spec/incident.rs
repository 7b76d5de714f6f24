//! When a provider misbehaves: `{at, for, fault, share}`.

use super::LONGEST;
use crate::scenario::defaults;
use crate::scenario::value::{Value, length, meant};
use provider::config::{Fault, Incident};
use provider::fault::{FaultSyntax, NAMES};
use provider::units::{self, ParseError};
use provider::{Instant, Nanos};

/// Reads a list of incidents.
pub(super) fn incidents(value: &Value) -> Vec<Incident> {
    let items = value.items("[{at: 13h, for: 20m, fault: 503}]").unwrap_or_default();
    items.iter().filter_map(incident).collect()
}

fn incident(value: &Value) -> Option<Incident> {
    let mut fields = value.fields("{at: 13h, for: 20m, fault: 503}")?;
    let at = fields.require("at", "at: 13h").and_then(|value| value.parse(length(Nanos::ZERO, LONGEST)));
    let lasts = fields
        .require("for", "for: 20m")
        .and_then(|value| value.parse(length(Nanos::from_millis(1), LONGEST)));
    let fault = fields.require("fault", "fault: 503").and_then(|value| fault(&value));
    let share = fields.parse("share", units::share);
    fields.done();
    let at = Instant(at?.0);
    Some(Incident { at, until: at + lasts?, fault: fault?, share: share.unwrap_or(defaults::WHOLE) })
}

fn fault(value: &Value) -> Option<Fault> {
    if value.is_map() {
        return fault_with_a_number(value);
    }
    value.parse(|text| match FaultSyntax::of(text) {
        Some(FaultSyntax::Plain(fault)) => Ok(fault),
        Some(FaultSyntax::Factor(_)) => Err(ParseError::new(
            format!("`{text}` needs to know how much"),
            format!("write `fault: {{{text}: 4x}}`"),
        )),
        Some(FaultSyntax::Duration(_)) => Err(ParseError::new(
            format!("`{text}` needs a wait"),
            format!("write `fault: {{{text}: 3600s}}`"),
        )),
        None => Err(ParseError::new(
            format!("unknown fault `{text}`"),
            meant(text, NAMES.iter().map(|(name, _)| *name)),
        )),
    })
}

fn fault_with_a_number(value: &Value) -> Option<Fault> {
    let mut fields = value.fields("{slow: 4x}")?;
    let (mut fault, mut given) = (None, 0);
    for (name, word) in NAMES {
        let read = match word {
            FaultSyntax::Plain(_) => continue,
            FaultSyntax::Factor(fault) => fields.parse(name, times).map(fault),
            FaultSyntax::Duration(fault) => fields.parse(name, length(Nanos::ZERO, LONGEST)).map(fault),
        };
        given += fields.given(&[name]).len();
        fault = fault.or(read);
    }
    let value = fields.value.clone();
    if fields.done() && given != 1 {
        value.wrong(
            "a fault is one thing",
            "write `fault: 503`, `fault: {slow: 4x}` or `fault: {retry_after: 3600s}`",
        );
        return None;
    }
    fault
}

fn times(text: &str) -> Result<f64, ParseError> {
    match units::multiple(text)? {
        times if (1e-3..=1e6).contains(&times) => Ok(times),
        _ => Err(ParseError::new(format!("`{text}` is out of range"), "write a multiple up to `1000000x`")),
    }
}
