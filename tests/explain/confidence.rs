//! Explanations that must not claim too much or too little: who answered, which limit refused, and what helps.

use super::{assert_members, check_all, one, text_of};
use serde_json::json;

/// API Management sends its sentence with `statusCode`. Azure OpenAI sends the same sentence in an error with a code.
#[test]
fn azures_own_sentence_is_not_that_of_its_proxy() {
    for (limit, seconds) in [("Rate", 1), ("Rate", 23), ("Token", 37)] {
        let sentence = format!("{limit} limit is exceeded. Try again in {seconds} seconds.");
        let proxy = json!({ "statusCode": 429, "message": sentence }).to_string();
        let of_proxy =
            json!({ "answered_by": "proxy", "server": "Azure API Management", "wait_s": f64::from(seconds) });
        assert_members(&one(&proxy), &of_proxy, &proxy);
        if limit == "Rate" {
            let azure = json!({ "error": { "code": "429", "message": sentence } }).to_string();
            let of_azure = json!({ "answered_by": "provider", "provider": "azure", "status": 429, "wait_s": f64::from(seconds) });
            assert_members(&one(&azure), &of_azure, &azure);
        }
    }
}

#[test]
fn azures_present_sentence_names_its_axis() {
    for (kind, axis) in [("token", "tpm"), ("call", "rpm")] {
        let message = format!(
            "Your requests to gpt-4o for gpt-4o in East US have exceeded the {kind} rate limit for your current AIServices S0 pricing tier. This request was for ChatCompletions_Create under Azure OpenAI API version 2024-10-21. Please retry after 17 seconds. To increase your default rate limit, visit: https://aka.ms/oai/quotaincrease."
        );
        let body = json!({ "error": { "code": "RateLimitReached", "message": message } }).to_string();
        let expected = json!({ "provider": "azure", "cause": "minute_limit", "axis": axis, "wait_s": 17.0, "model": "gpt-4o" });
        assert_members(&one(&body), &expected, kind);
    }
}

/// A service of AWS names itself with other types, such as `ThrottlingException`.
#[test]
fn api_gateways_throttling_is_not_bedrocks() {
    let reply = |kind: &str| {
        format!(
            "HTTP/1.1 429 Too Many Requests\nx-amzn-RequestId: 1\nx-amzn-ErrorType: {kind}\n\n{{\"message\":\"Too Many Requests\"}}"
        )
    };
    for kind in ["TooManyRequestsException", "LimitExceededException"] {
        let expected = json!({ "answered_by": "proxy", "server": "Amazon API Gateway", "provider": null, "cause": "other", "axis": null });
        assert_members(&one(reply(kind)), &expected, kind);
    }
    let bedrock = reply("ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/");
    assert_members(&one(bedrock), &json!({ "provider": "bedrock", "axis": "rpm" }), "Bedrock");
}

#[test]
fn the_moment_at_which_a_limit_resets_is_advised_instead_of_a_back_off() {
    for (limit, axis) in [("free-models-per-day", "rpd"), ("free-models-per-min", "rpm")] {
        let body = json!({ "error": { "message": format!("Rate limit exceeded: {limit}"), "code": 429,
            "metadata": { "headers": { "X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1796083200000" } } } });
        let body = body.to_string();
        assert_members(
            &one(&body),
            &json!({ "axis": axis, "resets_at": "2026-12-01T00:00:00Z", "wait_s": null }),
            limit,
        );
        let text = text_of(&body);
        assert!(text.contains("Wait until 2026-12-01T00:00:00Z"), "{text}");
        assert!(!text.contains("does not state a wait"), "{text}");
    }
}

#[test]
fn a_limit_on_output_is_not_answered_with_shorter_prompts() {
    let body = json!({ "type": "error", "error": { "type": "rate_limit_error",
        "message": "This request would exceed the rate limit for your organization (a-b) of 8,000 output tokens per minute." } });
    let text = text_of(&body.to_string());
    assert!(text.contains("Ask for shorter completions"), "{text}");
    assert!(!text.contains("Shorten prompts") && !text.contains("reserve the prompt"), "{text}");
}

