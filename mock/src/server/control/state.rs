//! The state of a mock: the level of every limit, and the clock, which all mocks of the process share.

use super::amount::Duration;
use super::error::{Error, Input, JsonBody};
use super::names;
use crate::server::Mock;
use crate::time::Instant;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Returns the level of every limit of every account and model.
pub(super) async fn levels(State(mock): State<Arc<Mock>>) -> Json<Value> {
    let models = |account: u16| {
        let models = mock.model_names().zip(0..).map(|(name, model)| {
            let mut limits = Vec::new();
            mock.for_each_level(account, model, |level| {
                limits.push(json!({
                    "axis": level.axis.name(),
                    "limit": level.limit,
                    "capacity": level.capacity,
                    "remaining": level.remaining,
                    "used_share": level.used_fraction(),
                }));
            });
            json!({ "name": name, "limits": limits })
        });
        models.collect::<Vec<_>>()
    };
    let accounts: Vec<_> = mock
        .account_names()
        .zip(0..)
        .map(|(name, account)| json!({ "name": name, "models": models(account) }))
        .collect();
    Json(json!({ "now_s": mock.now().as_secs_f64(), "accounts": accounts }))
}

/// What to reset.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    /// The account whose limits are reset, and nothing else. If absent, everything except the settings is reset.
    account: Option<String>,
}

impl Input for Reset {
    const HELP: &str = r#"send nothing or {} to reset limits, clock, faults, answers and journal, or {"account": "NAME"} for the limits of one account"#;
    const EMPTY: Option<fn() -> Self> = Some(Self::default);
}

/// Resets the clock and every mock that shares it; if an account is named, only the limits of that account of this mock.
pub(super) async fn reset(
    State(mock): State<Arc<Mock>>,
    JsonBody(Reset { account }): JsonBody<Reset>,
) -> Result<Json<Value>, Error> {
    match account {
        None => mock.clock().reset(&mock),
        Some(name) => {
            let account = names::account(&mock, &name)?;
            let models = (0..).zip(mock.model_names()).map(|(model, _)| model);
            mock.with_provider(|provider, now, initial| {
                models.for_each(|model| provider.reset_levels(now, account, model, initial));
            });
        }
    }
    Ok(levels(State(mock)).await)
}

/// Returns the time of the clock.
pub(super) async fn clock(State(mock): State<Arc<Mock>>) -> Json<Value> {
    Json(json!({ "now_s": mock.now().as_secs_f64() }))
}

/// How to change the clock: exactly one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockChange {
    advance: Option<Duration>,
    back: Option<Duration>,
    /// Time since the start.
    set: Option<Duration>,
}

impl Input for ClockChange {
    const HELP: &str = r#"send a JSON object: {"advance": "1h"}, {"back": "1h"} or {"set": "24h"} (since the start), up to 366d, with the units d, h, m, s and ms"#;
}

/// Advances the clock, or sets it back, for all mocks of the process.
pub(super) async fn set_clock(
    State(mock): State<Arc<Mock>>,
    JsonBody(change): JsonBody<ClockChange>,
) -> Result<Json<Value>, Error> {
    let now = mock.now();
    match (change.advance, change.back, change.set) {
        (Some(Duration(by)), None, None) => mock.clock().advance(by),
        (None, Some(Duration(by)), None) => {
            let Some(to) = now.0.checked_sub(by.0) else {
                let message = format!("the clock cannot go back that far: it is {now} after its start");
                return Err(Error::new(message, r#"send {"set": "0s"} for the start"#));
            };
            mock.clock().set(&mock, Instant(to));
        }
        (None, None, Some(Duration(to))) => mock.clock().set(&mock, Instant(to.0)),
        _ => {
            return Err(Error::new("expected exactly one of `advance`, `back` and `set`", ClockChange::HELP));
        }
    }
    Ok(clock(State(mock)).await)
}
