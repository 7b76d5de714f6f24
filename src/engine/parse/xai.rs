//! xAI: plain text instead of JSON, insufficient credit as 429, limits without a reset. A message may state several limits; the
//! exhausted one is the one that refused.
//!
//! Evidence: published messages; recorded headers, in which the counters lag (`remaining` equals `limit` after use).

use super::headers::Headers;
use super::limit_header::LimitHeader;
use super::limit_name::LimitName;
use super::quantity::leading_number;
use super::refusal::{Refusal, between};
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::event::RefusalCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[(Marker::MessageContains("used all available credits"), RefusalCause::Billing)],
    refusal,
    limits,
    ..DialectRules::NONE
};

fn refusal(response: &ErrorResponse<'_>) -> Refusal {
    let body = response.body;
    let message = body.message.as_deref().unwrap_or_default();
    let stated = refusing_limit(&body.lowercase);
    Refusal {
        model: between(message, " and model ", ". ").map(str::to_owned),
        organization: between(message, "for team ", " and model ").map(str::to_owned),
        unit: stated.and_then(|stated| stated.name.unit),
        window: stated.and_then(|stated| stated.name.window),
        axis: stated.and_then(|stated| stated.name.axis()),
        used: stated.and_then(|stated| stated.used.try_into().ok()),
        limit: stated.and_then(|stated| stated.limit),
        ..Refusal::default()
    }
}

/// One of the limits in a message.
#[derive(Clone, Copy)]
struct StatedLimit {
    name: LimitName,
    used: u64,
    /// `None` if the number may have been truncated.
    limit: Option<u64>,
}

/// Returns the limit that refused: the only one, or of several the one that is exhausted. `None` if not exactly one is.
fn refusing_limit(message: &str) -> Option<StatedLimit> {
    const LABEL: &str = "(actual/limit): ";
    let mut from = 0;
    let mut stated = Vec::new();
    for (at, _) in message.match_indices(LABEL).take(MAX_LIMITS) {
        let name = LimitName::find(&message[from..at]);
        from = at + LABEL.len();
        let Some((used, limit)) = message[from..].split_once('/') else { continue };
        if let Ok(used) = used.parse() {
            stated.push(StatedLimit { name, used, limit: leading_number(limit) });
        }
    }
    let is_exhausted = |stated: &&StatedLimit| stated.limit.is_some_and(|limit| stated.used >= limit);
    match stated[..] {
        [only] => Some(only),
        _ if stated.iter().filter(is_exhausted).count() == 1 => stated.iter().find(is_exhausted).copied(),
        _ => None,
    }
}

/// The maximum number of limits that are read from one message.
const MAX_LIMITS: usize = 8;

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |name, axis| LimitHeader::parse(headers, name, Some(axis));
    read("requests", Axis::Rpm).into_iter().chain(read("tokens", Axis::Tpm)).collect()
}
