//! Anthropic, native and OpenAI-compatible: four limits in the headers, resets as moments of the calendar.
//!
//! Evidence: recorded replies of 2024–2026. `retry-after` is the time until a request fits (16 s where the reset
//! is 63 s away) and also comes with successes, where it refuses nothing. Resets are the time to full, in whole
//! seconds, and may lie in the past. The compatible endpoint puts the class into `code` and calls the type
//! `invalid_request_error`.

use super::date::UnixTime;
use super::error_body::ErrorBody;
use super::headers::{Headers, whole as number};
use super::limit_header::LimitHeader;
use super::refusal::{Refusal, after, between, whole};
use super::rules::{DialectRules, Marker};
use crate::engine::WaitKind;
use crate::event::LimitCause;
use provider::Axis;

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Word("overloaded_error"), LimitCause::Overload),
        (Marker::Word("request_too_large"), LimitCause::TooLarge),
        (Marker::Word("billing_error"), LimitCause::Billing),
        (Marker::Says("overloaded"), LimitCause::Overload),
        (Marker::Says("credit balance is too low"), LimitCause::Billing),
        (Marker::Says("extra usage is required for long context"), LimitCause::NotInTier),
        (Marker::Says("daily rate limit"), LimitCause::DayLimit),
    ],
    axes: &[
        ("input tokens per minute", Axis::Itpm),
        ("output tokens per minute", Axis::Otpm),
        ("tokens per minute", Axis::Tpm),
        ("requests per minute", Axis::Rpm),
        ("number of request tokens has exceeded your daily rate limit", Axis::Tpd),
        ("number of request tokens has exceeded your per-minute rate limit", Axis::Tpm),
    ],
    refusal,
    limits,
    resets: Some(WaitKind::UntilFull),
    ..DialectRules::BARE
};

fn refusal(said: &ErrorBody) -> Refusal {
    let message = said.message.as_deref().unwrap_or_default();
    // A throttle of the servers, not of the account: it names no limit at all (published 2026).
    let throttled = (said.lower == "rate limited").then_some(LimitCause::Overload);
    Refusal {
        cause: throttled,
        model: between(message, ", model: ", ")").map(str::to_owned),
        organization: between(message, "(org: ", ",")
            .or_else(|| between(message, "organization (", ")"))
            .map(str::to_owned),
        limit: after(message, " of ").filter(|_| said.lower.contains("per minute")).and_then(whole),
        ..Refusal::default()
    }
}

/// The limits; where input and output are told apart, their sum (`tokens`) is no limit of its own.
fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let replied = UnixTime::of_reply(headers);
    let read = |name, axis| {
        let part = |part: &str| format!("anthropic-ratelimit-{name}-{part}");
        let (limit, remaining) = (number(headers, &part("limit"))?, number(headers, &part("remaining"))?);
        let full_at = headers.value(&part("reset")).and_then(UnixTime::rfc3339);
        let reset = full_at.zip(replied).map(|(full_at, replied)| full_at.since(replied));
        Some(LimitHeader { name, axis: Some(axis), limit, remaining, reset })
    };
    let apart = [read("input-tokens", Axis::Itpm), read("output-tokens", Axis::Otpm)];
    let sum = read("tokens", Axis::Tpm).filter(|_| apart.iter().all(Option::is_none));
    read("requests", Axis::Rpm).into_iter().chain(apart.into_iter().flatten()).chain(sum).collect()
}
