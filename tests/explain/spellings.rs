//! Many spellings of a limit and of its wait, and the numbers of a limit in every order.

use super::{assert_members, one};
use serde_json::{Value, json};

/// Windows: two names, the letter in abbreviations, the length in seconds, and the cause of a limit over it.
const WINDOWS: [(&str, &str, Option<char>, u64, &str); 6] = [
    ("second", "sec", Some('S'), 1, "minute_limit"),
    ("minute", "min", Some('M'), 60, "minute_limit"),
    ("hour", "hr", Some('H'), 3_600, "minute_limit"),
    ("day", "day", Some('D'), 86_400, "day_limit"),
    ("week", "week", None, 604_800, "allowance"),
    ("month", "month", None, 2_592_000, "allowance"),
];

/// Units: the name in texts, the letters in abbreviations, and the name in the output.
const UNITS: [(&str, Option<&str>, &str); 4] = [
    ("requests", Some("R"), "requests"),
    ("tokens", Some("T"), "tokens"),
    ("input tokens", Some("IT"), "input_tokens"),
    ("output tokens", Some("OT"), "output_tokens"),
];

fn axis(unit: &str, seconds: u64) -> Value {
    match (unit, seconds) {
        ("requests", 1) => json!("rps"),
        ("requests", 60) => json!("rpm"),
        ("requests", 3_600) => json!("rph"),
        ("requests", 86_400) => json!("rpd"),
        ("requests", 604_800) => json!("rpw"),
        ("requests", 2_592_000) => json!("rpmonth"),
        ("tokens", 1) => json!("tps"),
        ("tokens", 60) => json!("tpm"),
        ("tokens", 3_600) => json!("tph"),
        ("tokens", 86_400) => json!("tpd"),
        ("tokens", 604_800) => json!("tpw"),
        ("tokens", 2_592_000) => json!("tpmonth"),
        ("input_tokens", 60) => json!("itpm"),
        ("output_tokens", 60) => json!("otpm"),
        _ => json!(null),
    }
}

fn body(message: &str) -> String {
    json!({ "error": { "message": message, "type": "error", "code": 429 } }).to_string()
}

#[test]
fn every_spelling_of_a_limit_is_understood() {
    for (window, short, letter, seconds, cause) in WINDOWS {
        for (unit, letters, name) in UNITS {
            let mut messages = vec![
                format!("Rate limit reached: 30 {unit} per {window}. Slow down."),
                format!("You exceeded your limit of 30 {unit}/{short}."),
                format!("Too many calls: the limit is 30 {unit} per {seconds}s."),
                format!("Rate limit exceeded, limit: 30 {unit} per {seconds} seconds"),
                format!("Quota of 30 {unit} a {window} used up."),
            ];
            if let Some((letters, letter)) = letters.zip(letter) {
                messages.push(format!("{letters}P{letter} limit reached, limit: 30."));
                messages.push(format!("Rate limit reached on ({letters}P{letter}): Limit 30, Used 30"));
                messages.push(format!("Your account reached organization max {letters}P{letter}, limit 30"));
            }
            for message in messages {
                let expected = json!({ "cause": cause, "unit": name, "window_s": seconds as f64, "limit": 30, "axis": axis(name, seconds) });
                assert_members(&one(body(&message)), &expected, &message);
            }
        }
    }
}

/// If the numbers prove a longer window than the name states, the explanation uses that window. If they prove a shorter one,
/// the explanation uses the name and notes the contradiction.
#[test]
fn numbers_that_prove_a_longer_window_than_the_name_are_believed() {
    let names = [
        ("requests per min (RPM)", 60, "minute_limit", "rpm"),
        ("requests per day (RPD)", 86_400, "day_limit", "rpd"),
    ];
    let windows = [
        (60, "minute_limit", json!("rpm")),
        (3_600, "minute_limit", json!("rph")),
        (86_400, "day_limit", json!("rpd")),
        (604_800, "allowance", json!("rpw")),
        (2_592_000, "allowance", json!("rpmonth")),
    ];
    for (name, named, named_cause, named_axis) in names {
        for (window, cause, axis) in &windows {
            // None of 10,000 requests is left: 50 of them refill in 0.5 % of the window.
            let wait = f64::from(*window) * 0.005;
            let message = format!(
                "Rate limit reached for m in organization org-x on {name}: Limit 10000, Used 10000, Requested 50. Please try again in {wait}s. Visit"
            );
            let explained = one(body(&message));
            let is_believed = *window >= named;
            let (cause, axis, seconds) = if is_believed {
                (*cause, axis.clone(), *window)
            } else {
                (named_cause, json!(named_axis), named)
            };
            let expected =
                json!({ "cause": cause, "axis": axis, "window_s": f64::from(seconds), "wait_s": wait });
            assert_members(&explained, &expected, &message);
            let notes = explained["notes"].to_string();
            assert_eq!(
                notes.contains("The explanation uses the numbers"),
                *window > named,
                "{name} {window}: {notes}"
            );
            assert_eq!(notes.contains("one of them is wrong"), *window < named, "{name} {window}: {notes}");
        }
    }
}

