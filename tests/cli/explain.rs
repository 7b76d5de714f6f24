//! `explain`: which limit refused, and what to do.

use super::{arg, quotalab, quotalab_reading, scratch};
use serde_json::{Value, json};
use std::fs;

fn body(message: &str, kind: &str) -> String {
    json!({ "error": { "message": message, "type": kind, "code": "rate_limit_exceeded" } }).to_string()
}

/// Returns a refusal that users published in 2026 (mock/tests/data).
fn tokens_per_day_refusal() -> String {
    body(
        "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_x` service tier `on_demand` on tokens per \
         day (TPD): Limit 100000, Used 98894, Requested 4273. Please try again in 45m36.288s. Need more tokens? Upgrade to Dev \
         Tier today at https://console.groq.com/settings/billing",
        "tokens",
    )
}

fn curl_output() -> String {
    format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 2737\r\n\
         x-ratelimit-limit-requests: 1000\r\nx-ratelimit-limit-tokens: 12000\r\nx-ratelimit-remaining-requests: 998\r\n\
         x-ratelimit-remaining-tokens: 11985\r\nx-ratelimit-reset-requests: 2m52.8s\r\nx-ratelimit-reset-tokens: 75ms\r\n\r\n{}",
        tokens_per_day_refusal()
    )
}

fn explained(text: &str) -> Value {
    let output = quotalab_reading(&["explain", "--json"], text.as_bytes());
    assert_eq!((output.code, output.err.as_str()), (0, ""), "{output:?}");
    output.json()
}

#[test]
fn json_output_has_the_documented_fields() {
    let fields = explained(&tokens_per_day_refusal());
    let names: Vec<&str> = fields.as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented = [
        "provider",
        "cause",
        "axis",
        "model",
        "limit",
        "used",
        "requested",
        "wait_s",
        "wait_meaning",
        "terminal",
        "advice",
        "answered_by",
        "server",
        "status",
        "unit",
        "window_s",
        "scope",
        "resets_at",
        "notes",
        "allowances",
        "refusals",
    ];
    documented.sort_unstable();
    assert_eq!(names, documented);
    let expected = json!({
        "provider": "groq", "cause": "day_limit", "axis": "tpd", "model": "llama-3.3-70b-versatile", "limit": 100_000,
        "used": 98_894, "requested": 4_273, "wait_s": 2736.288, "wait_meaning": "until_enough", "terminal": false,
        "advice": fields["advice"], "answered_by": "provider", "server": null, "status": 429, "unit": "tokens",
        "window_s": 86_400.0, "scope": "organisation", "resets_at": null, "notes": [], "allowances": [], "refusals": [],
    });
    assert_eq!(fields, expected);
    assert!(fields["advice"].as_array().is_some_and(|advice| advice.len() > 2));
}

#[test]
fn text_output_states_that_the_headers_omit_the_limit() {
    assert_eq!(
        explained(&curl_output()),
        explained(&tokens_per_day_refusal()),
        "headers add nothing to the fields here"
    );
    let output = quotalab_reading(&["explain"], curl_output().as_bytes());
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    for words in [
        "The tokens-per-day limit of organisation org_x on llama-3.3-70b-versatile is exhausted",
        "45m37s",
        "998 of 1000 rpd left",
        "tpd, the limit that refused, is missing",
        "What to do:",
    ] {
        assert!(output.out.contains(words), "no `{words}` in:\n{}", output.out);
    }
}

#[test]
fn a_file_gives_the_same_output_as_standard_input() {
    let path = scratch("explain").join("refusal.txt");
    fs::write(&path, curl_output()).unwrap();
    let output = quotalab(&["explain", arg(&path)]);
    assert_eq!(output, quotalab_reading(&["explain"], curl_output().as_bytes()));
}

#[test]
fn each_of_eight_causes_is_named_and_marked_terminal_or_not() {
    let limited = |axis: &str| {
        body(
            &format!(
                "Rate limit reached for model `m` in organization `o` service tier `on_demand` on {axis}: Limit 30, Used 30, Requested 1. Please try again in 2s."
            ),
            "requests",
        )
    };
    let too_large = "Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM): Limit 8000, Requested 10494, please reduce your message size and try again.";
    let other = |status: &str, message: &str| {
        format!("HTTP/2 {status}\n\n{}", body(message, "invalid_request_error"))
    };
    for (text, cause, terminal) in [
        (limited("requests per minute (RPM)"), "minute_limit", false),
        (limited("requests per day (RPD)"), "day_limit", false),
        (limited("concurrent requests (CONCURRENCY)"), "concurrency", false),
        (body(too_large, "tokens"), "too_large", true),
        (other("503 Service Unavailable", "m is currently over capacity."), "overload", false),
        (other("401 Unauthorized", "Invalid API Key"), "auth", true),
        (other("402 Payment Required", "Pay first"), "billing", true),
        (other("400 Bad Request", "What?"), "other", true),
        (
            other("400 Bad Request", "Please reduce the length of the messages or completion."),
            "too_large",
            true,
        ),
    ] {
        let fields = explained(&text);
        assert_eq!((&fields["cause"], &fields["terminal"]), (&json!(cause), &json!(terminal)), "{text}");
        assert_eq!(quotalab_reading(&["explain"], text.as_bytes()).code, 0);
    }
}

