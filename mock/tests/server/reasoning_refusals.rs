//! Requests for reasoning that the providers refuse, with the texts of their errors.

use crate::apis::start;
use crate::reasoning_apis::{ask_gemini, ask_messages, ask_responses};
use provider::config::Dialect;
use serde_json::{Value, json};

#[tokio::test]
async fn wrong_parameters_of_thinking_are_refused_in_anthropics_words() {
    let mock = start(Dialect::Anthropic).await;
    let enabled = |budget: Value| json!({ "thinking": { "type": "enabled", "budget_tokens": budget } });
    let mut with_temperature = enabled(json!(1_024));
    with_temperature["temperature"] = json!(0.5);
    let enabled_with = |name: &str, value: Value| {
        let mut members = enabled(json!(1_024));
        members[name] = value;
        members
    };
    let mut forced = enabled(json!(1_024));
    forced["tools"] = json!([{ "name": "f", "input_schema": {} }]);
    forced["tool_choice"] = json!({ "type": "any" });
    for (members, expected) in [
        (
            enabled(json!(1_023)),
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (enabled(json!(4_000)), "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult"),
        (enabled(json!(u64::from(u32::MAX) + 1)), "`max_tokens` must be greater than"),
        (enabled(Value::Null), "thinking.enabled.budget_tokens: Field required"),
        (json!({ "thinking": { "type": "deep" } }), "does not match any of the expected tags"),
        (with_temperature, "`temperature` may only be set to 1"),
        (enabled_with("top_k", json!(40)), "`top_k` must be unset when thinking is enabled. Please consult"),
        (enabled_with("top_p", json!(0.94)), "`top_p` must be greater than or equal to 0.95 or unset"),
        (forced, "Thinking may not be enabled when tool_choice forces tool use."),
    ] {
        let reply = ask_messages(&mock, &members).await;
        assert_eq!(reply.status, 400, "{members}");
        let error = &reply.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains(expected), "{error}");
    }
    assert_eq!(ask_messages(&mock, &enabled(json!(3_999))).await.status, 200);
    for accepted in [
        enabled_with("top_p", json!(0.95)),
        enabled_with("top_p", json!(1)),
        enabled_with("top_k", Value::Null),
    ] {
        assert_eq!(ask_messages(&mock, &accepted).await.status, 200, "{accepted}");
    }
    assert_eq!(
        ask_messages(&mock, &json!({ "top_k": 40, "top_p": 0.5 })).await.status,
        200,
        "without thinking"
    );
}

/// The first message of a turn that tool results continue must begin with a thinking block. Its later messages and other turns
/// need not.
#[tokio::test]
async fn a_turn_with_tools_must_begin_with_its_thinking_if_thinking_is_enabled() {
    let mock = start(Dialect::Anthropic).await;
    let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "c2ln" });
    let call = json!({ "type": "tool_use", "id": "t", "name": "f", "input": {} });
    let result =
        json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t", "content": "1" }] });
    let user = |text: &str| json!({ "role": "user", "content": text });
    let assistant = |blocks: &[&Value]| json!({ "role": "assistant", "content": blocks });
    let status = async |thinking: &Value, messages: &[Value]| {
        let reply = ask_messages(&mock, &json!({ "thinking": thinking, "messages": messages })).await;
        (reply.status, reply.body.clone())
    };
    let enabled = json!({ "type": "enabled", "budget_tokens": 1_024 });
    let without = [user("hi"), assistant(&[&call]), result.clone()];
    let (code, body) = status(&enabled, &without).await;
    assert_eq!(code, 400);
    assert!(
        body.contains(
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."
        ),
        "{body}"
    );
    let (_, body) = status(
        &enabled,
        &[user("hi"), user("x"), json!({ "role": "assistant", "content": "so" }), result.clone()],
    )
    .await;
    assert!(body.contains("messages.2.content.0.type") && body.contains("but found `text`"), "{body}");
    for (thinking, messages) in [
        (&enabled, vec![user("hi"), assistant(&[&thought, &call]), result.clone()]),
        (
            &enabled,
            vec![
                user("hi"),
                assistant(&[&json!({ "type": "redacted_thinking", "data": "eA==" }), &call]),
                result.clone(),
            ],
        ),
        // The first message of the turn has the thinking.
        (
            &enabled,
            vec![
                user("hi"),
                assistant(&[&thought, &call]),
                result.clone(),
                assistant(&[&call]),
                result.clone(),
            ],
        ),
        // A turn that is over.
        (
            &enabled,
            vec![
                user("hi"),
                assistant(&[&call]),
                result.clone(),
                assistant(&[&json!({ "type": "text", "text": "1" })]),
                user("and now?"),
            ],
        ),
        (&enabled, vec![user("hi")]),
        (&json!({ "type": "adaptive" }), without.to_vec()),
        (&json!({ "type": "disabled" }), without.to_vec()),
    ] {
        let (code, body) = status(thinking, &messages).await;
        assert_eq!(code, 200, "{messages:?}: {body}");
    }
}

