//! The APIs besides chat completions: responses, completions, embeddings, audio; and members of chat completions.

use crate::client::{HttpReply, MODEL, RunningMock, chat_body, config, no_latency};
use provider::config::{Config, Dialect, Limit, ServiceTimeDist};
use provider::decision::Decision;
use provider::dist::Dist;
use provider::wire;
use provider::{Axis, Nanos};
use serde_json::{Value, json};

pub(crate) const TRUTH: &str = "x-quotalab-truth: prompt=10;completion=5;draw=1;tag=9";

pub(crate) fn with_dialect(dialect: Dialect, limits: Vec<Limit>) -> Config {
    Config { dialect, ..config(limits, no_latency(), &[]) }
}

pub(crate) async fn start(dialect: Dialect) -> RunningMock {
    RunningMock::start(&with_dialect(dialect, vec![])).await
}

pub(crate) async fn post(mock: &RunningMock, path: &str, body: &Value) -> HttpReply {
    mock.send("POST", path, &[TRUTH, "content-type: application/json"], &body.to_string()).await
}

/// The events of a stream: their names, which may be empty, and their data.
pub(crate) fn events(body: &str) -> Vec<(String, Value)> {
    let event = |event: &str| {
        let name = event.lines().find_map(|line| line.strip_prefix("event: ")).unwrap_or_default();
        let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
        Some((name.to_owned(), serde_json::from_str(data).ok()?))
    };
    body.replace("\r\n", "\n").split_terminator("\n\n").filter_map(event).collect()
}

fn function(name: &str) -> Value {
    let parameters = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    json!({ "type": "function", "name": name, "parameters": parameters })
}

/// A dialect that has an endpoint serves it; the others answer 404.
#[tokio::test]
async fn the_operations_of_each_provider_are_served() {
    use Dialect::{Azure, Cerebras, DeepInfra, Fireworks, Gemini, Groq, Mistral, OpenAi, Together};
    let operations = [
        ("/responses", json!({ "input": "hi" }), vec![Groq, OpenAi, Azure, Fireworks]),
        (
            "/embeddings",
            json!({ "input": "hi" }),
            vec![Groq, OpenAi, Azure, Fireworks, Together, DeepInfra, Mistral, Gemini],
        ),
        (
            "/completions",
            json!({ "prompt": "hi" }),
            vec![Groq, OpenAi, Azure, Fireworks, Together, DeepInfra, Cerebras],
        ),
    ];
    for dialect in Dialect::ALL {
        let mock = start(dialect).await;
        for (path, body, served) in &operations {
            let mut body = body.clone();
            body["model"] = MODEL.into();
            let path = format!("{}{path}", wire::format(dialect).base());
            let reply = post(&mock, &path, &body).await;
            let expected = if served.contains(&dialect) { 200 } else { 404 };
            assert_eq!(reply.status, expected, "{dialect:?} {path}: {}", reply.body);
        }
    }
}

/// A call of any API is charged as one of chat completions is, and refused in the words of the dialect with its headers.
#[tokio::test]
async fn every_api_is_charged_and_refused_like_chat() {
    let body = |members: Value| {
        let mut body = members;
        body["model"] = MODEL.into();
        body
    };
    for (path, body, completion) in [
        ("/openai/v1/responses", body(json!({ "input": " the".repeat(100), "max_output_tokens": 50 })), true),
        ("/openai/v1/completions", body(json!({ "prompt": " the".repeat(100), "max_tokens": 50 })), true),
        ("/openai/v1/embeddings", body(json!({ "input": " the".repeat(100) })), false),
    ] {
        let limits = vec![Limit::rpd(100), Limit::tpm(250)];
        let mock = RunningMock::start(&config(limits, no_latency(), &[])).await;
        let first = mock.call(path, &body).await;
        assert_eq!(first.status, 200, "{}", first.body);
        assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("99"), "{path}");
        // The prompt of 100 tokens, for the estimate and for the tokenizer, and 50 that are reserved for a completion, of which three are used.
        let remaining = if completion { "100" } else { "150" };
        assert_eq!(first.header("x-ratelimit-remaining-tokens"), Some(remaining), "{path}");
        mock.wait_for(|seen| crate::client::settled(seen) == 1).await;
        let second = mock.call(path, &body).await;
        let third = if second.status == 200 { mock.call(path, &body).await } else { second };
        assert_eq!(third.status, 429, "{path}: {}", third.body);
        let error = &third.json()["error"];
        assert_eq!((&error["type"], &error["code"]), (&json!("tokens"), &json!("rate_limit_exceeded")));
        assert!(third.header("retry-after").is_some());
    }
}

