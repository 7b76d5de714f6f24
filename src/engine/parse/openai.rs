//! OpenAI: the sentence that Groq copied, and resets that tell when a limit is wholly free, not when a request fits.
//!
//! Evidence: 10 of 10 published waits follow `(used + requested − limit) ÷ limit × period`; 708 of 708 recorded
//! `reset-tokens` are the time to full. `…-requests` is the minute's limit in 679 of them and the day's in 29,
//! under the same name: the numbers tell which.

use super::duration::go_duration;
use super::headers::Headers;
use super::page::{Page, Sign, sentence};
use super::stated::{Stated, refill};
use crate::engine::Meaning;
use crate::event::Cause;
use provider::{Axis, Nanos};

pub(super) const PAGE: Page = Page {
    causes: &[
        (Sign::Word("insufficient_quota"), Cause::Billing),
        (Sign::Word("billing_hard_limit_reached"), Cause::Billing),
        (Sign::Word("billing_not_active"), Cause::Billing),
        (Sign::Word("context_length_exceeded"), Cause::TooLarge),
        (Sign::Says("currently overloaded"), Cause::Overload),
        (Sign::Says("overloaded or not ready yet"), Cause::Overload),
    ],
    resets: Some(Meaning::UntilFull),
    ..COMMON
};

/// What is safe to read where nobody says whose reply it is: the sentence, the word for an empty purse, and
/// limits whose resets are Go's durations.
pub(super) const COMMON: Page = Page {
    causes: &[(Sign::Word("insufficient_quota"), Cause::Billing)],
    refusal: sentence,
    limits,
    ..Page::BARE
};

fn limits(headers: &dyn Headers) -> Vec<Stated> {
    let read = |name| {
        let reset = headers.value(&format!("x-ratelimit-reset-{name}")).and_then(go_duration);
        Some(Stated { reset, ..Stated::read(headers, name, None)? })
    };
    let requests = read("requests").map(|limit| Stated { axis: period(&limit), ..limit });
    let tokens = read("tokens").map(|limit| Stated { axis: Some(Axis::Tpm), ..limit });
    requests.into_iter().chain(tokens).collect()
}

/// Which request limit the header speaks of: the minute's, unless only a day takes so long to refill.
/// The level behind `remaining` is finer than what is printed, hence one request of room on either side.
fn period(limit: &Stated) -> Option<Axis> {
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
