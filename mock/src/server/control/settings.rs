//! Settings of a mock that a test changes while it runs.

use super::error::{Error, Input, JsonBody};
use crate::server::Mock;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The settings to change; those that are absent stay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The factor by which calls are served faster, as for [`Mock::set_speed`].
    speed: Option<f64>,
    /// Whether the journal keeps the bodies of further requests.
    keep_bodies: Option<bool>,
}

impl Input for Settings {
    const HELP: &str = r#"send a JSON object with "speed" (1: as configured, 10: ten times as fast, 0: no latency) or "keep_bodies" (true or false)"#;
}

/// Returns the settings.
pub(super) async fn settings(State(mock): State<Arc<Mock>>) -> Json<Value> {
    Json(json!({ "speed": mock.speed(), "keep_bodies": mock.keeps_bodies() }))
}

/// Changes settings.
pub(super) async fn change(
    State(mock): State<Arc<Mock>>,
    JsonBody(Settings { speed, keep_bodies }): JsonBody<Settings>,
) -> Result<Json<Value>, Error> {
    if let Some(speed) = speed {
        if !crate::server::is_speed(speed) {
            return Err(Error::new("`speed` must be 0, or from 0.001 to 1000000", Settings::HELP));
        }
        mock.set_speed(speed);
    }
    if let Some(keep) = keep_bodies {
        mock.keep_bodies(keep);
    }
    Ok(settings(State(mock)).await)
}