/// Explains a refusal of each of seven providers, as published (tests/data) or documented.
#[test]
fn the_explanation_follows_the_rules_of_the_provider() {
    let openai = json!({ "error": { "message": "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29937, Requested 385. Please try again in 644ms. Visit https://platform.openai.com/account/rate-limits to learn more.", "type": "tokens", "code": "rate_limit_exceeded" } });
    let cerebras = json!({ "message": "Tokens per minute limit exceeded - too many tokens processed.", "type": "too_many_tokens_error", "param": "quota", "code": "token_quota_exceeded" });
    let gemini = json!([{ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota. Please retry in 36.4s.", "details": [
        { "violations": [{ "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "20", "quotaDimensions": { "model": "gemini-3.6-flash" } }] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36s" }] } }]);
    let anthropic = json!({ "type": "error", "error": { "type": "rate_limit_error", "message": "This request would exceed your organization's rate limit of 30,000 input tokens per minute (org: acme, model: claude-sonnet-4-20250514). For details, refer to: https://docs.claude.com/en/api/rate-limits." } });
    let busy = json!({ "error": { "message": "Model busy, retry later", "code": "engine_overloaded" } });
    let mistral = json!({ "object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300", "raw_status_code": 429 });
    let xai = "HTTP/2 429\n\nYour team t has either used all available credits or reached its monthly spending limit.";
    for (text, provider, cause, axis, words) in [
        (
            openai.to_string(),
            "openai",
            "minute_limit",
            json!("tpm"),
            "the prompt counts at admission, max_tokens does not",
        ),
        (cerebras.to_string(), "cerebras", "minute_limit", json!("tpm"), "Always send max_tokens"),
        (gemini.to_string(), "gemini", "day_limit", json!("rpd"), "midnight Pacific time"),
        (
            anthropic.to_string(),
            "anthropic",
            "minute_limit",
            json!("itpm"),
            "limit of organisation acme on claude-sonnet-4-20250514",
        ),
        (busy.to_string(), "deepinfra", "overload", json!(null), "fall back to another provider"),
        (mistral.to_string(), "mistral", "minute_limit", json!(null), "Another key of the same workspace"),
        (xai.to_owned(), "xai", "billing", json!(null), "used all available credits"),
    ] {
        let fields = explained(&text);
        assert_eq!(
            (&fields["provider"], &fields["cause"], &fields["axis"]),
            (&json!(provider), &json!(cause), &axis),
            "{text}"
        );
        let output = quotalab_reading(&["explain"], text.as_bytes());
        assert!(output.out.contains(words), "no `{words}` in:\n{}", output.out);
        let given = quotalab_reading(&["explain", "--json", "--dialect", provider], text.as_bytes());
        assert_eq!(given.json(), fields, "given and detected dialect agree");
    }
    let fields = explained(&gemini.to_string());
    assert_eq!(
        (&fields["wait_s"], &fields["wait_meaning"], &fields["terminal"]),
        (&json!(36.4), &json!("meaningless"), &json!(false))
    );
}

#[test]
fn an_unknown_dialect_is_null_unless_given() {
    let text = b"HTTP/1.1 429 Too Many Requests\nx-ratelimit-reset: 2\n\nslow down";
    let output = quotalab_reading(&["explain", "--json"], text).json();
    assert_eq!(
        (&output["provider"], &output["cause"], &output["wait_s"]),
        (&json!(null), &json!("other"), &json!(null))
    );
    let output = quotalab_reading(&["explain", "--json", "--dialect", "together"], text).json();
    assert_eq!(
        (&output["provider"], &output["wait_s"], &output["wait_meaning"]),
        (&json!("together"), &json!(2.0), &json!("suggested"))
    );
}

#[test]
fn an_error_inside_a_success_is_explained() {
    let text = format!(
        "HTTP/1.1 200 OK\n\n{}",
        json!({ "error": { "message": "Rate limit exceeded: free-models-per-day", "code": 429 } })
    );
    let fields = quotalab_reading(&["explain", "--json", "--dialect", "openrouter"], text.as_bytes()).json();
    assert_eq!((&fields["cause"], &fields["axis"]), (&json!("day_limit"), &json!("rpd")));
}

#[test]
fn input_that_is_no_error_reply_exits_with_2() {
    let noise: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let success = b"HTTP/1.1 200 OK\n\n{}";
    for garbage in
        [&b""[..], b"  \n", b"hello", b"{}", b"[1, 2]", b"{\"error\": 3}", b"HTTP/1.1", success, &noise]
    {
        let output = quotalab_reading(&["explain"], garbage);
        assert_eq!((output.code, output.out.as_str()), (2, ""), "{output:?}");
        assert!(output.err.starts_with("error: "), "{}", output.err);
    }
    assert_eq!(quotalab(&["explain", "no/such/file"]).code, 2);
    assert_eq!(quotalab_reading(&["explain", "--dialect", "klingon"], curl_output().as_bytes()).code, 2);
}

#[test]
fn a_request_too_long_for_a_model_concerns_no_quota() {
    let body = r#"{"error":{"message":"`max_tokens` must be less than or equal to `65536`, the maximum value for `max_tokens` is less than the `context_window` for this model","type":"invalid_request_error","param":"max_tokens"}}"#;
    let fields = explained(body);
    assert_eq!(
        (&fields["cause"], &fields["limit"], &fields["terminal"]),
        (&json!("too_large"), &json!(65_536), &json!(true))
    );
    let output = quotalab_reading(&["explain"], body.as_bytes());
    for words in [
        "too long for this model",
        "The maximum is 65536 tokens",
        "not a quota",
        "larger context or longer completions",
    ] {
        assert!(output.out.contains(words), "no `{words}` in:\n{}", output.out);
    }
}