/// As documented by OpenAI: the details of the usage are always there, and only the calls of a stream have an index. Programs read
/// `usage.prompt_tokens_details.cached_tokens` without asking whether it is there.
#[tokio::test]
async fn openais_completions_have_the_details_of_the_usage_and_calls_without_an_index() {
    let tool = json!({ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } });
    let request =
        json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hi" }], "tools": [tool] });
    for (dialect, path, is_documented) in [
        (Dialect::OpenAi, "/v1/chat/completions", true),
        (Dialect::Groq, "/openai/v1/chat/completions", false),
    ] {
        let mock = start(dialect).await;
        let reply = post(&mock, path, &request).await.json();
        let (usage, call) = (&reply["usage"], &reply["choices"][0]["message"]["tool_calls"][0]);
        assert_eq!(call["function"]["name"], "f", "{reply}");
        assert_eq!(call.get("index").is_none(), is_documented, "{call}");
        let cached = json!({ "cached_tokens": 0, "audio_tokens": 0 });
        let details = json!({ "reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0 });
        let found = (usage["prompt_tokens_details"] == cached, usage["completion_tokens_details"] == details);
        assert_eq!(found, (is_documented, is_documented), "{dialect:?}: {usage}");
        let mut streamed = request.clone();
        streamed["stream"] = json!(true);
        let events = events(&post(&mock, path, &streamed).await.body);
        let call = events.iter().find_map(|(_, event)| event["choices"][0]["delta"]["tool_calls"].get(0));
        assert_eq!(call.map(|call| call["index"].clone()), Some(json!(0)), "{dialect:?}");
    }
}

#[tokio::test]
async fn a_response_has_its_text_usage_and_the_members_of_the_request() {
    let mock = start(Dialect::OpenAi).await;
    let request = json!({
        "model": MODEL, "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "hi" }] }],
        "instructions": "be brief", "temperature": 0.5, "metadata": { "a": "b" }, "max_output_tokens": 100,
    });
    let response = post(&mock, "/v1/responses", &request).await.json();
    assert_eq!((&response["object"], &response["status"]), (&json!("response"), &json!("completed")));
    assert!(response["id"].as_str().unwrap().starts_with("resp_"));
    let item = &response["output"][0];
    assert_eq!(
        (&item["type"], &item["role"], &item["status"]),
        (&json!("message"), &json!("assistant"), &json!("completed"))
    );
    assert_eq!(item["content"][0]["text"].as_str().unwrap().split(' ').count(), 5);
    let usage = &response["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"], &usage["total_tokens"]),
        (&json!(10), &json!(5), &json!(15))
    );
    for name in ["instructions", "temperature", "metadata", "max_output_tokens"] {
        assert_eq!(response[name], request[name], "{name}");
    }
    assert_eq!(
        (&response["tools"], &response["tool_choice"], &response["text"]),
        (&json!([]), &json!("auto"), &json!({ "format": { "type": "text" } }))
    );
    // A completion that reaches the bound is incomplete.
    let long = mock
        .send(
            "POST",
            "/v1/responses",
            &["x-quotalab-truth: prompt=10;completion=500;draw=1;tag=9"],
            &request.to_string(),
        )
        .await
        .json();
    assert_eq!(
        (&long["status"], &long["incomplete_details"]),
        (&json!("incomplete"), &json!({ "reason": "max_output_tokens" }))
    );
}

