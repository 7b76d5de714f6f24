//! Reasoning in the APIs besides chat completions: responses, Anthropic's messages, and Gemini's own API.

use crate::apis::{events, start, with_dialect};
use crate::client::{HttpReply, MODEL, RunningMock};
use provider::Axis;
use provider::config::{Dialect, Limit};
use provider::server::ControlPlane;
use serde_json::{Value, json};

const TRUTH: &str = "x-quotalab-truth: prompt=10;completion=20;draw=1;tag=1";

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Returns a request with these further members.
fn with(mut request: Value, members: &Value) -> String {
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request.to_string()
}

/// Sends a request to OpenAI's API of responses.
pub(crate) async fn ask_responses(mock: &RunningMock, members: &Value) -> HttpReply {
    let request = with(json!({ "model": MODEL, "input": "hi" }), members);
    mock.send("POST", "/v1/responses", &[TRUTH], &request).await
}

/// Sends a request to Anthropic's API of messages.
pub(crate) async fn ask_messages(mock: &RunningMock, members: &Value) -> HttpReply {
    let request =
        json!({ "model": MODEL, "max_tokens": 4_000, "messages": [{ "role": "user", "content": "hi" }] });
    mock.send("POST", "/v1/messages", &["x-api-key: k1", TRUTH], &with(request, members)).await
}

/// Sends a request to Gemini's own API.
pub(crate) async fn ask_gemini(mock: &RunningMock, method: &str, config: &Value) -> HttpReply {
    let request = json!({ "contents": [{ "parts": [{ "text": "hi" }] }], "generationConfig": config });
    let path = format!("/v1beta/models/{MODEL}:{method}");
    mock.send("POST", &path, &["x-goog-api-key: k1", TRUTH], &request.to_string()).await
}

#[tokio::test]
async fn a_response_has_a_reasoning_item_with_the_summary_that_is_asked_for() {
    let mock = start(Dialect::OpenAi).await;
    for (reasoning, tokens, has_summary) in [
        (json!({ "effort": "low" }), 5, false),
        (json!({ "effort": "high", "summary": "auto" }), 15, true),
        (json!({ "summary": "detailed" }), 10, true),
    ] {
        let reply = ask_responses(&mock, &json!({ "reasoning": reasoning })).await.json();
        let [item, answer] = &reply["output"].as_array().unwrap()[..] else { panic!("two items: {reply}") };
        assert_eq!((&item["type"], &answer["type"]), (&json!("reasoning"), &json!("message")));
        assert!(item["id"].as_str().unwrap().starts_with("rs_") && item["id"] != answer["id"], "{reply}");
        let summary = item["summary"].as_array().unwrap();
        assert_eq!(summary.len(), usize::from(has_summary), "{reply}");
        for part in summary {
            assert_eq!(
                (&part["type"], words(part["text"].as_str().unwrap())),
                (&json!("summary_text"), tokens)
            );
        }
        assert_eq!(words(answer["content"][0]["text"].as_str().unwrap()), 20 - tokens);
        assert_eq!(reply["usage"]["output_tokens"], 20);
        assert_eq!(reply["usage"]["output_tokens_details"]["reasoning_tokens"], tokens);
    }
    for none in [json!({}), json!({ "reasoning": null }), json!({ "reasoning": { "effort": "none" } })] {
        let reply = ask_responses(&mock, &none).await.json();
        assert_eq!(
            (
                reply["output"].as_array().unwrap().len(),
                &reply["usage"]["output_tokens_details"]["reasoning_tokens"]
            ),
            (1, &json!(0))
        );
    }
    let unknown = ask_responses(&mock, &json!({ "reasoning": { "effort": "bogus" } })).await;
    assert_eq!(unknown.status, 400);
    let error = &unknown.json()["error"];
    assert_eq!((&error["param"], &error["code"]), (&json!("reasoning.effort"), &json!("invalid_value")));
}

