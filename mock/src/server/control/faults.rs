//! Injected faults: `{"fault": "503", "next": 3, "share": "20%", "for": "10s", "model": "m", "account": "a"}`, or a sequence
//! of faults: `{"sequence": [503, 429, "ok"]}`.

use super::amount::{Duration, Multiple, Share};
use super::error::{Error, Input, JsonBody, shortened};
use super::names;
use crate::config::Fault;
use crate::fault::{FaultSyntax, NAMES};
use crate::server::Mock;
use crate::server::injected_faults::{InjectedFault, MAX_FAULTS};
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
    fault: Option<Value>,
    /// The faults of successive requests; `"ok"` stands for no fault. The sequence is used once, or repeated if `next` or `for`
    /// is given.
    sequence: Option<Vec<Value>>,
    /// The number of requests that it affects; unlimited if absent, unless `nth` or `sequence` is given.
    next: Option<NonZeroU64>,
    /// The number of the first request that it affects, from one. It affects only that request, unless `next` or `sequence` is
    /// given.
    nth: Option<NonZeroU64>,
    /// The share of requests that it affects; all if absent.
    share: Option<Share>,
    /// Its duration; unlimited if absent.
    #[serde(rename = "for")]
    duration: Option<Duration>,
    /// The name of the only model that it affects; all if absent.
    model: Option<String>,
    /// The name of the only account that it affects; all if absent.
    account: Option<String>,
    /// The only path that it affects, or a prefix of paths followed by `*`; all if absent.
    path: Option<String>,
}

impl Input for Injection {
    const HELP: &str = r#"send a JSON object with a fault, such as {"fault": "503"}, or a sequence, such as {"sequence": [503, 429, "ok"]}; "next": 3, "nth": 2, "share": "20%", "for": "10s" (up to 366d), "model", "account" and "path" are optional"#;
}

/// Maximum number of steps of a sequence.
const MAX_STEPS: usize = 1_000;

/// Lists the injected faults that have not ended.
pub(super) async fn list(State(mock): State<Arc<Mock>>) -> Json<Value> {
    let faults = mock.with_faults(|faults, now| {
        faults.not_ended(now).iter().map(|fault| to_json(&mock, fault, now)).collect::<Vec<_>>()
    });
    Json(json!({ "faults": faults }))
}

/// Removes every injected fault, but not the faults of the scenario's incidents.
pub(super) async fn clear(State(mock): State<Arc<Mock>>) -> Json<Value> {
    mock.with_faults(|faults, _| faults.clear());
    list(State(mock)).await
}

/// Injects a fault.
pub(super) async fn inject(
    State(mock): State<Arc<Mock>>,
    JsonBody(injection): JsonBody<Injection>,
) -> Result<Json<Value>, Error> {
    let is_sequence = injection.sequence.is_some();
    let (spec, sequence) = match (injection.fault, injection.sequence) {
        (Some(spec), None) => (spec.clone(), vec![Some(parse(&spec)?)]),
        (None, Some(steps)) if !steps.is_empty() && steps.len() <= MAX_STEPS => {
            let sequence = steps.iter().map(parse_step).collect::<Result<_, _>>()?;
            (Value::Array(steps), sequence)
        }
        (None, Some(_)) => {
            return Err(Error::new(format!("a sequence has 1 to {MAX_STEPS} steps"), Injection::HELP));
        }
        _ => return Err(Error::new("either a fault or a sequence is expected", Injection::HELP)),
    };
    let default_count = match (is_sequence, injection.duration) {
        (false, _) => injection.nth.map(|_| 1),
        (true, None) => Some(sequence.len() as u64),
        (true, Some(_)) => None,
    };
    let remaining = injection.next.map(NonZeroU64::get).or(default_count);
    let scope =
        names::scope(&mock, injection.account.as_deref(), injection.model.as_deref(), injection.path)?;
    let skip = injection.nth.map_or(0, |nth| nth.get() - 1);
    let share = injection.share.map_or(1.0, |Share(share)| share);
    let added = mock.with_faults(|faults, now| {
        let until = injection.duration.map_or(Instant::MAX, |Duration(duration)| now + duration);
        let fault =
            InjectedFault { spec, sequence, scope, skip, steps_taken: 0, remaining, share, until, id: 0 };
        faults.add(fault, now).map(|fault| to_json(&mock, fault, now))
    });
    added.map(Json).ok_or_else(|| {
        let message = format!("there are already {MAX_FAULTS} injected faults");
        Error::new(message, "remove them: DELETE /_quotalab/faults")
    })
}

/// Parses a step of a sequence: a fault, or `"ok"` or 200 for none.
pub(super) fn parse_step(step: &Value) -> Result<Option<Fault>, Error> {
    match step {
        Value::String(name) if name == "ok" => Ok(None),
        Value::Number(status) if status.as_u64() == Some(200) => Ok(None),
        step => parse(step).map(Some),
    }
}

/// Parses a fault: its name, its status as a number, or an object with exactly one member, its name and its amount.
pub(super) fn parse(spec: &Value) -> Result<Fault, Error> {
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

fn to_json(mock: &Mock, fault: &InjectedFault, now: Instant) -> Value {
    let InjectedFault { spec, remaining, share, until, id, scope, skip, .. } = fault;
    let ends_in_s = (*until < Instant::MAX).then(|| until.since(now).as_secs_f64());
    json!({
        "id": id,
        "fault": spec,
        "next": remaining,
        "share": share,
        "for_s": ends_in_s,
        "skip": skip,
        "account": names::account_json(mock, scope.account),
        "model": scope.model.map(|model| mock.model(model).name.as_str()),
        "path": scope.path,
    })
}