/// The events of a streamed response are numbered without gaps, whatever the content, and end with the whole response.
#[tokio::test]
async fn the_events_of_a_streamed_response_add_up_to_the_whole_one() {
    let mock = start(Dialect::Groq).await;
    let schema =
        json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "integer" } } });
    for (more, last_delta) in [
        (json!({}), "response.output_text.delta"),
        (json!({ "tools": [function("f")] }), "response.function_call_arguments.delta"),
        (
            json!({ "text": { "format": { "type": "json_schema", "name": "n", "schema": schema } } }),
            "response.output_text.delta",
        ),
    ] {
        let mut request = json!({ "model": MODEL, "input": "hi" });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let whole = post(&mock, "/openai/v1/responses", &request).await.json();
        request["stream"] = true.into();
        let reply = post(&mock, "/openai/v1/responses", &request).await;
        assert_eq!(reply.header("content-type"), Some("text/event-stream"));
        let events = events(&reply.body);
        for (index, (name, data)) in events.iter().enumerate() {
            assert_eq!(data["type"], *name);
            assert_eq!(data["sequence_number"], index, "{name}");
        }
        let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["response.created", "response.in_progress", "response.output_item.added"]);
        assert_eq!(names[names.len() - 2..], ["response.output_item.done", "response.completed"]);
        assert!(names.contains(&last_delta), "{names:?}");
        let deltas: String = events.iter().filter_map(|(_, data)| data["delta"].as_str()).collect();
        let output = &events.last().unwrap().1["response"]["output"][0];
        let text = output["content"][0]["text"].as_str().or(output["arguments"].as_str());
        assert_eq!(text, Some(deltas.as_str()));
        // Only the ids and words differ, which depend on the number of the request.
        assert_eq!(output["type"], whole["output"][0]["type"]);
        assert_eq!(events.last().unwrap().1["response"]["usage"], whole["usage"]);
    }
}

