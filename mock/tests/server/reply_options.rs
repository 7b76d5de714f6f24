//! Options of a request that change its reply: tools, `response_format`, `n` and `service_tier`.

use crate::client::{HttpReply, MODEL, RunningMock, chat_body, config, no_latency};
use provider::Axis;
use provider::config::Limit;
use serde_json::{Value, json};

const TRUTH: &str = "prompt=10;completion=7;draw=1;tag=1";

const WEATHER: &str = r#","tools":[{"type":"function","function":{"name":"weather","description":"of a city","parameters":{"type":"object","properties":{"city":{"type":"string"},"unit":{"type":"string","enum":["celsius","kelvin"]}},"required":["city"]}}}]"#;

/// The events of a stream except `[DONE]`.
pub(crate) fn events(reply: &HttpReply) -> Vec<Value> {
    let events = reply.body.lines().filter_map(|line| line.strip_prefix("data: "));
    events.filter(|event| *event != "[DONE]").map(|event| serde_json::from_str(event).unwrap()).collect()
}

#[tokio::test]
async fn a_tool_is_called_with_arguments_that_match_its_schema() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let reply = mock.chat(TRUTH, &chat_body(WEATHER)).await.json();
    let choice = &reply["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &Value::Null)
    );
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")));
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string());
    assert_eq!(arguments["unit"], "celsius");

    let streamed = events(&mock.chat(TRUTH, &chat_body(&format!(r#"{WEATHER},"stream":true"#))).await);
    let calls: Vec<_> =
        streamed.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"].get(0)).collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["function"], call["function"]);
    assert_eq!(streamed.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn the_result_of_a_tool_is_followed_by_text() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let messages = r#"[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","tool_call_id":"1","content":"12"}]"#;
    let reply =
        mock.chat(TRUTH, &format!(r#"{{"model":"{MODEL}","messages":{messages}{WEATHER}}}"#)).await.json();
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
    assert_eq!(reply["choices"][0]["message"]["content"].as_str().unwrap().split(' ').count(), 7);
}

#[tokio::test]
async fn json_is_valid_whole_and_streamed() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let schema = r#"{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object","properties":{"größe":{"const":"ä\"ö"},"list":{"type":"array"}}}}}"#;
    for (format, expected) in
        [(r#"{"type":"json_object"}"#, None), (schema, Some(json!({ "größe": "ä\"ö", "list": [] })))]
    {
        let more = format!(r#","response_format":{format}"#);
        let reply = mock.chat(TRUTH, &chat_body(&more)).await.json();
        assert_eq!(reply["choices"][0]["finish_reason"], "stop");
        let content = reply["choices"][0]["message"]["content"].as_str().unwrap();
        let value: Value = serde_json::from_str(content).unwrap();
        assert!(value.is_object());
        assert!(expected.is_none_or(|expected| expected == value), "{content}");

        // Whatever the number of tokens, the chunks add up to the text.
        for tokens in [1, 2, 7, 99] {
            let truth = format!("prompt=10;completion={tokens};draw=1;tag=1");
            let reply = mock.chat(&truth, &chat_body(&format!(r#"{more},"stream":true"#))).await;
            let pieces = events(&reply);
            let pieces = pieces.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
            assert_eq!(pieces.collect::<String>(), content, "in {tokens}");
        }
    }
}

#[tokio::test]
async fn groq_accepts_only_one_completion_per_prompt() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    assert_eq!(mock.chat(TRUTH, &chat_body(r#","n":1"#)).await.status, 200);
    for n in [0, 2] {
        let reply = mock.chat(TRUTH, &chat_body(&format!(r#","n":{n}"#))).await;
        assert_eq!((reply.status, &reply.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    }
    let unknown = chat_body(r#","tool_choice":{"type":"function","function":{"name":"f"}}"#);
    assert_eq!(mock.chat(TRUTH, &unknown).await.status, 400);
}

#[tokio::test]
async fn a_flex_call_without_capacity_is_a_498_without_a_wait() {
    let limits = vec![Limit::new(Axis::Rpm, 1), Limit::new(Axis::Tpm, 1000)];
    let mock = RunningMock::start(&config(limits, no_latency(), &[])).await;
    let flex = |more: &str| chat_body(&format!(r#","service_tier":"flex"{more}"#));
    assert_eq!(mock.chat(TRUTH, &flex("")).await.status, 200);
    let full = mock.chat(TRUTH, &flex("")).await;
    assert_eq!((full.status, full.header("retry-after")), (498, None));
    assert_eq!(full.json()["error"]["code"], "capacity_exceeded");
    assert_eq!(mock.chat(TRUTH, &chat_body(r#","service_tier":"auto""#)).await.status, 429);
    let large = mock.chat(TRUTH, &flex(r#","max_completion_tokens":5000"#)).await;
    assert_eq!(large.status, 413, "no capacity is enough");
}

#[tokio::test]
async fn a_model_is_found_by_its_name_percent_encoded_or_not() {
    let mock = RunningMock::start(&config(vec![], no_latency(), &[])).await;
    let get = async |path: &str| {
        let request = format!(
            "GET /openai/v1/models/{path} HTTP/1.1\r\nhost: mock\r\nauthorization: Bearer k1\r\nconnection: close\r\n\r\n"
        );
        HttpReply::parse(&mock.exchange(&request).await)
    };
    for path in [MODEL.to_owned(), MODEL.replace('/', "%2F")] {
        let reply = get(&path).await;
        assert_eq!((reply.status, &reply.json()["id"]), (200, &json!(MODEL)));
    }
    for path in ["gpt-2", "%ff%2", "%00"] {
        let reply = get(path).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (404, &json!("model_not_found")),
            "{path}"
        );
    }
}
