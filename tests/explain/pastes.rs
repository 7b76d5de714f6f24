//! Public refusals with the expected explanations, which were written by hand from the texts.

use super::{assert_members, check, one, paste};
use serde_json::json;

const FIVE_HOURS: u64 = 5 * 3_600;
const WEEK: u64 = 7 * 86_400;
const MONTH: u64 = 30 * 86_400;

/// 96,749 + 19,126 − 100,000 = 15,875 of 100,000, and 114h18m are 0.15875 of 30 days.
#[test]
fn tokens_per_minute_that_refill_in_a_month_are_an_allowance() {
    check(
        "b01-tokens-per-min-of-a-month",
        &[
            json!({ "provider": "openai", "cause": "allowance", "axis": "tpmonth", "unit": "tokens", "window_s": MONTH as f64,
            "limit": 100_000, "used": 96_749, "requested": 19_126, "wait_s": 411_480.0, "terminal": false }),
        ],
        &[
            "The name says per minute, but the numbers say per 30 days",
            "Add a payment method",
            "Stop sending",
        ],
        &["Pace", "tokens-per-minute"],
    );
}

#[test]
fn github_models_states_limits_per_day_per_minute_and_of_concurrency_in_one_format() {
    check(
        "b02-github-models",
        &[
            json!({ "provider": "github_models", "cause": "day_limit", "axis": "rpd", "limit": 50, "wait_s": 5_631.0, "scope": "user and model" }),
            json!({ "cause": "minute_limit", "axis": "rpm", "limit": 24, "wait_s": 9.0, "window_s": 60.0 }),
            json!({ "cause": "concurrency", "axis": "concurrency", "limit": 2, "wait_s": null, "window_s": null }),
            json!({ "cause": "too_large", "status": 413, "limit": 8_000, "model": "gpt-4o", "terminal": true, "wait_s": null }),
            json!({ "cause": "day_limit", "axis": "rpd", "wait_s": 5_631.0, "limit": null }),
        ],
        &["wait for your own calls", "advertises 20000, which is not the limit that refused", "Reply 5 of 5"],
        &["this request fits then"],
    );
}

#[test]
fn kimi_states_current_and_limit_and_a_403_may_be_billing() {
    check(
        "b03-kimi",
        &[
            json!({ "provider": "moonshot", "cause": "day_limit", "axis": "tpd", "used": 1_526_210, "limit": 1_500_000, "scope": "organisation" }),
            json!({ "cause": "minute_limit", "axis": "tpm", "used": 1_410, "limit": 100, "scope": "project" }),
            json!({ "cause": "minute_limit", "axis": "rpm", "limit": 20, "wait_s": 1.0 }),
            json!({ "cause": "overload", "provider": null, "axis": null, "terminal": false }),
        ],
        &["102 % of the limit"],
        &[],
    );
    check(
        "b03-kimi-403",
        &[json!({ "provider": "moonshot", "cause": "billing", "terminal": true, "status": 403 })],
        &["Check the account's balance"],
        &["Check the key"],
    );
}

#[test]
fn zai_states_beijing_time_without_a_zone() {
    check(
        "b04-zai",
        &[json!({ "provider": "zai", "cause": "allowance", "window_s": FIVE_HOURS as f64, "wait_s": 5_308.0,
            "resets_at": "2026-09-08T21:38:28Z", "wait_meaning": "until_window_ends" })],
        &["1h28m28s", "read as UTC, the wait would be 9h28m28s"],
        &[],
    );
    check(
        "b04-zai-chinese",
        &[
            json!({ "cause": "allowance", "window_s": FIVE_HOURS as f64, "wait_s": null, "resets_at": "2026-08-24T23:41:44Z" }),
        ],
        &["not UTC"],
        &[],
    );
    check(
        "b04-zai-1302",
        &[json!({ "provider": "zai", "cause": "concurrency", "axis": "concurrency" })],
        &["in flight"],
        &[],
    );
}

