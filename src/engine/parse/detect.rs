//! Whose reply it is, where nobody says: by marks that only one dialect leaves.
//!
//! A mark is a header or a phrase that no other dialect of the evidence shares. What bears none is not guessed at:
//! a bare `retry-after`, `Not authenticated` or `503 server is overloaded.` may be anybody's.

use super::dialect::Dialect;
use super::error_body::ErrorBody;
use super::headers::{Headers, Response};
use super::{azure, openai};
use serde_json::Value;

/// The dialect that a reply bears the marks of.
pub(super) fn recognise(response: &Response<'_>) -> Option<Dialect> {
    let Response { status, headers, body } = *response;
    let by_body = || {
        if !(200..300).contains(&status) {
            return by_words(&ErrorBody::read(body)?);
        }
        let body: Value = serde_json::from_slice(body).ok()?;
        let served = || body["x_groq"].is_object().then_some(Dialect::Groq);
        ErrorBody::inside(&body).map_or_else(served, |said| by_words(&said))
    };
    by_header(headers).or_else(by_body).or_else(|| by_numbers(headers))
}

/// A header that one dialect sends.
fn by_header(headers: &dyn Headers) -> Option<Dialect> {
    HEADERS.iter().find(|(name, _)| headers.value(name).is_some()).map(|(_, dialect)| *dialect)
}

/// The shape of limits that OpenAI, Azure and Groq state under the same names.
fn by_numbers(headers: &dyn Headers) -> Option<Dialect> {
    if azure::states_bare_numbers(headers) {
        return Some(Dialect::Azure);
    }
    openai::states_the_minute(headers).then_some(Dialect::OpenAi)
}

/// The words of an error.
fn by_words(said: &ErrorBody) -> Option<Dialect> {
    // What a router passes on bears the marks of another.
    if said.error["metadata"]["provider_name"].is_string() {
        return Some(Dialect::OpenRouter);
    }
    let called = || CALLED.iter().find(|(word, _)| said.is_called(word)).map(|(_, dialect)| *dialect);
    let says = || SAYS.iter().find(|(words, _)| said.lower.contains(words)).map(|(_, dialect)| *dialect);
    let bears =
        || said.words.iter().find_map(|word| PREFIXES.iter().find(|(prefix, _)| word.starts_with(prefix)));
    says().or_else(called).or_else(|| bears().map(|(_, dialect)| *dialect)).or_else(|| google(said))
}

/// Google's errors that do not name their service are read alike by all of its doors.
fn google(said: &ErrorBody) -> Option<Dialect> {
    let words =
        ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "PERMISSION_DENIED", "UNAUTHENTICATED", "INVALID_ARGUMENT"];
    words.iter().any(|word| said.is_called(word)).then_some(Dialect::Gemini)
}

/// Headers that one dialect sends. Cerebras and Mistral share `x-ratelimit-limit-tokens-minute`, which is no mark.
const HEADERS: [(&str, Dialect); 35] = [
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

/// What only one dialect's messages say, in lower case; a name inside another's message comes later.
const SAYS: [(&str, Dialect); 36] = [
    ("service tier `", Dialect::Groq),
    ("console.groq.com", Dialect::Groq),
    ("groqstatus.com", Dialect::Groq),
    ("in organization `org_", Dialect::Groq),
    ("platform.openai.com", Dialect::OpenAi),
    ("in organization org-", Dialect::OpenAi),
    ("please contact azure support", Dialect::Azure),
    ("aiservices", Dialect::Azure),
    ("consider switching to provisioned throughput", Dialect::Azure),
    ("claude.com/", Dialect::Anthropic),
    ("anthropic.com/", Dialect::Anthropic),
    ("extra usage is required for long context", Dialect::Anthropic),
    ("cloudcode-pa.googleapis.com", Dialect::GeminiCloudCode),
    ("cloud.google.com/vertex-ai", Dialect::Vertex),
    ("aiplatform.googleapis.com", Dialect::Vertex),
    ("generativelanguage.googleapis.com", Dialect::Gemini),
    ("ai.google.dev", Dialect::Gemini),
    ("aistudio.google.com", Dialect::Gemini),
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
    ("free-models-per-", Dialect::OpenRouter),
    ("has either used all available credits", Dialect::XAi),
    ("console.x.ai", Dialect::XAi),
    ("too many requests for team ", Dialect::XAi),
    ("please wait before trying again", Dialect::Bedrock),
    ("limit reached for token plan", Dialect::MiniMax),
    ("based on your remaining balance", Dialect::DeepSeek),
    ("tokens allowed within a given time frame", Dialect::MetaLlama),
];

/// What only one dialect's errors are called.
const CALLED: [(&str, Dialect); 20] = [
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
];

/// How the ids and quotas of one dialect begin.
const PREFIXES: [(&str, Dialect); 2] =
    [("req_011", Dialect::Anthropic), ("cloudcode-pa.googleapis.com/", Dialect::GeminiCloudCode)];
