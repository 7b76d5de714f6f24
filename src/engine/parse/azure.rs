//! Azure: OpenAI's header names with bare numbers in them, milliseconds on the classic endpoint and seconds,
//! rounded down, on Foundry.
//!
//! Evidence (recorded 2024–2026): 1 of 120 requests used says `500`, 14 of 120,000 tokens `7`: milliseconds. 1 of
//! 50 used says `1`, 1 of 250 `0`: seconds. `-1/-1/0` stands for no limit, `retry-after-ms: 0` may stand beside
//! `retry-after: 1`, and the free tier's day is announced as 86,400 seconds.

use super::error_body::ErrorBody;
use super::headers::{Headers, whole as number};
use super::limit_header::{LimitHeader, refill};
use super::refusal::{Refusal, after, between, whole};
use super::rules::{DialectRules, ErrorResponse, Marker};
use crate::engine::{Wait, WaitKind};
use crate::event::LimitCause;
use provider::{Axis, Nanos};

pub(super) const RULES: DialectRules = DialectRules {
    causes: &[
        (Marker::Word("insufficient_quota"), LimitCause::Billing),
        (Marker::Word("context_length_exceeded"), LimitCause::TooLarge),
        (Marker::Says("currently experiencing high demand"), LimitCause::Overload),
    ],
    refusal,
    wait: |seen| Some(Wait { length: named_wait(seen)?, meaning: WaitKind::UntilEnough }),
    limits,
    resets: Some(WaitKind::UntilFull),
    ..DialectRules::BARE
};

/// `Please retry after 20 seconds`; the header is finer, so it goes first.
fn named_wait(seen: &ErrorResponse<'_>) -> Option<Nanos> {
    super::headers::retry_after(seen.headers).or_else(|| said_wait(seen.said))
}

fn said_wait(said: &ErrorBody) -> Option<Nanos> {
    let rest = after(&said.lower, "retry after ")?;
    let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let seconds = whole(rest).filter(|seconds| unit.starts_with(" second") && *seconds > 0)?;
    Some(Nanos::from_secs(seconds))
}

fn refusal(said: &ErrorBody) -> Refusal {
    // Limits are per minute but for the free tier's: a bucket of a minute never asks for more than one.
    let day = said_wait(said).is_some_and(|wait| wait > Nanos::MINUTE);
    let (axis, limited) = match &said.lower {
        text if text.contains("exceeded token rate limit") => {
            (Some(if day { Axis::Tpd } else { Axis::Tpm }), true)
        }
        text if text.contains("exceeded call rate limit") => {
            (Some(if day { Axis::Rpd } else { Axis::Rpm }), true)
        }
        text => (None, text.contains("exceeded rate limit") || said.is_called("RateLimitReached")),
    };
    let cause = limited.then_some(if day { LimitCause::DayLimit } else { LimitCause::MinuteLimit });
    let message = said.message.as_deref().unwrap_or_default();
    let model = between(message, "Your requests to ", " for ").map(str::to_owned);
    Refusal { cause, axis, model, ..Refusal::default() }
}

fn limits(headers: &dyn Headers) -> Vec<LimitHeader> {
    let read = |name, axis| {
        let limit = LimitHeader::read(headers, name, Some(axis))?;
        let reset =
            number(headers, &format!("x-ratelimit-reset-{name}")).and_then(|value| reset(&limit, value));
        Some(LimitHeader { reset, ..limit })
    };
    read("requests", Axis::Rpm).into_iter().chain(read("tokens", Axis::Tpm)).collect()
}

/// The unit in which a bare number is nearest to what the other two numbers imply; `None` where neither is near.
fn reset(limit: &LimitHeader, value: u64) -> Option<Nanos> {
    let implied = refill(limit.limit, limit.used(), Nanos::MINUTE);
    let (seconds, millis) = (Nanos::from_secs(value), Nanos::from_millis(value));
    // Rounded down: anything within the second is right.
    let off_seconds = seconds
        .0
        .saturating_sub(implied.0)
        .max(implied.0.saturating_sub(seconds.0.saturating_add(Nanos::SECOND.0 - 1)));
    let off_millis = millis.0.abs_diff(implied.0);
    let (length, off) = if off_seconds < off_millis { (seconds, off_seconds) } else { (millis, off_millis) };
    let one = refill(limit.limit, 1, Nanos::MINUTE).0.max(Nanos::from_millis(1).0);
    (off <= one).then_some(length)
}

/// Whether headers of this shape can only be Azure's: bare whole numbers under OpenAI's names.
pub(super) fn states_bare_numbers(headers: &dyn Headers) -> bool {
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
    fn the_unit_of_a_bare_number_follows_from_the_others() {
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
        assert_eq!(reset_of("1000", "400", "5"), Some(None), "neither unit is near");
        assert_eq!(reset_of("-1", "-1", "0"), None, "no limit");
    }
}
