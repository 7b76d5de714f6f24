//! Refusals as programs print them: exceptions of Python and Node, logs, wrappers of gateways. A refusal has the same
//! explanation in every form.

use super::{assert_members, explained, one};
use serde_json::{Value, json};

const MESSAGE: &str = "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29937, Requested 385. Please try again in 644ms. Visit https://platform.openai.com/account/rate-limits to learn more.";

fn expected() -> Value {
    json!({ "provider": "openai", "cause": "minute_limit", "axis": "tpm", "model": "gpt-4o", "limit": 30_000, "used": 29_937,
        "requested": 385, "wait_s": 0.644, "wait_meaning": "until_enough", "status": 429, "terminal": false })
}

/// Returns the forms in which people and programs print the refusal.
fn forms() -> Vec<(&'static str, String)> {
    let object = json!({ "error": { "message": MESSAGE, "type": "tokens", "param": null, "code": "rate_limit_exceeded" } });
    let dict = format!(
        "{{'error': {{'message': '{MESSAGE}', 'type': 'tokens', 'param': None, 'code': 'rate_limit_exceeded'}}}}"
    );
    let inspected = format!(
        "{{\n    message: '{}' +\n      '{}',\n    type: 'tokens',\n    param: null,\n    code: 'rate_limit_exceeded'\n  }}",
        &MESSAGE[..60],
        &MESSAGE[60..]
    );
    vec![
        ("the body", object.to_string()),
        ("pretty", format!("{object:#}")),
        ("fenced", format!("```json\n{object}\n```")),
        ("quoted", format!("> {object}")),
        ("Python", format!("openai.RateLimitError: Error code: 429 - {dict}")),
        (
            "Python, a traceback",
            format!(
                "Traceback (most recent call last):\n  File \"/app/main.py\", line 12, in <module>\n    client.chat.completions.create(\n  File \"/lib/openai/_base_client.py\", line 1061, in _request\n    raise self._make_status_error_from_response(err.response) from None\nopenai.RateLimitError: Error code: 429 - {dict}\n"
            ),
        ),
        ("Python, a log", format!("2026-03-13 08:09:32,123 ERROR root: Error code: 429 - {dict}")),
        (
            "Python, single line with prose behind",
            format!("Error code: 429 - {dict}\nRetrying in the background."),
        ),
        (
            "Node",
            format!(
                "RateLimitError: 429 {MESSAGE}\n    at APIError.generate (/app/node_modules/openai/error.mjs:63:20)\n    at OpenAI.makeStatusError (/app/node_modules/openai/core.mjs:302:25) {{\n  status: 429,\n  headers: {{\n    'content-type': 'application/json',\n    'x-ratelimit-limit-tokens': '30000'\n  }},\n  request_id: 'req_1',\n  error: {inspected},\n  code: 'rate_limit_exceeded',\n  param: null,\n  type: 'tokens'\n}}"
            ),
        ),
        (
            "Node, headers of a class",
            format!(
                "Uncaught (in promise) RateLimitError: 429 status code {{\n  status: 429,\n  headers: Headers {{ 'retry-after': '1' }},\n  error: {inspected}\n}}"
            ),
        ),
        (
            "the AI SDK",
            format!(
                "AI_APICallError: Too many requests {{\n  cause: undefined,\n  url: 'https://api.openai.com/v1/chat/completions',\n  statusCode: 429,\n  responseHeaders: {{ 'retry-after-ms': '644' }},\n  responseBody: '{}',\n  isRetryable: true\n}}",
                object.to_string().replace('\'', "\\'")
            ),
        ),
        (
            "axios",
            format!(
                "AxiosError: Request failed with status code 429\n    at settle (x.js:19:12) {{\n  code: 'ERR_BAD_REQUEST',\n  response: {{\n    status: 429,\n    statusText: 'Too Many Requests',\n    headers: {{ 'retry-after': '1' }},\n    data: {{ error: {inspected} }}\n  }}\n}}"
            ),
        ),
        (
            "a logged response",
            json!({ "status": 429, "headers": { "retry-after": "1" }, "body": object }).to_string(),
        ),
        (
            "a logged response, body in a string",
            json!({ "statusCode": 429, "headers": {}, "body": object.to_string() }).to_string(),
        ),
    ]
}

