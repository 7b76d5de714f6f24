//! Detects the dialect of a response by markers; failing that, by a best guess from Google's status names or from the
//! numbers of limit headers.
//!
//! A marker is a header, code or phrase that occurs in only one dialect in the captures and documentation of
//! `mock/README.md`. Any other response stays unknown: a bare `retry-after`, `Not authenticated` or
//! `503 server is overloaded.` may come from any provider.

use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::{Headers, Response};
use super::{azure, openai, own_gateway, responder};
use serde_json::Value;

/// Returns the dialect of the first marker in the headers, then in the body, then in the numbers of the limit headers.
pub(super) fn dialect(response: &Response<'_>) -> Option<Dialect> {
    let Response { status, headers, body } = *response;
    let by_body = || {
        if !(200..300).contains(&status) {
            return by_error(&ErrorBody::parse(body)?);
        }
        let body: Value = serde_json::from_slice(body).ok()?;
        let by_member = || body["x_groq"].is_object().then_some(Dialect::Groq);
        ErrorBody::error_in_success(&body).map_or_else(by_member, |error| by_error(&error))
    };
    by_header(headers).or_else(by_body).or_else(|| by_numbers(headers))
}

fn by_header(headers: &dyn Headers) -> Option<Dialect> {
    if responder::is_of_api_gateway(headers) {
        return None;
    }
    HEADERS.iter().find(|(name, _)| headers.value(name).is_some()).map(|(_, dialect)| *dialect)
}

/// Distinguishes OpenAI and Azure, which use the same header names as Groq: Azure's resets have no unit, and OpenAI's
/// limit on requests is usually per minute. Returns `None` otherwise: the response may be Groq's, whose limit on
/// requests is per day, or OpenAI's with a limit per day.
fn by_numbers(headers: &dyn Headers) -> Option<Dialect> {
    if azure::has_bare_resets(headers) {
        return Some(Dialect::Azure);
    }
    openai::has_requests_per_minute(headers).then_some(Dialect::OpenAi)
}

/// Returns the dialect of the first marker in an error; failing that, the guess from Google's status names.
pub(super) fn by_error(body: &ErrorBody) -> Option<Dialect> {
    // The gateway's own errors have OpenAI's codes, but no provider has sent them.
    if own_gateway::is_own(body) {
        return None;
    }
    // First, since OpenRouter forwards the provider's error, whose markers would match.
    let metadata = &body.error["metadata"];
    if metadata["provider_name"].is_string() || metadata["headers"]["X-RateLimit-Limit"].is_string() {
        return Some(Dialect::OpenRouter);
    }
    if body.codes.iter().any(|code| code.starts_with("Throttling.")) {
        return Some(Dialect::DashScope);
    }
    let page = body.members.get("documentationurl").and_then(Value::as_str);
    if page.is_some_and(|page| page.contains("docs.github.com")) {
        return Some(Dialect::GitHubModels);
    }
    // As a string in an object `error`. API Management, which also sends the sentence, has no such code.
    if body.error["code"] == "429" && body.lowercase.starts_with("rate limit is exceeded. try again in") {
        return Some(Dialect::Azure);
    }
    let by_phrase = || PHRASES.iter().find(|(phrase, _)| body.lowercase.contains(phrase));
    // Mistral's errors have this code without an envelope, and no such type.
    let is_of_deepinfra = body.has_code("rate_limited") && body.error["type"] == "invalid_request_error";
    if is_of_deepinfra {
        return Some(Dialect::DeepInfra);
    }
    let is_shared = has_shared_types(body);
    let by_code = || {
        CODES
            .iter()
            .find(|(code, dialect)| body.has_code(code) && !(is_shared && *dialect == Dialect::Anthropic))
    };
    let by_prefix = || {
        body.codes.iter().find_map(|code| CODE_PREFIXES.iter().find(|(prefix, _)| code.starts_with(prefix)))
    };
    let marker = by_phrase().or_else(by_code).or_else(by_prefix);
    let by_marker = marker.map(|(_, dialect)| *dialect).or_else(|| by_google_status(body));
    // Google sends the same sentence with more text after it, or with a status name of its own.
    let is_of_openai = || body.lowercase.trim().ends_with(OPENAI_CREDIT);
    by_marker.or_else(|| is_of_openai().then_some(Dialect::OpenAi))
}

