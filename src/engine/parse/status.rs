//! The status that an error body states or implies: for one that was saved without its status line, and for an error inside
//! another response.

use super::common;
use super::error_body::ErrorBody;
use super::length;
use super::limit_name::LimitName;
use crate::event::RefusalCause;

/// Returns the status that an error states, or that its code or message implies.
pub(super) fn status_of(body: &ErrorBody) -> Option<u16> {
    let by_oversize = || body.lowercase.contains(OVERSIZE_PHRASE).then_some(413);
    let by_code = || status_in(&STATUS_OF_CODE, |code| body.has_code(code));
    let by_phrase = || status_in(&STATUS_OF_PHRASE, |phrase| body.lowercase.contains(phrase));
    let by_length = || length::parse(body).map(|_| 400);
    let stated = body.http_status.or_else(by_oversize).or_else(by_code).or_else(by_phrase).or_else(by_length);
    stated.or_else(|| by_meaning(body))
}

/// Returns the usual status of the cause or reason that a code or the message states; 429 if the message is about a limit.
fn by_meaning(body: &ErrorBody) -> Option<u16> {
    let sentence = body.sentence();
    let names_limit = || says_limited(&sentence) && LimitName::find(&sentence) != LimitName::default();
    match common::cause(body, &sentence) {
        Some(RefusalCause::Billing) => Some(402),
        Some(RefusalCause::TooLarge) => Some(413),
        Some(RefusalCause::Overload) => Some(503),
        Some(RefusalCause::Auth) => Some(401),
        Some(RefusalCause::NotInTier | RefusalCause::Allowance) => Some(403),
        _ if common::reason(body, &sentence).is_some() => Some(400),
        _ => {
            let phrases =
                ["rate limit", "usage limit", "hit your limit", "reached your limit", "quota exceeded"];
            (names_limit() || phrases.iter().any(|phrase| sentence.contains(phrase))).then_some(429)
        }
    }
}

/// Returns `true` if a sentence in lower case has a word on limits: that one exists, was reached or exceeded.
pub(super) fn says_limited(sentence: &str) -> bool {
    const WORDS: [&str; 15] = [
        "exceed",
        "reached",
        "limit",
        "quota",
        "too many",
        "used up",
        "exhausted",
        "throttl",
        "slow down",
        "超过",
        "上限",
        "限额",
        "频率",
        "并发",
        "达到",
    ];
    WORDS.iter().any(|word| sentence.contains(word))
}

/// Returns the status of the first row whose text matches.
fn status_in(table: &[(&str, u16)], matches: impl Fn(&str) -> bool) -> Option<u16> {
    table.iter().find(|(text, _)| matches(text)).map(|(_, status)| *status)
}

/// The phrase of Groq's 413, in lower case. Groq uses one code for 413 and 429, so this phrase is checked before the
/// codes.
const OVERSIZE_PHRASE: &str = "please reduce your message size and try again";

/// Codes and the status that each usually implies. [`OVERSIZE_PHRASE`] is checked first.
const STATUS_OF_CODE: [(&str, u16); 53] = [
    ("unknown_url", 404),
    ("json_validate_failed", 400),
    ("tool_use_failed", 400),
    ("organization_restricted", 400),
    ("model_decommissioned", 400),
    ("usage_limit_reached", 429),
    ("rate_limit_reached_error", 429),
    ("tokens_limit_reached", 413),
    ("overloaded_error", 529),
    ("api_error", 500),
    ("timeout_error", 504),
    ("rate_limit_error", 429),
    ("rate_limit_exceeded", 429),
    ("rate_limited", 429),
    ("too_many_requests", 429),
    ("Too Many Requests", 429),
    ("RateLimitReached", 429),
    ("ThrottlingException", 429),
    // Bedrock's errors have these statuses (documented).
    ("ModelNotReadyException", 429),
    ("ServiceQuotaExceededException", 400),
    ("ValidationException", 400),
    ("AccessDeniedException", 403),
    ("ResourceNotFoundException", 404),
    ("ModelTimeoutException", 408),
    ("ModelErrorException", 424),
    ("InternalServerException", 500),
    ("ServiceUnavailableException", 503),
    ("ExpiredTokenException", 403),
    ("UnrecognizedClientException", 403),
    ("billing_hard_limit_reached", 400),
    ("insufficient_quota", 429), // OpenAI: insufficient credit.
    ("request_quota_exceeded", 429),
    ("token_quota_exceeded", 429),
    ("queue_exceeded", 429),
    ("engine_overloaded", 429),
    ("model_rate_limit", 429),
    ("credit_limit", 429), // Together: the rate limit of accounts that have not paid yet.
    ("dynamic_request_limited", 429),
    ("dynamic_token_limited", 429),
    ("RESOURCE_EXHAUSTED", 429),
    ("UNAVAILABLE", 503),
    ("INTERNAL", 500),
    ("capacity_exceeded", 498), // Groq: the flex tier has no capacity left.
    ("request_too_large", 413),
    ("suspended", 412), // Fireworks: an account that has to pay.
    ("invalid_api_key", 401),
    ("authentication_error", 401),
    ("UNAUTHENTICATED", 401),
    ("PERMISSION_DENIED", 403),
    ("permission_error", 403),
    ("billing_error", 402),
    ("model_not_found", 404),
    ("not_found_error", 404),
];

/// Phrases and the status that each implies, in lower case; the first match counts.
const STATUS_OF_PHRASE: [(&str, u16); 31] = [
    ("request too large for ", 429), // OpenAI: larger than the whole limit. Groq's 413 has OVERSIZE_PHRASE.
    ("rate limit reached", 429),
    ("rate limit exceeded", 429),
    ("would exceed the rate limit for your organization", 429),
    ("have exceeded rate limit", 429),
    ("exceeded token rate limit", 429),
    ("exceeded call rate limit", 429),
    ("resource has been exhausted", 429),
    ("reached your specified api usage limits", 400), // Anthropic: the customer's own spend limit.
    ("reached your specified workspace api usage limits", 400),
    ("exceeded your current quota", 429),
    ("service tier capacity exceeded", 429),
    ("currently experiencing high demand", 429),
    ("experiencing high traffic", 429),
    ("before the given deadline", 429),
    ("have exceeded your usage limits", 429),
    ("too many requests", 429),
    ("too many attempts", 429),
    ("request was throttled", 429),
    ("too many tokens", 429),
    ("exceeds your concurrency limit", 429),
    ("used all available credits", 429), // xAI.
    ("model busy", 429),
    ("input length ", 500), // DeepInfra: the prompt is too long.
    ("server is overloaded", 503),
    ("over capacity", 503),
    ("invalid api key", 401),
    ("not authenticated", 401),
    ("does not exist or you do not have access", 404),
    ("reduce the length of the messages", 400), // Groq: too long for the model.
    ("credit balance is too low", 400),         // Anthropic.
];
