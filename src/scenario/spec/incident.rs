//! Incidents: when a provider fails, how, and for which share of calls.

use super::start::instant;
use crate::scenario::diagnostics::Diagnostics;
use crate::scenario::language::{Data, FAULT, Fields, Value};
use provider::calendar::LocalClock;
use provider::config::{Fault, Incident};
use provider::fault::FaultSyntax;

/// Builds an incident; `None` if it is invalid, which has been reported.
pub(super) fn incident(value: &Value, clock: &LocalClock, diagnostics: &Diagnostics) -> Option<Incident> {
    let fields = value.fields()?;
    let at = instant(fields.get("at")?, clock, diagnostics)?;
    let until = at + fields.duration("for")?;
    Some(Incident { at, until, fault: fault(fields.get("fault")?)?, share: fields.number("share")? })
}

fn fault(value: &Value) -> Option<Fault> {
    match &value.data {
        Data::Choice(word) => match FaultSyntax::from_name(word) {
            Some(FaultSyntax::Plain(fault)) => Some(fault),
            other => unreachable!("invariant: the fault `{word}` takes no number, found {other:?}"),
        },
        Data::Fields(fields) if fields.is_sound() => fault_with_a_number(fields),
        _ => None,
    }
}

fn fault_with_a_number(fields: &Fields) -> Option<Fault> {
    let word = FAULT.words.iter().map(|word| word.name).find(|word| fields.is_given(word))?;
    match FaultSyntax::from_name(word) {
        Some(FaultSyntax::Factor(fault)) => fields.number(word).map(fault),
        Some(FaultSyntax::Duration(fault)) => fields.duration(word).map(fault),
        other => unreachable!("invariant: the fault `{word}` takes a number, found {other:?}"),
    }
}