#[test]
fn dashscope_states_a_limit_per_minute_with_the_code_for_billing() {
    let minute = json!({ "provider": "dashscope", "cause": "minute_limit", "axis": "tpm", "window_s": 60.0, "wait_s": 60.0, "terminal": false });
    check("b05-dashscope", &[minute.clone(), minute], &["Wait 1m"], &["balance"]);
    let openai = r#"{"error":{"code":"insufficient_quota","message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota"}}"#;
    assert_members(
        &one(openai),
        &json!({ "provider": "openai", "cause": "billing", "terminal": true }),
        "OpenAI's own",
    );
}

#[test]
fn codex_states_an_allowance_in_members_and_headers() {
    let allowance = |wait: f64| {
        json!({ "provider": "codex", "cause": "allowance", "axis": null, "wait_s": wait, "terminal": false,
        "wait_meaning": "until_window_ends" })
    };
    check("b06-codex-body", &[allowance(602_705.0)], &["Use another account"], &["Pace"]);
    check(
        "b06-codex-headers-in-body",
        &[allowance(13_872.0)],
        &["80 % of the allowance of 7 days is used", "100 % of the allowance of 5 hours is used"],
        &[],
    );
    check("b06-codex-log", &[allowance(471_285.0)], &["100 % of the allowance of 7 days is used"], &[]);
    let body = one(paste("b06-codex-headers-in-body"));
    assert_eq!(
        (&body["window_s"], body["allowances"].as_array().map(Vec::len)),
        (&json!(FIVE_HOURS as f64), Some(2))
    );
    assert_eq!(one(paste("b06-codex-log"))["window_s"], json!(WEEK as f64));
}

#[test]
fn a_claude_subscription_states_shares_of_rolling_windows() {
    check(
        "b07-claude-subscription",
        &[
            json!({ "provider": "anthropic", "cause": "allowance", "axis": null, "window_s": FIVE_HOURS as f64, "wait_s": 13_262.0,
            "wait_meaning": "until_full", "allowances": [{ "window_s": FIVE_HOURS as f64, "used_percent": 108.0, "reset_s": null }] }),
        ],
        &[
            "108 % of the allowance of 5 hours is used",
            "at the latest",
            "disabled by the organisation",
            "may fit sooner",
        ],
        &["rpm", "itpm", "this request fits then"],
    );
}

#[test]
fn errors_may_be_a_list() {
    check(
        "b08-errors-lists",
        &[
            json!({ "provider": "watsonx", "cause": "minute_limit", "unit": "requests", "window_s": 1.0, "limit": 2, "wait_s": 1.0, "scope": "instance" }),
            json!({ "provider": "workers_ai", "cause": "day_limit", "unit": "neurons", "window_s": 86_400.0, "limit": 10_000, "terminal": false }),
        ],
        &["Spread the requests", "00:00 UTC"],
        &[],
    );
}

#[test]
fn a_limit_on_concurrency_is_distinguished_from_a_rate_limit() {
    check(
        "b09-retry-after-member",
        &[
            json!({ "provider": null, "cause": "concurrency", "axis": "concurrency", "wait_s": 10.0, "scope": "client", "terminal": false }),
        ],
        &["fewer parallel workers help", "Wait 10s"],
        &["this request fits then"],
    );
}

#[test]
fn exceptions_that_python_prints_are_read() {
    check(
        "b10-python-too-large",
        &[
            json!({ "provider": "openai", "cause": "too_large", "axis": "tpm", "limit": 30_000, "requested": 30_601, "terminal": true }),
        ],
        &["larger than the tokens-per-minute limit", "601 too much"],
        &["Retry in"],
    );
    check(
        "b10-python-billing",
        &[json!({ "provider": "openai", "cause": "billing", "terminal": true })],
        &["balance"],
        &[],
    );
    check(
        "b10-python-cut",
        &[
            json!({ "cause": "too_large", "status": 413, "limit": 6_000, "requested": 7_591, "model": null, "terminal": true }),
        ],
        &["1591 too much", "ends in the middle"],
        &["imposes this maximum"],
    );
}

#[test]
fn an_error_inside_a_stream_is_read() {
    check(
        "b11-sse-bedrock",
        &[
            json!({ "provider": "bedrock", "cause": "minute_limit", "axis": "rpm", "terminal": false, "status": 429 }),
        ],
        &["inside a stream"],
        &[],
    );
    check(
        "b11-sse-unnamed",
        &[json!({ "cause": "other", "status": 429, "terminal": false })],
        &["inside a stream"],
        &[],
    );
    check(
        "b11-sse-worker",
        &[
            json!({ "cause": "overload", "axis": "concurrency", "used": 33, "limit": 32, "scope": "provider worker" }),
        ],
        &["not a quota of yours"],
        &["Limit the client"],
    );
}

