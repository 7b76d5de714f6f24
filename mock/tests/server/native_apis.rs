//! The APIs of Anthropic and Google, counts of tokens, and lists of models.

use crate::apis::{TRUTH, events, post, start, with_dialect};
use crate::client::{MODEL, RunningMock};
use provider::config::{Dialect, Limit};
use serde_json::{Value, json};

/// The choice of a tool, whole and streamed, and the text after its result.
#[tokio::test]
async fn anthropics_messages_call_tools_whole_and_streamed() {
    let mock = start(Dialect::Anthropic).await;
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let tools = json!([{ "name": "f", "input_schema": schema }, { "name": "g", "input_schema": schema }]);
    let messages = json!([{ "role": "user", "content": "hi" }]);
    let key = "x-api-key: k1";
    let ask = async |more: Value| {
        let mut request = json!({ "model": MODEL, "max_tokens": 100, "messages": messages, "tools": tools });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        mock.send("POST", "/v1/messages?beta=true", &[key, TRUTH], &request.to_string()).await
    };
    for (choice, expected) in [
        (json!({ "type": "any" }), Some("f")),
        (json!({ "type": "auto" }), Some("f")),
        (json!({ "type": "tool", "name": "g" }), Some("g")),
        (json!({ "type": "none" }), None),
    ] {
        let reply = ask(json!({ "tool_choice": choice })).await.json();
        let block = &reply["content"][0];
        assert_eq!(block["name"].as_str(), expected, "{choice}");
        if expected.is_some() {
            assert_eq!(
                (&block["type"], &block["input"], &reply["stop_reason"]),
                (&json!("tool_use"), &json!({ "city": "example" }), &json!("tool_use"))
            );
        } else {
            assert_eq!((&block["type"], &reply["stop_reason"]), (&json!("text"), &json!("end_turn")));
        }
    }
    let streamed = ask(json!({ "stream": true })).await;
    let events = events(&streamed.body);
    let start = events.iter().find(|(name, _)| name == "content_block_start").unwrap();
    assert_eq!(
        (&start.1["content_block"]["type"], &start.1["content_block"]["input"]),
        (&json!("tool_use"), &json!({}))
    );
    let input: String =
        events.iter().filter_map(|(_, data)| data["delta"]["partial_json"].as_str()).collect();
    assert_eq!(input, r#"{"city":"example"}"#);
    let result = json!([
        { "role": "user", "content": "hi" },
        { "role": "assistant", "content": [{ "type": "tool_use", "id": "i", "name": "f", "input": {} }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "i", "content": "5" }] },
    ]);
    assert_eq!(ask(json!({ "messages": result })).await.json()["content"][0]["type"], "text");
}

/// Counts are served without a decision, so that no limit is charged; an unknown model is a 404.
#[tokio::test]
async fn counts_of_tokens_are_charged_to_no_limit() {
    // One token each, for the estimate and for the tokenizer.
    let long = " the".repeat(100);
    let messages = json!({ "model": MODEL, "messages": [{ "role": "user", "content": long }] });
    let gemini = json!({ "contents": [{ "parts": [{ "text": long }] }] });
    let nested = json!({ "generateContentRequest": gemini });
    let responses = json!({ "model": MODEL, "input": long });
    for (dialect, path, body, member) in [
        (Dialect::Anthropic, "/v1/messages/count_tokens?beta=true".to_owned(), &messages, "/input_tokens"),
        (Dialect::Gemini, format!("/v1beta/models/{MODEL}:countTokens"), &gemini, "/totalTokens"),
        (Dialect::Gemini, format!("/v1beta/models/{MODEL}:countTokens"), &nested, "/totalTokens"),
        (Dialect::OpenAi, "/v1/responses/input_tokens".to_owned(), &responses, "/input_tokens"),
    ] {
        let mock = RunningMock::start(&with_dialect(dialect, vec![Limit::rpm(1)])).await;
        for _ in 0..3 {
            let reply = mock.call(&path, body).await;
            assert_eq!(
                (reply.status, reply.json().pointer(member)),
                (200, Some(&json!(100))),
                "{path}: {}",
                reply.body
            );
        }
        assert_eq!(mock.observed(), [], "nothing is decided on");
        let unknown = body.to_string().replace(MODEL, "unknown");
        let reply = mock.send("POST", &path.replace(MODEL, "unknown"), &[], &unknown).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.body);
    }
}

/// Each place of the key is accepted; a wrong key is a 400, and an unknown path a 404 whatever the key.
#[tokio::test]
async fn geminis_own_api_is_served() {
    let mock = start(Dialect::Gemini).await;
    let path = format!("/v1beta/models/{MODEL}:generateContent");
    let request = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] });
    for (path, key) in [
        (path.clone(), "x-goog-api-key: k1"),
        // The header keeps the client from adding `authorization`.
        (format!("{path}?key=k1"), "x-no-key: k1"),
        (path.clone(), "authorization: Bearer k1"),
        (path.replace("v1beta", "v1"), "x-goog-api-key: k1"),
    ] {
        let reply = mock.send("POST", &path, &[key, TRUTH], &request.to_string()).await;
        let body = reply.json();
        assert_eq!(reply.status, 200, "{}", reply.body);
        let candidate = &body["candidates"][0];
        assert_eq!(
            (&candidate["content"]["role"], &candidate["finishReason"]),
            (&json!("model"), &json!("STOP"))
        );
        assert_eq!(body["usageMetadata"]["totalTokenCount"], 15);
    }
    let wrong = mock.send("POST", &path, &["x-goog-api-key: no"], &request.to_string()).await;
    assert_eq!(
        (wrong.status, &wrong.json()["error"]["message"]),
        (400, &json!("API key not valid. Please pass a valid API key."))
    );
    let unknown = mock.send("POST", "/v1beta/models/x:embedSomething", &["x-goog-api-key: no"], "{}").await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["status"]),
        (404, &json!("NOT_FOUND")),
        "a path is no problem of the key"
    );
}

