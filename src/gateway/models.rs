//! The list of models: the routes of the scenario, then its targets.

use super::reply::unknown_model;
use super::server::Current;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::sync::Arc;

/// A model in OpenAI's shape.
#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u32,
    owned_by: &'static str,
}

fn model(id: &str) -> Model<'_> {
    Model { id, object: "model", created: 0, owned_by: "quotalab" }
}

/// Returns every model.
pub(super) async fn list(State(current): State<Arc<Current>>) -> Response {
    let gateway = current.get();
    let data: Vec<Model<'_>> = gateway.models().map(model).collect();
    Json(serde_json::json!({ "object": "list", "data": data })).into_response()
}

/// Returns one model.
pub(super) async fn one(
    State(current): State<Arc<Current>>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let name = path.map(|Path(name)| name).unwrap_or_default();
    let gateway = current.get();
    match gateway.models().find(|known| *known == name) {
        Some(known) => Json(model(known)).into_response(),
        None => unknown_model(&name, &gateway.routes.instead_of(&name)),
    }
}