#[test]
fn a_gateway_that_lists_refusals_is_not_overloaded() {
    check(
        "b12-gateway-list",
        &[
            json!({ "status": 502, "answered_by": "gateway", "server": "TensorZero", "cause": "allowance", "window_s": FIVE_HOURS as f64,
            "provider": "zai", "terminal": false }),
        ],
        &["lists 2 refusals of others", "Do not retry within seconds", "past due"],
        &["overloaded"],
    );
    let explained = one(paste("b12-gateway-list"));
    let causes: Vec<_> = explained["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| (&refusal["cause"], &refusal["provider"], &refusal["status"]))
        .collect();
    assert_eq!(
        causes,
        [(&json!("allowance"), &json!("zai"), &json!(429)), (&json!("billing"), &json!(null), &json!(403))]
    );
}

#[test]
fn waits_in_headers_and_messages_are_read() {
    check(
        "b13a-anthropic-headers",
        &[json!({ "provider": "anthropic", "axis": "itpm", "wait_s": 4.0, "wait_meaning": "until_enough" })],
        &["full again in 1m1s"],
        &[],
    );
    check(
        "b13b-epoch",
        &[json!({ "wait_s": 60.0, "terminal": false })],
        &["a moment in Unix time, 2026-02-18T08:49:00Z"],
        &["this request fits then"],
    );
    check("b13c-retry-after-ms", &[json!({ "wait_s": 7.0 })], &[], &[]);
    check(
        "b13d-weekly",
        &[json!({ "cause": "allowance", "window_s": WEEK as f64, "wait_s": 208_800.0 })],
        &[],
        &[],
    );
    check(
        "b13e-monthly",
        &[json!({ "cause": "allowance", "window_s": MONTH as f64, "wait_s": 1_382_400.0 })],
        &[],
        &[],
    );
    let without_date =
        String::from_utf8(paste("b13b-epoch")).unwrap().replace("date: Wed, 18 Feb 2026 08:48:00 GMT\n", "");
    let explained = one(without_date);
    assert_eq!(explained["wait_s"], json!(null));
    assert!(explained["notes"][0].as_str().unwrap().contains("too long for a wait"), "{explained}");
}

#[test]
fn limits_per_second_and_per_hour_are_distinguished() {
    check(
        "b14-cerebras-second",
        &[
            json!({ "provider": "cerebras", "cause": "minute_limit", "unit": "requests", "window_s": 1.0, "wait_s": 1.0 }),
        ],
        &["a wait of a second is enough"],
        &[],
    );
    check(
        "b14-siliconflow-hour",
        &[
            json!({ "provider": "siliconflow", "cause": "minute_limit", "unit": "requests", "window_s": 3_600.0, "axis": "rph" }),
        ],
        &[],
        &["per minute"],
    );
    check(
        "b14-siliconflow-minute",
        &[json!({ "cause": "minute_limit", "axis": "tpm", "window_s": 60.0 })],
        &[],
        &[],
    );
}

/// RFC 9110 lets a client repeat a request that timed out (408); RFC 8470, one that came too early (425).
#[test]
fn a_temporary_status_is_not_terminal() {
    for (status, is_terminal) in
        [(400, true), (404, true), (408, false), (418, true), (425, false), (500, false)]
    {
        let reply = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n\r\n{{\"error\":{{\"message\":\"no\"}}}}"
        );
        assert_eq!(one(&reply)["terminal"], json!(is_terminal), "{status}");
        let text = quotalab::explain::text(&super::explained(&reply));
        assert_eq!(text.contains("No retry") || text.contains("never succeed"), is_terminal, "{text}");
    }
}

#[test]
fn the_pseudo_header_of_http_2_is_a_status_line() {
    let explained = one(":status: 429\nretry-after: 7\n\n{\"error\":{\"message\":\"slow down\"}}");
    assert_members(&explained, &json!({ "status": 429, "wait_s": 7.0 }), ":status");
}