/// A limit of zero would mean that the plan excludes the model.
#[test]
fn a_fraction_of_a_request_is_no_limit_of_zero() {
    check_all(&[
        (
            r#"{"error":{"message":"You have reached the rate limit specific to this model deepseek-ai/DeepSeek-R1. The maximum rate limit for this model is 0.3 queries per minute. This limit differs from the general rate limits.","type":"model_rate_limit","param":null,"code":null}}"#,
            json!({ "provider": "together", "cause": "minute_limit", "axis": "rpm", "limit": null, "terminal": false }),
        ),
        // Tokens are no requests.
        (
            r#"{"message": "Request was rejected due to request rate limiting. Your rate limits are 60 RPM (1 QPS) and 60000 TPM (1000 tokens per second).", "type_": "credit_limit"}"#,
            json!({ "status": 429, "limit": null }),
        ),
    ]);
}

#[test]
fn a_lack_of_credit_is_billing_in_every_sentence() {
    check_all(&[
        (
            r#"{"code":"The caller does not have permission to execute the specified operation","error":"Your newly created team doesn't have any credits or licenses yet. You can purchase those on https://console.x.ai/team/8f."}"#,
            json!({ "provider": "xai", "cause": "billing", "terminal": true }),
        ),
        (
            r#"{"error":{"message":"Key limit exceeded (daily limit). Manage it using https://openrouter.ai/settings/keys","code":403}}"#,
            json!({ "status": 403, "cause": "billing", "terminal": true }),
        ),
        (
            r#"{"error":{"message":"Billing hard limit has been reached","type":"invalid_request_error","param":null,"code":"billing_hard_limit_reached"}}"#,
            json!({ "status": 400, "cause": "billing", "terminal": true }),
        ),
        (
            r#"{"error":{"code":429,"message":"You have exhausted your capacity on this model. Your quota will reset after 11h22m33s.","status":"RESOURCE_EXHAUSTED"}}"#,
            json!({ "provider": "gemini_cloudcode", "cause": "allowance", "wait_s": 40_953.0, "terminal": false }),
        ),
    ]);
}

#[test]
fn credentials_that_have_expired_are_a_matter_of_the_key() {
    for (code, message) in [
        ("ExpiredTokenException", "The security token included in the request is expired"),
        ("UnrecognizedClientException", "The security token included in the request is invalid."),
    ] {
        let paste = format!("An error occurred ({code}) when calling the InvokeModel operation: {message}");
        assert_members(&one(&paste), &json!({ "status": 403, "cause": "auth", "terminal": true }), &paste);
    }
}

/// A page with a 401 may be the answer to a wrong key, as Perplexity's is. A 403 and a challenge block the client, whatever its key.
#[test]
fn a_proxy_that_asks_for_credentials_is_distinguished_from_one_that_blocks_the_client() {
    let page =
        |title: &str| format!("<html>\n<head><title>{title}</title></head><body>openresty</body></html>");
    for (paste, words, absent) in [
        (page("401 Authorization Required"), "Check the credentials", "not the key"),
        (page("403 Forbidden"), "not the key", "credentials"),
        ("HTTP/1.1 407 Proxy Authentication Required\nServer: squid/5.7\n\n".to_owned(), "proxy of your own network", "the key"),
        (
            "<!DOCTYPE html><html lang=\"en-US\"><head><title>Just a moment...</title></head><body></body></html>".to_owned(),
            "the user agent, the address or the country",
            "credentials",
        ),
        (
            "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>Sorry, you have been blocked</body></html>".to_owned(),
            "the user agent, the address or the country",
            "credentials",
        ),
    ] {
        let text = text_of(&paste);
        assert!(text.contains(words) && !text.contains(absent), "{paste}\n{text}");
    }
    let challenge = "<html><head><title>Just a moment...</title></head></html>";
    let expected = json!({ "answered_by": "proxy", "server": "Cloudflare", "status": 403, "terminal": true });
    assert_members(&one(challenge), &expected, challenge);
}

#[test]
fn the_throttling_of_web_frameworks_is_a_429() {
    check_all(&[
        (
            r#"{"detail":"Request was throttled. Expected available in 42 seconds."}"#,
            json!({ "status": 429, "wait_s": 42.0 }),
        ),
        (
            r#"{"message":"Too Many Attempts.","exception":"ThrottleRequestsException"}"#,
            json!({ "status": 429 }),
        ),
    ]);
}