/// Returns the forms in which servers, gateways and frameworks send the body.
fn wire_forms() -> Vec<(&'static str, String)> {
    let object = json!({ "error": { "message": MESSAGE, "type": "tokens", "param": null, "code": "rate_limit_exceeded" } });
    vec![
        ("a stream", format!("data: {object}\n\ndata: [DONE]\n")),
        ("a named event", format!("event: error\ndata: {object}\n\n")),
        (
            "a stream below a head",
            format!(
                "HTTP/1.1 200 OK\ncontent-type: text/event-stream\n\ndata: {{\"choices\":[{{\"delta\":{{\"content\":\"Hi\"}}}}]}}\n\ndata: {object}\n\n"
            ),
        ),
        ("a string in JSON", json!(object.to_string()).to_string()),
        ("a framework's detail", json!({ "detail": object }).to_string()),
        ("a failed response", json!({ "type": "response.failed", "response": object }).to_string()),
        ("escaped", json!({ "error": { "message": object.to_string(), "code": 429 } }).to_string()),
    ]
}

#[test]
fn every_form_of_a_refusal_has_the_same_explanation() {
    for (name, form) in forms().into_iter().chain(wire_forms()) {
        assert_members(&one(&form), &expected(), name);
    }
}

#[test]
fn gateways_pass_on_a_refusal_in_a_message() {
    let object = json!({ "error": { "message": MESSAGE, "type": "tokens", "code": "rate_limit_exceeded" } });
    let dict =
        format!("{{'error': {{'message': '{MESSAGE}', 'type': 'tokens', 'code': 'rate_limit_exceeded'}}}}");
    for (server, message) in [
        (
            "LiteLLM",
            format!(
                "litellm.RateLimitError: RateLimitError: OpenAIException - {MESSAGE}. Received Model Group=gpt-4o\nAvailable Model Group Fallbacks=None"
            ),
        ),
        (
            "LiteLLM",
            format!("litellm.RateLimitError: RateLimitError: OpenAIException - Error code: 429 - {dict}"),
        ),
        ("LiteLLM", format!("litellm.RateLimitError: OpenAIException - {object}")),
        ("Portkey", format!("openai error: {MESSAGE}")),
    ] {
        let wrapped = json!({ "error": { "message": message, "type": null, "param": null, "code": "429" } })
            .to_string();
        let expected = expected();
        let explanation = one(&wrapped);
        assert_members(&explanation, &expected, server);
        assert_members(&explanation, &json!({ "answered_by": "gateway", "server": server }), server);
        let printed = one(message.clone());
        assert_members(
            &printed,
            &json!({ "axis": "tpm", "answered_by": "gateway", "wait_s": 0.644 }),
            &message,
        );
    }
    let raw = json!({ "error": { "message": "Provider returned error", "code": 429, "metadata": { "raw": object.to_string(), "provider_name": "OpenAI" } } });
    assert_members(
        &one(raw.to_string()),
        &json!({ "provider": "openrouter", "answered_by": "gateway", "server": "OpenRouter" }),
        "OpenRouter",
    );
}

/// An error of a gateway is not an overload of the provider if its message contains a refusal.
#[test]
fn an_error_of_a_gateway_is_explained_by_the_refusal_in_its_message() {
    let inner = json!({ "error": { "message": "Tokens per day limit exceeded - too many tokens processed.", "code": "token_quota_exceeded" } });
    for (status, text, cause) in [
        (502, format!("upstream error: status code: 429: {inner}"), "day_limit"),
        (500, format!("All providers failed. cerebras: 429 {inner}"), "day_limit"),
        (503, "Upstream request failed: Insufficient account funds".to_owned(), "billing"),
        (502, "Bad gateway".to_owned(), "overload"),
    ] {
        for body in [text.clone(), json!({ "error": { "message": text } }).to_string()] {
            let explanation = one(format!("HTTP/1.1 {status} X\n\n{body}"));
            assert_eq!(explanation["cause"], json!(cause), "{body}: {explanation:#}");
        }
    }
}

/// The explanation of a gateway's list is that of the refusal that ends first. It is terminal only if all refusals are.
#[test]
fn a_list_of_refusals_is_explained_by_the_one_that_ends_first() {
    let billing = json!({ "error": { "message": "Insufficient balance" } });
    let minute = json!({ "error": { "message": "Rate limit reached on requests per minute (RPM): Limit 30, Used 30, Requested 1. Please try again in 2s. Visit" } });
    let day = json!({ "error": { "message": "Rate limit reached on requests per day (RPD): Limit 1440, Used 1440, Requested 1. Please try again in 60s. Visit" } });
    let list = |parts: &[&Value]| {
        let parts: Vec<_> = parts
            .iter()
            .enumerate()
            .map(|(index, part)| format!("p{index}: status code: 429: {part}"))
            .collect();
        one(format!("502 All variants failed with errors: {}", parts.join(", ")))
    };
    for (parts, cause, wait, terminal) in [
        (vec![&billing, &minute], "minute_limit", json!(2.0), false),
        (vec![&day, &minute], "minute_limit", json!(2.0), false),
        (vec![&day, &billing], "day_limit", json!(60.0), false),
        (vec![&billing, &billing], "billing", json!(null), true),
    ] {
        let explanation = list(&parts);
        let expected = json!({ "cause": cause, "wait_s": wait, "terminal": terminal, "answered_by": "gateway", "status": 502 });
        assert_members(&explanation, &expected, "a list");
        assert_eq!(explanation["refusals"].as_array().map(Vec::len), Some(parts.len()));
    }
}

