//! The verdict on whether the mock's clients retried correctly, as JSON or as text.

use super::error::{Error, Input, QueryParams};
use super::names::{self, Selection};
use crate::client_check::{self, Bounds, ClientReport, Finding, UnservedPaths, Violation};
use crate::journal::Entry;
use crate::server::Mock;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The query of the verdict's endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictQuery {
    /// If present, whatever its value, the verdict is returned as text.
    text: Option<String>,
    /// The earlier name of `text`.
    words: Option<String>,
    /// The name of an account.
    account: Option<String>,
    /// The number of a key within its account, from one.
    key: Option<u16>,
}

impl Input for VerdictQuery {
    const HELP: &str = "write /_quotalab/verdict, or /_quotalab/verdict?text for text; ?account=NAME or ?account=NAME&key=1 for one account or key";
}

/// The verdict in JSON.
#[derive(Serialize)]
struct Verdict {
    #[serde(flatten)]
    summary: Summary,
    now_s: f64,
    requests: u64,
    retries: u64,
    /// As [`ClientReport::unclear`].
    unclear: u64,
    /// Jobs that the verdict waits for: refused or failed with fewer attempts than expected, so that they may still be retried.
    pending: u64,
    unserved_paths: Value,
    /// Requests, selected or not, that are no longer in the journal and were not checked.
    evicted: u64,
    counts: Map<String, Value>,
    findings: Vec<Value>,
    keys: Vec<KeyVerdict>,
}

/// The part of the verdict that each key has as well. Its first field is what users look for first: how many jobs ended
/// in a refusal.
#[derive(Serialize)]
struct Summary {
    jobs_ended_in_refusal: u64,
    jobs: u64,
    jobs_served: u64,
    jobs_failed: u64,
    jobs_in_progress: u64,
    jobs_may_be_retried: u64,
    verdict: &'static str,
    behaved: Option<bool>,
}

#[derive(Serialize)]
struct KeyVerdict {
    account: Value,
    key: Value,
    #[serde(flatten)]
    summary: Summary,
}

impl Summary {
    fn new(report: &ClientReport) -> Self {
        let (jobs, verdict) = (&report.jobs, report.verdict());
        Self {
            jobs_ended_in_refusal: jobs.refused,
            jobs: jobs.total,
            jobs_served: jobs.served,
            jobs_failed: jobs.failed,
            jobs_in_progress: jobs.in_progress,
            jobs_may_be_retried: jobs.may_be_retried,
            verdict: verdict.name(),
            behaved: verdict.behaved(),
        }
    }
}

/// Checks the requests that the journal has kept. Returns text for `?text` or `accept: text/plain`, JSON otherwise.
pub(super) async fn verdict(
    State(mock): State<Arc<Mock>>,
    QueryParams(query): QueryParams<VerdictQuery>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let selection = Selection::new(&mock, query.account.as_deref(), query.key)?;
    let is_text_accepted =
        headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    if query.text.is_some() || query.words.is_some() || is_text_accepted {
        return Ok(text(&mock, selection).into_response());
    }
    Ok(Json(to_json(&mock, selection)).into_response())
}

/// Returns the selected entries of the journal, and the number of all requests, selected or not, that are no longer in it.
fn selected(mock: &Mock, selection: Selection) -> (Vec<Entry>, u64) {
    let selected = mock.journal(|journal| {
        let entries = journal.entries().filter(|entry| selection.contains(entry)).cloned();
        (entries.collect(), journal.evicted())
    });
    selected.unwrap_or_default()
}

/// Returns the verdict as text.
pub(super) fn text(mock: &Mock, selection: Selection) -> String {
    let ((entries, evicted), now) = (selected(mock, selection), mock.now());
    let by_key = client_check::check_by_key(&entries, now, &Bounds::default());
    let mut text = ClientReport::merged(by_key.iter().map(|(_, report)| report)).to_string();
    if by_key.len() > 1 {
        for ((account, key), report) in by_key {
            let key = match (account, key) {
                (Some(account), Some(key)) => {
                    format!("account {}, key {}", mock.account_name(account), key + 1)
                }
                _ => "unknown keys".to_owned(),
            };
            let (jobs, verdict) = (report.jobs, report.verdict().name().replace('_', " "));
            text.push_str(&format!(
                "  {key}: {} of {} jobs ended in a refusal; {verdict}\n",
                jobs.refused, jobs.total
            ));
        }
    }
    if evicted > 0 {
        text.push_str(&format!("{evicted} older requests were evicted from the journal and not checked.\n"));
    }
    text
}

fn to_json(mock: &Mock, selection: Selection) -> Verdict {
    let ((entries, evicted), now) = (selected(mock, selection), mock.now());
    let by_key = client_check::check_by_key(&entries, now, &Bounds::default());
    let report = ClientReport::merged(by_key.iter().map(|(_, report)| report));
    let keys = by_key.iter().map(|((account, key), report)| KeyVerdict {
        account: names::account_json(mock, *account),
        key: names::key_json(*key),
        summary: Summary::new(report),
    });
    Verdict {
        summary: Summary::new(&report),
        now_s: now.as_secs_f64(),
        requests: report.attempts,
        retries: report.attempts - report.jobs.total,
        unclear: report.unclear,
        pending: report.pending,
        unserved_paths: unserved_json(&report.unserved),
        evicted,
        counts: Violation::NAMES.into_iter().map(str::to_owned).zip(report.counts.map(Value::from)).collect(),
        findings: report.findings.iter().map(|finding| finding_json(mock, finding)).collect(),
        keys: keys.collect(),
    }
}

fn unserved_json(unserved: &UnservedPaths) -> Value {
    let paths: Vec<_> = unserved
        .most_requested()
        .iter()
        .map(|(path, requests)| json!({ "path": path, "requests": requests }))
        .collect();
    json!({ "requests": unserved.requests, "calls": unserved.calls, "paths": paths, "other_paths": unserved.others() })
}

fn finding_json(mock: &Mock, finding: &Finding) -> Value {
    let Finding { at, request_number, account, key, violation } = finding;
    json!({
        "violation": violation.name(),
        "request": request_number,
        "at_s": at.as_secs_f64(),
        "account": names::account_json(mock, *account),
        "key": names::key_json(*key),
        "text": violation.to_string(),
    })
}

impl Mock {
    /// Returns the verdict on the clients so far as text; empty if no journal is kept or nothing was received.
    #[must_use]
    pub fn verdict_text(&self) -> String {
        match self.journal(|journal| journal.entries().len()) {
            None | Some(0) => String::new(),
            Some(_) => text(self, Selection::default()),
        }
    }
}
