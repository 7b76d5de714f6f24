//! Recorded exchanges: a request that equals a recorded one gets the recorded reply.

use crate::apis::with_dialect;
use crate::client::{HttpReply, MODEL, RunningMock, post};
use crate::control::start;
use crate::reply_options::events;
use provider::Axis;
use provider::config::{Dialect, Limit};
use provider::server::ControlPlane;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Returns a request for a chat completion with these messages of the user, and these members besides.
fn request(texts: &[&str], members: &Value) -> Value {
    let messages: Vec<_> = texts.iter().map(|text| json!({ "role": "user", "content": text })).collect();
    let mut request = json!({ "model": MODEL, "messages": messages });
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

/// Returns a chat completion with this message and finish reason.
fn response(message: &Value, finish: &str) -> Value {
    json!({ "id": "x", "choices": [{ "index": 0, "message": message, "finish_reason": finish }] })
}

fn text_record(prompt: &str, text: &str) -> Value {
    let message = json!({ "role": "assistant", "content": text });
    json!({ "request": request(&[prompt], &json!({ "model": "other" })), "response": response(&message, "stop") })
}

async fn ask(mock: &RunningMock, request: &Value) -> HttpReply {
    mock.call("/openai/v1/chat/completions", request).await
}

/// Returns the content of the reply to a prompt.
async fn content(mock: &RunningMock, prompt: &str) -> Value {
    ask(mock, &request(&[prompt], &json!({}))).await.json()["choices"][0]["message"]["content"].clone()
}

/// Returns the parts of a member of the message in a stream, joined.
fn joined(events: &[Value], name: &str) -> String {
    events.iter().filter_map(|event| event["choices"][0]["delta"][name].as_str()).collect()
}

#[tokio::test]
async fn records_of_a_request_are_served_in_order_and_the_last_is_repeated() {
    let mock = start(vec![]).await;
    let records = json!([text_record("a", "one"), text_record("b", "other"), text_record("a", "two")]);
    mock.post_json("/_quotalab/answers", &json!([{ "text": "set" }, { "recorded": records }])).await;
    let mut contents = Vec::new();
    for prompt in ["a", "a", "b", "a", "c"] {
        contents.push(content(&mock, prompt).await);
    }
    assert_eq!(contents, ["one", "two", "other", "two", "set"]);
    let listed = mock.get_json("/_quotalab/answers").await;
    assert_eq!(
        listed["answers"][1]["rule"],
        json!({ "recorded": 3 }),
        "the list states the number of records, not the records"
    );
    assert_eq!(listed["answers"][1]["answered"], json!(4));
    // All messages of a conversation are compared.
    let longer = ask(&mock, &request(&["x", "a"], &json!({}))).await.json();
    assert_eq!(longer["choices"][0]["message"]["content"], "set");
}

#[tokio::test]
async fn recorded_reasoning_calls_usage_and_finish_reason_are_sent_whole_and_streamed() {
    let mock = start(vec![]).await;
    let tools = json!([{ "type": "function", "function": { "name": "weather", "parameters": {} } }]);
    let call = |id: &str, city: &str| {
        json!({ "id": id, "type": "function",
            "function": { "name": "weather", "arguments": json!({ "city": city }).to_string() } })
    };
    let message = json!({ "content": "Let me \"see\"…", "reasoning": "Two\ncities.", "tool_calls": [call("a", "Rom"), call("b", "Bonn")] });
    let mut recorded = response(&message, "tool_calls");
    recorded["usage"] = json!({ "prompt_tokens": 777, "completion_tokens": 30, "completion_tokens_details": { "reasoning_tokens": 9 } });
    let asked = request(&["Where?"], &json!({ "tools": tools }));
    let record = json!({ "request": asked, "response": recorded });
    mock.post_json("/_quotalab/answers", &json!({ "recorded": [record] })).await;

    let whole = ask(&mock, &asked).await.json();
    let (choice, usage) = (&whole["choices"][0], &whole["usage"]);
    assert_eq!(choice["message"]["content"], message["content"]);
    assert_eq!(choice["message"]["reasoning"], message["reasoning"]);
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    let arguments: Vec<_> = calls.iter().map(|call| call["function"]["arguments"].clone()).collect();
    assert_eq!(arguments, [r#"{"city":"Rom"}"#, r#"{"city":"Bonn"}"#]);
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(777), &json!(30)));
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 9);

    let stream = events(&ask(&mock, &request(&["Where?"], &json!({ "tools": tools, "stream": true }))).await);
    assert_eq!(json!(joined(&stream, "content")), message["content"]);
    assert_eq!(json!(joined(&stream, "reasoning")), message["reasoning"]);
    let streamed: Vec<_> =
        stream.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"][0].as_object()).collect();
    assert_eq!((streamed[0]["index"].clone(), streamed[1]["index"].clone()), (json!(0), json!(1)));
    assert_eq!(streamed[1]["function"], calls[1]["function"]);
    let finishes: Vec<_> =
        stream.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str()).collect();
    assert_eq!(finishes, ["tool_calls"]);
    let without_tools = ask(&mock, &request(&["Where?"], &json!({}))).await.json();
    assert_ne!(without_tools["choices"][0]["message"]["content"], message["content"], "tools count");
}