/// The sentence, in lower case, with which OpenAI refuses an account without credit. Until 2023 it was the whole message; since
/// then a URL follows it.
const OPENAI_CREDIT: &str = "you exceeded your current quota, please check your plan and billing details.";

/// Returns `true` if an error with a type of Anthropic's is not Anthropic's: others use its types with OpenAI's members, or in
/// sentences of their own. Anthropic's compatible endpoint puts its types into `code`.
fn has_shared_types(body: &ErrorBody) -> bool {
    let has_code = !body.error["code"].is_null();
    let has_member = body.error.get("param").is_some() || has_code;
    let is_compatible = body.error["type"] == "invalid_request_error";
    (has_member && !is_compatible) || body.lowercase.contains("engine is currently overloaded")
}

/// Returns Gemini for the status names of Google's APIs. It is a guess: all three of Google's dialects use these names.
/// An error that does not name its service is parsed the same way in all three, except for the message of Vertex's shared
/// quota.
fn by_google_status(body: &ErrorBody) -> Option<Dialect> {
    let codes =
        ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_ARGUMENT"];
    codes.iter().any(|code| body.has_code(code)).then_some(Dialect::Gemini)
}

/// Headers that only one dialect sends. `x-ratelimit-limit-tokens-minute` is deliberately not listed: Cerebras and
/// Mistral share it.
const HEADERS: [(&str, Dialect); 43] = [
    ("x-codex-primary-used-percent", Dialect::Codex),
    ("x-codex-active-limit", Dialect::Codex),
    ("x-codex-plan-type", Dialect::Codex),
    ("x-ratelimit-type", Dialect::GitHubModels),
    ("anthropic-ratelimit-unified-status", Dialect::Anthropic),
    ("anthropic-ratelimit-unified-5h-status", Dialect::Anthropic),
    ("anthropic-ratelimit-unified-7d-status", Dialect::Anthropic),
    ("x-ms-azureml-model-group", Dialect::Azure),
    ("x-groq-region", Dialect::Groq),
    ("anthropic-ratelimit-requests-limit", Dialect::Anthropic),
    ("anthropic-ratelimit-tokens-limit", Dialect::Anthropic),
    ("anthropic-ratelimit-input-tokens-limit", Dialect::Anthropic),
    ("anthropic-organization-id", Dialect::Anthropic),
    ("x-ms-region", Dialect::Azure),
    ("apim-request-id", Dialect::Azure),
    ("azureml-model-session", Dialect::Azure),
    ("openai-processing-ms", Dialect::OpenAi),
    ("openai-organization", Dialect::OpenAi),
    ("x-ratelimit-limit-requests-minute", Dialect::Cerebras),
    ("x-ratelimit-limit-requests-day", Dialect::Cerebras),
    ("x-ratelimit-reset-tokens-minute", Dialect::Cerebras),
    ("x-ratelimit-reset-tokens-day", Dialect::Cerebras),
    ("x-ratelimit-limit-req-minute", Dialect::Mistral),
    ("x-ratelimit-limit-req-10-second", Dialect::Mistral),
    ("x-ratelimit-limit-tokens-month", Dialect::Mistral),
    ("x-ratelimit-tokens-query-cost", Dialect::Mistral),
    ("x-ratelimit-limit-audio-seconds-minute", Dialect::Mistral),
    ("x-ratelimit-limit-ocr-pages-minute", Dialect::Mistral),
    ("ratelimitbysize-limit", Dialect::Mistral),
    ("x-tokenlimit-limit", Dialect::Together),
    ("x-tokenlimit-remaining", Dialect::Together),
    ("x-ratelimit-limit-dynamic", Dialect::Together),
    ("x-tokenlimit-limit-dynamic", Dialect::Together),
    ("x-ratelimit-limit-tokens-prompt", Dialect::Fireworks),
    ("x-ratelimit-limit-tokens-cache-adjusted-prompt", Dialect::Fireworks),
    ("x-ratelimit-limit-tokens-generated", Dialect::Fireworks),
    ("x-ratelimit-over-limit", Dialect::Fireworks),
    ("fireworks-prompt-tokens", Dialect::Fireworks),
    ("x-metrics-ttft-ms", Dialect::XAi),
    ("x-metrics-e2e-ms", Dialect::XAi),
    ("x-amzn-requestid", Dialect::Bedrock),
    ("x-amzn-errortype", Dialect::Bedrock),
    ("x-amzn-bedrock-invocation-latency", Dialect::Bedrock),
];

