//! The verdict on the mock's client, whether it retried correctly, as JSON or as text.

use super::error::{Input, QueryParams};
use crate::client_check::{self, Bounds, Finding, Violation};
use crate::server::Mock;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The query of the verdict's endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictQuery {
    /// If present, whatever its value, the verdict is returned as text.
    words: Option<String>,
}

impl Input for VerdictQuery {
    const HELP: &str = "write /_quotalab/verdict, or /_quotalab/verdict?words for text";
}

/// Checks the requests that the journal has kept. Returns text for `?words` or `accept: text/plain`, JSON otherwise.
pub(super) async fn verdict(
    State(mock): State<Arc<Mock>>,
    QueryParams(VerdictQuery { words }): QueryParams<VerdictQuery>,
    headers: HeaderMap,
) -> Response {
    let now = mock.now();
    let (entries, evicted) = mock
        .journal(|journal| (journal.entries().copied().collect::<Vec<_>>(), journal.evicted()))
        .unwrap_or_default();
    let report = client_check::check(&entries, now, &Bounds::default());
    let is_text_accepted =
        headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    if words.is_some() || is_text_accepted {
        let mut text = report.to_string();
        if evicted > 0 {
            text.push_str(&format!(
                "{evicted} older requests were evicted from the journal and not checked.\n"
            ));
        }
        return text.into_response();
    }
    let counts: Map<_, _> =
        Violation::NAMES.into_iter().map(str::to_owned).zip(report.counts.map(Value::from)).collect();
    let findings: Vec<_> = report.findings.iter().map(|finding| to_json(&mock, finding)).collect();
    let verdict = json!({
        "behaved": report.is_clean(),
        "now_s": now.as_secs_f64(),
        "requests": report.attempts,
        "conversations": report.requests,
        "retries": report.attempts - report.requests,
        "forgotten": evicted,
        "counts": counts,
        "findings": findings,
    });
    Json(verdict).into_response()
}

fn to_json(mock: &Mock, finding: &Finding) -> Value {
    let Finding { at, request_number, account, violation } = finding;
    json!({
        "misdeed": violation.name(),
        "request": request_number,
        "at_s": at.as_secs_f64(),
        "account": account.map(|account| mock.account_name(account)),
        "words": violation.to_string(),
    })
}
