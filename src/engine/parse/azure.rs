//! Azure: OpenAI's header names with resets that have no unit: milliseconds on the classic endpoint, whole seconds,
//! rounded down, on Foundry.
//!
//! Evidence (recorded 2024–2026): with 1 of 120 requests used the reset is `500`, with 14 of 120,000 tokens `7`:
//! milliseconds. With 1 of 50 used it is `1`, with 1 of 250 `0`: seconds. `-1/-1/0` means no limit, `retry-after-ms: 0`
//! may come with `retry-after: 1`, and the wait of the free tier's daily limit is 86,400 seconds.

use super::error_body::ErrorBody;
use super::headers::{Headers, number, retry_after};
use super::limit_header::{LimitHeader, refill_time};
use super::quantity::leading_number;
use super::refusal::{Refusal, after, between};
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::RefusalCause;
use provider::{Axis, Nanos};

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Code("insufficient_quota"), RefusalCause::Billing),
        (Marker::Code("context_length_exceeded"), RefusalCause::TooLarge),
        (Marker::MessageContains("currently experiencing high demand"), RefusalCause::Overload),
    ],
    refusal,
    wait,
    limits,
    reset_kind: Some(WaitKind::UntilFull),
    ..DialectRules::NONE
};

/// Returns the wait in the headers or the message. Without one, a reset that comes without its limit is taken as seconds and as a
/// suggestion: it may be in milliseconds, but that reading would be far too early if it is in seconds.
fn wait(response: &ErrorResponse<'_>) -> Option<Wait> {
    let precise = precise_wait(response).map(|length| Wait { length, kind: WaitKind::UntilAdmitted });
    let alone = || {
        let names = ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"];
        let seconds = names.iter().find_map(|name| number(response.headers, name))?;
        let is_alone = response.limits.is_empty() && (1..MAX_RESET).contains(&seconds);
        is_alone.then_some(Wait { length: Nanos::from_secs(seconds), kind: WaitKind::Suggested })
    };
    precise.or_else(alone)
}

/// Returns the wait in the headers or, which is less precise, in the message.
fn precise_wait(response: &ErrorResponse<'_>) -> Option<Nanos> {
    retry_after(response.headers).or_else(|| message_wait(response.body))
}

/// Parses `Please retry after 20 seconds`.
fn message_wait(body: &ErrorBody) -> Option<Nanos> {
    let rest = after(&body.lowercase, "retry after ")?;
    let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let seconds = leading_number(rest).filter(|seconds| unit.starts_with(" second") && *seconds > 0)?;
    Some(Nanos::from_secs(seconds))
}

fn refusal(response: &ErrorResponse<'_>) -> Refusal {
    let body = response.body;
    // All limits are per minute except those of the free tier. A bucket per minute refills within a minute, so a longer wait is
    // one for a limit per day.
    let waits = [message_wait(body), retry_after(response.headers)];
    let day = waits.into_iter().flatten().any(|wait| wait > Nanos::MINUTE);
    let (axis, limited) = match &body.lowercase {
        text if exceeds(text, "token rate limit") => (Some(if day { Axis::Tpd } else { Axis::Tpm }), true),
        text if exceeds(text, "call rate limit") => (Some(if day { Axis::Rpd } else { Axis::Rpm }), true),
        text => (None, text.contains("exceeded rate limit") || body.has_code("RateLimitReached")),
    };
    let cause = limited.then_some(if day { RefusalCause::DayLimit } else { RefusalCause::ShortLimit });
    let message = body.message.as_deref().unwrap_or_default();
    let model = between(message, "Your requests to ", " for ").map(str::to_owned);
    Refusal { cause, axis, model, ..Refusal::default() }
}

/// Returns `true` for `exceeded token rate limit`, and for `exceeded the token rate limit`, as Foundry writes.
fn exceeds(text: &str, limit: &str) -> bool {
    text.match_indices(limit).any(|(at, _)| {
        let before = text[..at].trim_end();
        before.strip_suffix(" the").unwrap_or(before).ends_with("exceeded")
    })
}

