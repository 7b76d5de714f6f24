//! Refusals equal the captures byte for byte, and a client that waits as announced is admitted.

use crate::apis::with_dialect;
use crate::client::{MODEL, RunningMock, chat_body, config, no_latency, post};
use provider::config::{Config, Dialect, Fault, Lengths, Limit, Tier};
use provider::server::ControlPlane;
use provider::{Axis, Nanos};

#[tokio::test]
async fn the_refusal_of_the_31st_request_is_as_captured_and_its_wait_is_enough() {
    let mock = RunningMock::start(&config(vec![Limit::new(Axis::Rpm, 30)], no_latency(), &[])).await;
    for _ in 0..30 {
        assert_eq!(mock.ask().await.status, 200);
    }
    let refused = mock.ask().await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("2"));
    // The refusal of 2026 in tests/data, model and organisation included.
    let captured = format!(
        r#"{{"error":{{"message":"Rate limit reached for model `{MODEL}` in organization `org_x` service tier `on_demand` on requests per minute (RPM): Limit 30, Used 30, Requested 1. Please try again in 2s. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing","type":"requests","code":"rate_limit_exceeded"}}}}"#
    );
    assert_eq!(refused.body.trim_end(), captured);

    mock.set_clock(Nanos(1_999_999_999));
    assert_eq!(mock.ask().await.status, 429);
    mock.set_clock(Nanos::from_secs(2));
    assert_eq!(mock.ask().await.status, 200);
}

#[tokio::test]
async fn header_names_are_lower_case_and_in_the_captured_order() {
    let limits = vec![Limit::new(Axis::Rpd, 1000), Limit::new(Axis::Tpm, 8000)];
    let mock = RunningMock::start(&config(limits, no_latency(), &[])).await;
    let text = mock.exchange(&post("prompt=26;completion=200;draw=1;tag=1", &chat_body(""))).await;
    let names: Vec<_> =
        text.lines().skip(1).map_while(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    let expected = [
        "content-type",
        "cache-control",
        "vary",
        "x-groq-region",
        "x-ratelimit-limit-requests",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset-tokens",
        "x-request-id",
    ];
    assert_eq!(names[..expected.len()], expected);
    for line in [
        "x-ratelimit-limit-requests: 1000",
        "x-ratelimit-limit-tokens: 8000",
        "x-ratelimit-remaining-requests: 999",
        // 26 prompt tokens and max_tokens 100 are reserved: headers state the limits before the call is settled.
        "x-ratelimit-remaining-tokens: 7874",
        "x-ratelimit-reset-requests: 1m26.4s",
        "x-ratelimit-reset-tokens: 945ms",
    ] {
        assert!(text.contains(&format!("\r\n{line}\r\n")), "{line} in {text}");
    }
}

#[tokio::test]
async fn an_oversized_request_is_a_413_with_a_wait_and_oversized_output_a_429_without() {
    let limits = vec![Limit::new(Axis::Tpm, 8000)];
    let mock = RunningMock::start(&config(limits, no_latency(), &[])).await;
    let large = mock.chat("prompt=10394;completion=5;draw=1;tag=1", &chat_body("")).await;
    assert_eq!((large.status, large.header("retry-after")), (413, Some("19")));
    let message = large.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("(TPM): Limit 8000, Requested 10494, please reduce your message size"),
        "{message}"
    );

    let mut developer = config(vec![Limit::new(Axis::Otpm, 90)], no_latency(), &[]);
    developer.tier = Tier::Developer;
    let mock = RunningMock::start(&developer).await;
    let large = mock.ask().await;
    assert_eq!((large.status, large.header("retry-after")), (429, None));
    let message = large.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("(OTPM): Limit 90, Requested 100. The request's expected output"), "{message}");
    assert!(
        message.ends_with("Visit https://groq.com/self-serve-support/ to request higher limits."),
        "{message}"
    );
}

#[tokio::test]
async fn the_keys_of_an_account_share_its_limits() {
    let mock = RunningMock::start(&config(vec![Limit::new(Axis::Rpm, 1)], no_latency(), &[])).await;
    let mut statuses = Vec::new();
    for key in ["k1", "k2", "k3", "k3"] {
        let request = post("", &chat_body("")).replace("Bearer k1", &format!("Bearer {key}"));
        statuses.push(mock.exchange(&request).await[9..12].to_owned());
    }
    assert_eq!(statuses, ["200", "429", "200", "429"]);
}

