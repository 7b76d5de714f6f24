//! xAI: plain sentences instead of JSON, an empty purse as 429, limits without a reset.
//!
//! Evidence: published messages; recorded headers, whose counters lag (`remaining` equal to `limit` after use).

use super::headers::Headers;
use super::page::{Page, Sign};
use super::refusal::{Refusal, after, between, whole};
use super::said::Said;
use super::stated::Stated;
use crate::event::Cause;
use provider::Axis;

pub(super) const PAGE: Page = Page {
    causes: &[(Sign::Says("used all available credits"), Cause::Billing)],
    axes: &[
        ("tokens per minute (actual/limit)", Axis::Tpm),
        ("requests per minute (actual/limit)", Axis::Rpm),
    ],
    refusal,
    limits,
    ..Page::BARE
};

fn refusal(said: &Said) -> Refusal {
    let message = said.message.as_deref().unwrap_or_default();
    let numbers = after(message, "(actual/limit): ").and_then(|rest| rest.split_once('/'));
    let used = numbers.filter(|(used, _)| used.bytes().all(|byte| byte.is_ascii_digit()));
    Refusal {
        model: between(message, " and model ", ". ").map(str::to_owned),
        organization: between(message, "for team ", " and model ").map(str::to_owned),
        used: used.and_then(|(used, _)| used.parse().ok()),
        limit: numbers.and_then(|(_, limit)| whole(limit)),
        ..Refusal::default()
    }
}

fn limits(headers: &dyn Headers) -> Vec<Stated> {
    let read = |name, axis| Stated::read(headers, name, Some(axis));
    read("requests", Axis::Rpm).into_iter().chain(read("tokens", Axis::Tpm)).collect()
}