/// Phrases of one dialect's messages, in lower case; the first match decides.
const PHRASES: [(&str, Dialect); 67] = [
    ("error-code#token-limit", Dialect::DashScope),
    ("help.aliyun.com", Dialect::DashScope),
    ("alibabacloud.com", Dialect::DashScope),
    ("dashscope", Dialect::DashScope),
    ("exceeded for user", Dialect::GitHubModels),
    ("request reached organization", Dialect::Moonshot),
    ("request reached project", Dialect::Moonshot),
    ("request reached user", Dialect::Moonshot),
    ("platform.moonshot.", Dialect::Moonshot),
    ("claude usage limit reached", Dialect::Anthropic),
    ("claude ai usage limit reached", Dialect::Anthropic),
    ("the anthropic api", Dialect::Anthropic),
    ("reached your specified api usage limits", Dialect::Anthropic),
    ("reached your specified workspace api usage limits", Dialect::Anthropic),
    ("hit your usage limit. upgrade to p", Dialect::Codex),
    ("hit your usage limit. to get more access now", Dialect::Codex),
    ("hit your usage limit. try again", Dialect::Codex),
    ("chatgpt.com/codex", Dialect::Codex),
    ("your limit will reset at", Dialect::Zai),
    ("您的限额将在", Dialect::Zai),
    ("的使用上限", Dialect::Zai),
    ("request was rejected due to rate limiting. details:", Dialect::SiliconFlow),
    ("was reached for instance id", Dialect::Watsonx),
    ("cloud.ibm.com", Dialect::Watsonx),
    ("cloudflare's workers", Dialect::WorkersAi),
    ("free allocation of 10,000 neurons", Dialect::WorkersAi),
    ("too many requests, please wait before trying again", Dialect::Bedrock),
    ("service tier `", Dialect::Groq),
    ("console.groq.com", Dialect::Groq),
    ("groqstatus.com", Dialect::Groq),
    ("in organization `org_", Dialect::Groq),
    ("platform.openai.com", Dialect::OpenAi),
    ("in organization org-", Dialect::OpenAi),
    ("please contact azure support", Dialect::Azure),
    ("operation under azure openai api version", Dialect::Azure),
    ("aiservices", Dialect::Azure),
    ("consider switching to provisioned throughput", Dialect::Azure),
    ("claude.com/", Dialect::Anthropic),
    ("anthropic.com/", Dialect::Anthropic),
    ("extra usage is required for long context", Dialect::Anthropic),
    ("cloudcode-pa.googleapis.com", Dialect::GeminiCloudCode),
    ("exhausted your capacity on this model", Dialect::GeminiCloudCode),
    ("cloud.google.com/vertex-ai", Dialect::Vertex),
    ("aiplatform.googleapis.com", Dialect::Vertex),
    ("generativelanguage.googleapis.com", Dialect::Gemini),
    ("ai.google.dev", Dialect::Gemini),
    ("aistudio.google.com", Dialect::Gemini),
    // After those of Vertex, which sends the sentence too.
    ("resource has been exhausted (e.g. check quota)", Dialect::Gemini),
    ("limit exceeded - too many requests sent", Dialect::Cerebras),
    ("limit exceeded - too many tokens processed", Dialect::Cerebras),
    ("requests rate limit exceeded", Dialect::Mistral),
    ("service tier capacity exceeded for this model", Dialect::Mistral),
    ("model busy, retry later", Dialect::DeepInfra),
    ("exceeds maximum input length", Dialect::DeepInfra),
    ("api.together.", Dialect::Together),
    ("the rate limit specific to this model", Dialect::Together),
    ("didn't generate first token before the given deadline", Dialect::Fireworks),
    ("contact fireworks", Dialect::Fireworks),
    ("fireworks.ai/", Dialect::Fireworks),
    ("free-models-per-", Dialect::OpenRouter),
    ("has either used all available credits", Dialect::XAi),
    ("console.x.ai", Dialect::XAi),
    ("too many requests for team ", Dialect::XAi),
    ("please wait before trying again", Dialect::Bedrock),
    ("limit reached for token plan", Dialect::MiniMax),
    ("based on your remaining balance", Dialect::DeepSeek),
    ("tokens allowed within a given time frame", Dialect::MetaLlama),
];

