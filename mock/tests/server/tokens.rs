//! How the tokens of a prompt are counted, and the calendar of a live mock.

use crate::client::{MODEL, RunningMock, config, no_latency};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provider::Instant;
use provider::calendar::{Epoch, UnixTime};
use provider::config::{Config, Dialect};
use provider::server::{Mock, serve};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn prompt_tokens(dialect: Dialect, path: &str, request: &Value) -> u64 {
    let mock = RunningMock::start(&Config { dialect, ..config(vec![], no_latency(), &[]) }).await;
    let reply = mock.call(path, request).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body = reply.json();
    let usage = ["prompt_tokens", "input_tokens"].iter().find_map(|name| body["usage"][*name].as_u64());
    usage.or_else(|| body["usageMetadata"]["promptTokenCount"].as_u64()).unwrap()
}

async fn chat(members: Value) -> u64 {
    let mut request = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hi" }] });
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    prompt_tokens(Dialect::OpenAi, "/v1/chat/completions", &request).await
}

/// A PNG of 200 kB with this size in its header.
fn png(width: u32, height: u32) -> String {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(width.to_be_bytes());
    png.extend(height.to_be_bytes());
    png.extend([8, 2, 0, 0, 0]);
    png.resize(200_000, 0);
    STANDARD.encode(png)
}

/// Eight thousand characters are two thousand tokens, wherever they are: ` the` is one for the estimate and for the tokenizer.
#[tokio::test]
async fn schemas_and_tool_calls_are_counted() {
    let parameters = json!({ "type": "object", "properties": { "a": { "type": "string", "description": " the".repeat(2_000) } } });
    let tool = json!([{ "type": "function", "function": { "name": "f", "parameters": parameters } }]);
    let format = json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": parameters } });
    let arguments = " the".repeat(1_000);
    let call = json!({ "id": "1", "type": "function", "function": { "name": "f", "arguments": arguments } });
    let messages = json!([
        { "role": "user", "content": "hi" },
        { "role": "assistant", "content": null, "tool_calls": [call] },
        { "role": "tool", "tool_call_id": "1", "content": " the".repeat(1_000) },
    ]);
    assert_eq!(chat(json!({})).await, 1);
    for (members, expected) in [
        (json!({ "tools": tool }), 2_000),
        (json!({ "response_format": format }), 2_000),
        (json!({ "messages": messages }), 2_000),
    ] {
        let tokens = chat(members.clone()).await;
        assert!((expected..expected + 60).contains(&tokens), "{members:.60}: {tokens}");
    }
}

/// The estimate is one token per Chinese character, a quarter per Latin letter, a half per Cyrillic one, and two per emoji. The
/// other number is that of the tokenizer.
#[tokio::test]
async fn text_is_counted_by_its_script() {
    for (text, estimated, tokenized) in [
        ("漢".repeat(400), 400, 400),
        ("x".repeat(400), 100, 50),
        ("я".repeat(400), 200, 200),
        ("😀".repeat(10), 20, 10),
        (" the".repeat(400), 400, 400),
    ] {
        let expected = if cfg!(feature = "tokenizer") { tokenized } else { estimated };
        let tokens = chat(json!({ "messages": [{ "role": "user", "content": text }] })).await;
        assert_eq!(tokens, expected, "{text:.8}");
    }
}

