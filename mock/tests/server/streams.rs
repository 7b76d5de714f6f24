//! Completions as server-sent events.

use crate::client::{HttpReply, Observed, RunningMock, chat_body, config, no_latency};
use provider::config::{Fault, ServiceTimeDist};
use provider::dist::Dist;
use serde_json::{Value, json};

fn events(reply: &HttpReply) -> Vec<&str> {
    reply.body.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("an event")).collect()
}

#[tokio::test]
async fn a_stream_has_a_role_tokens_an_end_and_done() {
    // Two milliseconds to the first token, then one token per millisecond.
    let service = ServiceTimeDist::Split {
        before_prefill: Dist::Constant(0.002),
        prefill_speed: None,
        cached_prefill_speed: None,
        decode_speed: 1000.0,
    };
    for service in [service, no_latency()] {
        let mock = RunningMock::start(&config(vec![], service, &[])).await;
        let reply = mock.chat("prompt=10;completion=20;draw=1;tag=1", &chat_body(r#","stream":true"#)).await;
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
        let seen = mock.stop().await;
        assert!(
            matches!(seen[..], [Observed::Decided(..), Observed::Settled(_, Some(1), usage)] if usage.total() == 30)
        );
    }
}

#[tokio::test]
async fn include_usage_adds_a_chunk_and_max_tokens_a_finish_reason() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let more = r#","stream":true,"stream_options":{"include_usage":true}"#;
    let reply = mock.chat("prompt=10;completion=900;draw=1;tag=1", &chat_body(more)).await;
    let events = events(&reply);
    assert_eq!(events.len(), 1 + 100 + 1 + 1 + 1);
    let end: Value = serde_json::from_str(events[101]).unwrap();
    assert_eq!(end["choices"][0]["finish_reason"], "length");
    let usage: Value = serde_json::from_str(events[102]).unwrap();
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(100)));
}

#[tokio::test]
async fn empty_and_very_long_completions_are_streamed() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let stream = chat_body(r#","stream":true"#);
    let empty = mock.chat("prompt=10;completion=0;draw=1;tag=1", &stream).await;
    assert_eq!(events(&empty).len(), 3);
    let stream = stream.replace("\"max_tokens\":100", "\"max_tokens\":5000");
    let huge = mock.chat("prompt=10;completion=4294967295;draw=1;tag=1", &stream).await;
    assert_eq!(events(&huge).len(), 5003);
}

#[tokio::test]
async fn a_cut_stream_has_half_of_its_tokens_and_no_end() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[Fault::CutStream])).await;
    let text = mock
        .exchange(&crate::client::post(
            "prompt=10;completion=20;draw=1;tag=1",
            &chat_body(r#","stream":true"#),
        ))
        .await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(!text.contains("[DONE]") && !text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(text.matches("data: {").count(), 1 + 10);
    let seen = mock.stop().await;
    assert!(
        matches!(seen[..], [Observed::Decided(..), Observed::Settled(_, Some(1), usage)] if usage.completion_tokens == 10)
    );
}

#[tokio::test]
async fn network_latency_delays_a_reply_without_changing_it() {
    let body = |round_trip: f64, more: &'static str| async move {
        let service = ServiceTimeDist::Split {
            before_prefill: Dist::Constant(0.002),
            prefill_speed: None,
            cached_prefill_speed: None,
            decode_speed: 1000.0,
        };
        let mut config = config(vec![], service, &[]);
        config.models[0].latency.round_trip = Some(Dist::Constant(round_trip));
        let mock = RunningMock::start(&config).await;
        let reply = mock.chat("prompt=10;completion=20;draw=1;tag=1", &chat_body(more)).await;
        assert_eq!(mock.stop().await.len(), 2, "decided on and settled");
        reply.body
    };
    for more in ["", r#","stream":true"#] {
        // Once shorter than the service, and once longer, so that the call is settled before its first token arrives.
        let without_delay = body(0.0, more).await;
        assert_eq!(without_delay, body(0.004, more).await);
        assert_eq!(without_delay, body(0.1, more).await);
    }
}
