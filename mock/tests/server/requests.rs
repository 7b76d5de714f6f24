//! Requests that are not checked against a limit, and the reply to a served one.

use crate::client::{
    FOREIGN_TAG, HttpReply, MODEL, Observed, RunningMock, STATED_TAG, chat_body, config, no_latency, post,
};
use provider::config::Limit;
use provider::server::{DECISION_HEADER, MAX_JSON_BODY_BYTES};
use provider::{Axis, Usage};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_completion_has_the_members_of_the_capture_in_its_order() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let reply = mock.ask().await;
    let body = reply.json();
    let mut place = 0;
    for member in [
        "\"id\":\"chatcmpl-",
        "\"object\":\"chat.completion\"",
        "\"created\":",
        "\"model\":",
        "\"choices\":[{\"index\":0",
        "\"message\":{\"role\":\"assistant\",\"content\":",
        "\"logprobs\":null",
        "\"finish_reason\":\"stop\"",
        "\"usage\":{\"queue_time\":",
        "\"prompt_tokens\":10",
        "\"prompt_time\":",
        "\"completion_tokens\":5",
        "\"completion_time\":",
        "\"total_tokens\":15",
        "\"total_time\":",
        "\"usage_breakdown\":null",
        "\"system_fingerprint\":\"fp_",
        "\"x_groq\":{\"id\":\"req_01",
        "\"seed\":",
        "\"service_tier\":\"on_demand\"",
    ] {
        place +=
            reply.body[place..].find(member).unwrap_or_else(|| panic!("{member} in order in {}", reply.body));
    }
    assert_eq!(body["model"], MODEL);
    assert_eq!(body["choices"][0]["message"]["content"].as_str().unwrap().split(' ').count(), 5);
    assert_eq!(reply.header("x-request-id"), body["x_groq"]["id"].as_str());
}

#[tokio::test]
async fn max_tokens_shortens_a_completion_with_finish_reason_length() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let reply = mock.chat("prompt=10;completion=101;draw=1;tag=1", &chat_body("")).await.json();
    assert_eq!(
        (&reply["choices"][0]["finish_reason"], &reply["usage"]["completion_tokens"]),
        (&json!("length"), &json!(100))
    );
    let reply = mock.chat("prompt=10;completion=100;draw=1;tag=1", &chat_body("")).await.json();
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn without_a_truth_header_the_prompt_is_estimated_and_the_completion_drawn() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let usage = &mock.chat("", &chat_body("")).await.json()["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(1), &json!(3)));
    let _settled = mock.ask().await;
    let tags: Vec<_> = mock
        .observed()
        .iter()
        .map(|seen| match seen {
            Observed::Decided(_, tag, _) | Observed::Settled(_, tag, _) => *tag,
        })
        .collect();
    assert_eq!(tags, [None, None, Some(9), Some(9)]);
    assert_eq!(
        mock.observed().last(),
        Some(&Observed::Settled(
            provider::Instant::ZERO,
            Some(9),
            Usage { prompt_tokens: 10, completion_tokens: 5, cached_tokens: 0 },
        ))
    );
}

#[tokio::test]
async fn unknown_keys_models_paths_and_invalid_bodies_are_rejected_in_groqs_format() {
    let mock = RunningMock::start(&config(vec![Limit::new(Axis::Rpm, 1)], no_latency(), &[])).await;
    let invalid = "invalid_request_error";
    let request = |from: &str, to: &str| post("", &chat_body("")).replace(from, to);
    let model = chat_body("").replace(MODEL, "a`b\\\"c\\u0001");
    let cases = [
        (
            request("Bearer k1", "Bearer unknown"),
            401,
            json!({"message": "Invalid API Key", "type": invalid, "code": "invalid_api_key"}),
        ),
        (
            request("authorization: Bearer k1\r\n", ""),
            401,
            json!({"message": "Invalid API Key", "type": invalid, "code": "invalid_api_key"}),
        ),
        (
            post("", &model),
            404,
            json!({"message": "The model `a`b\"c\u{1}` does not exist or you do not have access to it.", "type": invalid, "code": "model_not_found"}),
        ),
        (
            request("/chat/completions", "/chat"),
            404,
            json!({"message": "Unknown request URL: POST /openai/v1/chat. Please check the URL for typos.", "type": invalid, "code": "unknown_url"}),
        ),
        (
            post("", "{\"model\":\"m\"}"),
            400,
            json!({"message": "'messages' : property 'messages' is missing", "type": invalid}),
        ),
        (
            post("", "{\"model\":\"m\",\"messages\":[]}"),
            400,
            json!({"message": "'messages' : minimum number of items is 1", "type": invalid}),
        ),
        (post("", "{]"), 400, json!({"message": "key must be a string at line 1 column 2", "type": invalid})),
    ];
    for (request, status, error) in cases {
        let reply = HttpReply::parse(&mock.exchange(&request).await);
        assert_eq!((reply.status, &reply.json()["error"]), (status, &error));
        assert_eq!(reply.header("x-ratelimit-limit-requests"), None);
    }
    assert_eq!(mock.observed(), [], "none of them is decided on");
}

