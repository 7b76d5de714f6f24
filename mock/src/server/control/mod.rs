//! The control plane: HTTP endpoints on the mock's own port, with which a test observes and changes a running mock.
//!
//! ```text
//!  GET  /_quotalab/state     level of every limit         POST /_quotalab/reset    limits, clock, … as at the start
//!  GET  /_quotalab/requests  the journal                  POST /_quotalab/clock    {"advance": "1h"}
//!  GET  /_quotalab/verdict   whether the clients retried  POST /_quotalab/limits   {"rpd": "2 left"}
//!                            correctly                    POST /_quotalab/settings {"speed": 0}
//!  GET, POST, DELETE /_quotalab/faults   injected faults  GET  /metrics            for Prometheus
//!  GET, POST, DELETE /_quotalab/answers  answers that are set
//! ```
//!
//! It requires no API key and returns none. Without a token, any program that can connect can read and change everything; with
//! one, only a client that sends the token. No page in a browser can ([`guard`]).

mod amount;
mod answers;
mod error;
mod faults;
mod guard;
mod limits;
mod metrics;
mod names;
mod requests;
mod settings;
mod state;
mod verdict;

use super::Mock;
pub(super) use answers::{answer_from_header, parse_answer_rules};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};
use error::{Error, shortened};
use serde_json::{Value, json};
use std::sync::Arc;

/// Whether a mock has a control plane, and which clients may use it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ControlPlane {
    /// Its paths are unknown, and no journal is kept.
    #[default]
    Disabled,
    /// Its paths are unknown; a journal is kept, for the access log and the verdict at the end.
    JournalOnly,
    /// It is served under `/_quotalab/`, and metrics under `/metrics`, to every program that can connect and names the host by
    /// an address or as `localhost`. Meant for a loopback address.
    Enabled,
    /// The same, to every program that sends this token as `Authorization: Bearer …`.
    WithToken(Arc<str>),
}

/// Returns the router of the control plane.
pub(super) fn router(mock: &Arc<Mock>) -> Router<Arc<Mock>> {
    let answers = get(answers::list).post(answers::add).delete(answers::clear);
    let quotalab = Router::new()
        .route("/", get(endpoints))
        .route("/state", get(state::levels))
        .route("/reset", post(state::reset))
        .route("/limits", post(limits::set))
        .route("/answers", answers.layer(DefaultBodyLimit::max(MAX_ANSWERS_BYTES)))
        .route("/requests", get(requests::requests))
        .route("/verdict", get(verdict::verdict))
        .route("/clock", get(state::clock).post(state::set_clock))
        .route("/settings", get(settings::settings).post(settings::change))
        .route("/faults", get(faults::list).post(faults::inject).delete(faults::clear))
        .fallback(async |request: Request| unknown_endpoint(&request, "/_quotalab"))
        .method_not_allowed_fallback(async |request: Request| unknown_endpoint(&request, "/_quotalab"));
    let metrics = get(metrics::metrics).fallback(async |request: Request| unknown_endpoint(&request, ""));
    Router::new()
        .nest("/_quotalab", quotalab)
        .route("/_quotalab/", get(endpoints))
        .route("/metrics", metrics)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(mock), guard::check))
}

async fn endpoints() -> Json<Value> {
    Json(json!({ "endpoints": ENDPOINTS }))
}

/// Returns the error for an unknown path, or for a method that no endpoint at the path has. `prefix` is the part of the
/// path that nesting has removed.
fn unknown_endpoint(request: &Request, prefix: &str) -> Error {
    let (method, path) = (request.method().as_str(), format!("{prefix}{}", request.uri().path()));
    let at_path: Vec<_> =
        ENDPOINTS.into_iter().filter(|known| known.ends_with(&format!(" {path}"))).collect();
    let (status, known) = match at_path[..] {
        [] => (StatusCode::NOT_FOUND, &ENDPOINTS[..]),
        _ => (StatusCode::METHOD_NOT_ALLOWED, &at_path[..]),
    };
    let message = format!("unknown endpoint {} {}", shortened(method), shortened(&path));
    Error { status, ..Error::new(message, format!("use one of {}", known.join(", "))) }
}

const ENDPOINTS: [&str; 16] = [
    "GET /_quotalab/state",
    "POST /_quotalab/reset",
    "POST /_quotalab/limits",
    "GET /_quotalab/requests",
    "GET /_quotalab/verdict",
    "GET /_quotalab/clock",
    "POST /_quotalab/clock",
    "GET /_quotalab/settings",
    "POST /_quotalab/settings",
    "GET /_quotalab/faults",
    "POST /_quotalab/faults",
    "DELETE /_quotalab/faults",
    "GET /_quotalab/answers",
    "POST /_quotalab/answers",
    "DELETE /_quotalab/answers",
    "GET /metrics",
];

/// Maximum size of a request body in bytes, except for answers.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Maximum size of a request body with answers in bytes.
const MAX_ANSWERS_BYTES: usize = 4 << 20;