#[tokio::test]
async fn malformed_parameters_of_reasoning_are_refused_in_openais_words() {
    let mock = start(Dialect::OpenAi).await;
    for (reasoning, param, code, expected) in [
        (
            json!("high"),
            "reasoning",
            "invalid_type",
            "Invalid type for 'reasoning': expected an object, but got a string instead.",
        ),
        (json!(["high"]), "reasoning", "invalid_type", "got an array instead."),
        (
            json!({ "effort": 3 }),
            "reasoning.effort",
            "invalid_type",
            "Invalid type for 'reasoning.effort': expected one of 'none', ",
        ),
        (
            json!({ "effort": "default" }),
            "reasoning.effort",
            "invalid_value",
            "Invalid value: 'default'. Supported values are: 'none', ",
        ),
        (json!({ "summary": true }), "reasoning.summary", "invalid_type", "but got a boolean instead."),
        (
            json!({ "effort": "low", "summary": "long" }),
            "reasoning.summary",
            "invalid_value",
            "'concise', 'detailed', and 'auto'.",
        ),
    ] {
        let reply = ask_responses(&mock, &json!({ "reasoning": reasoning })).await;
        assert_eq!(reply.status, 400, "{reasoning}");
        let error = &reply.json()["error"];
        assert_eq!((&error["param"], &error["code"]), (&json!(param), &json!(code)), "{error}");
        assert!(error["message"].as_str().unwrap().contains(expected), "{error}");
    }
    for accepted in [json!({}), json!({ "effort": null, "summary": null }), json!({ "effort": "xhigh" })] {
        assert_eq!(ask_responses(&mock, &json!({ "reasoning": accepted })).await.status, 200, "{accepted}");
    }
}

#[tokio::test]
async fn a_malformed_thinking_config_is_refused_in_googles_words() {
    let mock = start(Dialect::Gemini).await;
    for (config, expected) in [
        (
            json!([]),
            "Unknown name \"thinkingConfig\" at 'generation_config': Proto field is not repeating, cannot start list.",
        ),
        (json!("high"), "Invalid value at 'generation_config.thinking_config' ("),
        (
            json!({ "thinkingBudget": 19660.8 }),
            "Invalid value at 'generation_config.thinking_config.thinking_budget' (TYPE_INT32), 19660.8",
        ),
        (json!({ "thinking_budget": "many" }), "(TYPE_INT32), \"many\""),
        (json!({ "includeThoughts": "yes" }), "thinking_config.include_thoughts' (TYPE_BOOL), \"yes\""),
        (json!({ "thinkingLevel": "xhigh" }), "ThinkingConfig.ThinkingLevel), \"xhigh\""),
        (json!({ "thinkingLevel": 3 }), "ThinkingConfig.ThinkingLevel), 3"),
        (
            json!({ "budget": 3 }),
            "Unknown name \"budget\" at 'generation_config.thinking_config': Cannot find field.",
        ),
        (
            json!({ "thinkingBudget": 4, "thinkingLevel": "LOW" }),
            "You can only set only one of thinking budget and thinking level.",
        ),
    ] {
        let reply = ask_gemini(&mock, "generateContent", &json!({ "thinkingConfig": config })).await;
        assert_eq!(reply.status, 400, "{config}");
        let error = &reply.json()["error"];
        assert_eq!(error["status"], "INVALID_ARGUMENT");
        assert!(error["message"].as_str().unwrap().contains(expected), "{error}");
    }
    for accepted in
        [json!(null), json!({}), json!({ "thinkingBudget": "4" }), json!({ "thinkingBudget": 4.0 })]
    {
        let reply = ask_gemini(&mock, "generateContent", &json!({ "thinkingConfig": accepted })).await;
        assert_eq!(reply.status, 200, "{accepted}");
    }
}