#[test]
fn printed_replies_without_an_error_are_refused() {
    for text in [
        "HTTP/1.1 200 OK\n\ndata: {\"choices\":[]}\n\ndata: [DONE]\n",
        "HTTP/1.1 301 Moved\nlocation: x\n\n",
        "{'a': 1}",
        "hello",
        "data: {}\n\n",
    ] {
        assert!(quotalab::explain::explain(text.as_bytes(), None).is_err(), "{text}");
    }
    let redirected = "HTTP/1.1 301 Moved\nlocation: x\n\nHTTP/1.1 100 Continue\n\nHTTP/1.1 429 Too Many Requests\n\nslow down";
    assert_eq!(explained(redirected).len(), 1);
}

/// AWS's client for Python prints the code, the operation and the number of its own retries before the message.
#[test]
fn exceptions_of_botocore_are_read() {
    const REQUESTS: &str = "Too many requests, please wait before trying again.";
    let throttling =
        |message: &str| format!("An error occurred (ThrottlingException) when calling the {message}");
    let factory = "botocore.errorfactory.";
    let rpm = json!({ "provider": "bedrock", "cause": "minute_limit", "axis": "rpm", "status": 429, "terminal": false, "limit": null });
    for text in [
        format!(
            "botocore.exceptions.ClientError: {}{REQUESTS}",
            throttling("InvokeModel operation (reached max retries: 4): ")
        ),
        format!("{factory}ThrottlingException: {}{REQUESTS}", throttling("Converse operation: ")),
        format!("\n{}{REQUESTS}", throttling("InvokeModel operation (reached max retries: 2): ")),
        format!(
            "<class 'botocore.exceptions.EventStreamError'>:{}{REQUESTS}",
            throttling("InvokeModelWithResponseStream operation: ").replace("(Throttling", "(throttling")
        ),
    ] {
        assert_members(&one(&text), &rpm, &text);
    }
    let traceback = "Traceback (most recent call last):\n  File \"/app/a.py\", line 7, in <module>\n    raise error_class(parsed_response, operation_name)\n";
    for (code, message, expected) in [
        (
            "ThrottlingException",
            "Too many tokens per day, please wait before trying again.",
            json!({ "provider": "bedrock", "cause": "day_limit", "axis": "tpd", "status": 429, "terminal": false }),
        ),
        (
            "ServiceQuotaExceededException",
            "Your request exceeds the service quota for your account.",
            json!({ "provider": "bedrock", "cause": "minute_limit", "axis": null, "status": 400, "terminal": false }),
        ),
        (
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            json!({ "cause": "auth", "status": 403, "terminal": true }),
        ),
    ] {
        let printed = format!(
            "{factory}{code}: An error occurred ({code}) when calling the InvokeModel operation: {message}"
        );
        for text in [format!("{traceback}{printed}"), printed.clone()] {
            assert_members(&one(&text), &expected, &text);
        }
    }
}

/// Vertex names its quotas in the message. The names of older quotas state no window: it is a minute.
#[test]
fn quotas_of_vertex_are_read_by_their_names() {
    let message = |name: &str, model: &str| {
        format!(
            "Quota exceeded for aiplatform.googleapis.com/{name} with base model: {model}. Please submit a quota increase request. https://cloud.google.com/vertex-ai/docs/generative-ai/quotas-genai."
        )
    };
    for (name, axis, cause) in [
        ("generate_content_requests_per_minute_per_project_per_base_model", "rpm", "minute_limit"),
        ("online_prediction_requests_per_base_model", "rpm", "minute_limit"),
        ("generate_content_input_tokens_per_minute_per_base_model", "itpm", "minute_limit"),
        ("generate_content_requests_per_day_per_project_per_base_model", "rpd", "day_limit"),
    ] {
        let message = message(name, "gemini-1.5-pro");
        let body = json!({ "error": { "code": 429, "message": message, "status": "RESOURCE_EXHAUSTED" } });
        for text in [
            format!("google.api_core.exceptions.ResourceExhausted: 429 {message}"),
            body.to_string(),
            format!("Error from Vertex AI predict: HTTP 429: {body}"),
        ] {
            let expected = json!({ "provider": "vertex", "cause": cause, "axis": axis, "model": "gemini-1.5-pro", "status": 429, "terminal": false });
            assert_members(&one(&text), &expected, &text);
        }
    }
}
