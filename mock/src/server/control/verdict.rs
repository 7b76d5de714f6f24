//! The verdict on the client, as JSON or in words.

use super::{Said, Wrong};
use crate::client_check::{self, Bounds, Finding, Violation};
use crate::server::Mock;
use hyper::HeaderMap;
use hyper::header::ACCEPT;
use serde_json::{Map, Value, json};

/// Judges what the journal still has; in words where they are asked for by `?words` or `accept: text/plain`.
pub(super) fn verdict(mock: &Mock, query: &str, headers: &HeaderMap) -> Result<Said, Wrong> {
    let now = mock.now();
    let (entries, forgotten) = mock
        .journal(|journal| (journal.entries().copied().collect::<Vec<_>>(), journal.forgotten()))
        .unwrap_or_default();
    let conduct = client_check::judge(&entries, now, &Bounds::default());
    let plain = headers.get(ACCEPT).is_some_and(|accepted| accepted.as_bytes().starts_with(b"text/plain"));
    match query {
        "" if !plain => {}
        "" | "words" => {
            let mut words = conduct.to_string();
            if forgotten > 0 {
                words.push_str(&format!("{forgotten} older requests are forgotten and were not judged.\n"));
            }
            return Ok(Said::Text("text/plain; charset=utf-8", words));
        }
        query => {
            return Err(Wrong::new(
                format!("unknown query `{}`", super::shortened(query)),
                "write /_quotalab/verdict, or /_quotalab/verdict?words",
            ));
        }
    }
    let counts: Map<_, _> = Violation::NAMES
        .into_iter()
        .zip(conduct.counts)
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect();
    let findings: Vec<_> = conduct.findings.iter().map(|finding| told(mock, finding)).collect();
    Ok(Said::Json(json!({
        "behaved": conduct.is_good(),
        "now_s": now.as_secs_f64(),
        "requests": conduct.requests,
        "conversations": conduct.conversations,
        "retries": conduct.requests - conduct.conversations,
        "forgotten": forgotten,
        "counts": counts,
        "findings": findings,
    })))
}

fn told(mock: &Mock, finding: &Finding) -> Value {
    let Finding { at, number, account, misdeed } = finding;
    json!({
        "misdeed": misdeed.name(),
        "request": number,
        "at_s": at.as_secs_f64(),
        "account": account.map(|account| mock.account_name(account)),
        "words": misdeed.to_string(),
    })
}
