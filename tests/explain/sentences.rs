//! Refusals after the prefixes of logs, and the sentences of subscriptions, gateways and SDKs, with the expected
//! explanations.

use super::{assert_members, check_all, one, text_of};
use serde_json::json;

#[test]
fn no_prefix_of_a_log_hides_a_refusal() {
    let json = r#"{"error":{"message":"Rate limit reached for model `m` in organization `org_01` service tier `on_demand` on tokens per minute (TPM): Limit 12000, Used 11500, Requested 1200. Please try again in 3.5s. Need more tokens?","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let python = json.replace('"', "'");
    for prefix in [
        "2026-11-29T10:00:00.123Z ERROR [w] call failed: ",
        "2026-11-29T10:00:00.123Z ERROR [worker-3] app.llm - LLM call failed: Error code: 429 - ",
        "2026-11-29T10:00:00+01:00 [main] [llm] upstream failed: ",
        "2026-11-29 10:00:00,123 ERROR {worker=3} provider failed: Error code: 429 - ",
        "2026-11-29T10:00:00Z <worker> call failed: ",
        "[w] call failed: ",
        "(w) call failed: Error code: 429 - ",
        "INFO [w] start\nERROR [w] call failed: ",
    ] {
        for body in [json, &python] {
            let expected = json!({ "provider": "groq", "status": 429, "cause": "minute_limit", "axis": "tpm", "limit": 12_000, "wait_s": 3.5 });
            assert_members(&one(format!("{prefix}{body}")), &expected, prefix);
        }
        let plain = format!("{prefix}429 Rate limit exceeded: 30 requests per minute.");
        assert_members(&one(&plain), &json!({ "status": 429, "axis": "rpm", "limit": 30 }), &plain);
    }
}

#[test]
fn a_status_in_brackets_is_read() {
    for (paste, status) in [
        ("[429 Too Many Requests] Something went wrong here", 429),
        ("[503 Service Unavailable] Please come back", 503),
        ("(503)\nReason: Service Unavailable", 503),
        ("(404)\nReason: Not Found\nHTTP response body: {\"error\":\"x\"}", 404),
        ("[400 Bad Request] API key not valid. Please pass a valid API key.", 400),
    ] {
        assert_members(&one(paste), &json!({ "status": status }), paste);
    }
}

#[test]
fn the_time_at_which_a_limit_resets_is_read() {
    let at = json!({ "resets_at": "2026-11-29T16:20:00Z" });
    check_all(&[
        ("Rate limit exceeded: 30 requests per minute. Resets at: 2026-11-29 16:20:00 UTC", at.clone()),
        (
            "Rate limit exceeded: limit of 100 requests per day. Your limit will reset at 2026-11-29T16:20:00Z.",
            at.clone(),
        ),
        ("Daily usage limit reached. Resets at 2026-11-29T16:20:00Z.", at),
    ]);
}

/// The sentence is one of two that a gateway lists; the list is of unknown cause, as its parts are.
#[test]
fn googles_unnamed_quota_in_a_list_is_not_taken_for_the_gateways() {
    let list = r#"502 All variants failed with errors: x: 429: {"error":{"code":429,"message":"Too many."}}, vertex: 429: {"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}"#;
    assert_members(&one(list), &json!({ "cause": "other" }), list);
    assert!(!text_of(list).contains("Google does not say which quota refused"), "{}", text_of(list));
}

