//! OpenAI: Groq's sentence, and resets that state when a limit is full, not when a request fits.
//!
//! Evidence: 10 of 10 published waits equal `(used + requested − limit) ÷ limit × period`; 708 of 708 recorded
//! `reset-tokens` are the time to full. `…-requests` is the limit per minute in 679 of them and the limit per day in
//! 29, under the same name; the numbers show which.

use super::duration::go_duration;
use super::headers::Headers;
use super::limit_header::{LimitHeader, refill_time};
use super::refusal::Refusal;
use super::rules::{DialectRules, Marker};
use crate::engine::WaitKind;
use crate::event::RefusalCause;
use provider::{Axis, Nanos};

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("insufficient_quota"), RefusalCause::Billing),
        (Marker::Code("billing_hard_limit_reached"), RefusalCause::Billing),
        (Marker::Code("billing_not_active"), RefusalCause::Billing),
        (Marker::Code("context_length_exceeded"), RefusalCause::TooLarge),
        (Marker::MessageContains("currently overloaded"), RefusalCause::Overload),
        (Marker::MessageContains("overloaded or not ready yet"), RefusalCause::Overload),
        (
            Marker::MessageContains("exceeded your current quota, please check your plan"),
            RefusalCause::Billing,
        ),
    ],
    reset_kind: Some(WaitKind::UntilFull),
    ..FOR_UNKNOWN
};

/// The rules for an unknown dialect: the sentence, the code for insufficient credit, and limits with Go durations as
/// resets.
pub(super) const FOR_UNKNOWN: DialectRules = DialectRules {
    causes: &[(Marker::Code("insufficient_quota"), RefusalCause::Billing)],
    refusal: |response| Refusal::from_body(response.body),
    limits,
    ..DialectRules::NONE
};

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |name| {
        let limit = LimitHeader::parse(headers, name, None)?;
        let reset = headers.value(&format!("x-ratelimit-reset-{name}")).and_then(go_duration);
        Some(LimitHeader { reset, ..limit })
    };
    let requests = read("requests").map(|limit| LimitHeader { axis: requests_axis(&limit), ..limit });
    let tokens = read("tokens").map(|limit| LimitHeader { axis: Some(Axis::Tpm), ..limit });
    requests.into_iter().chain(tokens).collect()
}

/// Returns the axis of the limit on requests: per minute, unless only the limit per day takes so long to refill; `None` if
/// the reset fits neither. `remaining` is rounded to a whole request, hence the tolerance of one.
fn requests_axis(limit: &LimitHeader) -> Option<Axis> {
    let Some(reset) = limit.reset else { return Some(Axis::Rpm) };
    let fits = |window: Nanos| {
        let (low, high) = (limit.used().saturating_sub(1), limit.used().saturating_add(1));
        (refill_time(limit.limit, low, window)..=refill_time(limit.limit, high, window)).contains(&reset)
    };
    [(Axis::Rpm, Nanos::MINUTE), (Axis::Rpd, Nanos::DAY)]
        .into_iter()
        .find(|(_, window)| fits(*window))
        .map(|(axis, _)| axis)
}

/// Returns `true` if the headers state requests per minute, which under these names only OpenAI does.
pub(super) fn has_requests_per_minute(headers: &dyn Headers) -> bool {
    let limits = limits(headers);
    let Some(requests) = limits.iter().find(|limit| limit.name == "requests") else { return false };
    let until_full = refill_time(requests.limit, requests.used(), Nanos::MINUTE);
    requests.used() > 0 && requests.reset == Some(until_full)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Pairs;
    use super::*;

    /// Returns the axis of these values of `x-ratelimit-limit-requests`, `-remaining-` and `-reset-`.
    fn axis(limit: &str, remaining: &str, reset: &str) -> Option<Axis> {
        let headers = [
            ("x-ratelimit-limit-requests", limit),
            ("x-ratelimit-remaining-requests", remaining),
            ("x-ratelimit-reset-requests", reset),
        ];
        limits(&Pairs(&headers))[0].axis
    }

    #[test]
    fn the_numbers_distinguish_day_and_minute() {
        assert_eq!(axis("500", "499", "120ms"), Some(Axis::Rpm));
        assert_eq!(axis("5000", "4999", "12ms"), Some(Axis::Rpm));
        assert_eq!(
            axis("10000", "9999", "8.64s"),
            Some(Axis::Rpd),
            "recorded: an account with limits per day"
        );
        assert_eq!(
            axis("200", "197", "20m52.666s"),
            Some(Axis::Rpd),
            "recorded: a level that is not a whole request"
        );
        assert_eq!(axis("500", "500", "0s"), Some(Axis::Rpm), "full, as documented");
        assert_eq!(axis("500", "499", "1h"), None, "neither window");
        assert_eq!(axis("500", "499", "nonsense"), Some(Axis::Rpm));
    }

    #[test]
    fn only_a_limit_on_requests_per_minute_shows_openai() {
        let requests = [
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "120ms"),
        ];
        let tokens = [
            ("x-ratelimit-limit-tokens", "6000"),
            ("x-ratelimit-remaining-tokens", "5990"),
            ("x-ratelimit-reset-tokens", "100ms"),
        ];
        assert!(has_requests_per_minute(&Pairs(&requests)));
        assert!(!has_requests_per_minute(&Pairs(&tokens)), "Groq states tokens per minute as well");
    }
}
