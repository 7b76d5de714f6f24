//! Injected faults: `{"fault": "503", "next": 3, "share": "20%", "for": "10s"}`.

use super::amount::{Duration, Multiple, Share};
use super::error::{Error, Input, JsonBody, shortened};
use crate::config::Fault;
use crate::fault::{FaultSyntax, NAMES};
use crate::server::Mock;
use crate::server::fault_queue::{InjectedFault, MAX_FAULTS};
use crate::time::Instant;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::num::NonZeroU64;
use std::sync::Arc;

/// A fault to inject.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Injection {
    /// A name, a status as a number, or an object with exactly one member: a name and its amount.
    fault: Value,
    /// The number of requests that it affects; unlimited if absent.
    next: Option<NonZeroU64>,
    /// The share of requests that it affects; all if absent.
    share: Option<Share>,
    /// Its duration; unlimited if absent.
    #[serde(rename = "for")]
    duration: Option<Duration>,
}

impl Input for Injection {
    const HELP: &str = r#"send a JSON object with a fault, such as {"fault": "503"}; "next": 3, "share": "20%" and "for": "10s" (up to 366d) are optional"#;
}

/// Lists the injected faults that have not ended.
pub(super) async fn list(State(mock): State<Arc<Mock>>) -> Json<Value> {
    let faults = mock.with_faults(|queue, now| {
        queue.not_ended(now).iter().map(|fault| to_json(fault, now)).collect::<Vec<_>>()
    });
    Json(json!({ "faults": faults }))
}

/// Removes every injected fault, but not the faults of the scenario's incidents.
pub(super) async fn clear(State(mock): State<Arc<Mock>>) -> Json<Value> {
    mock.with_faults(|queue, _| queue.clear());
    list(State(mock)).await
}

/// Injects a fault.
pub(super) async fn inject(
    State(mock): State<Arc<Mock>>,
    JsonBody(Injection { fault: spec, next, share, duration }): JsonBody<Injection>,
) -> Result<Json<Value>, Error> {
    let fault = parse(&spec)?;
    let remaining = next.map(NonZeroU64::get);
    let share = share.map_or(1.0, |Share(share)| share);
    let added = mock.with_faults(|queue, now| {
        let until = duration.map_or(Instant::MAX, |Duration(duration)| now + duration);
        let fault = InjectedFault { spec, fault, remaining, share, until, id: 0 };
        queue.add(fault, now).map(|fault| to_json(fault, now))
    });
    added.map(Json).ok_or_else(|| {
        let message = format!("there are already {MAX_FAULTS} injected faults");
        Error::new(message, "remove them: DELETE /_quotalab/faults")
    })
}

/// Parses a fault: its name, its status as a number, or an object with exactly one member, its name and its amount.
fn parse(spec: &Value) -> Result<Fault, Error> {
    let unknown = || {
        let known: Vec<_> = NAMES.iter().map(|(name, syntax)| example(name, *syntax)).collect();
        let message = format!("unknown fault {}", shortened(&spec.to_string()));
        Error::new(message, format!("use one of {}", known.join(", ")))
    };
    let (name, amount) = match spec {
        Value::String(name) => (name.clone(), None),
        Value::Number(status) => (status.to_string(), None),
        Value::Object(members) if members.len() == 1 => {
            let (name, amount) = members.iter().next().ok_or_else(unknown)?;
            (name.clone(), Some(amount))
        }
        _ => return Err(unknown()),
    };
    let syntax = FaultSyntax::from_name(&name).ok_or_else(unknown)?;
    let fault = match (syntax, amount) {
        (FaultSyntax::Plain(fault), None) => Ok(fault),
        (FaultSyntax::Plain(_), Some(_)) => Err(format!("`{name}` takes no amount")),
        (FaultSyntax::Factor(_) | FaultSyntax::Duration(_), None) => Err(format!("`{name}` needs an amount")),
        (FaultSyntax::Factor(fault), Some(amount)) => {
            parse_amount(&name, amount).map(|Multiple(times)| fault(times))
        }
        (FaultSyntax::Duration(fault), Some(amount)) => {
            parse_amount(&name, amount).map(|Duration(length)| fault(length))
        }
    };
    fault.map_err(|message| Error::new(message, format!(r#"write "fault": {}"#, example(&name, syntax))))
}

/// Parses the amount of the fault `name`. Returns the message of the error.
fn parse_amount<T: DeserializeOwned>(name: &str, amount: &Value) -> Result<T, String> {
    T::deserialize(amount).map_err(|error| {
        let (amount, reason) = (shortened(&amount.to_string()), shortened(&error.to_string()));
        format!("invalid amount {amount} of `{name}`: {reason}")
    })
}

/// Returns how a fault is written in JSON.
fn example(name: &str, syntax: FaultSyntax) -> String {
    match syntax {
        FaultSyntax::Plain(_) => format!(r#""{name}""#),
        FaultSyntax::Factor(_) => format!(r#"{{"{name}": "4x"}}"#),
        FaultSyntax::Duration(_) => format!(r#"{{"{name}": "5s"}}"#),
    }
}

fn to_json(fault: &InjectedFault, now: Instant) -> Value {
    let InjectedFault { spec, remaining, share, until, id, .. } = fault;
    let ends_in_s = (*until < Instant::MAX).then(|| until.since(now).as_secs_f64());
    json!({ "id": id, "fault": spec, "next": remaining, "share": share, "for_s": ends_in_s })
}
