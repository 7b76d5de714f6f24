//! Parameters of a completion: served as the provider does, or refused; and what a call reserves by default.

use crate::apis::start;
use crate::client::{HttpReply, MODEL, RunningMock, chat_body, config, no_latency};
use provider::config::{Config, Dialect, Lengths, Limit, Reserve};
use provider::{Axis, Nanos, wire};
use serde_json::{Value, json};

const TRUTH: &str = "x-quotalab-truth: prompt=10;completion=30;draw=1;tag=9";

async fn ask(mock: &RunningMock, dialect: Dialect, more: &str) -> HttpReply {
    mock.send("POST", &wire::format(dialect).path(MODEL), &[TRUTH], &chat_body(more)).await
}

/// `n` choices, each with its own text, and the tokens of all of them.
#[tokio::test]
async fn several_choices_are_served_and_counted() {
    let mock = start(Dialect::OpenAi).await;
    let reply = ask(&mock, Dialect::OpenAi, r#","n":3"#).await.json();
    let choices = reply["choices"].as_array().unwrap();
    let texts: Vec<&str> =
        choices.iter().map(|choice| choice["message"]["content"].as_str().unwrap()).collect();
    assert!(texts.iter().all(|text| text.split(' ').count() == 30) && texts[0] != texts[1]);
    assert_eq!(reply["usage"]["completion_tokens"], 90);
    assert!(choices.iter().enumerate().all(|(index, choice)| choice["index"] == index));
    let body = ask(&mock, Dialect::OpenAi, r#","n":2,"stream":true"#).await.body;
    let mut streamed = [String::new(), String::new()];
    let mut finished = 0;
    for data in body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]") {
        let chunk: Value = serde_json::from_str(data).unwrap();
        let choice = &chunk["choices"][0];
        let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        streamed[index].push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        finished += usize::from(choice["finish_reason"] == "stop");
    }
    assert!(streamed.iter().all(|text| text.split(' ').count() == 30), "{streamed:?}");
    assert_eq!(finished, 2);
    let groq = start(Dialect::Groq).await;
    assert_eq!(ask(&groq, Dialect::Groq, r#","n":2"#).await.status, 400, "documented");
}

/// `max_tokens` bounds each choice, and the sum over all choices is reserved.
#[tokio::test]
async fn max_tokens_and_model_lengths_bound_each_choice() {
    let mut config = config(vec![Limit::tpm(1_000)], no_latency(), &[]);
    config.dialect = Dialect::Together;
    config.models[0].lengths = Lengths { context: Some(160), max_output: Some(120) };
    config.models[0].reserve = Reserve::default();
    let mock = RunningMock::start(&config).await;
    let long = "x-quotalab-truth: prompt=10;completion=500;draw=1;tag=9";
    let reply = mock.send("POST", "/v1/chat/completions", &[long], &chat_body(r#","n":1"#)).await.json();
    assert_eq!(reply["usage"]["completion_tokens"], 100);
    let reply = mock.send("POST", "/v1/chat/completions", &[TRUTH], &chat_body(r#","n":2"#)).await;
    assert_eq!(
        (reply.status, &reply.json()["usage"]["completion_tokens"]),
        (200, &json!(60)),
        "2 × 100 fit although 200 do not"
    );
    let too_long = chat_body(r#","n":2"#).replace("\"max_tokens\":100", "\"max_tokens\":121");
    assert_eq!(mock.send("POST", "/v1/chat/completions", &[TRUTH], &too_long).await.status, 422);
}

/// Log probabilities of each token, whole and streamed.
#[tokio::test]
async fn log_probabilities_are_served_or_refused() {
    let mock = start(Dialect::OpenAi).await;
    let choice = ask(&mock, Dialect::OpenAi, r#","logprobs":true"#).await.json()["choices"][0].clone();
    let tokens = choice["logprobs"]["content"].as_array().unwrap();
    let text: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!((tokens.len(), choice["message"]["content"].as_str()), (30, Some(text.as_str())));
    let body = ask(&mock, Dialect::OpenAi, r#","logprobs":true,"stream":true"#).await.body;
    let chunks =
        body.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let pairs: Vec<(Value, Value)> = chunks
        .map(|chunk| chunk["choices"][0].clone())
        .filter(|choice| choice["logprobs"].is_object())
        .map(|choice| (choice["delta"]["content"].clone(), choice["logprobs"]["content"][0]["token"].clone()))
        .collect();
    assert!(pairs.len() == 30 && pairs.iter().all(|(delta, token)| delta == token), "{pairs:?}");
    let groq = start(Dialect::Groq).await;
    assert_eq!(ask(&groq, Dialect::Groq, r#","logprobs":true"#).await.status, 400);
    assert_eq!(ask(&groq, Dialect::Groq, r#","logprobs":false"#).await.status, 200);
}

/// The text ends before the first stop text, and the finish reason is `stop`.
#[tokio::test]
async fn a_completion_ends_before_its_stop_text() {
    let mock = start(Dialect::OpenAi).await;
    let whole = ask(&mock, Dialect::OpenAi, "").await.json();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(text.split(' ').count(), 30);
    for stop in [json!(" "), json!(["%", " "]), json!("e")] {
        let reply = ask(&mock, Dialect::OpenAi, &format!(r#","stop":{stop}"#)).await.json();
        let choice = &reply["choices"][0];
        let text = choice["message"]["content"].as_str().unwrap();
        let last = stop.as_str().or(stop[1].as_str()).unwrap();
        assert!(!text.contains(last), "{stop}: {text}");
        assert_eq!(choice["finish_reason"], "stop");
        let words = text.split(' ').filter(|word| !word.is_empty()).count();
        assert_eq!(reply["usage"]["completion_tokens"], words, "{stop}: {text}");
    }
    let none = ask(&mock, Dialect::OpenAi, r#","stop":["%"]"#).await.json();
    assert_eq!(none["usage"]["completion_tokens"], 30);
    assert_eq!(ask(&mock, Dialect::OpenAi, r#","stop":["a","b","c","d","e"]"#).await.status, 400);
}

/// Parameters are checked before the provider model decides.
#[tokio::test]
async fn requests_that_the_provider_refuses_are_refused() {
    let user =
        |content: &str| json!({ "model": MODEL, "messages": [{ "role": "user", "content": content }] });
    let without_content = json!({ "model": MODEL, "messages": [{ "role": "user" }] });
    let with = |name: &str, value: Value| {
        let mut request = user("x");
        request[name] = value;
        request
    };
    for (dialect, request, status, part) in [
        (Dialect::OpenAi, with("temperature", json!(9)), 400, "Expected a value <= 2, but got 9"),
        (Dialect::OpenAi, with("foo", json!(1)), 400, "Unrecognized request argument supplied: foo"),
        (Dialect::OpenAi, without_content.clone(), 400, "expected a string, got null"),
        (
            Dialect::OpenAi,
            with("tool_choice", json!("required")),
            400,
            "only allowed when 'tools' are specified",
        ),
        (Dialect::OpenAi, with("n", json!(0)), 400, "integer below minimum"),
        (Dialect::OpenAi, with("top_p", json!(1.5)), 400, "Invalid 'top_p'"),
        (Dialect::OpenAi, with("top_logprobs", json!(3)), 400, "only allowed when 'logprobs'"),
        (Dialect::Azure, with("foo", json!(1)), 400, "foo"),
        (Dialect::Groq, with("temperature", json!(9)), 400, "temperature"),
        (Dialect::Groq, with("foo", json!(1)), 400, "property 'foo' is unsupported"),
        (Dialect::Groq, without_content.clone(), 400, "'messages.0' : for 'role:user'"),
        (Dialect::Groq, with("tool_choice", json!("required")), 400, "tools"),
        (
            Dialect::Groq,
            json!({ "model": MODEL, "messages": [{ "role": "user", "content": "x", "timestamp": 1 }] }),
            400,
            "property 'timestamp' is unsupported",
        ),
        (Dialect::Mistral, with("temperature", json!(1.6)), 422, "temperature"),
        (Dialect::Mistral, with("foo", json!(1)), 422, "Extra inputs are not permitted"),
        (Dialect::Cerebras, with("temperature", json!(1.6)), 400, "temperature"),
        (Dialect::Together, with("temperature", json!(9)), 400, "temperature"),
    ] {
        let mock = start(dialect).await;
        let reply = mock.call(&wire::format(dialect).path(MODEL), &request).await;
        assert!(
            reply.status == status && reply.body.contains(part),
            "{dialect:?} {request}: {} {}",
            reply.status,
            reply.body
        );
        assert_eq!(mock.observed(), []);
    }
}

/// Some of these members have no effect.
#[tokio::test]
async fn requests_with_members_that_the_provider_accepts_are_served() {
    for (dialect, more) in [
        (
            Dialect::OpenAi,
            r#","temperature":2,"top_p":1,"seed":1,"user":"u","store":false,"metadata":{"a":"b"},"parallel_tool_calls":true"#,
        ),
        (
            Dialect::OpenAi,
            r#","stop":null,"n":null,"tools":null,"tool_choice":"auto","response_format":null,"logprobs":null"#,
        ),
        (Dialect::Groq, r#","seed":1,"reasoning_format":"hidden","service_tier":"auto""#),
        (Dialect::Mistral, r#","random_seed":1,"safe_prompt":true,"temperature":1.5"#),
        (Dialect::Together, r#","foo":1,"repetition_penalty":1.1"#),
        (Dialect::DeepInfra, r#","foo":1"#),
        (Dialect::Anthropic, r#","temperature":2,"foo":1"#),
    ] {
        let mock = start(dialect).await;
        let reply = ask(&mock, dialect, more).await;
        assert_eq!(reply.status, 200, "{dialect:?} {more}: {}", reply.body);
    }
    let mock = start(Dialect::OpenAi).await;
    let conversation = json!({ "model": MODEL, "messages": [
        { "role": "developer", "content": "x" },
        { "role": "user", "content": "x", "name": "n" },
        { "role": "assistant", "tool_calls": [{ "id": "1", "type": "function", "function": { "name": "f", "arguments": "{}" } }] },
        { "role": "tool", "tool_call_id": "1", "content": "x" },
        { "role": "assistant", "content": "x", "refusal": null, "annotations": [] },
    ] });
    assert_eq!(mock.call("/v1/chat/completions", &conversation).await.status, 200);
}

/// The error states what the header lacks.
#[tokio::test]
async fn an_unreadable_truth_header_is_a_400() {
    let mock = start(Dialect::Groq).await;
    for (truth, part) in [
        ("completion=3", "`prompt=`, `draw=`, `tag=` missing"),
        ("prompt=1;completion=2;draw=3", "`tag=` missing"),
        ("prompt=1;draw=1;completion=1;tag=1", "out of order"),
        ("prompt=x;completion=1;draw=1;tag=1", "not a whole number"),
        ("", "missing"),
    ] {
        for path in ["/openai/v1/chat/completions", "/openai/v1/responses"] {
            let body =
                json!({ "model": MODEL, "input": "hi", "messages": [{ "role": "user", "content": "x" }] });
            let body = if path.ends_with("responses") {
                json!({ "model": MODEL, "input": "hi" })
            } else {
                json!({ "model": MODEL, "messages": body["messages"] })
            };
            let reply =
                mock.send("POST", path, &[&format!("x-quotalab-truth: {truth}")], &body.to_string()).await;
            assert!(reply.status == 400 && reply.body.contains(part), "{truth:?}: {}", reply.body);
        }
    }
}

/// `max_tokens` counts at admission in the dialects that reserve it, and in no other.
#[tokio::test]
async fn a_call_reserves_what_its_provider_reserves() {
    // A prompt of 10 tokens with `max_tokens` 100 and three tokens of output, under a limit of 105.
    let reserve_max_tokens = [Dialect::Groq, Dialect::Azure, Dialect::Cerebras, Dialect::DeepInfra];
    for dialect in Dialect::ALL {
        let mut config = config(vec![Limit::tpm(105)], no_latency(), &[]);
        config.dialect = dialect;
        config.models[0].reserve = Reserve::default_of(dialect);
        let mock = RunningMock::start(&config).await;
        let short = "x-quotalab-truth: prompt=10;completion=3;draw=1;tag=9";
        let reply = mock.send("POST", &wire::format(dialect).path(MODEL), &[short], &chat_body("")).await;
        assert_eq!(
            reply.status >= 400,
            reserve_max_tokens.contains(&dialect),
            "{dialect:?}: {} {}",
            reply.status,
            reply.body
        );
    }
}

/// The `retry-after` of a refusal is the time until the limit is full, although a call is admitted earlier. There are no limit headers.
#[tokio::test]
async fn cerebras_states_the_time_until_its_limit_is_full() {
    let limit = Limit::default_of(Dialect::Cerebras, Axis::Rpm, 5);
    let config = Config { dialect: Dialect::Cerebras, ..config(vec![limit], no_latency(), &[]) };
    let mock = RunningMock::start(&config).await;
    for _ in 0..5 {
        assert_eq!(ask(&mock, Dialect::Cerebras, "").await.status, 200);
    }
    mock.set_clock(Nanos::from_secs(1));
    let refused = ask(&mock, Dialect::Cerebras, "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
    assert!(refused.headers.iter().all(|(name, _)| !name.contains("ratelimit")), "{:?}", refused.headers);
    mock.set_clock(Nanos::from_secs(12));
    assert_eq!(ask(&mock, Dialect::Cerebras, "").await.status, 200, "measured: after 11 s");
}

/// A refusal has neither a wait nor limit headers.
#[tokio::test]
async fn mistral_counts_requests_per_calendar_minute() {
    let limit = Limit::default_of(Dialect::Mistral, Axis::Rpm, 23);
    let config = Config { dialect: Dialect::Mistral, ..config(vec![limit], no_latency(), &[]) };
    let mock = RunningMock::start(&config).await;
    mock.set_clock(Nanos::from_secs(48));
    for _ in 0..23 {
        assert_eq!(ask(&mock, Dialect::Mistral, "").await.status, 200);
    }
    let refused = ask(&mock, Dialect::Mistral, "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    assert!(refused.headers.iter().all(|(name, _)| !name.contains("ratelimit")), "{:?}", refused.headers);
    mock.set_clock(Nanos::from_secs(60));
    let served = ask(&mock, Dialect::Mistral, "").await;
    assert_eq!((served.status, served.header("x-ratelimit-remaining-req-minute")), (200, Some("22")));
    let streamed = ask(&mock, Dialect::Mistral, r#","stream":true"#).await;
    assert_eq!((streamed.status, streamed.header("x-ratelimit-remaining-req-minute")), (200, None));
}

/// Of ten simultaneous requests under a limit of 300 per minute, Azure admits the five that one second refills.
#[tokio::test]
async fn azure_admits_the_refill_of_one_second_at_once() {
    let limit = Limit::default_of(Dialect::Azure, Axis::Rpm, 300);
    let config = Config { dialect: Dialect::Azure, ..config(vec![limit], no_latency(), &[]) };
    let mock = RunningMock::start(&config).await;
    let mut served = 0;
    for _ in 0..10 {
        served += usize::from(ask(&mock, Dialect::Azure, "").await.status == 200);
    }
    assert_eq!(served, 5);
    mock.set_clock(Nanos::SECOND);
    assert_eq!(ask(&mock, Dialect::Azure, "").await.status, 200);
}