/// Error codes, and domains in Google's error details, that only one dialect uses.
const CODES: [(&str, Dialect); 40] = [
    ("tokens_limit_reached", Dialect::GitHubModels),
    ("rate_limit_reached_error", Dialect::Moonshot),
    ("exceeded_current_quota_error", Dialect::Moonshot),
    ("usage_limit_reached", Dialect::Codex),
    ("1302", Dialect::Zai),
    ("1303", Dialect::Zai),
    ("1304", Dialect::Zai),
    ("1305", Dialect::Zai),
    ("1308", Dialect::Zai),
    ("1309", Dialect::Zai),
    ("1310", Dialect::Zai),
    ("1113", Dialect::Zai),
    ("blocked_api_access", Dialect::Groq),
    ("organization_restricted", Dialect::Groq),
    ("json_validate_failed", Dialect::Groq),
    ("tool_use_failed", Dialect::Groq),
    ("3036", Dialect::WorkersAi),
    ("4006", Dialect::WorkersAi),
    ("insufficient_quota", Dialect::OpenAi),
    ("RateLimitReached", Dialect::Azure),
    ("overloaded_error", Dialect::Anthropic),
    ("rate_limit_error", Dialect::Anthropic),
    ("api_error", Dialect::Anthropic),
    ("request_quota_exceeded", Dialect::Cerebras),
    ("token_quota_exceeded", Dialect::Cerebras),
    ("queue_exceeded", Dialect::Cerebras),
    ("rate_limited", Dialect::Mistral),
    ("engine_overloaded", Dialect::DeepInfra),
    ("credit_limit", Dialect::Together),
    ("model_rate_limit", Dialect::Together),
    ("dynamic_request_limited", Dialect::Together),
    ("dynamic_token_limited", Dialect::Together),
    ("cloudcode-pa.googleapis.com", Dialect::GeminiCloudCode),
    ("MODEL_CAPACITY_EXHAUSTED", Dialect::GeminiCloudCode),
    ("generativelanguage.googleapis.com", Dialect::Gemini),
    ("upstream_provider_shared_pool", Dialect::OpenRouter),
    ("openrouter_free_tier_daily", Dialect::OpenRouter),
    ("ThrottlingException", Dialect::Bedrock),
    ("ServiceQuotaExceededException", Dialect::Bedrock),
    ("ModelNotReadyException", Dialect::Bedrock),
];

/// Prefixes of the request ids and of the names of quotas and their metrics of one dialect.
const CODE_PREFIXES: [(&str, Dialect); 4] = [
    ("req_011", Dialect::Anthropic),
    ("cloudcode-pa.googleapis.com/", Dialect::GeminiCloudCode),
    ("generativelanguage.googleapis.com/", Dialect::Gemini),
    ("aiplatform.googleapis.com/", Dialect::Vertex),
];
