//! What loggers and the clients of Go, Rust, Java, Python and Node print of one refusal: the same explanation in every form.

use super::{assert_members, one};
use serde_json::{Value, json};

const MESSAGE: &str = "Rate limit reached for gpt-4o in organization org-a on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.";

fn openai_body() -> String {
    json!({ "error": { "message": MESSAGE, "type": "requests", "param": null, "code": "rate_limit_exceeded" } }).to_string()
}

fn python_exception() -> String {
    format!(
        "Error code: 429 - {{'error': {{'message': '{MESSAGE}', 'type': 'requests', 'param': None, 'code': 'rate_limit_exceeded'}}}}"
    )
}

fn check_all(pastes: &[String], expected: &Value) {
    for paste in pastes {
        assert_members(&one(paste), expected, paste);
    }
}

#[test]
fn every_printed_form_of_openais_refusal_is_the_same_refusal() {
    let expected = json!({ "provider": "openai", "status": 429, "cause": "minute_limit", "axis": "rpm", "limit": 3, "used": 3,
        "requested": 1, "wait_s": 20.0, "model": "gpt-4o", "terminal": false });
    let (body, python) = (openai_body(), python_exception());
    check_all(
        &[
            format!("error, status code: 429, status: 429 Too Many Requests, message: {MESSAGE}"),
            format!(
                "Error: ApiError(ApiError {{ message: \"{MESSAGE}\", type: Some(\"requests\"), param: None, code: Some(\"rate_limit_exceeded\") }})"
            ),
            format!(
                "PHP Fatal error:  Uncaught OpenAI\\Exceptions\\ErrorException: {MESSAGE} in /var/www/HttpTransporter.php:128"
            ),
            format!(
                "com.openai.errors.RateLimitException: 429: {MESSAGE}\n\tat com.openai.core.handlers.ErrorHandler$errorHandler$1.handle(ErrorHandler.kt:72)"
            ),
            format!("dev.langchain4j.exception.RateLimitException: {body}"),
            format!(
                "RateLimitException(statusCode=429, error=OpenAIError(detail=OpenAIErrorDetails(code=rate_limit_exceeded, message={MESSAGE}, param=null, type=requests)))"
            ),
            format!(
                "{{:error, %{{status: 429, body: %{{\"error\" => %{{\"code\" => \"rate_limit_exceeded\", \"message\" => \"{MESSAGE}\", \"type\" => \"requests\"}}}}}}}}"
            ),
            format!("[openai] Rate Limit Error, {python}"),
            format!("The service is receiving too many requests from you\n{MESSAGE}"),
            format!(
                "time=\"2026-11-29T10:00:00Z\" level=error msg=\"llm call failed\" status=429 body={}",
                json!(body)
            ),
        ],
        &expected,
    );
}

#[test]
fn a_reply_inside_a_record_of_a_json_log_is_read() {
    let expected = json!({ "provider": "openai", "status": 429, "axis": "rpm", "limit": 3, "wait_s": 20.0 });
    let (body, python) = (openai_body(), python_exception());
    let error = json!({ "type": "RateLimitError", "message": format!("429 {MESSAGE}"), "stack": "Error: 429\n at x", "status": 429,
        "headers": { "retry-after": "20" } });
    check_all(
        &[
            json!({ "level": "error", "ts": 1_795_996_800, "msg": "upstream", "status": 429, "response": body }).to_string(),
            json!({ "level": "error", "message": "LLM call failed", "status": 429, "response": body }).to_string(),
            json!({ "level": "error", "message": "LLM call failed", "statusCode": 429, "responseText": body }).to_string(),
            json!({ "level": 50, "time": 1_795_996_800_000_u64, "err": error, "msg": "failed" }).to_string(),
            json!({ "event": "llm_error", "level": "error", "exc": python }).to_string(),
            json!({ "severity": "ERROR", "text": "failed", "stack_trace": format!("openai.RateLimitError: {python}") }).to_string(),
        ],
        &expected,
    );
}

#[test]
fn the_codes_of_grpc_are_statuses() {
    for (paste, status, cause) in [
        (
            "rpc error: code = ResourceExhausted desc = Resource exhausted. Please try again later.",
            429,
            "other",
        ),
        (
            "call failed: rpc error: code = Unavailable desc = The service is currently unavailable.",
            503,
            "overload",
        ),
        (
            "Error: Status { code: ResourceExhausted, message: \"Resource has been exhausted (e.g. check quota).\", metadata: MetadataMap { headers: {} } }",
            429,
            "minute_limit",
        ),
        (
            "status: Unavailable, message: \"The service is currently unavailable.\", details: [], metadata: MetadataMap { headers: {} }",
            503,
            "overload",
        ),
        (
            "grpc._channel._InactiveRpcError: <_InactiveRpcError of RPC that terminated with:\n\tstatus = StatusCode.UNAUTHENTICATED\n\tdetails = \"Request had invalid authentication credentials.\"\n>",
            401,
            "auth",
        ),
        ("io.grpc.StatusRuntimeException: DEADLINE_EXCEEDED: context timed out", 504, "overload"),
    ] {
        assert_members(&one(paste), &json!({ "status": status, "cause": cause }), paste);
    }
}

/// The client for Node puts Google's JSON into the message of its own, and prints the status below the stack.
#[test]
fn googles_clients_for_node_and_go_print_one_refusal() {
    let details = json!([
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{ "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaDimensions": { "location": "global", "model": "gemini-2.0-flash" }, "quotaValue": "15" }] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s" }
    ]);
    let sentence = "You exceeded your current quota, please check your plan and billing details.";
    let inner = json!({ "error": { "code": 429, "message": sentence, "status": "RESOURCE_EXHAUSTED", "details": details } });
    let outer =
        json!({ "error": { "message": format!("{inner:#}\n"), "code": 429, "status": "Too Many Requests" } });
    let node = format!(
        "ApiError: {outer}\n    at throwErrorIfNotOk (file:///app/node_modules/@google/genai/dist/node/index.mjs:13356:30)\n    at process.processTicksAndRejections (node:internal/process/task_queues:105:5) {{\n  status: 429\n}}"
    );
    let go = format!(
        "Error 429, Message: {sentence}, Status: RESOURCE_EXHAUSTED, Details: [map[@type:type.googleapis.com/google.rpc.QuotaFailure violations:[map[quotaDimensions:map[location:global model:gemini-2.0-flash] quotaId:GenerateRequestsPerMinutePerProjectPerModel-FreeTier quotaMetric:generativelanguage.googleapis.com/generate_content_free_tier_requests quotaValue:15]]] map[@type:type.googleapis.com/google.rpc.RetryInfo retryDelay:31s]]"
    );
    let expected = json!({ "provider": "gemini", "status": 429, "cause": "minute_limit", "axis": "rpm", "limit": 15, "wait_s": 31.0,
        "model": "gemini-2.0-flash" });
    check_all(&[node, go], &expected);
}