#[tokio::test]
async fn a_finish_reason_that_the_mock_has_no_rule_for_is_sent_as_recorded() {
    let mock = start(vec![]).await;
    let record = json!({ "request": request(&["a"], &json!({})), "response": response(&json!({ "content": "No." }), "content_filter") });
    mock.post_json("/_quotalab/answers", &json!({ "recorded": [record] })).await;
    let reply = ask(&mock, &request(&["a"], &json!({}))).await.json();
    assert_eq!(reply["choices"][0]["finish_reason"], "content_filter");
}

#[tokio::test]
async fn limits_are_charged_by_the_recorded_usage() {
    let mock = start(vec![Limit::new(Axis::Tpm, 8_000)]).await;
    let mut record = text_record("a", "one");
    record["response"]["usage"] = json!({ "prompt_tokens": 5_000, "completion_tokens": 1_000 });
    mock.post_json("/_quotalab/answers", &json!({ "recorded": [record] })).await;
    assert_eq!(content(&mock, "a").await, "one");
    let state = mock.get_json("/_quotalab/state").await;
    assert_eq!(state["accounts"][0]["models"][0]["limits"][0]["remaining"], json!(2_000), "{state}");
    // Without a recorded usage, the mock counts one token per four characters.
    mock.post_json("/_quotalab/answers", &json!({ "recorded": [text_record("b", "12345678")] })).await;
    let counted = ask(&mock, &request(&["b"], &json!({}))).await.json();
    assert_eq!(counted["usage"]["completion_tokens"], 2);
}

#[tokio::test]
async fn max_tokens_cuts_a_recorded_text_but_no_call() {
    let mock = start(vec![]).await;
    let mut record = text_record("a", "0123456789");
    record["response"]["usage"] = json!({ "prompt_tokens": 1, "completion_tokens": 10 });
    let call = json!({ "function": { "name": "f", "arguments": "{\"long\":\"argument\"}" } });
    let with_call = response(&json!({ "content": null, "tool_calls": [call] }), "tool_calls");
    let records = json!([record, { "request": request(&["b"], &json!({})), "response": with_call }]);
    mock.post_json("/_quotalab/answers", &json!({ "recorded": records })).await;
    for stream in [false, true] {
        let reply = ask(&mock, &request(&["a"], &json!({ "max_tokens": 4, "stream": stream }))).await;
        let (content, finish) = if stream {
            let events = events(&reply);
            let finish = events.iter().find_map(|event| event["choices"][0]["finish_reason"].as_str());
            (json!(joined(&events, "content")), json!(finish))
        } else {
            let choice = reply.json()["choices"][0].clone();
            (choice["message"]["content"].clone(), choice["finish_reason"].clone())
        };
        assert_eq!((content, finish), (json!("0123"), json!("length")), "{stream}");
    }
    let called = ask(&mock, &request(&["b"], &json!({ "max_tokens": 1 }))).await.json();
    let message = &called["choices"][0]["message"];
    assert_eq!(
        (&message["content"], &message["tool_calls"][0]["function"]),
        (&Value::Null, &call["function"])
    );
}

