//! Anthropic, native and OpenAI-compatible: four limits in the headers, with resets as RFC 3339 timestamps.
//!
//! Evidence: recorded replies of 2024–2026. `retry-after` is the time until a request fits (16 s when the reset is
//! 63 s away). Successful replies carry it too; the engine ignores it there. A reset is the time at which the quota is
//! completely refilled, in whole seconds, and may be in the past. The compatible endpoint puts the error type (such as
//! `overloaded_error`) into `code`; its `type` is `invalid_request_error`.

use super::headers::{Headers, number, wait_until};
use super::limit_header::LimitHeader;
use super::quantity::leading_number;
use super::refusal::{Refusal, after, between};
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::WaitKind;
use crate::event::RefusalCause;
use provider::Axis;
use provider::calendar::UnixTime;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("overloaded_error"), RefusalCause::Overload),
        (Marker::Code("request_too_large"), RefusalCause::TooLarge),
        (Marker::Code("billing_error"), RefusalCause::Billing),
        (Marker::MessageContains("overloaded"), RefusalCause::Overload),
        (Marker::MessageContains("credit balance is too low"), RefusalCause::Billing),
        (Marker::MessageContains("claude usage limit reached"), RefusalCause::Allowance),
        (Marker::MessageContains("claude ai usage limit reached"), RefusalCause::Allowance),
        // The monthly spend limit that the customer has set, with status 400.
        (Marker::MessageContains("reached your specified api usage limits"), RefusalCause::Billing),
        (Marker::MessageContains("reached your specified workspace api usage limits"), RefusalCause::Billing),
        (Marker::MessageContains("extra usage is required for long context"), RefusalCause::NotInTier),
        (Marker::MessageContains("daily rate limit"), RefusalCause::DayLimit),
        (Marker::MessageContains("number of concurrent connections"), RefusalCause::Concurrency),
    ],
    axes: &[
        ("input tokens per minute", Axis::Itpm),
        ("output tokens per minute", Axis::Otpm),
        ("tokens per minute", Axis::Tpm),
        ("requests per minute", Axis::Rpm),
        ("number of request tokens has exceeded your daily rate limit", Axis::Tpd),
        ("number of requests has exceeded your daily rate limit", Axis::Rpd),
        ("number of concurrent connections has exceeded", Axis::Concurrency),
        ("number of request tokens has exceeded your per-minute rate limit", Axis::Tpm),
    ],
    refusal,
    limits,
    reset_kind: Some(WaitKind::UntilFull),
    ..DialectRules::NONE
};

fn refusal(response: &ErrorResponse<'_>) -> Refusal {
    let body = response.body;
    let message = body.message.as_deref().unwrap_or_default();
    // The bare message `Rate limited` means overloaded servers, not a limit of the account (published 2026).
    let overload = (body.lowercase == "rate limited").then_some(RefusalCause::Overload);
    Refusal {
        cause: overload,
        model: between(message, ", model: ", ")").map(str::to_owned),
        organization: between(message, "(org: ", ",")
            .or_else(|| between(message, "organization (", ")"))
            .map(str::to_owned),
        limit: after(message, " of ")
            .filter(|_| body.lowercase.contains("per minute"))
            .and_then(leading_number),
        ..Refusal::default()
    }
}

/// Parses the limits. If input or output has a limit of its own, their sum (`tokens`) is not a limit.
fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |name, axis| {
        let part = |part: &str| format!("anthropic-ratelimit-{name}-{part}");
        let (limit, remaining) = (number(headers, &part("limit"))?, number(headers, &part("remaining"))?);
        let refilled_at = headers.value(&part("reset")).and_then(UnixTime::parse_rfc3339);
        let reset = refilled_at.and_then(|refilled_at| wait_until(refilled_at, headers));
        Some(LimitHeader { name, axis: Some(axis), limit, remaining, reset, next: None })
    };
    let separate = [read("input-tokens", Axis::Itpm), read("output-tokens", Axis::Otpm)];
    let sum = read("tokens", Axis::Tpm).filter(|_| separate.iter().all(Option::is_none));
    read("requests", Axis::Rpm).into_iter().chain(separate.into_iter().flatten()).chain(sum).collect()
}