#[test]
fn sentences_of_subscriptions_are_allowances() {
    let claude = json!({ "provider": "anthropic", "cause": "allowance", "wait_s": null, "terminal": false });
    let at = |moment: &str| json!({ "provider": "anthropic", "cause": "allowance", "resets_at": moment, "terminal": false });
    let codex = json!({ "provider": "codex", "cause": "allowance", "wait_s": 274_320.0, "wait_meaning": "until_window_ends" });
    check_all(&[
        ("Claude usage limit reached. Your limit will reset at Oct 6, 10am.", claude.clone()),
        ("Claude usage limit reached. Your limit will reset at 7pm (Asia/Tokyo).", claude),
        ("Claude AI usage limit reached|1795996800", at("2026-11-30T00:00:00Z")),
        (
            "You've hit your usage limit. Upgrade to Pro or try again in 3 days 4 hours 12 minutes.",
            codex.clone(),
        ),
        ("You've hit your usage limit. Try again in 3 days 4 hours 12 minutes.", codex),
        (
            "{\"error\":{\"message\":\"Usage limit reached. Come back later.\",\"code\":429}}",
            json!({ "provider": null, "cause": "allowance" }),
        ),
        (
            "{\"error\":{\"code\":\"1308\",\"message\":\"Usage limit reached for 5 hour. Your limit will reset at 2026-09-09 05:38:28\"}}",
            json!({ "provider": "zai", "cause": "allowance", "resets_at": "2026-09-08T21:38:28Z" }),
        ),
    ]);
    let text = text_of("Claude usage limit reached. Your limit will reset at Oct 6, 10am.");
    assert!(text.contains("Stop sending with this account until Oct 6, 10:00"), "{text}");
    assert!(!text.contains("Back off"), "{text}");
}

#[test]
fn a_spend_limit_that_the_customer_set_is_billing_with_a_reset_time() {
    for scope in ["", "workspace "] {
        let body = json!({ "type": "error", "error": { "type": "invalid_request_error",
            "message": format!("You have reached your specified {scope}API usage limits. You will regain access on 2026-04-01 at 00:00 UTC.") } });
        let expected = json!({ "provider": "anthropic", "status": 400, "cause": "billing", "resets_at": "2026-04-01T00:00:00Z", "terminal": true });
        assert_members(&one(body.to_string()), &expected, scope);
        assert_members(&one(format!("HTTP/2 400\n\n{body}")), &expected, scope);
    }
}

#[test]
fn azures_classic_sentence_names_its_axis() {
    let message = |kind: &str, wait: u32| {
        format!(
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-02-01 have exceeded {kind} rate limit of your current OpenAI S0 pricing tier. Please retry after {wait} seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit."
        )
    };
    for (kind, wait, axis, cause) in [
        ("token", 26, "tpm", "minute_limit"),
        ("call", 26, "rpm", "minute_limit"),
        ("token", 86_400, "tpd", "day_limit"),
        ("call", 86_400, "rpd", "day_limit"),
    ] {
        let text = message(kind, wait);
        let expected = json!({ "provider": "azure", "status": 429, "cause": cause, "axis": axis, "wait_s": f64::from(wait) });
        for paste in [
            text.clone(),
            json!({ "error": { "code": "429", "message": text } }).to_string(),
            format!(
                "openai.RateLimitError: Error code: 429 - {{'error': {{'code': '429', 'message': '{text}'}}}}"
            ),
        ] {
            assert_members(&one(&paste), &expected, &paste);
        }
    }
}

#[test]
fn a_quota_of_a_proxy_concerns_neither_the_key_nor_the_client() {
    for (kind, clock, wait) in [("call volume", "12:03:11", 43_391.0), ("bandwidth", "00:03:11", 191.0)] {
        let body = format!(
            "{{\"statusCode\":403,\"message\":\"Out of {kind} quota. Quota will be replenished in {clock}.\"}}"
        );
        let expected = json!({ "answered_by": "proxy", "server": "Azure API Management", "status": 403, "cause": "allowance", "wait_s": wait,
            "wait_meaning": "until_window_ends", "terminal": false });
        let bare = format!("Out of {kind} quota. Quota will be replenished in {clock}.");
        for paste in [body.clone(), format!("HTTP/1.1 403 Quota Exceeded\n\n{body}"), bare] {
            assert_members(&one(&paste), &expected, &paste);
            let text = text_of(&paste);
            assert!(!text.contains("the key") && !text.contains("user agent"), "{text}");
        }
    }
}