#[tokio::test]
async fn a_request_that_is_not_recorded_can_be_refused() {
    let mock = start(vec![]).await;
    let record = json!({ "request": request(&["secret", "b"], &json!({})), "response": response(&json!({ "content": "c" }), "stop") });
    mock.post_json("/_quotalab/answers", &json!({ "recorded": [record], "unrecorded": "refuse" })).await;
    let known = ask(&mock, &request(&["secret", "b"], &json!({}))).await.json();
    assert_eq!(known["choices"][0]["message"]["content"], "c");
    for (request, expected) in [
        (
            request(&["secret", "x"], &json!({})),
            "no recorded request begins with its first 2 messages (of 2); the first matches",
        ),
        (request(&["secret"], &json!({})), "a recorded request begins with the same messages"),
    ] {
        let refused = ask(&mock, &request).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("this request is not recorded") && message.contains(expected), "{message}");
        assert!(!message.contains("secret"), "nothing of the records is shown: {message}");
    }
    let other_api = mock.call("/openai/v1/responses", &json!({ "model": MODEL, "input": "b" })).await;
    assert_eq!(other_api.status, 400, "{}", other_api.body);
}

#[tokio::test]
async fn a_wrong_record_is_named_by_its_number_and_not_shown() {
    let mock = start(vec![]).await;
    let good = text_record("a", "b");
    for (record, expected) in [
        (json!({ "response": good["response"] }), "no `request`"),
        (json!({ "request": good["request"] }), "no `response`"),
        (json!({ "number": 1, "body": "secret" }), "no `request`"),
        (json!({ "request": { "messages": [] }, "response": good["response"] }), "no `messages`"),
        (
            json!({ "request": good["request"], "response": { "error": { "message": "secret" } } }),
            "no `choices`",
        ),
        (
            json!({ "request": good["request"], "response": response(&json!({ "content": "a" }), "se cret") }),
            "`finish_reason`",
        ),
        (
            json!({ "request": good["request"], "response": response(&json!({ "tool_calls": ["secret"] }), "stop") }),
            "`tool_calls`",
        ),
    ] {
        let reply = mock
            .control("POST", "/_quotalab/answers", &json!({ "recorded": [good, record] }).to_string())
            .await;
        assert_eq!(reply.status, 400, "{record}");
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("record 2: ") && message.contains(expected), "{message}");
        assert!(!message.contains("cret"), "{message}");
    }
    for (wrong, expected) in [
        (json!({ "recorded": "records.jsonl" }), "only a scenario may name a file"),
        (json!({ "recorded": [good], "text": "a" }), "either one answer"),
        (json!({ "text": "a", "unrecorded": "refuse" }), "`unrecorded` needs `recorded`"),
        (json!({ "recorded": [good], "unrecorded": "404" }), "unknown variant"),
    ] {
        let reply = mock.control("POST", "/_quotalab/answers", &wrong.to_string()).await;
        assert_eq!(reply.status, 400, "{wrong}");
        assert!(reply.body.contains(expected), "{}", reply.body);
    }
    // The forms of other programs: bodies in a member of their own, as objects or as JSON texts.
    let wrapped = json!({ "request": { "body": good["request"].to_string() }, "response": { "status_code": 200, "body": good["response"] } });
    mock.post_json("/_quotalab/answers", &json!({ "recorded": [wrapped] })).await;
    assert_eq!(content(&mock, "a").await, "b");
}

#[tokio::test]
async fn the_memory_of_records_is_bounded() {
    let mock = start(vec![]).await;
    let records: Vec<_> =
        (0..5_000).map(|number| text_record(&number.to_string(), &"x".repeat(80))).collect();
    let rule = json!({ "recorded": records });
    let mut added = 0;
    let refused = loop {
        let reply = mock.control("POST", "/_quotalab/answers", &rule.to_string()).await;
        if reply.status != 200 {
            break reply;
        }
        added += 1;
        assert!(added < 200, "records of {added} requests are accepted");
    };
    assert!(refused.body.contains("more than 64 MiB"), "{}", refused.body);
    mock.control("DELETE", "/_quotalab/answers", "").await;
    mock.post_json("/_quotalab/answers", &rule).await;
    assert_eq!(content(&mock, "7").await, "x".repeat(80));
}

