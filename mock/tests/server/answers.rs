//! Answers that a test sets: what a client receives.

use crate::client::{HttpReply, RunningMock, chat_body, config, exchange_at, no_latency, post};
use crate::control::start;
use provider::config::Limit;
use provider::server::{Mock, serve};
use provider::{Axis, Instant};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Sends a prompt and returns the reply.
async fn ask(mock: &RunningMock, prompt: &str, more: &str) -> HttpReply {
    let body = chat_body(more).replace(r#""hi""#, &json!(prompt).to_string());
    HttpReply::parse(&mock.exchange(&post("", &body)).await)
}

/// Returns the text of the reply to a prompt.
async fn text(mock: &RunningMock, prompt: &str) -> String {
    ask(mock, prompt, "").await.json()["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_fixed_text_is_the_content_and_determines_the_usage() {
    let mock = start(vec![Limit::new(Axis::Tpm, 8_000)]).await;
    mock.post_json("/_quotalab/answers", &json!({ "text": "Hello, \"world\"!" })).await;
    let reply = ask(&mock, "hi", "").await.json();
    assert_eq!(reply["choices"][0]["message"]["content"], "Hello, \"world\"!");
    assert_eq!(
        (&reply["usage"]["completion_tokens"], &reply["choices"][0]["finish_reason"]),
        (&json!(4), &json!("stop"))
    );
    let stream = ask(&mock, "hi", r#","stream":true"#).await;
    let chunks = stream
        .body
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let content: String = chunks
        .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect();
    assert_eq!(content, "Hello, \"world\"!");
    let body = chat_body("").replace(r#""max_tokens":100"#, r#""max_tokens":2"#);
    let short = HttpReply::parse(&mock.exchange(&post("", &body)).await).json();
    assert_eq!(short["choices"][0]["message"]["content"], "Hello, \"");
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    mock.control("DELETE", "/_quotalab/answers", "").await;
    assert_ne!(text(&mock, "hi").await, "Hello, \"world\"!");
}

/// Reasoning tokens are added to those of an answer that is set. If `max_tokens` bounds the sum, the answer gets what the
/// reasoning leaves.
#[tokio::test]
async fn reasoning_is_added_to_the_tokens_of_a_fixed_answer() {
    let mock = start(vec![]).await;
    let reasoned = async |max_tokens: u32| {
        let body = chat_body(r#","reasoning_effort":"medium""#)
            .replace(r#""max_tokens":100"#, &format!(r#""max_tokens":{max_tokens}"#));
        HttpReply::parse(&mock.exchange(&post("", &body)).await).json()
    };
    let answers = json!([{ "json": { "a": "bcdefghijk" } }, { "tool": { "name": "f", "arguments": { "city": "Berlin" } } }, { "text": "Hello, \"world\"!" }]);
    for (answer, tokens) in answers.as_array().unwrap().iter().zip([5, 5, 4]) {
        mock.post_json("/_quotalab/answers", answer).await;
        let plain = ask(&mock, "hi", "").await.json();
        assert_eq!(plain["usage"]["completion_tokens"], tokens, "{plain}");
        let reply = reasoned(100).await;
        let usage = &reply["usage"];
        let reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0);
        assert!(reasoning > 0, "{usage}");
        assert_eq!(usage["completion_tokens"].as_u64(), Some(tokens + reasoning), "{usage}");
        assert_eq!(reply["choices"][0]["message"]["content"], plain["choices"][0]["message"]["content"]);
        assert_eq!(reply["choices"][0]["finish_reason"], plain["choices"][0]["finish_reason"]);
    }
    let cut = reasoned(4).await["choices"][0].clone();
    assert_eq!((&cut["message"]["content"], &cut["finish_reason"]), (&json!("Hello, \""), &json!("length")));
}

#[tokio::test]
async fn the_latest_rule_that_matches_the_prompt_answers() {
    let mock = start(vec![]).await;
    let rules = json!([
        { "text": "other" },
        { "prompt": "(?i)weather in [a-z]+", "text": "sunny" },
        { "prompt_is": "2+2", "text": "4" },
        { "prompt": "^say ", "echo": true },
        { "account": "y", "text": "y" },
    ]);
    mock.post_json("/_quotalab/answers", &rules).await;
    for (prompt, expected) in [
        ("Weather in Berlin?", "sunny"),
        ("2+2", "4"),
        ("2+22", "other"),
        ("say \u{e9}\n\"x\"", "say \u{e9}\n\"x\""),
        ("", "other"),
    ] {
        assert_eq!(text(&mock, prompt).await, expected, "{prompt}");
    }
    mock.post_json("/_quotalab/answers", &json!({ "text": "once", "next": 1 })).await;
    assert_eq!([text(&mock, "2+2").await, text(&mock, "2+2").await], ["once", "4"]);
    let listed = mock.get_json("/_quotalab/answers").await;
    assert_eq!(listed["answers"][2]["answered"], json!(2));
    mock.control("POST", "/_quotalab/reset", "").await;
    assert_eq!(mock.get_json("/_quotalab/answers").await, json!({ "answers": [] }));
}

#[tokio::test]
async fn a_sequence_answers_one_request_after_another() {
    let mock = start(vec![]).await;
    let sequence =
        json!({ "sequence": [503, 429, "ok", { "text": "fine" }, { "fault": { "throttle": "2s" } }] });
    mock.post_json("/_quotalab/answers", &sequence).await;
    let mut replies = Vec::new();
    for _ in 0..6 {
        replies.push(ask(&mock, "hi", "").await);
    }
    let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [503, 429, 200, 200, 429, 200]);
    assert_eq!(replies[3].json()["choices"][0]["message"]["content"], "fine");
    assert_eq!(replies[4].header("retry-after"), Some("2"));
    mock.post_json("/_quotalab/answers", &json!({ "sequence": [503] })).await;
    assert_eq!([ask(&mock, "hi", "").await.status, ask(&mock, "hi", "").await.status], [503, 200]);
}

#[tokio::test]
async fn tools_and_json_have_the_content_that_was_set() {
    let mock = start(vec![]).await;
    let tool = json!({ "tool": { "name": "weather", "arguments": { "city": "Berlin" } }, "next": 1 });
    mock.post_json("/_quotalab/answers", &tool).await;
    let reply = ask(&mock, "hi", "").await.json();
    let call = &reply["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!((&call["name"], &call["arguments"]), (&json!("weather"), &json!(r#"{"city":"Berlin"}"#)));
    assert_eq!(reply["choices"][0]["finish_reason"], "tool_calls");
    mock.post_json("/_quotalab/answers", &json!({ "json": { "a": [1, null] } })).await;
    assert_eq!(text(&mock, "hi").await, r#"{"a":[1,null]}"#);
}

#[tokio::test]
async fn a_header_sets_the_answer_to_one_request() {
    let mock = start(vec![]).await;
    let with = async |header: &str| {
        let request = post("", &chat_body(""))
            .replace("connection", &format!("x-quotalab-answer: {header}\r\nconnection"));
        HttpReply::parse(&mock.exchange(&request).await)
    };
    assert_eq!(with("503").await.status, 503);
    assert_eq!(with("ok").await.status, 200);
    assert_eq!(with("echo").await.json()["choices"][0]["message"]["content"], "hi");
    assert_eq!(with(r#"{"text":"Hello"}"#).await.json()["choices"][0]["message"]["content"], "Hello");
    assert_eq!(with(r#"{"fault":"reset_after_head"}"#).await.status, 200);
    let wrong = with("{").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("x-quotalab-answer"), "{}", wrong.body);
    assert_ne!(text(&mock, "hi").await, "Hello");
}

/// A mock without a control plane and a journal has the answers of its program.
#[tokio::test]
async fn answers_need_neither_a_control_plane_nor_a_journal() {
    let mock = Mock::new(&config(vec![], no_latency(), &[]), 7, Arc::new(|| Instant::ZERO), None);
    mock.set_answers(&[
        json!({ "text": "elsewhere", "path": "/v2/*" }),
        json!({ "text": "here", "path": "/openai/*" }),
        json!({ "text": "prompted", "prompt": "^2\\+2$" }),
    ])
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::new(mock), std::future::pending()));
    let content = async |body: String, header: &str| {
        let request = post("", &body).replace("connection", &format!("{header}connection"));
        let reply = HttpReply::parse(&exchange_at(address, request).await);
        reply.json()["choices"][0]["message"]["content"].clone()
    };
    assert_eq!(content(chat_body(""), "").await, "here");
    assert_eq!(content(chat_body("").replace(r#""hi""#, r#""2+2""#), "").await, "prompted");
    assert_eq!(content(chat_body(""), "x-quotalab-answer: echo\r\n").await, "hi");
}

#[tokio::test]
async fn json_satisfies_the_schema_of_the_request() {
    let mock = start(vec![]).await;
    let schema = json!({
        "type": "object",
        "properties": {
            "code": { "type": "string", "pattern": "^[A-Z]{3}-\\d{4}$" },
            "tags": { "type": "array", "items": { "enum": ["a", "b"] }, "minItems": 2, "uniqueItems": true },
            "when": { "type": "string", "format": "date" },
        },
        "required": ["code", "tags", "when"],
    });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema } });
    let reply = ask(&mock, "hi", &format!(r#","response_format":{format}"#)).await.json();
    let content: Value =
        serde_json::from_str(reply["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(content, json!({ "code": "AAA-0000", "tags": ["a", "b"], "when": "2026-11-01" }));
}
