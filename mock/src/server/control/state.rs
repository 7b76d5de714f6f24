//! What is so now: the levels of every limit, the clock, and what was received.

use super::{Said, Wrong, amount};
use crate::journal::{Entry, JournalOutcome, MAX_ENTRIES};
use crate::server::Mock;
use serde_json::{Map, Value, json};

/// Every limit of every account and model.
pub(super) fn state(mock: &Mock) -> Said {
    let models = |account: u16| {
        let models = mock.model_names().zip(0..).map(|(name, model)| {
            let mut limits = Vec::new();
            mock.each_level(account, model, |level| {
                limits.push(json!({
                    "axis": level.axis.name(),
                    "limit": level.limit,
                    "burst": level.burst,
                    "remaining": level.remaining,
                    "used_share": level.used_share(),
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
    Said::Json(json!({ "now_s": mock.now().as_secs_f64(), "accounts": accounts }))
}

/// The clock.
pub(super) fn clock(mock: &Mock) -> Said {
    Said::Json(json!({ "now_s": mock.now().as_secs_f64() }))
}

/// Moves the clock on.
pub(super) fn advance(mock: &Mock, body: &Map<String, Value>) -> Result<Said, Wrong> {
    let by = match body.get("advance") {
        Some(by) if body.len() == 1 => amount::length(by),
        _ => None,
    };
    let by = by.ok_or_else(|| {
        Wrong::new(
            "the clock can only be advanced by a length of time",
            r#"write {"advance": "1h"}, up to 366d, with d, h, m, s and ms"#,
        )
    })?;
    mock.advance(by);
    Ok(clock(mock))
}

/// The last requests, the newest last; `?last=20` says how many.
pub(super) fn requests(mock: &Mock, query: &str) -> Result<Said, Wrong> {
    let last = match query {
        "" => USUAL,
        query => query.strip_prefix("last=").and_then(|last| last.parse().ok()).ok_or_else(|| {
            Wrong::new(
                format!("unknown query `{}`", super::shortened(query)),
                format!("write ?last=20; at most {MAX_ENTRIES} are kept"),
            )
        })?,
    };
    let told = mock.journal(|journal| {
        let kept = journal.entries().len();
        let requests: Vec<_> =
            journal.entries().skip(kept.saturating_sub(last)).map(|entry| told(mock, entry)).collect();
        let received = journal.counts().map(|(_, count)| count).sum::<u64>();
        json!({ "received": received, "forgotten": journal.forgotten(), "requests": requests })
    });
    Ok(Said::Json(told.unwrap_or_default()))
}

fn told(mock: &Mock, entry: &Entry) -> Value {
    let mut told = json!({
        "number": entry.number,
        "at_s": entry.at.as_secs_f64(),
        "account": entry.account.map(|account| mock.account_name(account)),
        "model": entry.model.map(|model| mock.model_name(model)),
        "stream": entry.stream,
        "ruling": entry.decision.name(),
        "status": entry.status,
        "wait_s": entry.wait.map(|wait| wait.as_secs_f64()),
    });
    if let JournalOutcome::Refused { axis, oversize } = entry.decision {
        told["axis"] = json!(axis.name());
        told["oversize"] = json!(oversize);
    }
    told
}

/// How many requests are told where nobody says.
const USUAL: usize = 100;
