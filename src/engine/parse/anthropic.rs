//! Anthropic, native and OpenAI-compatible: four limits in the headers, resets as moments of the calendar.
//!
//! Evidence: recorded replies of 2024–2026. `retry-after` is the time until a request fits (16 s where the reset
//! is 63 s away) and also comes with successes, where it refuses nothing. Resets are the time to full, in whole
//! seconds, and may lie in the past. The compatible endpoint puts the class into `code` and calls the type
//! `invalid_request_error`.

use super::date::Moment;
use super::headers::{Headers, whole as number};
use super::page::{Page, Sign};
use super::refusal::{Refusal, after, between, whole};
use super::said::Said;
use super::stated::Stated;
use crate::engine::Meaning;
use crate::event::Cause;
use provider::Axis;

pub(super) const PAGE: Page = Page {
    causes: &[
        (Sign::Word("overloaded_error"), Cause::Overload),
        (Sign::Word("request_too_large"), Cause::TooLarge),
        (Sign::Word("billing_error"), Cause::Billing),
        (Sign::Says("overloaded"), Cause::Overload),
        (Sign::Says("credit balance is too low"), Cause::Billing),
        (Sign::Says("extra usage is required for long context"), Cause::NotInTier),
        (Sign::Says("daily rate limit"), Cause::DayLimit),
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
    resets: Some(Meaning::UntilFull),
    ..Page::BARE
};

fn refusal(said: &Said) -> Refusal {
    let message = said.message.as_deref().unwrap_or_default();
    // A throttle of the servers, not of the account: it names no limit at all (published 2026).
    let throttled = (said.lower == "rate limited").then_some(Cause::Overload);
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
fn limits(headers: &dyn Headers) -> Vec<Stated> {
    let replied = Moment::of_reply(headers);
    let read = |name, axis| {
        let part = |part: &str| format!("anthropic-ratelimit-{name}-{part}");
        let (limit, remaining) = (number(headers, &part("limit"))?, number(headers, &part("remaining"))?);
        let full_at = headers.value(&part("reset")).and_then(Moment::rfc3339);
        let reset = full_at.zip(replied).map(|(full_at, replied)| full_at.since(replied));
        Some(Stated { name, axis: Some(axis), limit, remaining, reset })
    };
    let apart = [read("input-tokens", Axis::Itpm), read("output-tokens", Axis::Otpm)];
    let sum = read("tokens", Axis::Tpm).filter(|_| apart.iter().all(Option::is_none));
    read("requests", Axis::Rpm).into_iter().chain(apart.into_iter().flatten()).chain(sum).collect()
}