/// Parses the limits. Their names do not state the window: it is a minute, unless only a day fits the reset, as for the free
/// tier's limit on requests.
fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |name, minute, day| {
        let limit = LimitHeader::parse(headers, name, Some(minute))?;
        let Some(value) = number(headers, &format!("x-ratelimit-reset-{name}")) else { return Some(limit) };
        if let Some(length) = reset(&limit, value, limit.used(), Nanos::MINUTE) {
            return Some(LimitHeader { reset: Some(length), ..limit });
        }
        let of_day = LimitHeader { axis: Some(day), ..limit };
        if let Some(length) = reset(&limit, value, limit.used(), Nanos::DAY) {
            return Some(LimitHeader { reset: Some(length), ..of_day });
        }
        // If no unit is left, the header may state when the next request fits.
        let next = |window| reset(&limit, value, 1, window).filter(|_| limit.remaining == 0);
        match (next(Nanos::MINUTE), next(Nanos::DAY)) {
            (Some(length), _) => Some(LimitHeader { next: Some(length), ..limit }),
            (None, Some(length)) => Some(LimitHeader { next: Some(length), ..of_day }),
            (None, None) => Some(limit),
        }
    };
    let requests = read("requests", Axis::Rpm, Axis::Rpd);
    requests.into_iter().chain(read("tokens", Axis::Tpm, Axis::Tpd)).collect()
}

/// Returns the reset in the unit that is closest to the time in which `units` refill over `window`, or `None` if neither
/// unit is close.
fn reset(limit: &LimitHeader, value: u64, units: u64, window: Nanos) -> Option<Nanos> {
    let implied = refill_time(limit.limit, units, window);
    let (seconds, millis) =
        (Nanos::from_secs(value.min(MAX_RESET)), Nanos::from_millis(value.min(MAX_RESET)));
    // Seconds are rounded down, so anything within the second matches.
    let off_seconds = seconds
        .0
        .saturating_sub(implied.0)
        .max(implied.0.saturating_sub(seconds.0.saturating_add(Nanos::SECOND.0 - 1)));
    let off_millis = millis.0.abs_diff(implied.0);
    let (length, off) = if off_seconds < off_millis { (seconds, off_seconds) } else { (millis, off_millis) };
    // The remaining units are rounded to whole ones. The refill time of a single unit has no such error.
    let rounding =
        if units == 1 && limit.used() > 1 { Nanos::ZERO } else { refill_time(limit.limit, 1, window) };
    let tolerance = rounding.0.max(Nanos::from_millis(1).0);
    (off <= tolerance).then_some(length)
}

/// The maximum number in a reset header. A higher one counts as this if the limit is known, and as no reset if it is not.
const MAX_RESET: u64 = 1_000_000_000;

/// Returns `true` if a reset under OpenAI's header names is a bare number, which only Azure sends.
pub(super) fn has_bare_resets(headers: &dyn Headers) -> bool {
    ["requests", "tokens"].iter().any(|name| number(headers, &format!("x-ratelimit-reset-{name}")).is_some())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Pairs;
    use super::*;

    fn reset_of(limit: &str, remaining: &str, reset: &str) -> Option<Option<Nanos>> {
        let headers = [
            ("x-ratelimit-limit-tokens", limit),
            ("x-ratelimit-remaining-tokens", remaining),
            ("x-ratelimit-reset-tokens", reset),
        ];
        limits(&Pairs(&headers)).first().map(|limit| limit.reset)
    }

    #[test]
    fn the_unit_of_a_reset_follows_from_limit_and_remaining() {
        for (limit, remaining, reset, millis) in [
            ("120", "119", "500", 500),
            ("120000", "119986", "7", 7),
            ("50", "49", "1", 1_000),
            ("250", "249", "0", 0),
            ("1000", "400", "36", 36_000),
            ("1000", "400", "36000", 36_000),
        ] {
            assert_eq!(
                reset_of(limit, remaining, reset),
                Some(Some(Nanos::from_millis(millis))),
                "{limit} {reset}"
            );
        }
        assert_eq!(reset_of("1000", "400", "5"), Some(None), "neither unit is close");
        assert_eq!(reset_of("-1", "-1", "0"), None, "no limit");
    }
}