#[tokio::test]
async fn a_request_longer_than_the_context_is_as_captured_and_not_charged() {
    let mut config =
        config(vec![Limit::new(Axis::Rpd, 1000), Limit::new(Axis::Tpm, 8000)], no_latency(), &[]);
    config.models[0].lengths = Lengths { context: Some(200), max_output: Some(120) };
    let mock = RunningMock::start(&config).await;
    // The request allows a completion of 100 tokens.
    let long = mock.exchange(&post("prompt=101;completion=9;draw=1;tag=1", &chat_body(""))).await;
    assert!(long.starts_with("HTTP/1.1 400 "), "{long}");
    let captured = r#"{"error":{"message":"Please reduce the length of the messages or completion.","type":"invalid_request_error","param":"messages"}}"#;
    assert!(long.contains(captured), "{long}");
    assert!(long.contains("x-ratelimit-remaining-requests: 1000"), "{long}");
    assert!(long.contains("x-ratelimit-remaining-tokens: 8000"), "{long}");
    let fits = mock.exchange(&post("prompt=100;completion=9;draw=1;tag=2", &chat_body(""))).await;
    assert!(fits.starts_with("HTTP/1.1 200 "), "{fits}");
}

/// Cerebras states the time until the limit is full, whatever the rounding of the exact wait.
#[tokio::test]
async fn cerebras_states_the_time_until_any_limit_is_full() {
    for limit in [5, 7, 9, 11, 13, 35, 70] {
        let mock =
            RunningMock::start(&with_dialect(Dialect::Cerebras, vec![Limit::new(Axis::Rpm, limit)])).await;
        let body: serde_json::Value = serde_json::from_str(&chat_body("")).unwrap();
        for _ in 0..limit {
            assert_eq!(mock.call("/v1/chat/completions", &body).await.status, 200);
        }
        let refused = mock.call("/v1/chat/completions", &body).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")), "{limit} rpm");
    }
}

/// Mistral states no wait, not even the long one of a daily limit, unless a fault sets the wait, be it long or short.
#[tokio::test]
async fn mistral_states_only_the_wait_of_a_fault() {
    for (faults, stated) in [(&[][..], None), (&[Fault::RetryAfter(Nanos::from_secs(7))], Some("7"))] {
        let config = Config {
            dialect: Dialect::Mistral,
            ..config(vec![Limit::new(Axis::Rpd, 1)], no_latency(), faults)
        };
        let mock = RunningMock::start_with(&config, ControlPlane::Enabled).await;
        let body: serde_json::Value = serde_json::from_str(&chat_body("")).unwrap();
        assert_eq!(mock.call("/v1/chat/completions", &body).await.status, 200);
        let refused = mock.call("/v1/chat/completions", &body).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, stated), "{faults:?}");
    }
}

/// For a daily limit, Gemini states the rest of the minute, unless a fault sets the wait. The journal has the stated wait.
#[tokio::test]
async fn gemini_states_the_rest_of_the_minute_for_a_daily_limit() {
    for (faults, stated) in [(&[][..], "60s"), (&[Fault::RetryAfter(Nanos::HOUR)], "3600s")] {
        let config = Config {
            dialect: Dialect::Gemini,
            ..config(vec![Limit::new(Axis::Rpd, 1)], no_latency(), faults)
        };
        let mock = RunningMock::start_with(&config, ControlPlane::Enabled).await;
        let body: serde_json::Value = serde_json::from_str(&chat_body("")).unwrap();
        let path = "/v1beta/openai/chat/completions";
        assert_eq!(mock.call(path, &body).await.status, 200);
        let refused = mock.call(path, &body).await;
        assert!(refused.body.contains(stated), "{}", refused.body);
        let journal = mock.control("GET", "/_quotalab/requests", "").await.json();
        let wait =
            journal["requests"].as_array().unwrap().iter().find_map(|request| request["wait_s"].as_f64());
        assert_eq!(wait.map(|wait| format!("{wait}s")), Some(stated.to_owned()), "{journal}");
    }
}