/// A dialect that does not send the text of the reasoning still reports its recorded number of tokens.
#[tokio::test]
async fn recorded_reasoning_is_in_the_member_of_the_dialect() {
    for (dialect, path, member) in [
        (Dialect::OpenAi, "/v1/chat/completions", "none"),
        (Dialect::Fireworks, "/inference/v1/chat/completions", "reasoning_content"),
    ] {
        let mock = RunningMock::start_with(&with_dialect(dialect, vec![]), ControlPlane::Enabled).await;
        let message = json!({ "content": "four", "reasoning_content": "two and two make" });
        let record =
            json!({ "request": request(&["a"], &json!({})), "response": response(&message, "stop") });
        mock.post_json("/_quotalab/answers", &json!({ "recorded": [record] })).await;
        let reply = mock.call(path, &request(&["a"], &json!({}))).await.json();
        assert_eq!(reply["choices"][0]["message"]["content"], "four", "{reply}");
        let expected = if member == "none" { &Value::Null } else { &message["reasoning_content"] };
        assert_eq!(&reply["choices"][0]["message"][member], expected, "{reply}");
        assert_eq!(reply["usage"]["completion_tokens_details"]["reasoning_tokens"], 4, "{reply}");
    }
}

/// A retry gets the record that the refused attempt would have got, not the next one.
#[tokio::test]
async fn a_record_is_taken_only_by_a_request_that_is_served() {
    let records = json!(["one", "two", "three"].map(|text| text_record("a", text)));
    let asked = request(&["a"], &json!({}));
    for fault in ["503", "429", "truncated", "reset"] {
        for stream in [false, true] {
            let mock = start(vec![]).await;
            mock.post_json("/_quotalab/answers", &json!({ "recorded": records, "next": 2 })).await;
            assert_eq!(content(&mock, "a").await, "one");
            mock.post_json("/_quotalab/faults", &json!({ "fault": fault, "next": 1 })).await;
            let body = request(&["a"], &json!({ "stream": stream })).to_string();
            mock.exchange(&post("", &body)).await;
            assert_eq!(content(&mock, "a").await, "two", "{fault} {stream}");
            let listed = mock.get_json("/_quotalab/answers").await;
            assert_eq!(
                (&listed["answers"][0]["answered"], &listed["answers"][0]["next"]),
                (&json!(2), &json!(0))
            );
        }
    }
    let mock = start(vec![Limit::new(Axis::Rpm, 1)]).await;
    mock.post_json("/_quotalab/answers", &json!({ "recorded": records })).await;
    assert_eq!(content(&mock, "a").await, "one");
    assert_eq!(ask(&mock, &asked).await.status, 429);
    assert_eq!(ask(&mock, &asked).await.status, 429);
    mock.post_json("/_quotalab/clock", &json!({ "advance": "1m" })).await;
    assert_eq!(content(&mock, "a").await, "two");
    mock.post_json("/_quotalab/clock", &json!({ "advance": "1m" })).await;
    assert_eq!(content(&mock, "a").await, "three");
}

/// Waits up to ten seconds until the answer that was set has answered exactly one request.
async fn wait_for_one_answered(mock: &RunningMock) {
    for _ in 0..2_000 {
        if mock.get_json("/_quotalab/answers").await["answers"][0]["answered"] == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("timed out");
}

/// A record that is put back after another was taken is the next one again.
#[tokio::test]
async fn a_client_that_disconnects_leaves_its_record_to_the_next_request() {
    let mock = start(vec![]).await;
    let records = json!(["one", "two", "three"].map(|text| text_record("a", text)));
    mock.post_json("/_quotalab/answers", &json!({ "recorded": records })).await;
    mock.post_json("/_quotalab/faults", &json!({ "fault": "timeout", "next": 1 })).await;
    let mut waiting = mock.connect().await;
    waiting.write_all(post("", &request(&["a"], &json!({})).to_string()).as_bytes()).await.unwrap();
    wait_for_one_answered(&mock).await;
    assert_eq!(content(&mock, "a").await, "two");
    drop(waiting);
    wait_for_one_answered(&mock).await;
    assert_eq!(content(&mock, "a").await, "one");
    assert_eq!(content(&mock, "a").await, "three");
}