/// Both forms of a stream have the text of the whole reply; tools and schemas have Google's spelling.
#[tokio::test]
async fn gemini_streams_events_or_an_array_and_calls_functions() {
    let mock = start(Dialect::Gemini).await;
    let path = format!("/v1beta/models/{MODEL}:streamGenerateContent");
    let request = json!({ "contents": "hi", "generationConfig": { "maxOutputTokens": 50 } });
    let streamed = post(&mock, &format!("{path}?alt=sse"), &request).await;
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"));
    let chunks: Vec<Value> = events(&streamed.body).into_iter().map(|(_, data)| data).collect();
    let array = post(&mock, &path, &request).await;
    assert_eq!(array.header("content-type"), Some("application/json"));
    let elements = array.json();
    for chunks in [&chunks, elements.as_array().unwrap()] {
        assert_eq!(chunks.len(), 6);
        let text: String = chunks
            .iter()
            .filter_map(|chunk| chunk["candidates"][0]["content"]["parts"][0]["text"].as_str())
            .collect();
        assert_eq!(text.split(' ').count(), 5);
        assert_eq!(chunks[5]["candidates"][0]["finishReason"], "STOP");
        assert_eq!(chunks[5]["usageMetadata"]["candidatesTokenCount"], 5);
    }
    let declaration = json!([{ "name": "f", "parameters": { "type": "OBJECT", "properties": { "n": { "type": "INTEGER" } } } }]);
    let tools = json!({ "contents": "hi", "tools": [{ "functionDeclarations": declaration }] });
    let whole = format!("/v1beta/models/{MODEL}:generateContent");
    let called = post(&mock, &whole, &tools).await.json();
    assert_eq!(
        called["candidates"][0]["content"]["parts"][0]["functionCall"],
        json!({ "name": "f", "args": { "n": 0 } })
    );
    let typed = json!({ "contents": "hi", "generationConfig": { "responseMimeType": "application/json", "responseSchema": { "type": "OBJECT", "properties": { "n": { "type": "INTEGER" } } } } });
    let text =
        post(&mock, &whole, &typed).await.json()["candidates"][0]["content"]["parts"][0]["text"].clone();
    assert_eq!(text, r#"{"n":0}"#);
}

/// Covers nine dialects, and for Anthropic also the members of the list and a single entry.
#[tokio::test]
async fn lists_of_models_have_the_members_of_their_dialect() {
    let cases: [(Dialect, &str, &str, &str, &[&str]); 9] = [
        (
            Dialect::Groq,
            "/openai/v1/models",
            "",
            "/data/0",
            &["active", "context_window", "max_completion_tokens", "owned_by", "public_apps"],
        ),
        (
            Dialect::Mistral,
            "/v1/models",
            "",
            "/data/0",
            &["type", "capabilities", "max_context_length", "name", "aliases"],
        ),
        (Dialect::OpenAi, "/v1/models", "", "/data/0", &["created", "owned_by"]),
        (
            Dialect::Azure,
            "/openai/models?api-version=2024-10-21",
            "api-key: k1",
            "/data/0",
            &["capabilities", "lifecycle_status"],
        ),
        (
            Dialect::Anthropic,
            "/v1/models",
            "x-api-key: k1",
            "/data/0",
            &["type", "display_name", "created_at", "max_input_tokens"],
        ),
        (
            Dialect::Gemini,
            "/v1beta/models",
            "x-goog-api-key: k1",
            "/models/0",
            &["name", "inputTokenLimit", "supportedGenerationMethods"],
        ),
        (Dialect::Together, "/v1/models", "", "/0", &["type", "context_length", "pricing"]),
        (Dialect::Fireworks, "/inference/v1/models", "", "/data/0", &["supports_tools", "context_length"]),
        (Dialect::DeepInfra, "/v1/openai/models", "", "/data/0", &["metadata", "root"]),
    ];
    for (dialect, path, key, entry, members) in cases {
        let mock = start(dialect).await;
        let keys: &[&str] = if key.is_empty() { &[] } else { &[key] };
        let reply = mock.send("GET", path, keys, "").await;
        assert_eq!(reply.status, 200, "{dialect:?}: {}", reply.body);
        let list = reply.json();
        let entry = list.pointer(entry).unwrap_or_else(|| panic!("{dialect:?}: {list}"));
        for member in members {
            assert!(entry.get(member).is_some(), "{dialect:?} {member}: {entry}");
        }
    }
    let mock = start(Dialect::Anthropic).await;
    let list = mock.send("GET", "/v1/models", &["x-api-key: k1"], "").await.json();
    assert_eq!(
        (&list["has_more"], &list["first_id"], &list["last_id"]),
        (&json!(false), &json!(MODEL), &json!(MODEL))
    );
    let one = mock.send("GET", &format!("/v1/models/{MODEL}"), &["x-api-key: k1"], "").await.json();
    assert_eq!((&one["type"], &one["id"]), (&json!("model"), &json!(MODEL)));
}
