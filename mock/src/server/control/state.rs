//! The state of a mock: the level of every limit, the clock, and the journal.

use super::amount::Duration;
use super::error::{Input, JsonBody, QueryParams};
use crate::journal::{Entry, JournalOutcome};
use crate::server::Mock;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Returns every limit of every account and model.
pub(super) async fn levels(State(mock): State<Arc<Mock>>) -> Json<Value> {
    let models = |account: u16| {
        let models = mock.model_names().zip(0..).map(|(name, model)| {
            let mut limits = Vec::new();
            mock.for_each_level(account, model, |level| {
                limits.push(json!({
                    "axis": level.axis.name(),
                    "limit": level.limit,
                    "burst": level.capacity,
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

/// Resets limits, injected faults and journal.
pub(super) async fn reset(State(mock): State<Arc<Mock>>) -> Json<Value> {
    mock.reset();
    levels(State(mock)).await
}

/// Returns the time of the clock.
pub(super) async fn clock(State(mock): State<Arc<Mock>>) -> Json<Value> {
    Json(json!({ "now_s": mock.now().as_secs_f64() }))
}

/// By how much to advance the clock.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    advance: Duration,
}

impl Input for Advance {
    const HELP: &str =
        r#"send a JSON object: {"advance": "1h"}, up to 366d, with the units d, h, m, s and ms"#;
}

/// Advances the clock.
pub(super) async fn advance(
    State(mock): State<Arc<Mock>>,
    JsonBody(Advance { advance: Duration(by) }): JsonBody<Advance>,
) -> Json<Value> {
    mock.advance(by);
    clock(State(mock)).await
}

/// The query of the journal's endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestsQuery {
    /// Maximum number of requests to return, the latest ones.
    #[serde(default = "RequestsQuery::default_last")]
    last: usize,
}

impl RequestsQuery {
    const fn default_last() -> usize {
        100
    }
}

impl Input for RequestsQuery {
    const HELP: &str = "write ?last=20; at most 10000 requests are kept";
}

/// Returns the latest requests, oldest first.
pub(super) async fn requests(
    State(mock): State<Arc<Mock>>,
    QueryParams(RequestsQuery { last }): QueryParams<RequestsQuery>,
) -> Json<Value> {
    let requests = mock.journal(|journal| {
        let kept = journal.entries().len();
        let latest = journal.entries().skip(kept.saturating_sub(last));
        let requests: Vec<_> = latest.map(|entry| to_json(&mock, entry)).collect();
        let received = journal.counts().map(|(_, count)| count).sum::<u64>();
        json!({ "received": received, "forgotten": journal.evicted(), "requests": requests })
    });
    Json(requests.unwrap_or_default())
}

fn to_json(mock: &Mock, entry: &Entry) -> Value {
    let mut json = json!({
        "number": entry.request_number,
        "at_s": entry.at.as_secs_f64(),
        "account": entry.account.map(|account| mock.account_name(account)),
        "model": entry.model.map(|model| mock.model(model).name.as_str()),
        "stream": entry.wants_stream,
        "ruling": entry.outcome.name(),
        "status": entry.status,
        "wait_s": entry.wait.map(|wait| wait.as_secs_f64()),
    });
    if let JournalOutcome::RateLimited { axis, oversize } = entry.outcome {
        json["axis"] = json!(axis.name());
        json["oversize"] = json!(oversize);
    }
    json
}
