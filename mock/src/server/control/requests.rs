//! The journal: the requests that the mock received.

use super::error::{Error, Input, QueryParams};
use super::names::{self, Selection};
use crate::journal::{End, Entry, JournalOutcome};
use crate::server::Mock;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The query of the journal's endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestsQuery {
    /// Maximum number of requests to return, the latest ones.
    #[serde(default = "RequestsQuery::default_last")]
    last: usize,
    /// The name of an account.
    account: Option<String>,
    /// The number of a key within its account, from one.
    key: Option<u16>,
}

impl RequestsQuery {
    const fn default_last() -> usize {
        100
    }
}

impl Input for RequestsQuery {
    const HELP: &str =
        "write ?last=20, ?account=NAME or ?account=NAME&key=1; at most 10000 requests are kept";
}

/// Returns the latest requests, oldest first.
pub(super) async fn requests(
    State(mock): State<Arc<Mock>>,
    QueryParams(RequestsQuery { last, account, key }): QueryParams<RequestsQuery>,
) -> Result<Json<Value>, Error> {
    let selection = Selection::new(&mock, account.as_deref(), key)?;
    let requests = mock.journal(|journal| {
        let mut latest: Vec<_> =
            journal.entries().rev().filter(|entry| selection.contains(entry)).take(last).cloned().collect();
        latest.reverse();
        let total = journal.counts().map(|(_, count)| count).sum::<u64>();
        (total, journal.evicted(), latest)
    });
    let (total, evicted, latest) = requests.unwrap_or_default();
    let requests: Vec<_> = latest.iter().map(|entry| to_json(&mock, entry)).collect();
    Ok(Json(json!({ "total": total, "evicted": evicted, "requests": requests })))
}

fn to_json(mock: &Mock, entry: &Entry) -> Value {
    let (method, path) = entry.method_and_path.as_ref().map(|(method, path)| (&**method, &**path)).unzip();
    let mut json = json!({
        "number": entry.request_number,
        "arrived_s": entry.arrived_at.as_secs_f64(),
        "at_s": entry.at.as_secs_f64(),
        "ended_s": entry.end.at().map(|at| at.as_secs_f64()),
        "disconnected": matches!(entry.end, End::Disconnected(_)),
        "timed_out": matches!(entry.end, End::TimedOut(_)),
        "method": method,
        "path": path,
        "account": names::account_json(mock, entry.sender.account),
        "key": names::key_json(entry.sender.key),
        "user_agent": entry.sender.user_agent.as_deref(),
        "model": entry.model.map(|model| mock.model(model).name.as_str()),
        "stream": entry.wants_stream,
        "request_bytes": entry.request_bytes,
        "retry_count": entry.retry.count,
        "has_idempotency_key": entry.retry.idempotency_key.is_some(),
        "outcome": entry.outcome.name(),
        "status": entry.status,
        "wait_s": entry.wait.map(|wait| wait.as_secs_f64()),
        "reserved_tokens": entry.reserved_tokens,
        "charged_tokens": entry.charged_tokens,
    });
    if let JournalOutcome::RateLimited { axis, oversize } = entry.outcome {
        json["axis"] = json!(axis.name());
        json["oversize"] = json!(oversize);
    }
    if entry.outcome == JournalOutcome::UnservedPath {
        json["unserved_path"] = json!(true);
    }
    if let Some(body) = &entry.body {
        json["body"] = json!(String::from_utf8_lossy(body));
    }
    json
}
