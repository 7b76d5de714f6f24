//! OpenAI: the sentence that Groq copied, and resets that tell when a limit is wholly free, not when a request fits.
//!
//! Evidence: 10 of 10 published waits follow `(used + requested − limit) ÷ limit × period`; 708 of 708 recorded
//! `reset-tokens` are the time to full. `…-requests` is the minute's limit in 679 of them and the day's in 29,
//! under the same name: the numbers tell which.

use super::duration::go_duration;
use super::headers::Headers;
use super::limit_header::{LimitHeader, refill};
use super::rules::{DialectRules, Marker, sentence};
use crate::engine::WaitKind;
use crate::event::LimitCause;
use provider::{Axis, Nanos};

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Word("insufficient_quota"), LimitCause::Billing),
        (Marker::Word("billing_hard_limit_reached"), LimitCause::Billing),
        (Marker::Word("billing_not_active"), LimitCause::Billing),
        (Marker::Word("context_length_exceeded"), LimitCause::TooLarge),
        (Marker::Says("currently overloaded"), LimitCause::Overload),
        (Marker::Says("overloaded or not ready yet"), LimitCause::Overload),
    ],
    resets: Some(WaitKind::UntilFull),
    ..COMMON
};

/// What is safe to read where nobody says whose reply it is: the sentence, the word for an empty purse, and
/// limits whose resets are Go's durations.
pub(super) const COMMON: DialectRules = DialectRules {
    causes: &[(Marker::Word("insufficient_quota"), LimitCause::Billing)],
    refusal: sentence,
    limits,
    ..DialectRules::BARE
};

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |name| {
        let reset = headers.value(&format!("x-ratelimit-reset-{name}")).and_then(go_duration);
        Some(LimitHeader { reset, ..LimitHeader::read(headers, name, None)? })
    };
    let requests = read("requests").map(|limit| LimitHeader { axis: period(&limit), ..limit });
    let tokens = read("tokens").map(|limit| LimitHeader { axis: Some(Axis::Tpm), ..limit });
    requests.into_iter().chain(tokens).collect()
}

/// Which request limit the header speaks of: the minute's, unless only a day takes so long to refill.
/// The level behind `remaining` is finer than what is printed, hence one request of room on either side.
fn period(limit: &LimitHeader) -> Option<Axis> {
    let Some(reset) = limit.reset else { return Some(Axis::Rpm) };
    let fits = |window: Nanos| {
        let (least, most) = (limit.used().saturating_sub(1), limit.used().saturating_add(1));
        (refill(limit.limit, least, window)..=refill(limit.limit, most, window)).contains(&reset)
    };
    [(Axis::Rpm, Nanos::MINUTE), (Axis::Rpd, Nanos::DAY)]
        .into_iter()
        .find(|(_, window)| fits(*window))
        .map(|(axis, _)| axis)
}

/// Whether headers of this shape can only be OpenAI's: Groq states the day's requests, never the minute's.
pub(super) fn states_the_minute(headers: &dyn Headers) -> bool {
    let [requests, ..] = limits(headers)[..] else { return false };
    let refilled = refill(requests.limit, requests.used(), Nanos::MINUTE);
    requests.used() > 0 && requests.reset == Some(refilled)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Pairs;
    use super::*;

    /// `x-ratelimit-limit-requests`, `-remaining-`, `-reset-`.
    fn axis(limit: &str, remaining: &str, reset: &str) -> Option<Axis> {
        let headers = [
            ("x-ratelimit-limit-requests", limit),
            ("x-ratelimit-remaining-requests", remaining),
            ("x-ratelimit-reset-requests", reset),
        ];
        limits(&Pairs(&headers))[0].axis
    }

    #[test]
    fn the_numbers_tell_the_day_from_the_minute() {
        assert_eq!(axis("500", "499", "120ms"), Some(Axis::Rpm));
        assert_eq!(axis("5000", "4999", "12ms"), Some(Axis::Rpm));
        assert_eq!(
            axis("10000", "9999", "8.64s"),
            Some(Axis::Rpd),
            "recorded: an account that shows the day"
        );
        assert_eq!(axis("200", "197", "20m52.666s"), Some(Axis::Rpd), "recorded: a level finer than printed");
        assert_eq!(axis("500", "500", "0s"), Some(Axis::Rpm), "full: what the documentation says");
        assert_eq!(axis("500", "499", "1h"), None, "neither: not told");
        assert_eq!(axis("500", "499", "nonsense"), Some(Axis::Rpm));
    }
}
