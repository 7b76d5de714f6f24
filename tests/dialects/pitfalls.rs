//! Fourteen mistakes of clients that use several providers, by number, with a test for each that concerns parsing; the others
//! are listed with the module that avoids them. Evidence: the sources of eight routers, and recorded replies.

use super::{NOW, Pairs};
use provider::{Axis, Instant, Usage};
use quotalab::engine::parse::{self, Dialect, Parsed, ParsedFailure, Response, Stream};
use quotalab::engine::{Reply, WaitKind};
use quotalab::event::{self, AttemptOutcome, RefusalCause};
use serde_json::json;

fn read(dialect: Dialect, status: u16, headers: &[(&str, &str)], body: &str) -> Parsed {
    let headers = Pairs(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
    parse::parsed(Some(dialect), NOW, &Response { status, headers: &headers, body: body.as_bytes() })
}

fn failure(dialect: Dialect, status: u16, headers: &[(&str, &str)], body: &str) -> ParsedFailure {
    read(dialect, status, headers, body).failure.expect("an error")
}

fn cause(dialect: Dialect, status: u16, body: &str) -> RefusalCause {
    failure(dialect, status, &[], body).cause
}

/// Returns the wait in milliseconds and its kind.
fn wait(dialect: Dialect, status: u16, headers: &[(&str, &str)], body: &str) -> Option<(u64, WaitKind)> {
    failure(dialect, status, headers, body).wait.map(|wait| (wait.length.0 / 1_000_000, wait.kind))
}

fn error(message: &str, code: &str) -> String {
    json!({ "error": { "message": message, "type": "t", "param": null, "code": code } }).to_string()
}

/// 1. All of these causes have status 429 in some dialect.
#[test]
fn one_status_has_seven_causes() {
    let zero = json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Please retry in 20.04466179s.",
        "details": [{ "violations": [{ "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "0" }] }] } });
    for (dialect, body, expected) in [
        (Dialect::OpenAi, error("Rate limit reached for m in organization org-x on tokens per min (TPM): Limit 9, Used 9, Requested 1.", "x"), RefusalCause::ShortLimit),
        (Dialect::Cerebras, json!({ "message": "Tokens per day limit exceeded - too many tokens processed.", "code": "token_quota_exceeded" }).to_string(), RefusalCause::DayLimit),
        (Dialect::DeepInfra, error("Rate limited", "x"), RefusalCause::Concurrency),
        (Dialect::Cerebras, json!({ "message": "Busy", "code": "queue_exceeded" }).to_string(), RefusalCause::Overload),
        (Dialect::OpenAi, error("You exceeded your current quota", "insufficient_quota"), RefusalCause::Billing),
        (Dialect::OpenAi, error("Request too large for m in organization org-x on tokens per min (TPM): Limit 9, Requested 10.", "x"), RefusalCause::TooLarge),
        (Dialect::Gemini, zero.to_string(), RefusalCause::NotInTier),
        (Dialect::Anthropic, error("Extra usage is required for long context requests", "rate_limit_error"), RefusalCause::NotInTier),
    ] {
        assert_eq!(cause(dialect, 429, &body), expected, "{body}");
    }
    assert_eq!(RefusalCause::NotInTier.name(), "not_in_tier");
    assert_eq!(wait(Dialect::Gemini, 429, &[], &zero.to_string()), Some((20_044, WaitKind::Meaningless)));
}

/// 2. The message, or for Azure the length of the wait, decides which period is meant.
#[test]
fn one_code_or_sentence_covers_several_periods() {
    let cerebras = |period: &str| {
        let message = format!("Tokens per {period} limit exceeded - too many tokens processed.");
        cause(
            Dialect::Cerebras,
            429,
            &json!({ "message": message, "code": "token_quota_exceeded" }).to_string(),
        )
    };
    assert_eq!(
        ["minute", "hour", "day"].map(cerebras),
        [RefusalCause::ShortLimit, RefusalCause::ShortLimit, RefusalCause::DayLimit]
    );
    let bedrock = |message: &str| {
        failure(Dialect::Bedrock, 429, &[], &json!({ "message": message }).to_string()).refusal.axis
    };
    assert_eq!(bedrock("Too many tokens per day, please wait before trying again."), Some(Axis::Tpd));
    assert_eq!(bedrock("Too many tokens, please wait before trying again."), Some(Axis::Tpm));
    let gemini = error("You exceeded your current quota. Please retry in 5.2s.", "429");
    assert_eq!(
        wait(Dialect::Gemini, 429, &[], &gemini),
        Some((5_200, WaitKind::Suggested)),
        "the period is unknown"
    );
    let azure = |seconds: u32| {
        cause(
            Dialect::Azure,
            429,
            &error(
                &format!(
                    "Requests have exceeded token rate limit of your tier. Please retry after {seconds} seconds."
                ),
                "429",
            ),
        )
    };
    assert_eq!(
        [azure(60), azure(61)],
        [RefusalCause::ShortLimit, RefusalCause::DayLimit],
        "a bucket per minute refills within a minute"
    );
}

/// 3 and 4. The dialect determines the meaning and the unit of a header. Only Azure uses two units of time, milliseconds and
/// seconds; the limit and the remaining units show which one a reset has.
#[test]
fn the_meaning_of_a_header_depends_on_the_dialect() {
    let suggestion = [("x-ratelimit-reset", "2")];
    assert_eq!(wait(Dialect::Together, 429, &suggestion, ""), Some((2_000, WaitKind::Suggested)));
    assert_eq!(wait(Dialect::OpenAi, 429, &suggestion, ""), None);

    let minute = [
        ("x-ratelimit-limit-tokens-minute", "60000"),
        ("x-ratelimit-remaining-tokens-minute", "0"),
        ("x-ratelimit-reset-tokens-minute", "11.382867097854614"),
    ];
    assert_eq!(wait(Dialect::Cerebras, 429, &minute, ""), Some((11_382, WaitKind::UntilWindowEnds)));
    assert_eq!(wait(Dialect::Mistral, 429, &minute, ""), None);

    let tokens = |reset| {
        [
            ("x-ratelimit-limit-tokens", "30000"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", reset),
        ]
    };
    assert_eq!(wait(Dialect::OpenAi, 429, &tokens("1m0s"), ""), Some((60_000, WaitKind::UntilFull)));
    assert_eq!(
        wait(Dialect::Azure, 429, &tokens("60000"), ""),
        Some((60_000, WaitKind::UntilFull)),
        "classic"
    );
    assert_eq!(wait(Dialect::Azure, 429, &tokens("60"), ""), Some((60_000, WaitKind::UntilFull)), "Foundry");
    assert_eq!(wait(Dialect::OpenAi, 429, &tokens("60"), ""), None, "not a Go duration");
    assert_eq!(wait(Dialect::Groq, 429, &tokens("1m0s"), ""), None, "rarely the limit that refused");

    let epoch = json!({ "error": { "message": "Rate limit exceeded: free-models-per-day", "code": 429,
        "metadata": { "headers": { "X-RateLimit-Limit": "50", "X-RateLimit-Reset": "1787184000000" } } } });
    let date = [("date", "Wed, 19 Aug 2026 14:34:22 GMT")];
    assert_eq!(
        wait(Dialect::OpenRouter, 429, &date, &epoch.to_string()),
        Some((33_938_000, WaitKind::UntilWindowEnds))
    );
    assert_eq!(wait(Dialect::OpenRouter, 429, &[], &epoch.to_string()), None, "without a date header");
}

/// 5. `retry-after` has several formats.
#[test]
fn every_format_of_retry_after_is_parsed() {
    let date = ("date", "Wed, 19 Aug 2026 14:34:22 GMT");
    for (headers, millis) in [
        (vec![("retry-after", "1"), ("retry-after-ms", "0")], Some(1_000)),
        (vec![("retry-after", "0"), ("retry-after-ms", "0")], None),
        (vec![("retry-after", "0.05")], Some(50)),
        (vec![("retry-after", "86400")], Some(86_400_000)),
        (vec![("retry-after", "-1")], None),
        (vec![("retry-after", "Wed, 19 Aug 2026 14:35:22 GMT"), date], Some(60_000)),
        (vec![("retry-after", "Wed, 19 Aug 2026 14:35:22 GMT")], None),
        (vec![("retry-after", "Tue, 18 Aug 2026 14:35:22 GMT"), date], None),
    ] {
        for dialect in Dialect::ALL {
            let wait = wait(dialect, 429, &headers, "").map(|(millis, _)| millis);
            assert_eq!(wait, millis, "{dialect:?} {headers:?}");
        }
    }
    let success = read(
        Dialect::Anthropic,
        200,
        &[("retry-after", "25")],
        r#"{"usage":{"input_tokens":1,"output_tokens":2}}"#,
    );
    assert_eq!((success.reply.outcome, success.reply.wait), (AttemptOutcome::Ok, None));
}

/// 6. Missing headers are no error.
#[test]
fn a_reply_without_headers_has_no_limits() {
    for dialect in Dialect::ALL {
        let parsed = read(dialect, 429, &[], "");
        assert!(parsed.limits.is_empty() && parsed.reply.wait.is_none());
    }
}

/// 7. A 429 for overload concerns no limit of the account: it has no axis, and its wait is a suggestion.
#[test]
fn overload_has_no_axis_and_suggests_a_wait() {
    for (dialect, body) in [
        (
            Dialect::Cerebras,
            json!({ "message": "We're experiencing high traffic right now!", "code": "queue_exceeded" })
                .to_string(),
        ),
        (Dialect::DeepInfra, error("Model busy, retry later", "engine_overloaded")),
        (
            Dialect::Fireworks,
            error("Request didn't generate first token before the given deadline", "too_many_requests"),
        ),
        (
            Dialect::Azure,
            "The system is currently experiencing high demand and cannot process your request.".into(),
        ),
        (
            Dialect::GeminiCloudCode,
            json!({ "error": { "code": 429, "details": [{ "reason": "MODEL_CAPACITY_EXHAUSTED" }] } })
                .to_string(),
        ),
    ] {
        let failure = failure(dialect, 429, &[("retry-after", "3")], &body);
        assert_eq!((failure.cause, failure.refusal.axis), (RefusalCause::Overload, None), "{body}");
        assert_eq!(failure.wait.map(|wait| wait.kind), Some(WaitKind::Suggested));
    }
    assert_eq!(cause(Dialect::Together, 503, ""), RefusalCause::Overload);
    assert_eq!(cause(Dialect::Groq, 498, &error("x", "capacity_exceeded")), RefusalCause::Overload);
}

/// 11. Bodies have many formats: `laws.rs` wraps every row, this test has the rare ones.
///
/// Scope, reservation and the charge of a refusal (8 to 10) belong to the provider model in `mock/`.
#[test]
fn rare_bodies_are_parsed() {
    let codes = [json!(429), json!("429"), json!(null)];
    for code in codes {
        let body =
            json!({ "error": { "message": "Rate limit exceeded: free-models-per-min.", "code": code } })
                .to_string();
        assert_eq!(failure(Dialect::OpenRouter, 429, &[], &body).refusal.axis, Some(Axis::Rpm));
    }
    let inner = error(
        "Rate limit reached for m in organization org-x on requests per min (RPM): Limit 3, Used 3, Requested 1.",
        "x",
    );
    let wrapped = json!({ "error": { "message": inner, "code": "invalid_request" } }).to_string();
    let reply = read(Dialect::OpenAi, 429, &[], &wrapped).reply;
    assert!(matches!(
        reply.outcome,
        AttemptOutcome::Refused { axis: Some(Axis::Rpm), cause: RefusalCause::ShortLimit }
    ));

    let inside = json!({ "error": { "message": "Rate limit exceeded: free-models-per-day", "code": 429 } })
        .to_string();
    let reply = read(Dialect::OpenRouter, 200, &[], &inside).reply;
    assert!(matches!(
        reply.outcome,
        AttemptOutcome::Refused { axis: Some(Axis::Rpd), cause: RefusalCause::DayLimit }
    ));
    let broken = json!({ "error": { "message": "Upstream died", "code": 502 }, "choices": [], "usage": { "prompt_tokens": 1, "completion_tokens": 0 } });
    let reply = read(Dialect::OpenRouter, 200, &[], &broken.to_string()).reply;
    assert_eq!(reply.outcome, AttemptOutcome::Failed(event::AttemptFailure::Status(502)));
    let azure = error("Your requests to m for m in westeurope have exceeded rate limit.", "RateLimitReached");
    assert_eq!(cause(Dialect::Azure, 400, &azure), RefusalCause::ShortLimit, "a 429 inside a 400");
}

/// 11 and 12. A stream may have an error after its first token, and has its usage at different positions.
#[test]
fn a_stream_ends_with_usage_or_a_failure() {
    let stream = |dialect, events: &[&str]| -> Reply {
        let mut stream = Stream::default();
        events.iter().for_each(|event| stream.take(NOW, event.as_bytes(), false));
        assert!(stream.is_done());
        stream.reply(Some(dialect), Instant(9_000_000_000), &Pairs::default())
    };
    let token = r#"{"choices":[{"delta":{"content":"Hi"}}]}"#;
    let bedrock = r#"{"error":{"message":"Too many tokens, please wait before trying again.","type":"ThrottlingException"}}"#;
    let limited = stream(Dialect::Bedrock, &[token, bedrock]);
    assert_eq!(
        limited.outcome,
        AttemptOutcome::Refused { axis: Some(Axis::Tpm), cause: RefusalCause::ShortLimit }
    );
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
    let success = stream(Dialect::Together, &[token, finish, "[DONE]"]);
    assert_eq!(
        (success.outcome, success.usage),
        (AttemptOutcome::Ok, Usage { prompt_tokens: 3, completion_tokens: 1, cached_tokens: 0 })
    );
    assert_eq!(success.first_token_at, NOW);
}

/// 13. A request that can never succeed is not worth a wait, even if the reply states one.
#[test]
fn permanent_refusals_have_no_usable_wait() {
    for (dialect, status, body) in [
        (Dialect::OpenAi, 429, error("You exceeded your current quota", "insufficient_quota")),
        (
            Dialect::OpenAi,
            429,
            error(
                "Request too large for m in organization org-x on tokens per min (TPM): Limit 1, Requested 2.",
                "x",
            ),
        ),
        (
            Dialect::DeepInfra,
            500,
            error("Requested input length 99009 exceeds maximum input length 8192", "x"),
        ),
        (
            Dialect::Anthropic,
            429,
            error("Extra usage is required for long context requests", "rate_limit_error"),
        ),
        (
            Dialect::Anthropic,
            400,
            error("Your credit balance is too low to access the API", "invalid_request_error"),
        ),
    ] {
        let reply = read(dialect, status, &[("retry-after", "5")], &body).reply;
        assert_eq!(reply.wait.map(|wait| wait.kind), Some(WaitKind::Meaningless), "{body}");
        assert!(matches!(
            reply.outcome,
            AttemptOutcome::Refused {
                cause: RefusalCause::Billing | RefusalCause::TooLarge | RefusalCause::NotInTier,
                ..
            }
        ));
    }
}

/// 14. Incomplete limit headers are not completed by assumptions.
#[test]
fn missing_values_of_limit_headers_are_not_assumed() {
    let without_reset = [("x-ratelimit-limit-requests", "1800"), ("x-ratelimit-remaining-requests", "1800")];
    let parsed = read(Dialect::XAi, 200, &without_reset, "{}");
    assert_eq!(
        (parsed.limits.len(), parsed.reply.remaining.requests),
        (1, Some((Axis::Rpm, 1800))),
        "remaining units need no reset"
    );
    let alone = [("x-ratelimit-remaining-requests", "119")];
    assert!(read(Dialect::Azure, 200, &alone, "{}").limits.is_empty(), "no limit");
    let sentinel = [
        ("x-ratelimit-limit-tokens", "-1"),
        ("x-ratelimit-remaining-tokens", "-1"),
        ("x-ratelimit-reset-tokens", "0"),
    ];
    assert!(read(Dialect::Azure, 429, &sentinel, "").limits.is_empty());
    let over = [("x-ratelimit-over-limit", "yes"), ("x-ratelimit-limit-tokens-prompt", "60000")];
    assert!(read(Dialect::Fireworks, 200, &over, "{}").failure.is_none());
}