#[test]
fn adjectives_and_spans_name_windows() {
    for (message, seconds, cause) in [
        ("You have exceeded your daily quota.", 86_400, "day_limit"),
        ("Daily limit exceeded", 86_400, "day_limit"),
        ("You hit your weekly usage limit.", 604_800, "allowance"),
        ("Hourly request limit reached", 3_600, "minute_limit"),
        ("monthly token quota exceeded", 2_592_000, "allowance"),
        ("5-hour limit reached", 18_000, "allowance"),
        ("Your 5 hour usage limit is reached", 18_000, "allowance"),
        ("24-hour limit reached", 86_400, "day_limit"),
        ("Rate limit of 10 per 18000s exceeded", 18_000, "allowance"),
        ("已达到每日使用上限", 86_400, "day_limit"),
        ("超过每分钟请求上限", 60, "minute_limit"),
    ] {
        let expected = json!({ "cause": cause, "window_s": f64::from(seconds) });
        assert_members(&one(body(message)), &expected, message);
        let flat = json!({ "message": message }).to_string();
        assert_members(&one(flat), &expected, message);
    }
}

/// The numbers of a limit in any order, with any separator and label.
#[test]
fn numbers_are_read_in_any_order() {
    let parts = ["Limit 30000", "Used 29937", "Requested 385"];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let expected = json!({ "axis": "tpm", "limit": 30_000, "used": 29_937, "requested": 385 });
    for order in orders {
        for (separator, colon) in [(", ", " "), ("; ", ": "), (" | ", "="), (", ", ": ")] {
            let parts = order.map(|index| parts[index].replace(' ', colon));
            for parts in [parts.join(separator), parts.join(separator).to_lowercase()] {
                let message = format!(
                    "Rate limit reached on tokens per min (TPM): {parts}. Please try again in 644ms."
                );
                assert_members(&one(body(&message)), &expected, &message);
            }
        }
    }
    for (message, limit, used) in [
        ("reached project TPM rate limit, current: 1,410, limit: 1,000", json!(1_000), json!(1_410)),
        ("tokens per minute (actual/limit): 65605/16000", json!(16_000), json!(65_605)),
        ("TPM limit reached (65605/16000)", json!(16_000), json!(65_605)),
        ("TPM limit of 30k exceeded", json!(30_000), json!(null)),
        ("TPM: limit is 1.5M.", json!(1_500_000), json!(null)),
    ] {
        assert_members(&one(body(message)), &json!({ "axis": "tpm", "limit": limit, "used": used }), message);
    }
}

/// If a message of xAI states several limits, the one that is used up has refused.
#[test]
fn of_two_limits_in_a_message_the_used_up_one_is_named() {
    let message = |requests: &str, tokens: &str, requests_first: bool| {
        let (requests, tokens) = (
            format!("Requests per Minute (actual/limit): {requests}"),
            format!("Tokens per Minute (actual/limit): {tokens}"),
        );
        let (first, second) = if requests_first { (requests, tokens) } else { (tokens, requests) };
        format!("HTTP/2 429\n\nToo many requests for team t and model grok-4. {first}, {second}. Slow down")
    };
    for requests_first in [true, false] {
        let full_tokens = one(message("12/480", "65605/16000", requests_first));
        assert_members(
            &full_tokens,
            &json!({ "provider": "xai", "axis": "tpm", "used": 65_605, "limit": 16_000 }),
            "tokens",
        );
        let full_requests = one(message("480/480", "5/16000", requests_first));
        assert_members(&full_requests, &json!({ "axis": "rpm", "used": 480, "limit": 480 }), "requests");
        let both = one(message("480/480", "16000/16000", requests_first));
        assert_eq!(both["limit"], json!(null), "it does not say which: {both:#}");
    }
}