#[test]
fn githubs_limit_is_not_kongs() {
    let body = json!({ "message": "API rate limit exceeded for user ID 1.",
        "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api" });
    let expected = json!({ "provider": "github_models", "answered_by": "provider", "server": null, "cause": "minute_limit",
        "unit": "requests", "window_s": 3_600.0, "scope": "user", "terminal": false });
    for paste in [body.to_string(), format!("HTTP/2 403\nserver: github.com\n\n{body}")] {
        assert_members(&one(&paste), &expected, &paste);
    }
    assert_members(
        &one("{\"message\":\"API rate limit exceeded\"}"),
        &json!({ "answered_by": "proxy", "server": "Kong" }),
        "Kong's own",
    );
}

#[test]
fn fireworks_suspends_an_account_with_412() {
    let body = json!({ "error": { "object": "error", "type": "invalid_request_error", "code": "suspended",
        "message": "Account x is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices. Please go to https://fireworks.ai/account/billing for more information." } });
    let expected = json!({ "provider": "fireworks", "status": 412, "cause": "billing", "terminal": true });
    assert_members(&one(body.to_string()), &expected, "suspended");
}

#[test]
fn googles_unnamed_quota_is_read_in_every_form_and_noted_as_unnamed() {
    let expected = json!({ "provider": "gemini", "status": 429, "cause": "minute_limit", "axis": null, "window_s": null, "wait_s": null, "terminal": false });
    for paste in [
        "google.api_core.exceptions.ResourceExhausted: 429 Resource has been exhausted (e.g. check quota).",
        "google.api_core.exceptions.TooManyRequests: 429 POST https://generativelanguage.googleapis.com/v1beta/models/gemini-pro:generateContent: Resource has been exhausted (e.g. check quota).",
        "Retrying langchain_google_genai.chat_models._chat_with_retry.<locals>._chat_with_retry in 2.0 seconds as it raised ResourceExhausted: 429 Resource has been exhausted (e.g. check quota)..",
        "[GoogleGenerativeAI Error]: Error fetching from https://generativelanguage.googleapis.com/v1beta/models/gemini-1.5-pro:generateContent: [429 Too Many Requests] Resource has been exhausted (e.g. check quota).",
        "{\"error\":{\"code\":429,\"message\":\"Resource has been exhausted (e.g. check quota).\",\"status\":\"RESOURCE_EXHAUSTED\"}}",
    ] {
        assert_members(&one(paste), &expected, paste);
        let text = text_of(paste);
        assert!(text.contains("Google does not say which quota refused"), "{text}");
    }
}

#[test]
fn googles_details_are_read_as_python_and_node_print_them() {
    let quota = "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.";
    for (id, value, axis, cause) in [
        ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", 15, "rpm", "minute_limit"),
        ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", 200, "rpd", "day_limit"),
        ("GenerateContentInputTokensPerModelPerMinute-FreeTier", 250_000, "itpm", "minute_limit"),
    ] {
        let metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests";
        let python = format!(
            "429 {quota} [violations {{\n  quota_metric: \"{metric}\"\n  quota_id: \"{id}\"\n  quota_dimensions {{\n    key: \"location\"\n    value: \"global\"\n  }}\n  quota_dimensions {{\n    key: \"model\"\n    value: \"gemini-2.0-flash\"\n  }}\n  quota_value: {value}\n}}\n, links {{\n  description: \"Learn more about Gemini API quotas\"\n  url: \"https://ai.google.dev/gemini-api/docs/rate-limits\"\n}}\n, retry_delay {{\n  seconds: 38\n}}\n]"
        );
        let details = json!([
            { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{ "quotaMetric": metric, "quotaId": id,
                "quotaDimensions": { "model": "gemini-2.0-flash", "location": "global" }, "quotaValue": value.to_string() }] },
            { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s" }
        ]);
        // serde_json sorts members, and `@` sorts before letters.
        let node = format!(
            "GoogleGenerativeAIFetchError: [GoogleGenerativeAI Error]: Error fetching from https://generativelanguage.googleapis.com/v1beta/models/gemini-2.0-flash:generateContent: [429 Too Many Requests] You exceeded your current quota, please check your plan and billing details. {details}"
        );
        let expected = json!({ "provider": "gemini", "status": 429, "cause": cause, "axis": axis, "limit": value, "wait_s": 38.0,
            "model": "gemini-2.0-flash", "terminal": false });
        for paste in [
            format!("google.api_core.exceptions.ResourceExhausted: {python}"),
            format!(
                "Retrying langchain_google_genai.chat_models._chat_with_retry.<locals>._chat_with_retry in 2.0 seconds as it raised ResourceExhausted: {python}."
            ),
            // As a service passes on the text of the exception.
            json!({ "detail": python }).to_string(),
            json!({ "error": { "message": python } }).to_string(),
            node,
        ] {
            assert_members(&one(&paste), &expected, &paste);
        }
    }
}

