//! Completions as server-sent events.

use crate::client::{Http, Seen, Served, at_once, config, question};
use provider::config::{Fault, Service};
use provider::dist::Dist;
use serde_json::{Value, json};

fn events(reply: &Http) -> Vec<&str> {
    reply.body.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("an event")).collect()
}

#[tokio::test]
async fn a_stream_is_role_then_tokens_then_end_then_done() {
    // Two milliseconds to the first token, then a token a millisecond.
    let service = Service::Split { first_token: Dist::Constant(0.002), prefill: None, output: 1000.0 };
    for service in [service, at_once()] {
        let served = Served::start(&config(vec![], service, &[])).await;
        let reply = served.chat("prompt=10;completion=20;draw=1;tag=1", &question(r#","stream":true"#)).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/event-stream")));
        let events = events(&reply);
        assert_eq!(events.len(), 1 + 20 + 1 + 1);
        assert_eq!(*events.last().unwrap(), "[DONE]");
        let chunks: Vec<Value> =
            events[..22].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
        assert_eq!(chunks[0]["x_groq"]["id"].as_str(), reply.header("x-request-id"));
        for chunk in &chunks[1..21] {
            assert!(!chunk["choices"][0]["delta"]["content"].as_str().unwrap().is_empty());
            assert_eq!(
                (&chunk["x_groq"], &chunk["choices"][0]["finish_reason"]),
                (&Value::Null, &Value::Null)
            );
        }
        let end = &chunks[21];
        assert_eq!(
            (&end["choices"][0]["delta"], &end["choices"][0]["finish_reason"]),
            (&json!({}), &json!("stop"))
        );
        assert_eq!(end["usage"], end["x_groq"]["usage"]);
        assert_eq!(end["usage"]["total_tokens"], 30);
        assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"]));
        let seen = served.stop().await;
        assert!(
            matches!(seen[..], [Seen::Ruled(..), Seen::Settled(_, Some(1), usage)] if usage.total() == 30)
        );
    }
}

#[tokio::test]
async fn usage_comes_once_more_where_it_is_asked_for_and_length_is_told() {
    let served = Served::start(&config(vec![], at_once(), &[])).await;
    let more = r#","stream":true,"stream_options":{"include_usage":true}"#;
    let reply = served.chat("prompt=10;completion=900;draw=1;tag=1", &question(more)).await;
    let events = events(&reply);
    assert_eq!(events.len(), 1 + 100 + 1 + 1 + 1);
    let end: Value = serde_json::from_str(events[101]).unwrap();
    assert_eq!(end["choices"][0]["finish_reason"], "length");
    let usage: Value = serde_json::from_str(events[102]).unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(100)));
}

#[tokio::test]
async fn an_empty_completion_and_a_huge_one_stream_as_well() {
    let served = Served::start(&config(vec![], at_once(), &[])).await;
    let stream = question(r#","stream":true"#);
    let empty = served.chat("prompt=10;completion=0;draw=1;tag=1", &stream).await;
    assert_eq!(events(&empty).len(), 3);
    let stream = stream.replace("\"max_tokens\":100", "\"max_tokens\":5000");
    let huge = served.chat("prompt=10;completion=4294967295;draw=1;tag=1", &stream).await;
    assert_eq!(events(&huge).len(), 5003);
}

#[tokio::test]
async fn a_cut_stream_has_half_its_tokens_and_no_end() {
    let served = Served::start(&config(vec![], at_once(), &[Fault::CutStream])).await;
    let text = served
        .exchange(&crate::client::post(
            "prompt=10;completion=20;draw=1;tag=1",
            &question(r#","stream":true"#),
        ))
        .await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(!text.contains("[DONE]") && !text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(text.matches("data: {").count(), 1 + 10);
    let seen = served.stop().await;
    assert!(
        matches!(seen[..], [Seen::Ruled(..), Seen::Settled(_, Some(1), usage)] if usage.completion_tokens == 10)
    );
}

#[tokio::test]
async fn a_network_changes_when_bytes_come_and_not_which() {
    let body = |network: f64, more: &'static str| async move {
        let service = Service::Split { first_token: Dist::Constant(0.002), prefill: None, output: 1000.0 };
        let mut config = config(vec![], service, &[]);
        config.models[0].latency.network = Dist::Constant(network);
        let served = Served::start(&config).await;
        let reply = served.chat("prompt=10;completion=20;draw=1;tag=1", &question(more)).await;
        assert_eq!(served.stop().await.len(), 2, "ruled and settled");
        reply.body
    };
    for more in ["", r#","stream":true"#] {
        // Shorter than the service, and longer: the call is settled before its first token is seen.
        let near = body(0.0, more).await;
        assert_eq!(near, body(0.004, more).await);
        assert_eq!(near, body(0.1, more).await);
    }
}