/// A wait in words, in members, in headers, as a length or as a moment.
#[test]
fn every_form_of_a_wait_is_read() {
    const HEAD: &str = "HTTP/1.1 429 Too Many Requests\ndate: Wed, 18 Feb 2026 08:48:00 GMT\n";
    let in_words = [
        "Please try again in 90 seconds.",
        "Please try again in 1m30s.",
        "Retry after 1 minute and 30 seconds.",
        "Please wait 1.5 minutes before retrying.",
        "Try again in 1 min 30 sec.",
        "Your limit resets in 90s.",
        "It resets at 2026-02-18T08:49:30Z.",
        "It resets at 2026-02-18 08:49:30 UTC.",
        "It resets at 2026-02-18 16:49:30 (Asia/Shanghai).",
        "It resets at 2026-02-18 00:49:30 PST.",
        "It will be available again at Wed, 18 Feb 2026 08:49:30 GMT.",
        "Usage limit reached|1771404570",
        "Quota will be replenished in 00:01:30.",
        "请在 90 秒后重试",
    ];
    for words in in_words {
        let text = format!("{HEAD}\n{}", json!({ "error": { "message": format!("Rate limited. {words}") } }));
        assert_eq!(one(&text)["wait_s"], json!(90.0), "{words}");
    }
    for member in [
        json!({ "retry_after": 90 }),
        json!({ "retry_after": "90" }),
        json!({ "retryAfter": 90.0 }),
        json!({ "retry-after-ms": 90_000 }),
        json!({ "retry_after_seconds": 90 }),
        json!({ "retryDelay": "90s" }),
        json!({ "retryDelay": "1m30s" }),
        json!({ "resets_in_seconds": 90 }),
        json!({ "resets_at": 1_771_404_570 }),
        json!({ "resets_at": 1_771_404_570_000_u64 }),
        json!({ "reset_at": "2026-02-18T08:49:30Z" }),
        json!({ "retry_after": "PT90S" }),
        json!({ "metadata": { "retry_after": 90 } }),
    ] {
        let mut error = json!({ "message": "Rate limited" });
        error.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        for body in [json!({ "error": error }), error, {
            let mut outer = json!({ "error": { "message": "Rate limited" } });
            outer.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
            outer
        }] {
            assert_eq!(one(format!("{HEAD}\n{body}"))["wait_s"], json!(90.0), "{body}");
        }
    }
    for header in [
        "retry-after: 90",
        "Retry-After: 90.0",
        "retry-after-ms: 90000",
        "retry-after: Wed, 18 Feb 2026 08:49:30 GMT",
        "retry-after: 1771404570",
        "llm_provider-retry-after: 90",
    ] {
        assert_eq!(one(format!("{HEAD}{header}\n\nslow down"))["wait_s"], json!(90.0), "{header}");
    }
}

#[test]
fn a_missing_or_invalid_wait_is_null() {
    for (header, words) in [
        ("", "Please try again later."),
        ("", "Please wait 0 seconds."),
        ("retry-after: 0\n", "No."),
        ("retry-after: soon\n", "No."),
        ("retry-after: -1\n", "No."),
    ] {
        let text = format!(
            "HTTP/1.1 429 X\n{header}\n{}",
            json!({ "error": { "message": format!("Rate limited. {words}") } })
        );
        assert_eq!(one(&text)["wait_s"], json!(null), "{text}");
    }
}

/// The text states "this request fits then" only if the numbers prove it.
#[test]
fn a_wait_is_certain_only_if_the_numbers_prove_it() {
    let message = |wait: &str| {
        body(&format!(
            "Rate limit reached on requests per minute (RPM): Limit 30, Used 30, Requested 1. Please try again in {wait}. Visit"
        ))
    };
    for (wait, meaning) in
        [("2s", "until_enough"), ("1.724s", "until_enough"), ("20s", "suggested"), ("59s", "suggested")]
    {
        assert_eq!(one(message(wait))["wait_meaning"], json!(meaning), "{wait}");
    }
    let beyond = one(body("Limit of 30 requests per minute reached. Retry after 3 hours."));
    assert!(beyond["notes"].to_string().contains("longer than the window"), "{beyond:#}");
}

/// A billing error is never explained as a rate limit or as a wrong key, whatever its status.
#[test]
fn billing_is_never_explained_as_throttling_or_a_wrong_key() {
    for message in [
        "Your account has insufficient balance.",
        "Insufficient credits. Add more using https://example.com/credits",
        "Your credit balance is too low to access the API.",
        "The organization has reached its spend limit.",
        "You have reached your monthly spending limit.",
        "Your prepayment credits are depleted.",
        "your subscription payment is past due",
        "You ran out of credits. Rate limits do not apply.",
        "This request requires more credits, or fewer max_tokens. You requested up to 1000 tokens, but can only afford 2.",
        "账户余额不足，请充值",
        "Access denied: your account is in arrears",
    ] {
        for status in [400, 402, 403, 429, 500, 503] {
            let text = format!(
                "HTTP/1.1 {status} X\nretry-after: 5\n\n{}",
                json!({ "error": { "message": message } })
            );
            let explained = one(&text);
            assert_members(
                &explained,
                &json!({ "cause": "billing", "terminal": true, "wait_meaning": "meaningless" }),
                message,
            );
            assert!(!explained["advice"].to_string().contains("Check the key"), "{explained:#}");
        }
    }
    // A message that advertises a better plan is not a billing error.
    for message in [
        "Rate limit reached on requests per minute (RPM): Limit 3, Used 3, Requested 1. You can increase your rate limit by adding a payment method to your account at https://example.com/account/billing.",
        "Your rate limit is 60 queries per minute. Please navigate to https://example.com/settings/billing to upgrade to a paid plan.",
    ] {
        assert_eq!(one(body(message))["cause"], json!("minute_limit"), "{message}");
    }
}