#[test]
fn openais_sentence_about_credit_is_billing_without_its_link() {
    let sentence = "You exceeded your current quota, please check your plan and billing details.";
    for paste in [
        format!("openai.error.RateLimitError: {sentence}"),
        format!("Error: 429 {sentence}"),
        json!({ "error": { "message": sentence } }).to_string(),
    ] {
        let expected = json!({ "provider": "openai", "status": 429, "cause": "billing", "terminal": true });
        assert_members(&one(&paste), &expected, &paste);
    }
}

#[test]
fn litellms_own_limits_state_their_type_and_reset_time() {
    for (kind, axis, cause) in [
        ("requests", "rpm", "minute_limit"),
        ("tokens", "tpm", "minute_limit"),
        ("max_parallel_requests", "concurrency", "concurrency"),
    ] {
        let message = format!(
            "Rate limit exceeded for api_key: abc. Limit type: {kind}. Current limit: 10, Remaining: 0. Limit resets at: 2026-11-29 16:20:00 UTC"
        );
        let body = json!({ "error": { "message": message, "type": "None", "param": "None", "code": "429" } });
        let expected = json!({ "answered_by": "gateway", "server": "LiteLLM", "cause": cause, "axis": axis, "limit": 10,
            "resets_at": "2026-11-29T16:20:00Z", "terminal": false });
        assert_members(&one(body.to_string()), &expected, kind);
    }
}

#[test]
fn cloudflares_codes_imply_their_status() {
    let page = "<!DOCTYPE html>\n<html><head>\n<title>Access denied | api.groq.com used Cloudflare to restrict access</title></head><body><h1><span>Error</span><span class=\"code-label\">1015</span></h1><h2>You are being rate limited</h2></body></html>";
    for (paste, status) in [
        ("error code: 1015", 429),
        ("error code: 1010", 403),
        (page, 429),
        (&page.replace("1015", "1020"), 403),
    ] {
        let expected =
            json!({ "answered_by": "proxy", "server": "Cloudflare", "status": status, "cause": "other" });
        assert_members(&one(paste), &expected, paste);
    }
}

#[test]
fn sentences_that_name_their_sender_or_model_are_read() {
    check_all(&[
        (
            "Rate limit reached for gpt-image-1 (for limit gpt-image) in organization org-abc on input-images per min: Limit 250, Used 250, Requested 2. Please try again in 480ms.",
            json!({ "provider": "openai", "model": "gpt-image-1", "limit": 250, "wait_s": 0.48 }),
        ),
        (
            "{\"error\":{\"code\":400,\"message\":\"User location is not supported for the API use.\",\"status\":\"FAILED_PRECONDITION\"}}",
            json!({ "status": 400, "advice": ["Change where the request comes from: the client was refused, not the key. No retry can succeed."] }),
        ),
        (
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
            json!({ "provider": "anthropic", "status": 400, "cause": "billing", "terminal": true }),
        ),
    ]);
}