/// Each event has its position as `sequence_number`, and the last event has the whole response.
#[tokio::test]
async fn a_streamed_response_has_its_reasoning_first() {
    let mock = start(Dialect::OpenAi).await;
    let tools = json!([{ "type": "function", "name": "f", "parameters": { "type": "object", "properties": { "city": { "type": "string" } } } }]);
    for (members, summary_words) in [
        (json!({ "reasoning": { "effort": "medium", "summary": "auto" } }), 10),
        (json!({ "reasoning": { "effort": "high" } }), 0),
        (json!({ "reasoning": { "effort": "low", "summary": "concise" }, "tools": tools }), 5),
    ] {
        let mut streamed = members.clone();
        streamed["stream"] = json!(true);
        let events = events(&ask_responses(&mock, &streamed).await.body);
        for (index, (name, data)) in events.iter().enumerate() {
            assert_eq!(
                (data["sequence_number"].as_u64(), data["type"].as_str()),
                (Some(index as u64), Some(&**name)),
                "{data}"
            );
        }
        let joined = |wanted: &str| -> String {
            events
                .iter()
                .filter(|(name, _)| name == wanted)
                .filter_map(|(_, data)| data["delta"].as_str())
                .collect()
        };
        let output = &events.last().unwrap().1["response"]["output"];
        let summary = joined("response.reasoning_summary_text.delta");
        assert_eq!(words(&summary), summary_words);
        if summary_words > 0 {
            assert_eq!(output[0]["summary"][0]["text"], json!(summary));
            let done =
                events.iter().find(|(name, _)| name == "response.reasoning_summary_text.done").unwrap();
            assert_eq!((&done.1["text"], &done.1["item_id"]), (&json!(summary), &output[0]["id"]));
        }
        let answer = joined("response.output_text.delta") + &joined("response.function_call_arguments.delta");
        let whole = output[1]["content"][0]["text"].as_str().or_else(|| output[1]["arguments"].as_str());
        assert_eq!(whole, Some(&*answer), "{output}");
        let added = events.iter().filter(|(name, _)| name == "response.output_item.added");
        let items: Vec<_> =
            added.map(|(_, data)| (data["output_index"].clone(), data["item"]["type"].clone())).collect();
        assert_eq!((&items[0], &items[1].0), (&(json!(0), json!("reasoning")), &json!(1)));
        let position = |wanted: &str| {
            events.iter().position(|(_, data)| {
                data["item"]["type"] == wanted && data["type"] == "response.output_item.done"
            })
        };
        assert!(
            position("reasoning").is_some() && position("reasoning") < position(items[1].1.as_str().unwrap())
        );
    }
}

