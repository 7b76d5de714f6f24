//! Reasoning: a request that asks for it gets reasoning tokens before its answer, in the place where the provider sends them.

use crate::apis::start;
use crate::client::{HttpReply, MODEL, RunningMock};
use crate::reply_options::events;
use provider::config::Dialect;
use serde_json::{Value, json};

const TRUTH: &str = "prompt=10;completion=20;draw=1;tag=1";

/// Sends a request with these members besides the model and the message.
async fn ask(mock: &RunningMock, dialect: Dialect, members: &Value) -> HttpReply {
    let mut body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let path = provider::wire::formats(dialect)[0].path(MODEL);
    let headers =
        ["authorization: Bearer k1", "content-type: application/json", &format!("x-quotalab-truth: {TRUTH}")];
    mock.send("POST", &path, &headers, &body.to_string()).await
}

fn words(text: &Value) -> usize {
    text.as_str().map_or(0, |text| text.split_whitespace().count())
}

/// Returns two texts of a stream: the joined pieces of the member `content`, and those of the member that is called `name`.
fn joined(reply: &HttpReply, name: &str) -> [String; 2] {
    let events = events(reply);
    ["content", name].map(|name| {
        events.iter().filter_map(|event| event["choices"][0]["delta"][name].as_str()).collect::<String>()
    })
}

#[tokio::test]
async fn reasoning_is_in_the_member_of_the_dialect_whole_and_streamed() {
    for (dialect, member) in [
        (Dialect::Groq, "reasoning"),
        (Dialect::Cerebras, "reasoning"),
        (Dialect::Together, "reasoning"),
        (Dialect::Fireworks, "reasoning_content"),
        (Dialect::DeepInfra, "reasoning_content"),
        (Dialect::OpenAi, ""),
        (Dialect::Gemini, ""),
    ] {
        let mock = start(dialect).await;
        for (effort, tokens) in [("low", 5), ("medium", 10), ("high", 15)] {
            let reply = ask(&mock, dialect, &json!({ "reasoning_effort": effort })).await;
            assert_eq!(reply.status, 200, "{dialect:?}: {}", reply.body);
            let reply = reply.json();
            let message = &reply["choices"][0]["message"];
            let member_words = if member.is_empty() { 0 } else { tokens };
            assert_eq!(
                (words(&message[member]), words(&message["content"])),
                (member_words, 20 - tokens),
                "{message}"
            );
            assert_eq!(reply["usage"]["completion_tokens"], 20);
            assert_eq!(
                reply["usage"]["completion_tokens_details"]["reasoning_tokens"], tokens,
                "{dialect:?}"
            );

            let streamed = ask(&mock, dialect, &json!({ "reasoning_effort": effort, "stream": true })).await;
            let [content, reasoning] = joined(&streamed, member);
            assert_eq!(words(&json!(content)), 20 - tokens, "{dialect:?}");
            assert_eq!(words(&json!(reasoning)), member_words, "{dialect:?}");
        }
        for members in [json!({}), json!({ "reasoning_effort": "none" })] {
            let reply = ask(&mock, dialect, &members).await.json();
            assert_eq!(words(&reply["choices"][0]["message"]["content"]), 20, "{dialect:?}");
            // OpenAI states zero tokens too.
            let none = if dialect == Dialect::OpenAi { json!(0) } else { Value::Null };
            assert_eq!(reply["usage"]["completion_tokens_details"]["reasoning_tokens"], none, "{dialect:?}");
        }
    }
}

#[tokio::test]
async fn groq_sends_reasoning_in_the_format_that_the_request_names() {
    let mock = start(Dialect::Groq).await;
    for stream in [false, true] {
        let texts = async |members: Value| {
            let mut members = members;
            members["stream"] = json!(stream);
            let reply = ask(&mock, Dialect::Groq, &members).await;
            if stream {
                return joined(&reply, "reasoning");
            }
            let message = reply.json()["choices"][0]["message"].clone();
            ["content", "reasoning"].map(|name| message[name].as_str().unwrap_or_default().to_owned())
        };
        let [content, reasoning] = texts(json!({ "reasoning_format": "parsed" })).await;
        assert_eq!((words(&json!(content)), words(&json!(reasoning))), (10, 10));
        let [raw, none] = texts(json!({ "reasoning_format": "raw" })).await;
        assert!(none.is_empty());
        let (thought, answer) = raw.strip_prefix("<think>\n").unwrap().split_once("\n</think>\n\n").unwrap();
        assert_eq!((words(&json!(thought)), words(&json!(answer))), (10, 10), "{raw}");
        for hidden in [json!({ "reasoning_format": "hidden" }), json!({ "include_reasoning": false })] {
            let [content, none] = texts(hidden).await;
            assert_eq!((words(&json!(content)), none.as_str()), (10, ""));
        }
    }
    for wrong in [
        json!({ "reasoning_format": "raw", "include_reasoning": true }),
        json!({ "reasoning_format": "raw", "response_format": { "type": "json_object" } }),
        json!({ "reasoning_format": "shown" }),
        json!({ "reasoning_effort": "enormous" }),
    ] {
        assert_eq!(ask(&mock, Dialect::Groq, &wrong).await.status, 400, "{wrong}");
    }
}

/// Stop texts are searched for in the answer, not in the reasoning before it.
#[tokio::test]
async fn a_stop_text_ends_the_answer_after_the_reasoning() {
    let mock = start(Dialect::Groq).await;
    let plain = ask(&mock, Dialect::Groq, &json!({ "reasoning_effort": "medium" })).await.json();
    let content = plain["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    for stop in content.split(' ').skip(1) {
        let reply =
            ask(&mock, Dialect::Groq, &json!({ "reasoning_effort": "medium", "stop": [format!(" {stop}")] }))
                .await
                .json();
        let message = &reply["choices"][0]["message"];
        assert!(!message["content"].as_str().unwrap().contains(&format!(" {stop}")), "{stop}: {message}");
        let counted = words(&message["content"]) + words(&message["reasoning"]);
        assert_eq!(reply["usage"]["completion_tokens"], counted, "{message}");
    }
}
