//! Parsing of single replies: what each part of a refusal decides.

use super::testing::Pairs;
use super::*;
use crate::engine::{LimitNumbers, Wait, WaitKind};
use crate::event::{AttemptFailure, RefusalCause};
use crate::scenario::Retry;
use provider::{Axis, Nanos};
use serde_json::json;

fn read_as(dialect: Option<Dialect>, status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    reply(dialect, Instant::ZERO, &Response { status, headers: &Pairs(headers), body: body.as_bytes() })
}

fn read(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    read_as(Some(Dialect::Groq), status, headers, body)
}

/// A client that obeys every wait.
fn obeying() -> Retry {
    Retry { obey_retry_after: true, ..Retry::default() }
}

fn refused(message: &str) -> String {
    json!({ "error": { "message": message, "type": "tokens", "code": "rate_limit_exceeded" } }).to_string()
}

#[test]
fn a_refusal_states_axis_numbers_and_wait() {
    let body = refused(
        "Rate limit reached for model `m/x` in organization `org_1` service tier `on_demand` on tokens per day \
         (TPD): Limit 200000, Used 198334, Requested 24188. Please try again in 2h42m9.504s. Need more tokens?",
    );
    let reply = read(429, &[("retry-after", "9730")], &body);
    assert_eq!(
        reply.outcome,
        AttemptOutcome::Refused { axis: Some(Axis::Tpd), cause: RefusalCause::DayLimit }
    );
    assert_eq!(reply.wait, Some(Wait { length: Nanos(9_729_504_000_000), kind: WaitKind::UntilAdmitted }));
    let numbers =
        LimitNumbers { axis: Some(Axis::Tpd), limit: 200_000, used: Some(198_334), requested: 24_188 };
    assert_eq!(reply.limit, Some(numbers));
}

#[test]
fn a_413_has_no_usable_wait() {
    let body = refused(
        "Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute \
         (TPM): Limit 8000, Requested 10494, please reduce your message size and try again.",
    );
    let reply = read(413, &[("retry-after", "19")], &body);
    assert_eq!(
        reply.outcome,
        AttemptOutcome::Refused { axis: Some(Axis::Tpm), cause: RefusalCause::TooLarge }
    );
    assert_eq!(reply.wait.map(|wait| wait.kind), Some(WaitKind::Meaningless));
    assert_eq!(reply.obeyed_wait(&obeying()), None);
}

#[test]
fn without_an_axis_the_numbers_imply_the_cause() {
    let body = refused(
        "Rate limit reached on : Limit 100000, Used 98894, Requested 4273. Please try again in 45m36.288s.",
    );
    let reply = read(429, &[], &body);
    assert_eq!(reply.outcome, AttemptOutcome::Refused { axis: None, cause: RefusalCause::DayLimit });
}

#[test]
fn the_wait_is_read_from_retry_after_if_the_body_states_none() {
    for dialect in Dialect::ALL.map(Some).into_iter().chain([None]) {
        let reply = read_as(dialect, 429, &[("retry-after", "12")], "<html>too many</html>");
        assert_eq!(reply.outcome, AttemptOutcome::Refused { axis: None, cause: RefusalCause::Other });
        assert_eq!(reply.wait.map(|wait| wait.length), Some(Nanos::from_secs(12)));
        for unusable in ["", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "1e9", "99999999999999999999"] {
            assert_eq!(read_as(dialect, 429, &[("retry-after", unusable)], "").wait, None, "{unusable}");
        }
    }
}

#[test]
fn a_success_without_usage_is_garbage() {
    assert_eq!(read(200, &[], "<html>").outcome, AttemptOutcome::Failed(AttemptFailure::Garbage));
    let body = r#"{"id":"x","usage":{"prompt_tokens":7,"completion_tokens":9,"total_tokens":16}}"#;
    let success = read_as(Some(Dialect::Anthropic), 200, &[("retry-after", "25")], body);
    assert_eq!(
        (success.outcome, success.wait),
        (AttemptOutcome::Ok, None),
        "retry-after on a success has no effect"
    );
    assert_eq!(success.usage, Usage { prompt_tokens: 7, completion_tokens: 9, cached_tokens: 0 });
}

#[test]
fn a_wait_until_full_gives_no_retry_time() {
    let headers = [
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "1m0s"),
    ];
    let reply = read_as(Some(Dialect::OpenAi), 429, &headers, "");
    assert_eq!(reply.wait, Some(Wait { length: Nanos::MINUTE, kind: WaitKind::UntilFull }));
    assert_eq!(reply.obeyed_wait(&obeying()), None, "one request fits after 120 ms");
}

#[test]
fn the_status_decides_the_cause_without_a_body() {
    for dialect in Dialect::ALL.map(Some).into_iter().chain([None]) {
        for (status, cause) in [
            (401, RefusalCause::Auth),
            (403, RefusalCause::Auth),
            (402, RefusalCause::Billing),
            (413, RefusalCause::TooLarge),
            (498, RefusalCause::Overload),
            (500, RefusalCause::Overload),
            (503, RefusalCause::Overload),
            (529, RefusalCause::Overload),
            (429, RefusalCause::Other),
            (400, RefusalCause::Other),
            (404, RefusalCause::Other),
        ] {
            let response = Response { status, headers: &Pairs(&[]), body: b"" };
            let failure = super::parsed(dialect, Instant::ZERO, &response).failure.expect("an error status");
            assert_eq!((failure.cause, failure.wait), (cause, None), "{dialect:?} {status}");
        }
    }
}