#[tokio::test]
async fn a_message_thinks_in_a_signed_block_whole_and_streamed() {
    let mock = start(Dialect::Anthropic).await;
    let tools = json!([{ "name": "f", "input_schema": { "type": "object", "properties": { "city": { "type": "string" } } } }]);
    let enabled = json!({ "type": "enabled", "budget_tokens": 1_024 });
    for (members, thought) in [
        (json!({ "thinking": enabled }), 10),
        (json!({ "thinking": { "type": "adaptive" } }), 10),
        (json!({ "thinking": { "type": "enabled", "budget_tokens": 2_000, "display": "omitted" } }), 0),
        (json!({ "thinking": enabled, "tools": tools }), 10),
    ] {
        let reply = ask_messages(&mock, &members).await.json();
        let [thinking, answer] = &reply["content"].as_array().unwrap()[..] else {
            panic!("two blocks: {reply}")
        };
        assert_eq!(thinking["type"], "thinking");
        assert_eq!(words(thinking["thinking"].as_str().unwrap()), thought, "{reply}");
        assert!(thinking["signature"].as_str().unwrap().len() > 100, "{reply}");
        assert_eq!(reply["usage"]["output_tokens"], 20);
        if answer["type"] == "text" {
            assert_eq!(words(answer["text"].as_str().unwrap()), 10);
        }

        let mut streamed = members.clone();
        streamed["stream"] = json!(true);
        let events = events(&ask_messages(&mock, &streamed).await.body);
        let joined = |index: u64, member: &str| -> String {
            let of_block = events.iter().filter(|(_, data)| data["index"] == index);
            of_block.filter_map(|(_, data)| data["delta"][member].as_str()).collect()
        };
        assert_eq!(words(&joined(0, "thinking")), thought);
        assert!(joined(0, "signature").len() > 100);
        match answer["type"].as_str() {
            Some("text") => assert_eq!(words(&joined(1, "text")), 10),
            _ => assert_eq!(joined(1, "partial_json"), answer["input"].to_string()),
        }
        let names: Vec<_> = events.iter().map(|(name, data)| (&**name, data["index"].as_u64())).collect();
        let position = |name, index| names.iter().position(|found| *found == (name, index)).unwrap();
        let order = [
            position("content_block_start", Some(0)),
            position("content_block_delta", Some(0)),
            position("content_block_stop", Some(0)),
            position("content_block_start", Some(1)),
            position("content_block_delta", Some(1)),
            position("content_block_stop", Some(1)),
            position("message_delta", None),
        ];
        assert!(order.is_sorted(), "{names:?}");
    }
    let none = ask_messages(&mock, &json!({ "thinking": { "type": "disabled" } })).await.json();
    assert_eq!(none["content"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn geminis_thoughts_are_parts_and_are_counted_apart() {
    let mock = start(Dialect::Gemini).await;
    for (config, thoughts, is_shown) in [
        (json!({ "thinkingConfig": { "includeThoughts": true, "thinkingBudget": 4 } }), 4, true),
        (json!({ "thinking_config": { "include_thoughts": true, "thinking_budget": -1 } }), 10, true),
        (json!({ "thinkingConfig": { "includeThoughts": true, "thinkingLevel": "HIGH" } }), 15, true),
        (json!({ "thinkingConfig": { "thinkingBudget": 100 } }), 10, false),
        (json!({ "thinkingConfig": { "includeThoughts": true, "thinkingBudget": 0 } }), 0, false),
        (json!({}), 0, false),
        (json!({ "thinkingConfig": { "includeThoughts": true }, "candidateCount": 2 }), 10, true),
    ] {
        let choices = config["candidateCount"].as_u64().unwrap_or(1);
        let reply = ask_gemini(&mock, "generateContent", &config).await.json();
        let usage = &reply["usageMetadata"];
        let total = 20 * choices;
        assert_eq!(
            usage["thoughtsTokenCount"].as_u64().unwrap_or(0),
            thoughts * choices,
            "{config}: {usage}"
        );
        assert_eq!(usage["candidatesTokenCount"].as_u64(), Some(total - thoughts * choices), "{usage}");
        assert_eq!(usage["totalTokenCount"].as_u64(), Some(10 + total), "{usage}");
        let counted = |parts: &[Value]| {
            [true, false].map(|wanted| {
                let parts = parts.iter().filter(|part| (part["thought"] == true) == wanted);
                words(&parts.filter_map(|part| part["text"].as_str()).collect::<String>()) as u64
            })
        };
        let expected = [if is_shown { thoughts } else { 0 }, 20 - thoughts];
        for candidate in reply["candidates"].as_array().unwrap() {
            assert_eq!(counted(candidate["content"]["parts"].as_array().unwrap()), expected, "{config}");
        }
        let streamed = ask_gemini(&mock, "streamGenerateContent?alt=sse", &config).await.body;
        let chunks: Vec<Value> = events(&streamed).into_iter().map(|(_, data)| data).collect();
        for index in 0..choices {
            let candidates = chunks.iter().flat_map(|chunk| chunk["candidates"].as_array().unwrap());
            let of_choice = candidates.filter(|candidate| candidate["index"] == index);
            let parts: Vec<_> = of_choice
                .flat_map(|candidate| candidate["content"]["parts"].as_array().unwrap().clone())
                .collect();
            assert_eq!(counted(&parts), expected, "{config}");
        }
        assert_eq!(chunks.last().unwrap()["usageMetadata"], *usage);
    }
    let wrong =
        ask_gemini(&mock, "generateContent", &json!({ "thinkingConfig": { "thinkingLevel": "deep" } })).await;
    assert_eq!(wrong.status, 400);
}

/// A limit counts the tokens of the reasoning as it counts those of the answer.
#[tokio::test]
async fn reasoning_tokens_are_charged_like_others() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let mut config = with_dialect(dialect, vec![Limit::new(Axis::Tpm, 8_000)]);
        config.models[0].reserve = provider::config::Reserve::default();
        let mock = RunningMock::start_with(&config, ControlPlane::Enabled).await;
        let reply = match dialect {
            Dialect::OpenAi => ask_responses(&mock, &json!({ "reasoning": { "effort": "high" } })).await,
            Dialect::Anthropic => {
                ask_messages(&mock, &json!({ "thinking": { "type": "enabled", "budget_tokens": 1_024 } }))
                    .await
            }
            _ => ask_gemini(&mock, "generateContent", &json!({ "thinkingConfig": {} })).await,
        };
        assert_eq!(reply.status, 200, "{}", reply.body);
        let state = mock.get_json("/_quotalab/state").await;
        assert_eq!(state["accounts"][0]["models"][0]["limits"][0]["remaining"], json!(7_970), "{dialect:?}");
    }
}