#[tokio::test]
async fn a_model_calls_a_tool_and_answers_after_its_result() {
    let mock = start(Dialect::OpenAi).await;
    let mut request = json!({ "model": MODEL, "input": "hi", "tools": [function("f"), function("g")] });
    let call = post(&mock, "/v1/responses", &request).await.json()["output"][0].clone();
    assert_eq!(
        (&call["type"], &call["name"], &call["arguments"]),
        (&json!("function_call"), &json!("f"), &json!(r#"{"city":"example"}"#))
    );
    request["tool_choice"] = json!({ "type": "function", "name": "g" });
    assert_eq!(post(&mock, "/v1/responses", &request).await.json()["output"][0]["name"], "g");
    request["tool_choice"] = json!("auto");
    let result = json!({ "type": "function_call_output", "call_id": call["call_id"], "output": "5" });
    request["input"] = json!([{ "role": "user", "content": "hi" }, call, result]);
    assert_eq!(post(&mock, "/v1/responses", &request).await.json()["output"][0]["type"], "message");
}

/// Texts, tokens and arrays of them; one vector per text. ` the` is one token for the estimate and for the tokenizer.
#[tokio::test]
async fn embeddings_have_a_vector_per_text() {
    let mock = start(Dialect::OpenAi).await;
    for (input, texts, tokens) in [
        (json!(" the the"), 1, 2),
        (json!([" the", " the", " and"]), 3, 3),
        (json!([1, 2, 3]), 1, 3),
        (json!([[1, 2], [3]]), 2, 3),
    ] {
        let request = json!({ "model": MODEL, "input": input, "dimensions": 4 });
        let reply = mock.call("/v1/embeddings", &request).await.json();
        let data = reply["data"].as_array().unwrap();
        assert_eq!(data.len(), texts, "{input}");
        assert!(data.iter().enumerate().all(
            |(index, entry)| entry["index"] == index && entry["embedding"].as_array().unwrap().len() == 4
        ));
        assert_eq!(reply["usage"], json!({ "prompt_tokens": tokens, "total_tokens": tokens }), "{input}");
    }
    let same = json!({ "model": MODEL, "input": ["a", "a", "b"] });
    let data = mock.call("/v1/embeddings", &same).await.json()["data"].clone();
    assert_eq!(data[0]["embedding"], data[1]["embedding"]);
    assert_ne!(data[0]["embedding"], data[2]["embedding"]);
    // As OpenAI's SDKs ask for it: four bytes per number.
    let base64 = json!({ "model": MODEL, "input": "a", "dimensions": 3, "encoding_format": "base64" });
    let data = mock.call("/v1/embeddings", &base64).await.json();
    assert_eq!(data["data"][0]["embedding"].as_str().unwrap().len(), 16);
    for invalid in [
        json!({}),
        json!({ "input": [] }),
        json!({ "input": [[]] }),
        json!({ "input": "a", "dimensions": 0 }),
        json!({ "input": ["a", 1] }),
        json!({ "input": "a", "encoding_format": "x" }),
    ] {
        let mut request = invalid.clone();
        request["model"] = MODEL.into();
        assert_eq!(mock.call("/v1/embeddings", &request).await.status, 400, "{invalid}");
    }
}

/// Completions of a text: a choice per prompt and per requested completion, at most 16 tokens without a bound.
#[tokio::test]
async fn completions_have_a_choice_per_prompt() {
    let mock = start(Dialect::OpenAi).await;
    let request = json!({ "model": MODEL, "prompt": ["a", "b"], "n": 2 });
    let reply = mock.call("/v1/completions", &request).await.json();
    assert_eq!(reply["object"], "text_completion");
    let choices = reply["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 4);
    assert!(choices.iter().enumerate().all(|(index, choice)| choice["index"] == index
        && choice["text"].as_str().unwrap().split(' ').count() == 3));
    assert_eq!(reply["usage"]["completion_tokens"], 12);
    let long = "x-quotalab-truth: prompt=10;completion=500;draw=1;tag=9";
    let request = json!({ "model": MODEL, "prompt": "a" });
    let reply = mock.send("POST", "/v1/completions", &[long], &request.to_string()).await.json();
    assert_eq!(
        (&reply["usage"]["completion_tokens"], &reply["choices"][0]["finish_reason"]),
        (&json!(16), &json!("length"))
    );
    let stream = json!({ "model": MODEL, "prompt": "a", "stream": true });
    let reply = post(&mock, "/v1/completions", &stream).await;
    let text: String =
        events(&reply.body).iter().filter_map(|(_, data)| data["choices"][0]["text"].as_str()).collect();
    assert_eq!(text.split(' ').count(), 5);
    assert!(reply.body.ends_with("data: [DONE]\n\n"));
}

/// A parser takes the last of two members with one name, so that a second one would hide the first.
#[tokio::test]
async fn no_message_of_any_dialect_has_a_member_twice() {
    let tool = json!([{ "type": "function", "function": { "name": "f", "parameters": {} } }]);
    for dialect in Dialect::ALL {
        let mock = start(dialect).await;
        for more in [String::new(), format!(r#","tools":{tool}"#)] {
            let path = wire::format(dialect).path(MODEL);
            let reply = mock.send("POST", &path, &[TRUTH], &chat_body(&more)).await;
            assert_eq!(reply.status, 200, "{dialect:?}: {}", reply.body);
            for member in ["\"tool_calls\":", "\"content\":", "\"usage\":", "\"finish_reason\":"] {
                assert!(reply.body.matches(member).count() <= 1, "{dialect:?} {member}: {}", reply.body);
            }
            let called = &reply.json()["choices"][0]["message"]["tool_calls"][0]["function"]["name"];
            assert_eq!(called == "f", !more.is_empty(), "{dialect:?}");
        }
    }
}

/// A client that adds up the usages of all chunks counts each token at most once, and exactly once if it requested the usage chunk.
#[tokio::test]
async fn no_token_is_in_the_usage_of_two_chunks() {
    for dialect in Dialect::ALL {
        let mock = start(dialect).await;
        for more in [r#","stream":true"#, r#","stream":true,"stream_options":{"include_usage":true}"#] {
            let reply =
                mock.send("POST", &wire::format(dialect).path(MODEL), &[TRUTH], &chat_body(more)).await;
            let events = events(&reply.body);
            let usages: Vec<u64> =
                events.iter().filter_map(|(_, data)| data["usage"]["total_tokens"].as_u64()).collect();
            let asked = more.contains("include_usage");
            assert!(
                usages.len() <= 1 && usages.iter().all(|total| *total == 15),
                "{dialect:?} {asked}: {usages:?}"
            );
            assert!(!asked || usages.len() == 1, "{dialect:?}: {usages:?}");
        }
    }
    let mock = start(Dialect::Groq).await;
    let body = chat_body(r#","stream":true,"stream_options":{"include_usage":true}"#);
    let events = events(&mock.send("POST", "/openai/v1/chat/completions", &[TRUTH], &body).await.body);
    let [.., (_, finish), (_, usage)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(finish["x_groq"]["usage"]["total_tokens"], 15, "captured from Groq: x_groq has the usage too");
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(15)));
}

/// Transcriptions of all dialects that have them except Groq (see `audio`), and translations of OpenAI; for Azure, also at the path
/// of a deployment.
#[tokio::test]
async fn audio_is_served_by_the_other_providers_that_have_it() {
    let form = |model: &str| {
        format!(
            "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n{}\r\n{model}--b--\r\n",
            "x".repeat(8_000)
        )
    };
    let model = format!("--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{MODEL}\r\n");
    for (dialect, path, model) in [
        (Dialect::OpenAi, "/v1/audio/transcriptions".to_owned(), &model),
        (Dialect::OpenAi, "/v1/audio/translations".to_owned(), &model),
        (Dialect::Azure, "/openai/v1/audio/transcriptions".to_owned(), &model),
        (Dialect::Azure, format!("/openai/deployments/{MODEL}/audio/transcriptions"), &String::new()),
        (Dialect::Mistral, "/v1/audio/transcriptions".to_owned(), &model),
        (Dialect::Together, "/v1/audio/transcriptions".to_owned(), &model),
        (Dialect::DeepInfra, "/v1/openai/audio/transcriptions".to_owned(), &model),
    ] {
        let mock = RunningMock::start(&with_dialect(dialect, vec![Limit::new(Axis::Ash, 100)])).await;
        let reply =
            mock.send("POST", &path, &["content-type: multipart/form-data; boundary=b"], &form(model)).await;
        assert_eq!(reply.status, 200, "{dialect:?} {path}: {}", reply.body);
        assert!(reply.json()["text"].is_string());
    }
}

#[tokio::test]
async fn a_responses_call_has_the_configured_service_time() {
    let service = ServiceTimeDist::Total(Dist::Constant(0.05));
    let mock = RunningMock::start(&config(vec![], service, &[])).await;
    let body = json!({ "model": MODEL, "input": "hi" });
    assert_eq!(post(&mock, "/openai/v1/responses", &body).await.status, 200);
    let seen = mock.observed();
    let crate::client::Observed::Decided(_, _, report) = seen[0] else { panic!("{seen:?}") };
    let Decision::Admitted(service) = report.decision else { panic!("{report:?}") };
    assert_eq!(service.time.first_token + service.time.decode, Nanos::from_millis(50));
}
