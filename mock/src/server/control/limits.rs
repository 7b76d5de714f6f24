//! Sets the level of a limit: `{"account": "acme", "model": "m", "rpd": "2 left"}`.

use super::error::{Error, Input, JsonBody, shortened};
use super::{names, state};
use crate::axis::Axis;
use crate::server::Mock;
use crate::units;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The limits to set, and their new levels.
#[derive(Deserialize)]
pub(super) struct Levels {
    /// All accounts if absent.
    account: Option<String>,
    /// All models if absent.
    model: Option<String>,
    /// By the name of an axis.
    #[serde(flatten)]
    by_axis: BTreeMap<String, Value>,
}

impl Input for Levels {
    const HELP: &str = r#"send a JSON object with the level of one or more limits, such as {"rpd": "2 left"}, "2 used", "50% left" or 2 (left); "account" and "model" are optional"#;
}

/// A level as a test writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Left(u64),
    Used(u64),
    ShareLeft(f64),
    ShareUsed(f64),
}

impl Level {
    fn parse(value: &Value) -> Option<Self> {
        let Value::String(text) = value else { return value.as_u64().map(Self::Left) };
        let (amount, is_used) = match text.trim().rsplit_once(' ') {
            Some((amount, "left")) => (amount, false),
            Some((amount, "used")) => (amount, true),
            _ => (text.trim(), false),
        };
        if amount.ends_with('%') {
            let share = units::parse_share(amount).ok()?;
            return Some(if is_used { Self::ShareUsed(share) } else { Self::ShareLeft(share) });
        }
        let amount = units::parse_count(amount).ok()?;
        Some(if is_used { Self::Used(amount) } else { Self::Left(amount) })
    }

    /// Returns what remains of a limit with this capacity; `None` if the level is above the capacity.
    fn remaining(self, capacity: u64) -> Option<u64> {
        let share = |share: f64| (capacity as f64 * share).round() as u64;
        match self {
            Self::Left(left) => Some(left).filter(|left| *left <= capacity),
            Self::Used(used) => capacity.checked_sub(used),
            Self::ShareLeft(left) => Some(share(left)),
            Self::ShareUsed(used) => Some(capacity - share(used).min(capacity)),
        }
    }
}

/// Sets the levels, or none of them if one is wrong.
pub(super) async fn set(
    State(mock): State<Arc<Mock>>,
    JsonBody(Levels { account, model, by_axis }): JsonBody<Levels>,
) -> Result<Json<Value>, Error> {
    let accounts = match account {
        Some(name) => vec![names::account(&mock, &name)?],
        None => (0..).zip(mock.account_names()).map(|(id, _)| id).collect(),
    };
    let models = match model {
        Some(name) => vec![names::model(&mock, &name)?],
        None => (0..).zip(mock.model_names()).map(|(id, _)| id).collect(),
    };
    let levels = by_axis.iter().map(|(axis, level)| parse(axis, level)).collect::<Result<Vec<_>, _>>()?;
    if levels.is_empty() {
        return Err(Error::new("no limit is given", Levels::HELP));
    }
    let mut changes = Vec::new();
    for (axis, level) in levels {
        let before = changes.len();
        for (account, model) in
            accounts.iter().flat_map(|account| models.iter().map(|model| (*account, *model)))
        {
            let mut exceeded_capacity = None;
            mock.for_each_level(account, model, |limit| match level.remaining(limit.capacity) {
                _ if limit.axis != axis => {}
                Some(remaining) => changes.push((account, model, axis, remaining)),
                None => exceeded_capacity = Some(limit.capacity),
            });
            if let Some(capacity) = exceeded_capacity {
                let message =
                    format!("the limit {axis} of {} has a capacity of {capacity}", mock.model(model).name);
                return Err(Error::new(message, format!("write at most \"{capacity} left\"")));
            }
        }
        if changes.len() == before {
            return Err(Error::new(
                format!("the selected accounts and models have no limit {axis}"),
                "GET /_quotalab/state lists the limits",
            ));
        }
    }
    mock.with_provider(|provider, now, _| {
        for (account, model, axis, remaining) in changes {
            provider.set_remaining(now, account, model, axis, remaining);
        }
    });
    Ok(state::levels(State(mock)).await)
}

fn parse(axis: &str, level: &Value) -> Result<(Axis, Level), Error> {
    let known = Axis::ALL.into_iter().find(|known| known.name() == axis);
    let Some(known) = known.filter(|known| *known != Axis::Concurrency) else {
        let reason = match known {
            Some(_) => "the level of concurrency is the number of calls in flight".to_owned(),
            None => format!("unknown limit {}", shortened(axis)),
        };
        let settable = Axis::ALL.iter().filter(|axis| **axis != Axis::Concurrency);
        let settable: Vec<_> = settable.map(|axis| axis.name()).collect();
        return Err(Error::new(reason, format!("use one of {}", settable.join(", "))));
    };
    let unknown =
        || Error::new(format!("unknown level {} of {axis}", shortened(&level.to_string())), Levels::HELP);
    Ok((known, Level::parse(level).ok_or_else(unknown)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn levels_are_amounts_or_shares_that_are_left_or_used() {
        for (level, of_1000) in [
            (json!("2 left"), Some(2)),
            (json!("2"), Some(2)),
            (json!(2), Some(2)),
            (json!("998 used"), Some(2)),
            (json!("1k used"), Some(0)),
            (json!("25% left"), Some(250)),
            (json!("25% used"), Some(750)),
            (json!("0%"), Some(0)),
            (json!("1001 left"), None),
            (json!(1_001), None),
            (json!("1001 used"), None),
            (json!("-1 left"), None),
            (json!("two left"), None),
            (json!("101%"), None),
            (json!(2.5), None),
            (json!(null), None),
        ] {
            assert_eq!(Level::parse(&level).and_then(|level| level.remaining(1_000)), of_1000, "{level}");
        }
    }
}
