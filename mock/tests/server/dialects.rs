//! Every dialect over HTTP: its paths, the header of its key, a completion, a stream, a refusal, and its errors.

use crate::apis::{start, with_dialect};
use crate::client::{HttpReply, MODEL, RunningMock, chat_body, config, no_latency};
use provider::config::{Config, Dialect, Estimate, Fault, Limit, Reserve};
use provider::wire::{self, KeyLocation, WireFormat};
use provider::{Axis, Nanos};
use serde_json::{Value, json};

/// Every dialect with each of its wire formats.
fn formats() -> impl Iterator<Item = (Dialect, &'static dyn WireFormat)> {
    Dialect::ALL
        .into_iter()
        .flat_map(|dialect| wire::formats(dialect).iter().map(move |format| (dialect, *format)))
}

/// A request with its key in the first place in which the format looks for it; if that is a query parameter, as a bearer token.
fn request(format: &dyn WireFormat, path: &str, key: &str, body: &str) -> String {
    let header = match format.key_locations()[0] {
        KeyLocation::Bearer | KeyLocation::Query(_) => format!("authorization: Bearer {key}"),
        KeyLocation::Header(name) => format!("{name}: {key}"),
    };
    format!(
        "POST {path} HTTP/1.1\r\nhost: mock\r\n{header}\r\nx-quotalab-truth: prompt=10;completion=5;draw=1;tag=9\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a short request, in the format's own form; `more` are members of a request in OpenAI's form.
async fn ask(mock: &RunningMock, format: &dyn WireFormat, more: &str) -> HttpReply {
    let (path, body) = path_and_body(format, more);
    HttpReply::parse(&mock.exchange(&request(format, &path, "k1", &body)).await)
}

fn path_and_body(format: &dyn WireFormat, more: &str) -> (String, String) {
    let path = format.path(MODEL);
    if !path.ends_with(":generateContent") {
        return (path, chat_body(more));
    }
    let path = match more {
        "" => path,
        _ => path.replace(":generateContent", ":streamGenerateContent?alt=sse"),
    };
    let contents = json!([{ "role": "user", "parts": [{ "text": "hi" }] }]);
    (path, json!({ "contents": contents, "generationConfig": { "maxOutputTokens": 100 } }).to_string())
}

/// The text of a completion and its token count, in OpenAI's format, Anthropic's or Gemini's.
fn text_and_tokens(body: &Value) -> (Option<&str>, Option<u64>) {
    if body["type"] == "message" {
        (body["content"][0]["text"].as_str(), body["usage"]["output_tokens"].as_u64())
    } else if body["candidates"].is_array() {
        let text = body["candidates"][0]["content"]["parts"][0]["text"].as_str();
        (text, body["usageMetadata"]["candidatesTokenCount"].as_u64())
    } else {
        (body["choices"][0]["message"]["content"].as_str(), body["usage"]["completion_tokens"].as_u64())
    }
}

#[tokio::test]
async fn a_completion_is_served_at_the_path_of_the_dialect() {
    for (dialect, format) in formats() {
        let mock = start(dialect).await;
        let reply = ask(&mock, format, "").await;
        assert_eq!(reply.status, 200, "{dialect:?}: {}", reply.body);
        let body = reply.json();
        let (text, tokens) = text_and_tokens(&body);
        assert_eq!((text.unwrap().split(' ').count(), tokens), (5, Some(5)), "{dialect:?}");
        let model = if body["candidates"].is_array() { &body["modelVersion"] } else { &body["model"] };
        assert_eq!(model, MODEL);
    }
}

#[tokio::test]
async fn a_stream_has_the_events_of_the_dialect() {
    for (dialect, format) in formats() {
        let mock = start(dialect).await;
        let reply = ask(&mock, format, r#","stream":true"#).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("text/event-stream")),
            "{dialect:?}"
        );
        let path = format.path(MODEL);
        let (token, end) = if path.ends_with("/messages") {
            ("content_block_delta\",\"index\":0", "{\"type\":\"message_stop\"}\n\n")
        } else if path.ends_with(":generateContent") {
            ("\"totalTokenCount\":10}", "}\r\n\r\n")
        } else {
            ("\"delta\":{\"content\":\"", "data: [DONE]\n\n")
        };
        assert_eq!(reply.body.matches(token).count(), 5, "{dialect:?}: {}", reply.body);
        assert!(reply.body.ends_with(end), "{dialect:?}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_refusal_is_a_429_in_the_format_of_the_dialect() {
    for (dialect, format) in formats() {
        let mock = RunningMock::start(&with_dialect(dialect, vec![Limit::new(Axis::Rpm, 60)])).await;
        for _ in 0..60 {
            assert_eq!(ask(&mock, format, "").await.status, 200);
        }
        let reply = ask(&mock, format, "").await;
        assert_eq!(reply.status, 429, "{dialect:?}: {}", reply.body);
        let body = reply.json();
        let has_dialect_format = match dialect {
            Dialect::Groq | Dialect::OpenAi => &body["error"]["type"] == "requests",
            Dialect::Azure => body["error"]["code"].is_string(),
            Dialect::Anthropic => {
                body["error"]["message"].as_str().unwrap().contains("60 requests per minute (org: x")
            }
            Dialect::Cerebras => body["code"] == "request_quota_exceeded",
            Dialect::Mistral => body == json!({"message": "Requests rate limit exceeded"}),
            Dialect::DeepInfra => body["error"]["message"] == "Rate limited",
            Dialect::Together => body["error"]["type"] == "credit_limit",
            Dialect::Fireworks => body["error"]["object"] == "error",
            Dialect::Gemini => {
                let error = if body.is_array() { &body[0]["error"] } else { &body["error"] };
                error["status"] == "RESOURCE_EXHAUSTED"
            }
        };
        assert!(has_dialect_format, "{dialect:?}: {body}");
        // The limit refills under every dialect.
        mock.set_clock(Nanos::SECOND);
        assert_eq!(ask(&mock, format, "").await.status, 200, "{dialect:?}");
    }
}

#[tokio::test]
async fn limit_headers_have_the_names_and_units_of_the_dialect() {
    let limits = [Axis::Rpm, Axis::Itpm, Axis::Otpm, Axis::Tpd].map(|axis| Limit::new(axis, 6_000));
    let dialects = [
        (Dialect::OpenAi, "x-ratelimit-remaining-requests", "5999"),
        (Dialect::Azure, "x-ratelimit-reset-requests", "0"),
        (Dialect::Anthropic, "anthropic-ratelimit-requests-remaining", "5999"),
        (Dialect::Anthropic, "anthropic-ratelimit-tokens-limit", "12000"),
        (Dialect::Anthropic, "anthropic-ratelimit-requests-reset", "2026-11-01T00:00:00Z"),
        (Dialect::Cerebras, "x-ratelimit-remaining-tokens-day", "5890"),
        (Dialect::Cerebras, "x-ratelimit-reset-requests-minute", "60"),
        // These two state limits per second.
        (Dialect::Fireworks, "x-ratelimit-limit-tokens-generated", "100"),
        (Dialect::Together, "x-ratelimit-limit", "100"),
    ];
    for (dialect, name, value) in dialects {
        let mock = RunningMock::start(&with_dialect(dialect, limits.to_vec())).await;
        let reply = ask(&mock, wire::format(dialect), "").await;
        assert_eq!(reply.header(name), Some(value), "{dialect:?} {:?}", reply.headers);
        // If resets are dates, the reply has the `date` of the mock's clock rather than the transport's.
        let dates: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "date").collect();
        assert_eq!(dates.len(), 1, "{dialect:?}");
        assert_eq!(dates[0].1 == "Sun, 01 Nov 2026 00:00:00 GMT", dialect == Dialect::Anthropic);
    }
}

#[tokio::test]
async fn mistral_states_what_remains_after_the_call_is_charged() {
    let mut config = with_dialect(Dialect::Mistral, vec![Limit::new(Axis::Tpm, 1_000)]);
    config.models[0].reserve = Reserve::default_for(Estimate::Prompt);
    let mock = RunningMock::start(&config).await;
    let reply = ask(&mock, wire::format(Dialect::Mistral), "").await;
    let headers = ["x-ratelimit-remaining-tokens-minute", "x-ratelimit-tokens-query-cost"]
        .map(|name| reply.header(name));
    assert_eq!(headers, [Some("985"), Some("15")]);
    let streamed = ask(&mock, wire::format(Dialect::Mistral), r#","stream":true"#).await;
    let headers = ["x-ratelimit-remaining-tokens-minute", "x-ratelimit-tokens-query-cost"]
        .map(|name| streamed.header(name));
    assert_eq!(headers, [None, None], "a stream has none (reported, 2026-07)");
}

#[tokio::test]
async fn faults_have_the_status_of_the_dialect() {
    for (fault, expected) in [
        (Fault::Overload, [503, 503, 429, 529, 429, 429, 429, 503, 429, 503]),
        (Fault::Billing, [400, 429, 429, 400, 402, 402, 402, 402, 412, 429]),
        (Fault::NotInTier, [404, 404, 404, 429, 404, 403, 404, 404, 404, 429]),
    ] {
        for (dialect, status) in Dialect::ALL.into_iter().zip(expected) {
            let mock =
                RunningMock::start(&Config { dialect, ..config(vec![], no_latency(), &[fault]) }).await;
            let reply = ask(&mock, wire::format(dialect), "").await;
            assert_eq!(reply.status, status, "{dialect:?} {fault:?}: {}", reply.body);
            assert_eq!(mock.stop().await.len(), 1, "nothing to settle");
        }
    }
}

#[tokio::test]
async fn the_key_is_read_from_the_header_of_the_dialect() {
    for (dialect, format) in formats() {
        let mock = start(dialect).await;
        let (path, body) = path_and_body(format, "");
        let reply_to_unknown_key =
            HttpReply::parse(&mock.exchange(&request(format, &path, "unknown", &body)).await);
        assert!(
            matches!(reply_to_unknown_key.status, 400 | 401),
            "{dialect:?}: {}",
            reply_to_unknown_key.body
        );
        let right_request = request(format, &path, "k1", &body);
        let request_with_misplaced_key = match format.key_locations()[0] {
            KeyLocation::Bearer | KeyLocation::Query(_) => {
                right_request.replace("authorization: Bearer", "api-key:")
            }
            KeyLocation::Header(name) => right_request.replace(name, "authorization"),
        };
        let reply = HttpReply::parse(&mock.exchange(&request_with_misplaced_key).await);
        assert_eq!(reply.status, reply_to_unknown_key.status, "{dialect:?}");
        // Clients of OpenAI's format send a bearer token to every compatible endpoint.
        let compatible = wire::format(dialect);
        let request = request(compatible, &compatible.path(MODEL), "k1", &chat_body(""));
        let bearer = request.replace("api-key: ", "authorization: Bearer ");
        assert_eq!(HttpReply::parse(&mock.exchange(&bearer).await).status, 200, "{dialect:?}");
    }
}

#[tokio::test]
async fn models_are_listed_and_other_paths_are_unknown() {
    for dialect in Dialect::ALL {
        let mock = start(dialect).await;
        let base = wire::format(dialect).base();
        let get = |path: &str| {
            format!("GET {path} HTTP/1.1\r\nhost: m\r\nauthorization: Bearer k1\r\nconnection: close\r\n\r\n")
        };
        let models = HttpReply::parse(&mock.exchange(&get(&format!("{base}/models"))).await);
        let list = models.json();
        // Together's list has no object around it, and Gemini's names have a prefix.
        let list = if dialect == Dialect::Together { &list } else { &list["data"] };
        let id = list[0]["id"].as_str().unwrap();
        assert_eq!((models.status, id.trim_start_matches("models/")), (200, MODEL), "{dialect:?}");
        assert_eq!(HttpReply::parse(&mock.exchange(&get("/v9/models")).await).status, 404, "{dialect:?}");
    }
}

#[tokio::test]
async fn the_messages_api_requires_max_tokens() {
    let mock = start(Dialect::Anthropic).await;
    let native = wire::formats(Dialect::Anthropic)[1];
    let body = chat_body("").replace(r#","max_tokens":100"#, "");
    let reply = HttpReply::parse(&mock.exchange(&request(native, "/v1/messages", "k1", &body)).await);
    let error = reply.json();
    assert_eq!(
        (reply.status, &error["type"], &error["error"]["type"]),
        (400, &json!("error"), &json!("invalid_request_error"))
    );
    assert_eq!(error["error"]["message"], "max_tokens: Field required");
    assert_eq!(reply.header("request-id"), error["request_id"].as_str());
}