/// The tokens of an image depend on its pixels rather than on its bytes, and on the rule of the provider. Covers each API's form.
#[tokio::test]
async fn images_are_counted_by_the_rule_of_the_provider() {
    let data = png(1_024, 1_024);
    let url = format!("data:image/png;base64,{data}");
    let openai = json!([{ "type": "image_url", "image_url": { "url": url } }]);
    let responses = json!([{ "role": "user", "content": [{ "type": "input_image", "image_url": url }] }]);
    let anthropic =
        json!([{ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": data } }]);
    let gemini = json!([{ "parts": [{ "inlineData": { "mimeType": "image/png", "data": data } }] }]);
    let messages = |content: &Value| json!([{ "role": "user", "content": content }]);
    let model = MODEL;
    for (dialect, path, request, expected) in [
        (
            Dialect::OpenAi,
            "/v1/chat/completions".to_owned(),
            json!({ "model": model, "messages": messages(&openai) }),
            765,
        ),
        (Dialect::OpenAi, "/v1/responses".to_owned(), json!({ "model": model, "input": responses }), 765),
        (
            Dialect::Groq,
            "/openai/v1/chat/completions".to_owned(),
            json!({ "model": model, "messages": messages(&openai) }),
            2_048,
        ),
        (
            Dialect::Anthropic,
            "/v1/messages".to_owned(),
            json!({ "model": model, "max_tokens": 10, "messages": messages(&anthropic) }),
            1_399,
        ),
        (
            Dialect::Gemini,
            format!("/v1beta/models/{model}:generateContent"),
            json!({ "contents": gemini }),
            1_032,
        ),
    ] {
        assert_eq!(prompt_tokens(dialect, &path, &request).await, expected, "{dialect:?} {path}");
    }
    let low = json!([{ "type": "image_url", "image_url": { "url": url, "detail": "low" } }]);
    assert_eq!(chat(json!({ "messages": messages(&low) })).await, 85);
}

/// OpenAI counts ten tokens per second of audio.
#[tokio::test]
async fn audio_is_counted_by_its_length() {
    let data = STANDARD.encode(vec![0; 80_000]); // ten seconds at 64 kbit/s
    let audio = json!([{ "type": "input_audio", "input_audio": { "data": data, "format": "mp3" } }]);
    assert_eq!(chat(json!({ "messages": [{ "role": "user", "content": audio }] })).await, 100);
}

/// Covers system prompts, tools and their results in Anthropic's API, Gemini's API and OpenAI's Responses API.
#[tokio::test]
async fn three_apis_count_their_own_members() {
    let long = " the".repeat(1_000);
    let schema = json!({ "type": "object", "properties": { "a": { "description": long } } });
    let anthropic = json!({
        "model": MODEL, "max_tokens": 10, "system": long, "tools": [{ "name": "f", "input_schema": schema }], "tool_choice": { "type": "none" },
        "messages": [{ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "i", "content": long }] }],
    });
    let gemini = json!({
        "systemInstruction": { "parts": [{ "text": long }] }, "tools": [{ "functionDeclarations": [{ "name": "f", "parameters": schema }] }],
        "contents": [{ "parts": [{ "functionResponse": { "name": "f", "response": { "a": long } } }] }],
    });
    let responses = json!({
        "model": MODEL, "instructions": long, "tools": [{ "type": "function", "name": "f", "parameters": schema }],
        "input": [{ "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" }, { "type": "function_call_output", "call_id": "c", "output": long }],
    });
    for (dialect, path, request) in [
        (Dialect::Anthropic, "/v1/messages".to_owned(), anthropic),
        (Dialect::Gemini, format!("/v1beta/models/{MODEL}:generateContent"), gemini),
        (Dialect::OpenAi, "/v1/responses".to_owned(), responses),
    ] {
        let tokens = prompt_tokens(dialect, &path, &request).await;
        assert!((3_000..3_080).contains(&tokens), "{dialect:?}: {tokens}");
    }
}

/// The members and headers with a date count from the epoch that the mock is given.
#[tokio::test]
async fn a_live_mock_has_the_calendar_of_its_epoch() {
    let start = UnixTime::parse_rfc3339("2025-03-04T05:06:07Z").unwrap();
    let config = Config {
        dialect: Dialect::Anthropic,
        ..config(vec![provider::config::Limit::rpm(10)], no_latency(), &[])
    };
    let mock = Mock::new(&config, 7, Arc::new(|| Instant(3_000_000_000)), None).with_epoch(Epoch::new(start));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, Arc::new(mock), std::future::pending()));
    let body = crate::client::chat_body("");
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: m\r\nauthorization: Bearer k1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    let _end = socket.read_to_string(&mut reply).await;
    let reply = crate::client::HttpReply::parse(&reply);
    assert_eq!(reply.json()["created"], 1_741_064_770_u64);
    assert_eq!(reply.header("date"), Some("Tue, 04 Mar 2025 05:06:10 GMT"));
    assert_eq!(reply.header("anthropic-ratelimit-requests-reset"), Some("2025-03-04T05:06:16Z"));
    server.abort();
}
