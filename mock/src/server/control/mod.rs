//! The control plane: what a test in any language asks of a running mock, under `/_quotalab/` of its own port.
//!
//! ```text
//!  GET  /_quotalab/state                       levels of every limit        POST /_quotalab/reset   all as at the start
//!  GET  /_quotalab/requests                    what was received            POST /_quotalab/clock   {"advance": "1h"}
//!  GET  /_quotalab/verdict                     whether the client behaved
//!  GET, POST, DELETE /_quotalab/faults         what goes wrong on demand    GET  /metrics           for Prometheus
//! ```
//!
//! It asks for no key and shows none. Whoever reaches it may see and change everything, so it is off unless asked for.

mod amount;
mod faults;
mod metrics;
mod state;
mod verdict;

use super::body::Body;
use super::{Mock, PATIENCE};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

/// Whether a path is the control plane's.
pub(super) fn is_for(path: &str) -> bool {
    path == "/metrics" || path == "/_quotalab" || path.starts_with("/_quotalab/")
}

/// Answers a request to the control plane.
pub(super) async fn answer(mock: &Mock, head: &Parts, body: Incoming) -> Response<Body> {
    match ask(mock, head, body).await {
        Ok(Said::Json(value)) => response(StatusCode::OK, "application/json", format!("{value}\n")),
        Ok(Said::Text(kind, text)) => response(StatusCode::OK, kind, text),
        Err(Wrong { status, what, help }) => {
            let error = json!({ "error": { "message": what, "help": help } });
            response(status, "application/json", format!("{error}\n"))
        }
    }
}

/// What the control plane says.
enum Said {
    Json(Value),
    /// A text and its media type.
    Text(&'static str, String),
}

/// What is wrong with a request, and what to write instead.
#[derive(Debug)]
struct Wrong {
    status: StatusCode,
    what: String,
    help: String,
}

impl Wrong {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, what: what.into(), help: help.into() }
    }
}

async fn ask(mock: &Mock, head: &Parts, body: Incoming) -> Result<Said, Wrong> {
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    match (&head.method, path) {
        (&Method::GET, "/_quotalab" | "/_quotalab/") => Ok(Said::Json(json!({ "endpoints": ENDPOINTS }))),
        (&Method::GET, "/_quotalab/state") => Ok(state::state(mock)),
        (&Method::GET, "/_quotalab/requests") => state::requests(mock, query),
        (&Method::GET, "/_quotalab/clock") => Ok(state::clock(mock)),
        (&Method::GET, "/_quotalab/faults") => Ok(faults::list(mock)),
        (&Method::DELETE, "/_quotalab/faults") => Ok(faults::clear(mock)),
        (&Method::GET, "/_quotalab/verdict") => verdict::verdict(mock, query, &head.headers),
        (&Method::GET, "/metrics") => Ok(metrics::metrics(mock)),
        (&Method::POST, "/_quotalab/reset") => {
            mock.reset();
            Ok(state::state(mock))
        }
        (&Method::POST, "/_quotalab/faults") => faults::add(mock, &object(body).await?),
        (&Method::POST, "/_quotalab/clock") => state::advance(mock, &object(body).await?),
        (method, path) => Err(unknown(method, path)),
    }
}

/// No such endpoint, or not by this method.
fn unknown(method: &Method, path: &str) -> Wrong {
    let here: Vec<_> = ENDPOINTS.into_iter().filter(|known| known.ends_with(&format!(" {path}"))).collect();
    let (status, known) = match here[..] {
        [] => (StatusCode::NOT_FOUND, &ENDPOINTS[..]),
        _ => (StatusCode::METHOD_NOT_ALLOWED, &here[..]),
    };
    let what = format!("there is no {} {}", shortened(method.as_str()), shortened(path));
    Wrong { status, what, help: format!("ask for one of {}", known.join(", ")) }
}

/// Reads a JSON object, within bounds of size and time.
async fn object(body: Incoming) -> Result<Map<String, Value>, Wrong> {
    let help = r#"send a JSON object, such as {"advance": "1h"}"#;
    let read = tokio::time::timeout(PATIENCE, Limited::new(body, MOST_BYTES).collect()).await;
    let Ok(Ok(body)) = read else {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return Err(Wrong {
            status,
            ..Wrong::new(format!("the body is over {MOST_BYTES} bytes, or never ended"), help)
        });
    };
    let wrong = |error: serde_json::Error| Wrong::new(format!("the body is no JSON object: {error}"), help);
    serde_json::from_slice(&body.to_bytes()).map_err(wrong)
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::whole(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A text as errors quote it: never longer than a line.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

const ENDPOINTS: [&str; 10] = [
    "GET /_quotalab/state",
    "POST /_quotalab/reset",
    "GET /_quotalab/requests",
    "GET /_quotalab/verdict",
    "GET /_quotalab/clock",
    "POST /_quotalab/clock",
    "GET /_quotalab/faults",
    "POST /_quotalab/faults",
    "DELETE /_quotalab/faults",
    "GET /metrics",
];

/// The largest body that is read, in bytes.
const MOST_BYTES: usize = 64 << 10;