#[tokio::test]
async fn a_body_that_exceeds_the_maximum_is_a_413_with_and_without_content_length() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let announced = format!("content-length: {}", MAX_JSON_BODY_BYTES + 1);
    let chunk = format!("{MAX_JSON_BODY_BYTES:x}\r\n{}\r\n1\r\n \r\n", " ".repeat(MAX_JSON_BODY_BYTES));
    for (framing, body) in [(announced.as_str(), ""), ("transfer-encoding: chunked", chunk.as_str())] {
        let mut socket = mock.connect().await;
        let head = format!(
            "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: m\r\nauthorization: bearer k1\r\n{framing}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(body.as_bytes()).await.unwrap();
        let mut reply = [0; 12];
        socket.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"HTTP/1.1 413", "{framing}");
    }
    let fits = format!("{}{}", chat_body(""), " ".repeat(MAX_JSON_BODY_BYTES - chat_body("").len()));
    assert_eq!(mock.chat("", &fits).await.status, 200);
}

#[tokio::test]
async fn models_require_a_key_and_health_does_not() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let get =
        |path: &str, key: &str| format!("GET {path} HTTP/1.1\r\nhost: m\r\n{key}connection: close\r\n\r\n");
    let models =
        HttpReply::parse(&mock.exchange(&get("/openai/v1/models", "authorization: Bearer k3\r\n")).await);
    assert_eq!((models.status, &models.json()["data"][0]["id"]), (200, &json!(MODEL)));
    assert_eq!(models.header("x-ratelimit-limit-requests"), None);
    assert_eq!(HttpReply::parse(&mock.exchange(&get("/openai/v1/models", "")).await).status, 401);
    assert_eq!(HttpReply::parse(&mock.exchange(&get("/health", "")).await).json(), json!({"status": "ok"}));
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let mut socket = mock.connect().await;
    let keep_alive = post("", &chat_body("")).replace("connection: close\r\n", "");
    for _ in 0..10 {
        socket.write_all(keep_alive.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"\"service_tier\":\"on_demand\"}\n") {
            assert_ne!(socket.read_buf(&mut reply).await.unwrap(), 0, "closed early");
        }
    }
}

#[tokio::test]
async fn the_truth_header_of_another_client_is_ignored() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let forged = format!("prompt=4294967295;completion=5;draw=1;tag={FOREIGN_TAG}");
    let reply = mock.chat(&forged, &chat_body("")).await.json();
    assert!(reply["usage"]["prompt_tokens"].as_u64().unwrap() < 1_000, "{reply}");
    let tags = mock.observed().into_iter().map(|observed| match observed {
        Observed::Decided(_, tag, _) | Observed::Settled(_, tag, _) => tag,
    });
    assert_eq!(tags.collect::<Vec<_>>(), [None, None], "the run takes neither for its own");
}

#[tokio::test]
async fn a_reply_has_the_decision_header_only_if_the_observer_returns_one() {
    let one_request = Limit::new(Axis::Rpm, 1);
    let mock = RunningMock::start(&config(vec![one_request], no_latency(), &[])).await;
    let truth = |tag: u128| format!("prompt=9;completion=5;draw=1;tag={tag}");
    for (tag, status, stated) in [
        (STATED_TAG, 200, Some("true")),
        (STATED_TAG, 429, Some("false")),
        (STATED_TAG + 1, 429, None),
        (FOREIGN_TAG, 429, None),
    ] {
        let reply = mock.chat(&truth(tag), &chat_body("")).await;
        assert_eq!((reply.status, reply.header(DECISION_HEADER)), (status, stated), "{tag}");
    }
}
