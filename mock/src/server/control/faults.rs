//! Faults as they are asked for and listed: `{"fault": "503", "next": 3, "share": "20%", "for": "10s"}`.

use super::{Said, Wrong, amount};
use crate::config::Fault;
use crate::fault::{FaultSyntax, NAMES};
use crate::server::Mock;
use crate::server::fault_queue::{InjectedFault, MOST_FAULTS};
use crate::time::Instant;
use serde_json::{Map, Value, json};

/// The faults that stand.
pub(super) fn list(mock: &Mock) -> Said {
    let told = mock.standing(|standing, now| {
        standing.orders(now).iter().map(|order| told(order, now)).collect::<Vec<_>>()
    });
    Said::Json(json!({ "faults": told }))
}

/// Lifts every fault that was asked for; those of the scenario stay.
pub(super) fn clear(mock: &Mock) -> Said {
    mock.standing(|standing, _| standing.clear());
    list(mock)
}

/// Adds one.
pub(super) fn add(mock: &Mock, body: &Map<String, Value>) -> Result<Said, Wrong> {
    if let Some(odd) = body.keys().find(|key| !["fault", "next", "share", "for"].contains(&key.as_str())) {
        return Err(Wrong::new(format!("unknown member `{}`", super::shortened(odd)), EXAMPLE));
    }
    let said = body.get("fault").ok_or_else(|| Wrong::new("`fault` is missing", EXAMPLE))?;
    let fault = fault(said)?;
    let left = optional(body, "next", |next| next.as_u64().filter(|next| *next > 0), r#"write "next": 3"#)?;
    let share =
        optional(body, "share", amount::share, r#"write a share from 0 to 1: "share": "20%", or 0.2"#)?;
    let lasts = optional(body, "for", amount::length, r#"write a length up to 366d: "for": "10s""#)?;
    let added = mock.standing(|standing, now| {
        let until = lasts.map_or(Instant::MAX, |lasts| now + lasts);
        let order =
            InjectedFault { said: said.clone(), fault, left, share: share.unwrap_or(1.0), until, id: 0 };
        standing.add(order, now).map(|order| told(order, now))
    });
    added.map(Said::Json).ok_or_else(|| {
        Wrong::new(format!("{MOST_FAULTS} faults stand already"), "lift them: DELETE /_quotalab/faults")
    })
}

fn optional<T>(
    body: &Map<String, Value>,
    name: &str,
    read: impl FnOnce(&Value) -> Option<T>,
    help: &str,
) -> Result<Option<T>, Wrong> {
    let Some(value) = body.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let wrong = || Wrong::new(format!("`{name}` cannot be {}", super::shortened(&value.to_string())), help);
    read(value).map(Some).ok_or_else(wrong)
}

/// A fault by its name, or by its name and what it needs to know.
fn fault(said: &Value) -> Result<Fault, Wrong> {
    let unknown = || {
        let known: Vec<_> = NAMES.iter().map(|(name, word)| example(name, *word)).collect();
        let what = format!("unknown fault {}", super::shortened(&said.to_string()));
        Wrong::new(what, format!("write one of {}", known.join(", ")))
    };
    let (name, given) = match said {
        Value::String(name) => (name.clone(), None),
        Value::Number(status) => (status.to_string(), None),
        Value::Object(members) if members.len() == 1 => {
            let (name, given) = members.iter().next().ok_or_else(unknown)?;
            (name.clone(), Some(given))
        }
        _ => return Err(unknown()),
    };
    let word = FaultSyntax::of(&name).ok_or_else(unknown)?;
    let fault = match (word, given) {
        (FaultSyntax::Plain(fault), None) => Some(fault),
        (FaultSyntax::Factor(fault), Some(given)) => amount::times(given).map(fault),
        (FaultSyntax::Duration(fault), Some(given)) => amount::length(given).map(fault),
        _ => None,
    };
    fault.ok_or_else(|| {
        let what = format!("`{name}` cannot be asked for like that");
        Wrong::new(what, format!(r#"write "fault": {}"#, example(&name, word)))
    })
}

/// How a fault is written.
fn example(name: &str, word: FaultSyntax) -> String {
    match word {
        FaultSyntax::Plain(_) => format!(r#""{name}""#),
        FaultSyntax::Factor(_) => format!(r#"{{"{name}": "4x"}}"#),
        FaultSyntax::Duration(_) => format!(r#"{{"{name}": "5s"}}"#),
    }
}

fn told(order: &InjectedFault, now: Instant) -> Value {
    let ends_in_s = (order.until < Instant::MAX).then(|| order.until.since(now).as_secs_f64());
    json!({ "id": order.id, "fault": order.said, "next": order.left, "share": order.share, "for_s": ends_in_s })
}

const EXAMPLE: &str =
    r#"write {"fault": "503", "next": 3}, and, if you like, "share": "20%" and "for": "10s""#;
