//! xAI: plain text instead of JSON, insufficient credit as 429, limits without a reset.
//!
//! Evidence: published messages; recorded headers, in which the counters lag (`remaining` equals `limit` after use).

use super::error_body::ErrorBody;
use super::headers::Headers;
use super::limit_header::LimitHeader;
use super::refusal::{Refusal, after, between, leading_number};
use super::rules::{DialectRules, Marker};
use crate::event::LimitCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[(Marker::MessageContains("used all available credits"), LimitCause::Billing)],
    axes: &[
        ("tokens per minute (actual/limit)", Axis::Tpm),
        ("requests per minute (actual/limit)", Axis::Rpm),
    ],
    refusal,
    limits,
    ..DialectRules::NONE
};

fn refusal(body: &ErrorBody) -> Refusal {
    let message = body.message.as_deref().unwrap_or_default();
    let numbers = after(message, "(actual/limit): ").and_then(|rest| rest.split_once('/'));
    let used = numbers.filter(|(used, _)| used.bytes().all(|byte| byte.is_ascii_digit()));
    Refusal {
        model: between(message, " and model ", ". ").map(str::to_owned),
        organization: between(message, "for team ", " and model ").map(str::to_owned),
        used: used.and_then(|(used, _)| used.parse().ok()),
        limit: numbers.and_then(|(_, limit)| leading_number(limit)),
        ..Refusal::default()
    }
}

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |name, axis| LimitHeader::parse(headers, name, Some(axis));
    read("requests", Axis::Rpm).into_iter().chain(read("tokens", Axis::Tpm)).collect()
}
